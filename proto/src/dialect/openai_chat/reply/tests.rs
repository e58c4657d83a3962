//! What callers get, streamed and whole; and what they would read of it is what was said.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::canonical::{
    CallKind, Content, Delta, Event, Finish, FinishReason, Folded, Item, Meta, Opaque, OpaqueKind, Response,
    fold,
};
use crate::dialect::openai_chat::fixtures::{asked, carrier, cases, read, reply, streamed};
use crate::dialect::openai_chat::{decode_request, decode_response, decoder, encode_response};
use crate::usage::Reported;

fn events_of(stream: &str) -> Vec<Event> {
    let (mut decoder, mut out) = (decoder(), Vec::new());
    decoder.push(stream.as_bytes(), &mut out).unwrap();
    assert!(decoder.is_done());
    out
}

fn golden(case: &str) -> Vec<Event> {
    let mut out = Vec::new();
    decode_response(&read(&format!("{case}.answer.json")), &mut out).unwrap();
    out
}

fn chunks(stream: &str) -> Vec<Value> {
    let mut chunks: Vec<&str> = stream.split_terminator("\n\n").collect();
    assert_eq!(chunks.pop(), Some("data: [DONE]"));
    chunks
        .into_iter()
        .map(|chunk| serde_json::from_str(chunk.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

fn whole(events: &[Event]) -> Value {
    let response = fold(events.to_vec());
    serde_json::from_slice(&encode_response(&response, &reply(asked(), false))).unwrap()
}

fn start() -> Event {
    Event::Start { id: "chatcmpl-1".into(), model: "m1".into(), created: Some(3) }
}

fn item(i: u32, item: Item, deltas: Vec<Delta>, metas: Vec<Meta>) -> Vec<Event> {
    let mut events = vec![Event::ItemStart { i, item }];
    events.extend(deltas.into_iter().map(|delta| Event::Delta { i, delta }));
    events.extend(metas.into_iter().map(|meta| Event::Meta { i, meta }));
    events.push(Event::ItemEnd { i });
    events
}

fn finish(reason: FinishReason) -> Event {
    Event::Finish(Finish::new(reason))
}

fn opaque(kind: OpaqueKind) -> Opaque {
    Opaque { origin: None, kind, data: "secret".into() }
}

fn call(id: &str) -> Item {
    Item::ToolCall { id: id.into(), name: "f".into(), kind: CallKind::Function }
}

#[test]
fn a_stream_is_what_clients_of_openai_expect() {
    let mut events = vec![start()];
    events.extend(item(0, Item::Reasoning, vec![Delta::Reasoning("Hm".into())], vec![]));
    events.extend(item(1, Item::Text, vec![Delta::Text("He\"y".into()), Delta::Text(String::new())], vec![]));
    events.extend(item(2, call("c1"), vec![Delta::Arguments("{}".into())], vec![]));
    events.push(Event::Usage(Reported {
        input_tokens: Some(1_000_000),
        output_tokens: Some(1),
        cached_input_tokens: Some(7),
        ..Reported::default()
    }));
    events.push(finish(FinishReason::Stop));
    let chunks = chunks(&streamed(&events, reply(asked(), true)));
    let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    let call =
        json!({"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}});
    let expected = [
        json!({"role": "assistant", "content": "", "refusal": null}),
        json!({"reasoning_content": "Hm"}),
        json!({"content": "He\"y"}),
        json!({"tool_calls": [call]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        json!({}),
        Value::Null,
    ];
    assert_eq!(deltas, expected.iter().collect::<Vec<_>>());
    for chunk in &chunks {
        assert_eq!(
            (&chunk["id"], &chunk["created"], &chunk["model"], &chunk["object"]),
            (&json!("chatcmpl-1"), &json!(3), &json!("m1"), &json!("chat.completion.chunk"))
        );
    }
    assert_eq!(chunks[5]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!((&chunks[5]["usage"], chunks[5].get("usage").is_some()), (&Value::Null, true));
    assert_eq!(chunks[6]["choices"], json!([]));
    let usage = json!({"prompt_tokens": 1_000_000, "completion_tokens": 1, "total_tokens": 1_000_001,
        "prompt_tokens_details": {"cached_tokens": 7, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0}, "cost_usd": "1.000002"});
    assert_eq!(chunks[6]["usage"], usage);
}

#[test]
fn a_caller_who_did_not_ask_sees_no_usage() {
    let stream = streamed(&[start(), finish(FinishReason::Stop)], reply(asked(), false));
    assert!(!stream.contains("usage"), "{stream}");
    assert_eq!(chunks(&stream).len(), 2);
}

#[test]
fn what_the_provider_does_not_say_is_made_up_and_estimated() {
    let mut events = vec![Event::Start { id: String::new(), model: String::new(), created: None }];
    events.extend(item(0, Item::Text, vec![Delta::Text("12345".into())], vec![]));
    let reply = reply(asked(), true);
    let id = format!("chatcmpl-{}", reply.request);
    let chunks = chunks(&streamed(&events, reply));
    assert_eq!(
        (&chunks[0]["id"], &chunks[0]["model"], &chunks[0]["created"]),
        (&json!(id), &json!("alias"), &json!(7))
    );
    assert_eq!(
        (chunks[3]["usage"]["prompt_tokens"].as_u64(), chunks[3]["usage"]["completion_tokens"].as_u64()),
        (Some(5), Some(2))
    );
    assert_eq!(chunks[2]["choices"][0]["finish_reason"], "stop");
}

#[test]
fn ends_are_said_in_openais_words() {
    let end = |items: Vec<Event>, finish: Finish| {
        let mut events = vec![start()];
        events.extend(items);
        events.push(Event::Finish(finish));
        let streamed = chunks(&streamed(&events, reply(asked(), false)));
        let whole = whole(&events);
        let last = streamed.last().unwrap()["choices"][0]["finish_reason"].clone();
        assert_eq!(last, whole["choices"][0]["finish_reason"]);
        (last, whole["choices"][0]["message"].clone())
    };
    let text = || item(0, Item::Text, vec![Delta::Text("x".into())], vec![]);
    for (reason, word) in [
        (FinishReason::Stop, "stop"),
        (FinishReason::StopSequence, "stop"),
        (FinishReason::Pause, "stop"),
        (FinishReason::Length, "length"),
        (FinishReason::ContextFull, "length"),
        (FinishReason::ToolCalls, "stop"),
        (FinishReason::Refusal, "content_filter"),
    ] {
        assert_eq!(end(text(), Finish::new(reason)).0, word, "{reason:?}");
    }
    assert_eq!(end(item(0, call("c"), vec![], vec![]), Finish::new(FinishReason::Stop)).0, "tool_calls");
    let refusal = item(0, Item::Refusal, vec![Delta::Text("No.".into())], vec![]);
    let (word, message) = end(refusal, Finish::new(FinishReason::Refusal));
    assert_eq!(
        (word, &message["content"], &message["refusal"]),
        (json!("stop"), &Value::Null, &json!("No."))
    );
    let why =
        Finish { details: Some("It is against the policy.".into()), ..Finish::new(FinishReason::Refusal) };
    let (word, message) = end(vec![], why);
    assert_eq!((word, &message["refusal"]), (json!("content_filter"), &json!("It is against the policy.")));
    let code = Finish { details: Some("SAFETY".into()), ..Finish::new(FinishReason::Refusal) };
    assert_eq!(end(vec![], code).1["refusal"], Value::Null);
}

#[test]
fn opaque_data_travels_in_tokens_and_comes_back() {
    let mut events = vec![start()];
    let signature = Meta::Opaque(opaque(OpaqueKind::Signature));
    events.extend(item(0, Item::Reasoning, vec![Delta::Reasoning("one".into())], vec![signature]));
    events.extend(item(1, Item::Reasoning, vec![], vec![Meta::Opaque(opaque(OpaqueKind::Redacted))]));
    let summary = |part: u32, text: &str| Delta::Summary { part, text: text.into() };
    let encrypted = Meta::Opaque(opaque(OpaqueKind::Encrypted));
    events.extend(item(2, Item::Reasoning, vec![summary(0, "a"), summary(1, "b")], vec![encrypted]));
    let thought = Meta::Opaque(opaque(OpaqueKind::ThoughtSignature));
    events.extend(item(3, call("c1"), vec![Delta::Arguments("{}".into())], vec![thought.clone()]));
    events.push(finish(FinishReason::ToolCalls));
    let message = whole(&events)["choices"][0]["message"].clone();
    assert_eq!(message["reasoning_content"], "one\n\na\n\nb");
    let body = json!({"model": "m", "messages": [message]});
    let request = decode_request(body.to_string().as_bytes(), &carrier()).unwrap();
    let contents: Vec<&Content> = request.turns[0].parts.iter().map(|part| &part.content).collect();
    let owned =
        |kind| Opaque { origin: Some(crate::dialect::openai_chat::fixtures::origin()), ..opaque(kind) };
    let back = |text: &str, summary: &[&str], kind| Content::Reasoning {
        text: text.into(),
        summary: summary.iter().map(|text| (*text).to_owned()).collect(),
        opaque: vec![owned(kind)],
    };
    assert_eq!(contents[0], &back("one", &[], OpaqueKind::Signature));
    assert_eq!(contents[1], &back("", &[], OpaqueKind::Redacted));
    assert_eq!(contents[2], &back("", &["a", "b"], OpaqueKind::Encrypted));
    assert!(
        matches!(contents[3], Content::ToolCall { opaque, .. } if *opaque == [owned(OpaqueKind::ThoughtSignature)])
    );

    // Streamed, a signature known in time goes with the first piece of its call.
    let early = [
        start(),
        Event::ItemStart { i: 0, item: call("c1") },
        Event::Meta { i: 0, meta: thought },
        Event::Delta { i: 0, delta: Delta::Arguments("{}".into()) },
        Event::ItemEnd { i: 0 },
        finish(FinishReason::ToolCalls),
    ];
    let chunks = chunks(&streamed(&early, reply(asked(), false)));
    let first = &chunks[1]["choices"][0]["delta"]["tool_calls"][0];
    assert!(first["extra_content"]["google"]["thought_signature"].as_str().unwrap().starts_with("fb1."));
    assert_eq!(first["id"], "c1");
    let late = streamed(&events, reply(asked(), false));
    let first = late.split("\n\n").find(|chunk| chunk.contains("\"id\":\"c1\"")).unwrap();
    assert!(first.contains("thought_signature"), "{first}");
    assert_eq!(late.matches("thought_signature").count(), 1);
    assert_eq!(late.matches("\"reasoning_details\"").count(), 3);
}

#[test]
fn interleaved_calls_keep_their_places() {
    let events = events_of(std::str::from_utf8(&read("interleaved_tools.stream")).unwrap());
    let stream = streamed(&events, reply(asked(), true));
    assert_eq!(fold(events_of(&stream)).items, fold(events).items);
}

#[test]
fn callers_of_functions_read_function_calls() {
    let asked = || decode_request(&read("legacy_functions.request.json"), &carrier()).unwrap();
    let events = golden("function_call");
    let chunks = chunks(&streamed(&events, reply(asked(), false)));
    assert_eq!(chunks[1]["choices"][0]["delta"], json!({"function_call": {"name": "f", "arguments": ""}}));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "function_call");
    let whole: Value =
        serde_json::from_slice(&encode_response(&fold(events), &reply(asked(), false))).unwrap();
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "function_call");
    assert_eq!(choice["message"]["function_call"], json!({"name": "f", "arguments": "{\"a\":1}"}));
}

#[test]
fn a_picture_is_handed_on() {
    let raw = json!({"inlineData": {"mimeType": "image/png", "data": "AA=="}});
    let events = [
        Event::ItemStart { i: 0, item: Item::Hosted { raw } },
        Event::ItemEnd { i: 0 },
        Event::Finish(Finish::new(FinishReason::Stop)),
    ];
    let images = json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]);
    let body = super::encode_response(&fold(events.clone()), &reply(asked(), false));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["choices"][0]["message"]["images"], images);
    let stream = streamed(&events, reply(asked(), false));
    assert!(stream.contains(&format!(r#""delta":{{"images":{images}}}"#)), "{stream}");
}

/// Text, refusal, thoughts, calls with their arguments, citations, and the end.
type Told = (String, String, String, Vec<(Item, String)>, Value, Option<Finish>);

/// What a caller can tell apart: one text, one refusal, thoughts in one, calls; no opaque data, which is in tokens.
fn told(response: Response) -> Told {
    let (mut text, mut refusal, mut thoughts, mut calls) =
        (String::new(), String::new(), Vec::new(), Vec::new());
    let mut citations = Vec::new();
    for Folded { item, text: said, summary, metas } in response.items {
        match item {
            Item::Text => text.push_str(&said),
            Item::Refusal => refusal.push_str(&said),
            Item::Reasoning => {
                thoughts.extend(std::iter::once(said).chain(summary).filter(|text| !text.is_empty()))
            }
            Item::ToolCall { .. } => calls.push((item, said)),
            Item::Hosted { .. } => {}
        }
        citations.extend(metas.into_iter().filter_map(|meta| match meta {
            Meta::Citation(citation) => Some(citation),
            Meta::Opaque(_) => None,
        }));
    }
    let finish = response.finish.map(|finish| Finish { stop_sequence: None, ..finish }).map(|finish| {
        match finish.reason {
            FinishReason::StopSequence => Finish { reason: FinishReason::Stop, ..finish },
            _ => finish,
        }
    });
    // What sets thoughts off from each other is not theirs.
    let thoughts = thoughts.concat().replace('\n', "");
    (text, refusal, thoughts, calls, Value::Array(citations), finish)
}

#[test]
fn every_golden_answer_comes_through_whole_and_streamed() {
    for case in cases(".answer.json") {
        let mut events = Vec::new();
        if decode_response(&read(&format!("{case}.answer.json")), &mut events).is_err() {
            continue;
        }
        let before = told(fold(events.clone()));
        let stream = streamed(&events, reply(asked(), true));
        assert_eq!(told(fold(events_of(&stream))), before, "{case}");
        let mut again = Vec::new();
        decode_response(whole(&events).to_string().as_bytes(), &mut again).unwrap();
        assert_eq!(told(fold(again)), before, "{case}");
    }
}

fn items() -> impl Strategy<Value = Vec<Event>> {
    let texts = || prop::collection::vec("[a-zé漢😀\"\\\\\n\u{0}\u{2028}]{1,6}", 1..4);
    let text = |text: String| Delta::Text(text);
    let one = prop_oneof![
        texts().prop_map(move |texts| (Item::Text, texts.into_iter().map(text).collect::<Vec<_>>())),
        texts().prop_map(|texts| (Item::Reasoning, texts.into_iter().map(Delta::Reasoning).collect())),
        (texts(), any::<bool>()).prop_map(|(texts, custom)| {
            let kind = if custom { CallKind::Custom } else { CallKind::Function };
            let item = Item::ToolCall { id: String::new(), name: "f".into(), kind };
            (item, texts.into_iter().map(Delta::Arguments).collect())
        }),
    ];
    (prop::collection::vec(one, 0..5), any::<bool>()).prop_map(|(items, overlap)| {
        let mut events = vec![start()];
        let mut ends = Vec::new();
        let mut called = false;
        for (i, (mut item, deltas)) in items.into_iter().enumerate() {
            let i = i as u32;
            let is_call = matches!(item, Item::ToolCall { .. });
            if let Item::ToolCall { id, .. } = &mut item {
                *id = format!("call_{i}");
                called = true;
            }
            events.push(Event::ItemStart { i, item });
            events.extend(deltas.into_iter().map(|delta| Event::Delta { i, delta }));
            if overlap && is_call { ends.push(i) } else { events.push(Event::ItemEnd { i }) }
        }
        events.extend(ends.into_iter().map(|i| Event::ItemEnd { i }));
        events.push(Event::Usage(Reported {
            input_tokens: Some(3),
            output_tokens: Some(4),
            total_tokens: Some(7),
            cached_input_tokens: Some(1),
            cache_write_tokens: Some(0),
            reasoning_tokens: Some(2),
            ..Reported::default()
        }));
        events.push(finish(if called { FinishReason::ToolCalls } else { FinishReason::Stop }));
        events
    })
}

proptest! {
    #[test]
    fn what_is_said_is_what_is_read(events in items()) {
        let before = fold(events.clone());
        let after = fold(events_of(&streamed(&events, reply(asked(), true))));
        prop_assert_eq!(&after.usage, &before.usage);
        prop_assert_eq!((&after.id, &after.model, after.created), (&before.id, &before.model, before.created));
        prop_assert_eq!(told(after), told(before.clone()));
        let mut again = Vec::new();
        decode_response(whole(&events).to_string().as_bytes(), &mut again).unwrap();
        prop_assert_eq!(told(fold(again)), told(before));
    }
}
