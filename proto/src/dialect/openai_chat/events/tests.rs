//! What servers answer: golden answers and streams, and what they may do to either.

use proptest::prelude::*;
use serde_json::json;

use super::{decode_response, decoder};
use crate::canonical::{Delta, Event, FinishReason, Item, Meta, OpaqueKind, Response, fold};
use crate::dialect::openai_chat::fixtures::{cases, read};
use crate::dialect::{BadAnswer, BrokenStream};
use crate::usage::{Reported, Tier};

fn pushed(pieces: &[&[u8]]) -> (Vec<Event>, Result<(), BrokenStream>) {
    let mut decoder = decoder();
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(broken) = decoder.push(piece, &mut out) {
            return (out, Err(broken));
        }
    }
    let finished = if decoder.is_done() { Ok(()) } else { decoder.finish(&mut out) };
    (out, finished)
}

fn stream(case: &str) -> Response {
    let (events, end) = pushed(&[&read(&format!("{case}.stream"))]);
    assert_eq!(end, Ok(()), "{case}");
    in_order(case, &events);
    fold(events)
}

fn answer(case: &str) -> Response {
    let mut out = Vec::new();
    decode_response(&read(&format!("{case}.answer.json")), &mut out).unwrap();
    in_order(case, &out);
    fold(out)
}

/// The order that `Event` documents.
fn in_order(case: &str, events: &[Event]) {
    let mut open = std::collections::BTreeSet::new();
    let mut next = 0;
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Start { .. } => assert_eq!(at, 0, "{case}"),
            Event::ItemStart { i, .. } => {
                assert_eq!(*i, next, "{case}");
                next += 1;
                open.insert(*i);
            }
            Event::Delta { i, .. } | Event::Meta { i, .. } => assert!(open.contains(i), "{case}"),
            Event::ItemEnd { i } => assert!(open.remove(i), "{case}"),
            Event::Usage(_) => {}
            Event::Finish(_) => assert_eq!(at, events.len() - 1, "{case}"),
        }
    }
    assert!(open.is_empty() && matches!(events.last(), Some(Event::Finish(_))), "{case}");
}

const BROKEN: [&str; 2] = ["mid_stream_error", "cut_short"];

#[test]
fn a_stream_and_a_whole_answer_say_the_same() {
    let cases = cases(".stream");
    assert!(cases.len() >= 25, "{}", cases.len());
    for case in cases.iter().filter(|case| !BROKEN.contains(&case.as_str())) {
        assert_eq!(stream(case), answer(case), "{case}");
    }
}

#[test]
fn the_pieces_a_stream_arrives_in_do_not_matter() {
    for case in cases(".stream") {
        let bytes = read(&format!("{case}.stream"));
        let whole = pushed(&[&bytes]);
        for size in [1, 2, 3, 7, 64] {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(pushed(&pieces), whole, "{case} in {size}");
        }
    }
}

#[test]
fn ends_are_told_apart() {
    let reason = |case: &str| {
        let finish = answer(case).finish.unwrap();
        (finish.reason, finish.stop_sequence)
    };
    for (case, expected) in [
        ("text", FinishReason::Stop),
        ("parallel_tools", FinishReason::ToolCalls),
        ("forced_tool", FinishReason::ToolCalls),
        ("no_index", FinishReason::ToolCalls),
        ("function_call", FinishReason::ToolCalls),
        ("refusal", FinishReason::Refusal),
        ("safety_stop", FinishReason::Refusal),
        ("length_stop", FinishReason::Length),
    ] {
        assert_eq!(reason(case), (expected, None), "{case}");
    }
    assert_eq!(reason("stop_sequence"), (FinishReason::StopSequence, Some("two".into())));
}

#[test]
fn calls_are_put_together_whatever_their_pieces() {
    let calls = |case: &str| -> Vec<(String, String)> {
        let items = stream(case).items.into_iter();
        items
            .filter_map(|folded| match folded.item {
                Item::ToolCall { name, .. } => Some((name, folded.text)),
                _ => None,
            })
            .collect()
    };
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    let weather = own(&[("get_weather", r#"{"city":"Paris"}"#), ("get_weather", r#"{"city":"Rome"}"#)]);
    for case in ["parallel_tools", "interleaved_tools", "same_index"] {
        assert_eq!(calls(case), weather, "{case}");
    }
    assert_eq!(calls("no_index"), own(&[("f", r#"{"a":1}"#), ("g", "{}")]));
    assert_eq!(calls("empty_arguments"), own(&[("now", "")]));
    let made_up: Vec<Item> = stream("no_index").items.into_iter().map(|folded| folded.item).collect();
    let [Item::ToolCall { id: a, .. }, Item::ToolCall { id: b, .. }] = made_up.as_slice() else {
        panic!("{made_up:?}")
    };
    assert!(a.starts_with("call_") && a != b && a.len() == 29);
}

#[test]
fn thoughts_keep_what_their_server_wants_back() {
    let response = stream("thinking_signature");
    let thought = &response.items[0];
    assert_eq!((&thought.item, thought.text.as_str()), (&Item::Reasoning, "Hm, so."));
    let opaque: Vec<(OpaqueKind, serde_json::Value)> = thought
        .metas
        .iter()
        .map(|meta| match meta {
            Meta::Opaque(opaque) => (opaque.kind, serde_json::from_str(&opaque.data).unwrap()),
            Meta::Citation(_) => panic!("a citation"),
        })
        .collect();
    assert_eq!(opaque[0].0, OpaqueKind::Signature);
    assert_eq!(
        opaque[0].1,
        json!({"format": "anthropic-claude-v1", "index": 0, "type": "reasoning.text", "signature": "EqQBCkg"})
    );
    assert_eq!((opaque[1].0, opaque[1].1["data"].as_str()), (OpaqueKind::Encrypted, Some("gAAAAA")));
    let Meta::Opaque(signature) = &stream("thought_signature").items[0].metas[0] else {
        panic!("no signature")
    };
    assert_eq!((signature.kind, signature.data.as_str()), (OpaqueKind::ThoughtSignature, "CpQBAcu9"));
}

#[test]
fn numbers_are_found_wherever_they_are() {
    let usage = stream("usage_all").usage.unwrap();
    let expected = Reported {
        input_tokens: Some(1200),
        output_tokens: Some(80),
        total_tokens: Some(1280),
        cached_input_tokens: Some(1024),
        cache_write_tokens: Some(128),
        reasoning_tokens: Some(64),
        tier: Some(Tier::Flex),
        ..Reported::default()
    };
    assert_eq!(usage, expected);
    assert_eq!(stream("usage_missing").usage, None);
    assert_eq!(stream("reasoning").usage.unwrap().reasoning_tokens, Some(28));
}

#[test]
fn citations_are_flat() {
    let Meta::Citation(citation) = &stream("citations").items[0].metas[0] else { panic!("no citation") };
    let expected = json!({"type": "url_citation", "start_index": 0, "end_index": 2, "title": "T",
        "url": "https://example.com/t"});
    assert_eq!(*citation, expected);
}

#[test]
fn broken_streams_say_how() {
    let (events, end) = pushed(&[&read("mid_stream_error.stream")]);
    let Err(BrokenStream::Upstream(error)) = end else { panic!("{end:?}") };
    assert_eq!(error.code.as_deref(), Some("overloaded"));
    assert!(matches!(events.last(), Some(Event::Delta { delta: Delta::Text(text), .. }) if text == "Hel"));
    assert_eq!(pushed(&[&read("cut_short.stream")]).1, Err(BrokenStream::CutShort));
    for (bytes, broken) in [
        (&b""[..], BrokenStream::CutShort),
        (b"data: [DONE]\n\n", BrokenStream::CutShort),
        (b"data: {\"choices\":[\n\n", BrokenStream::NotAChunk),
        (b"data: [1]\n\n", BrokenStream::NotAChunk),
        (b"data: {\"choices\":7}\n\n", BrokenStream::NotAChunk),
        (b"data: {\"choices\":[]}\xff\n\n", BrokenStream::NotAChunk),
    ] {
        assert_eq!(pushed(&[bytes]).1, Err(broken), "{}", String::from_utf8_lossy(bytes));
    }
    let mut decoder = decoder();
    let big = vec![b'a'; (16 << 20) + 1];
    assert_eq!(decoder.push(&big, &mut Vec::new()), Err(BrokenStream::TooLarge));
    assert_eq!(decoder.push(b"data: [DONE]\n\n", &mut Vec::new()), Err(BrokenStream::CutShort));
}

#[test]
fn what_is_no_answer_is_told_apart_from_an_error() {
    let bad = |body: &[u8]| decode_response(body, &mut Vec::new()).unwrap_err();
    for body in [&b""[..], b"[]", b"{}", b"<html>", b"{\"choices\":null}", &read("no_choice.answer.json")] {
        assert_eq!(bad(body), BadAnswer::NotACompletion);
    }
    let BadAnswer::Upstream(error) = bad(&read("error_as_success.answer.json")) else { panic!("no error") };
    assert_eq!((error.message.as_str(), error.code.as_deref()), ("No capacity.", Some("503")));
}

#[test]
fn half_a_character_does_not_break_a_stream() {
    let chunk = |text: &str| {
        format!(
            "data: {{\"id\":\"a\",\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}]}}\n\n"
        )
    };
    let bytes = chunk("a\\ud83d") + &chunk("\\ude00b") + "data: [DONE]\n\n";
    let (events, end) = pushed(&[bytes.as_bytes()]);
    assert_eq!(end, Ok(()));
    let text = &fold(events).items[0].text;
    assert!(text.starts_with('a') && text.ends_with('b') && text.contains('\u{fffd}'), "{text}");
}

#[test]
fn endless_answers_are_cut_off() {
    let call = |i: u32| {
        format!(
            "data: {{\"id\":\"a\",\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":{i},\"id\":\"c{i}\"}}]}}}}]}}\n\n"
        )
    };
    let bytes: String = (0..1_025).map(call).collect();
    assert_eq!(pushed(&[bytes.as_bytes()]).1, Err(BrokenStream::NotAChunk));
    let piece = "x".repeat(1 << 20);
    let waiting: String = (0..5)
        .map(|_| format!("data: {{\"id\":\"a\",\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":\"{piece}\"}}}}]}}}}]}}\n\n"))
        .collect();
    assert_eq!(pushed(&[waiting.as_bytes()]).1, Err(BrokenStream::NotAChunk));
}

#[test]
fn a_call_that_is_named_late_does_not_open_out_of_turn() {
    let chunk = |calls: &str| {
        format!(
            "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":{calls}}}}}]}}\n\n"
        )
    };
    let text = [
        chunk(r#"[{"index":0,"id":"a","function":{"arguments":"{"}}]"#),
        chunk(r#"[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]"#),
        chunk(r#"[{"index":0,"function":{"name":"f","arguments":"}"}}]"#),
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n".to_owned(),
    ]
    .concat();
    let (events, end) = pushed(&[text.as_bytes()]);
    assert_eq!(end, Ok(()));
    in_order("named late", &events);
    let texts: Vec<String> = fold(events).items.into_iter().map(|item| item.text).collect();
    assert_eq!(texts, ["{}", "{}"]);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ignored = pushed(&[&bytes]);
        let _ignored = decode_response(&bytes, &mut Vec::new());
    }

    #[test]
    fn nothing_like_a_stream_makes_it_panic(
        case in prop::sample::select(cases(".stream")),
        cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = read(&format!("{case}.stream"));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(cut.index(bytes.len()) + 1);
        let (events, end) = pushed(&[&bytes]);
        if end.is_ok() {
            in_order(&case, &events);
        }
    }
}
