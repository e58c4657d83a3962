//! What callers read: order, numbering, and that it says what the provider said.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::fixtures::{
    asked, carrier, cases, data, nobody, origin, read, reply, streamed, whole, written,
};
use super::*;
use crate::canonical::{Content, Opaque, OpaqueKind, Request, fold};

fn kinds(stream: &[u8]) -> Vec<String> {
    let short = |event: &Value| event["type"].as_str().unwrap().trim_start_matches("response.").to_owned();
    data(stream).iter().map(short).collect()
}

fn start() -> Event {
    Event::Start { id: "theirs".into(), model: "theirs".into(), created: None }
}

fn item(i: u32, item: Item, deltas: Vec<Delta>) -> Vec<Event> {
    let mut events = vec![Event::ItemStart { i, item }];
    events.extend(deltas.into_iter().map(|delta| Event::Delta { i, delta }));
    events.push(Event::ItemEnd { i });
    events
}

fn call(name: &str, kind: CallKind) -> Item {
    Item::ToolCall { id: "call_1".into(), name: name.into(), kind }
}

fn finished(mut events: Vec<Event>, reason: FinishReason) -> Vec<Event> {
    events.insert(0, start());
    events.push(Event::Finish(Finish::new(reason)));
    events
}

#[test]
fn the_order_is_the_one_that_clients_need() {
    let mut events = item(0, Item::Reasoning, vec![Delta::Summary { part: 0, text: "hm".into() }]);
    events.extend(item(1, Item::Text, vec![Delta::Text("a".into()), Delta::Text("b".into())]));
    events.extend(item(2, call("f", CallKind::Function), vec![Delta::Arguments("{}".into())]));
    let stream = written(reply(nobody()), finished(events, FinishReason::ToolCalls));
    let wanted = "created in_progress output_item.added reasoning_summary_part.added \
        reasoning_summary_text.delta reasoning_summary_text.done reasoning_summary_part.done output_item.done \
        output_item.added content_part.added output_text.delta output_text.delta output_text.done \
        content_part.done output_item.done output_item.added function_call_arguments.delta \
        function_call_arguments.done output_item.done completed";
    assert_eq!(kinds(&stream), wanted.split_whitespace().collect::<Vec<_>>());
    let data = data(&stream);
    for (n, event) in data.iter().enumerate() {
        assert_eq!(event["sequence_number"], n);
    }
    assert_eq!(data[0]["response"]["id"], "resp_000000000000000000000000000000ab0000");
    assert_eq!(
        data[8]["item"],
        json!({"id":"msg_000000000000000000000000000000ab0001","type":"message",
        "status":"in_progress","role":"assistant","content":[]})
    );
    let names: Vec<&str> = std::str::from_utf8(&stream)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert_eq!(names[3], "response.reasoning_summary_part.added");
    let last = &data[19]["response"];
    assert_eq!(last["output"].as_array().unwrap().len(), 3);
    assert_eq!(last["output"][1], data[14]["item"]);
    assert_eq!(last["usage"]["input_tokens_details"], json!({"cached_tokens":0,"cache_write_tokens":0}));
}

#[test]
fn answers_say_the_same_when_written_anew() {
    for case in cases(".answer.json").into_iter().filter(|case| case != "failed") {
        let (events, _) = streamed(&read(&format!("{case}.stream")), 100);
        let stream = written(reply(nobody()), events);
        let (events, ending) = streamed(&stream, 33);
        assert_eq!(ending, Ok(()), "{case}");
        let (back, before) = (fold(events), whole(&case));
        let terminal = data(&stream).pop().unwrap()["response"].clone();
        let object: Value = serde_json::from_slice(&encode_response(&before, &reply(nobody()))).unwrap();
        if case != "reasoning_text" {
            assert_eq!(object, terminal, "{case}");
        }
        if before.items.is_empty() {
            assert_eq!(terminal["output"][0]["content"][0]["text"], "", "{case}");
            continue;
        }
        let said = |response: &Response| -> Vec<(Item, String)> {
            response
                .items
                .iter()
                .map(|folded| {
                    let text = format!("{}{}", folded.text, folded.summary.concat());
                    (folded.item.clone(), text)
                })
                .collect()
        };
        assert_eq!(said(&back), said(&before), "{case}");
        if before.usage.is_some() {
            let all = |usage: Option<Reported>| {
                usage.map(|u| {
                    (
                        u.input_tokens,
                        u.output_tokens,
                        u.cached_input_tokens,
                        u.cache_write_tokens,
                        u.reasoning_tokens,
                        u.tier,
                    )
                })
            };
            assert_eq!(all(back.usage), all(before.usage), "{case}");
        }
        assert_eq!(back.finish.map(|f| f.reason), before.finish.map(|f| f.reason), "{case}");
    }
}

#[test]
fn ends_are_told_apart() {
    let text = || item(0, Item::Text, vec![Delta::Text("a".into())]);
    for (reason, kind, why) in [
        (FinishReason::Stop, "completed", Value::Null),
        (FinishReason::Pause, "completed", Value::Null),
        (FinishReason::StopSequence, "completed", Value::Null),
        (FinishReason::Length, "incomplete", json!({"reason":"max_output_tokens"})),
        (FinishReason::ContextFull, "incomplete", json!({"reason":"max_output_tokens"})),
        (FinishReason::Refusal, "incomplete", json!({"reason":"content_filter"})),
    ] {
        let stream = written(reply(nobody()), finished(text(), reason));
        let last = data(&stream).pop().unwrap();
        assert_eq!(last["type"], format!("response.{kind}"), "{reason:?}");
        assert_eq!(
            (&last["response"]["status"], &last["response"]["incomplete_details"]),
            (&json!(kind), &why)
        );
        assert_eq!(last["response"]["output"][0]["status"], kind, "{reason:?}");
    }
    let refused = item(0, Item::Refusal, vec![Delta::Text("No.".into())]);
    let last = data(&written(reply(nobody()), finished(refused, FinishReason::Refusal))).pop().unwrap();
    assert_eq!(last["response"]["status"], "completed");
    assert_eq!(last["response"]["output"][0]["content"], json!([{"type":"refusal","refusal":"No."}]));
}

#[test]
fn an_answer_repeats_its_request() {
    let last = |request: Request| {
        data(&written(reply(request), finished(vec![], FinishReason::Stop))).pop().unwrap()
    };
    let response = &last(asked("system_variants"))["response"];
    assert_eq!(
        (&response["instructions"], &response["model"]),
        (&json!("Be brief."), &json!("gpt-5.4-mini"))
    );
    let response = &last(asked("metadata"))["response"];
    assert_eq!((&response["metadata"], &response["user"]), (&json!({"run":"7"}), &json!("old")));
    let response = &last(asked("strict_schema"))["response"];
    assert_eq!(response["tools"][0]["name"], "book");
    for field in [
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "temperature",
        "top_p",
        "metadata",
        "instructions",
        "error",
        "incomplete_details",
        "text",
        "reasoning",
        "truncation",
        "store",
    ] {
        assert!(response.get(field).is_some(), "{field}");
    }
}

#[test]
fn tools_of_a_namespace_get_their_names_back() {
    let events =
        finished(item(0, call("mcp__files__read_file", CallKind::Function), vec![]), FinishReason::ToolCalls);
    let stream = written(reply(asked("namespace_tools")), events);
    let last = data(&stream).pop().unwrap();
    let call = &last["response"]["output"][0];
    assert_eq!((&call["namespace"], &call["name"]), (&json!("mcp__files__"), &json!("read_file")));
    assert_eq!(call["arguments"], "{}");
}

#[test]
fn what_a_provider_wants_back_travels() {
    let signature = Opaque { origin: None, kind: OpaqueKind::Signature, data: "Eo==".into() };
    let google = Opaque { origin: None, kind: OpaqueKind::ThoughtSignature, data: "g".into() };
    let mut events =
        item(0, Item::Reasoning, vec![Delta::Reasoning("deep ".into()), Delta::Reasoning("thought".into())]);
    events.insert(3, Event::Meta { i: 0, meta: Meta::Opaque(signature.clone()) });
    let mut called = item(1, call("f", CallKind::Function), vec![Delta::Arguments("{}".into())]);
    called.insert(2, Event::Meta { i: 1, meta: Meta::Opaque(google.clone()) });
    events.extend(called);
    let stream = written(reply(nobody()), finished(events, FinishReason::ToolCalls));
    let output = data(&stream).pop().unwrap()["response"]["output"].clone();
    assert_eq!(output.as_array().unwrap().len(), 3);
    let again = json!({"model":"m","input":output});
    let request = super::super::decode_request(again.to_string().as_bytes(), &carrier()).unwrap();
    let parts: Vec<&Content> = request.turns[0].parts.iter().map(|part| &part.content).collect();
    let own = |opaque: Opaque| vec![Opaque { origin: Some(origin()), ..opaque }];
    let thought = Content::Reasoning { text: "deep thought".into(), summary: vec![], opaque: own(signature) };
    assert_eq!(parts[0], &thought);
    assert!(matches!(parts[1], Content::ToolCall { opaque, .. } if *opaque == own(google)));
    assert_eq!(parts.len(), 2);
}

#[test]
fn items_may_overlap() {
    let mut events = vec![
        Event::ItemStart { i: 0, item: call("a", CallKind::Function) },
        Event::ItemStart { i: 1, item: call("b", CallKind::Custom) },
    ];
    for i in [0, 1, 0] {
        events.push(Event::Delta { i, delta: Delta::Arguments("x".into()) });
    }
    events.extend([
        Event::ItemEnd { i: 1 },
        Event::ItemEnd { i: 0 },
        Event::Delta { i: 9, delta: Delta::Text("?".into()) },
    ]);
    let stream = written(reply(nobody()), finished(events, FinishReason::ToolCalls));
    let output = data(&stream).pop().unwrap()["response"]["output"].clone();
    assert_eq!((&output[0]["arguments"], &output[1]["input"]), (&json!("xx"), &json!("x")));
    assert!(output[1]["id"].as_str().unwrap().starts_with("ctc_"));
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0..8_u8, 0..4_u32, "[a-zé\"\\\\]{0,4}").prop_map(|(kind, i, text)| match kind {
        0 => Event::ItemStart { i, item: Item::Text },
        1 => Event::ItemStart { i, item: Item::Reasoning },
        2 => Event::ItemStart { i, item: call(&text, CallKind::Function) },
        3 => Event::Delta { i, delta: Delta::Text(text) },
        4 => Event::Delta { i, delta: Delta::Summary { part: i, text } },
        5 => Event::ItemStart { i, item: Item::Hosted { raw: json!({"type":"x_call"}) } },
        6 => Event::Meta { i, meta: Meta::Citation(json!(text)) },
        _ => Event::ItemEnd { i },
    });
    prop::collection::vec(event, 0..30)
}

proptest! {
    #[test]
    fn any_events_give_a_stream_that_can_be_read(events in any_events()) {
        let stream = written(reply(nobody()), finished(events, FinishReason::Stop));
        let (_, ending) = streamed(&stream, 17);
        prop_assert_eq!(ending, Ok(()));
        for (n, event) in data(&stream).iter().enumerate() {
            prop_assert_eq!(&event["sequence_number"], n);
        }
        let last = data(&stream).pop().unwrap();
        prop_assert!(last["response"]["output"].as_array().unwrap().iter().all(|item| item.is_object()));
    }
}

#[test]
fn a_fault_counts_on_from_what_was_written() {
    let stream = written(reply(nobody()), finished(item(0, Item::Text, vec![]), FinishReason::Stop));
    let fault = crate::fault::Fault::new(crate::fault::FaultCode::UpstreamError, "It broke.");
    let event = super::super::fault_event(&fault, "req_1", &stream);
    let last = data(&stream).len();
    assert_eq!(data(&event)[0]["sequence_number"], last);
}
