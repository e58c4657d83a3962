//! Recorded answers, and streams of any bytes.

use proptest::prelude::*;

use super::super::fixtures::{cases, read, streamed, whole};
use crate::canonical::{Event, FinishReason, Item, Meta, Opaque, OpaqueKind, fold};
use crate::dialect::{BadAnswer, BrokenStream};
use crate::usage::Tier;

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    for case in cases(".answer.json") {
        let (events, ending) = streamed(&read(&format!("{case}.stream")), 4096);
        if case == "failed" {
            assert!(matches!(ending, Err(BrokenStream::Upstream(_))), "{ending:?}");
            continue;
        }
        assert_eq!(ending, Ok(()), "{case}");
        assert_eq!(fold(events), whole(&case), "{case}");
    }
}

#[test]
fn how_a_recorded_stream_is_cut_changes_nothing() {
    for case in cases(".stream") {
        let stream = read(&format!("{case}.stream"));
        let once = streamed(&stream, usize::MAX);
        for step in [1, 2, 3, 7, 64] {
            assert_eq!(streamed(&stream, step), once, "{case} in steps of {step}");
        }
    }
}

#[test]
fn every_item_opens_once_and_ends_once() {
    for case in cases(".stream") {
        let (events, ending) = streamed(&read(&format!("{case}.stream")), 100);
        if ending.is_err() {
            continue;
        }
        let mut open = std::collections::BTreeSet::new();
        let mut next = 0;
        for event in &events {
            match event {
                Event::ItemStart { i, .. } => {
                    assert_eq!(*i, next, "{case}");
                    next += 1;
                    open.insert(*i);
                }
                Event::Delta { i, .. } | Event::Meta { i, .. } => {
                    assert!(open.contains(i), "{case}: {event:?}")
                }
                Event::ItemEnd { i } => assert!(open.remove(i), "{case}: {i} ended twice"),
                _ => {}
            }
        }
        assert!(open.is_empty(), "{case}: {open:?} never ended");
        assert!(matches!(events[0], Event::Start { .. }) && matches!(events.last(), Some(Event::Finish(_))));
    }
}

#[test]
fn ends_are_understood() {
    for (case, reason) in [
        ("text", FinishReason::Stop),
        ("parallel_tools", FinishReason::ToolCalls),
        ("custom_tool", FinishReason::ToolCalls),
        ("refusal", FinishReason::Refusal),
        ("safety_stop", FinishReason::Refusal),
        ("length_stop", FinishReason::Length),
        ("empty_answer", FinishReason::Stop),
    ] {
        assert_eq!(whole(case).finish.unwrap().reason, reason, "{case}");
    }
    assert_eq!(streamed(&read("cut_short.stream"), 50).1, Err(BrokenStream::CutShort));
    for (case, code) in [("error_mid_stream", "server_error"), ("error_before", "rate_limit_exceeded")] {
        let Err(BrokenStream::Upstream(error)) = streamed(&read(&format!("{case}.stream")), 50).1 else {
            panic!("{case}")
        };
        assert_eq!(error.code.as_deref(), Some(code));
    }
    let failed = super::decode_response(&read("failed.answer.json"), &mut Vec::new());
    let Err(BadAnswer::Upstream(error)) = failed else { panic!("{failed:?}") };
    assert_eq!(error.message, "The model broke.");
}

#[test]
fn what_items_say_is_kept() {
    let thought = whole("thinking_signature");
    assert_eq!(thought.items[0].summary, ["**First**\n\nthink", "then answer"]);
    let opaque = Opaque { origin: None, kind: OpaqueKind::Encrypted, data: "rs_1|gAAAAABo+/x==".into() };
    assert_eq!(thought.items[0].metas, [Meta::Opaque(opaque)]);
    assert_eq!(whole("reasoning_text").items[0].text, "Let me think about it.");
    assert_eq!(whole("custom_tool").items[0].text, "select \"a\"\nfrom b");
    let cited = whole("citations");
    assert!(matches!(&cited.items[0].item, Item::Hosted { raw } if raw["type"] == "web_search_call"));
    assert!(matches!(&cited.items[1].metas[..], [Meta::Citation(url)] if url["title"] == "Boiling"));
    let parts = whole("two_parts");
    assert_eq!((&parts.items[0].item, &parts.items[1].item), (&Item::Text, &Item::Refusal));
    assert_eq!(whole("unicode_split").items[0].text, "Zürich 漢字 😀 👩‍👩‍👧 ok");
}

#[test]
fn numbers_are_in_our_meaning() {
    let used = whole("usage_every_class").usage.unwrap();
    assert_eq!((used.input_tokens, used.output_tokens), (Some(1200), Some(80)));
    assert_eq!((used.cached_input_tokens, used.cache_write_tokens), (Some(1024), Some(128)));
    assert_eq!((used.cache_write_long_tokens, used.reasoning_tokens), (Some(28), Some(64)));
    assert_eq!((used.web_searches, used.tier), (Some(2), Some(Tier::Priority)));
    assert_eq!(whole("usage_missing").usage, None);
}

#[test]
fn what_is_no_answer_is_told() {
    for body in
        ["", "[]", "{}", "{\"output\":{}}", "{\"status\":\"queued\",\"output\":[]}", "{\"choices\":[]}"]
    {
        let read = super::decode_response(body.as_bytes(), &mut Vec::new());
        assert_eq!(read, Err(BadAnswer::NotACompletion), "{body}");
    }
    let many: String = (0..2000)
        .map(|n| {
            format!(
                "data: {{\"type\":\"response.output_text.delta\",\"output_index\":{n},\"delta\":\"x\"}}\n\n"
            )
        })
        .collect();
    assert_eq!(streamed(many.as_bytes(), 4096).1, Err(BrokenStream::NotAChunk));
}

/// Events sound and broken, in any order.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![
        "created",
        "output_item.added",
        "output_item.done",
        "content_part.added",
        "content_part.done",
        "output_text.delta",
        "output_text.done",
        "refusal.delta",
        "refusal.done",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "reasoning_summary_text.delta",
        "reasoning_text.delta",
        "reasoning_summary_part.done",
        "output_text.annotation.added",
        "web_search_call.completed",
        "completed",
        "incomplete",
    ]);
    let item = prop::sample::select(vec![
        r#"{"type":"message","content":[{"type":"output_text","text":"héy","annotations":[{"a":1}]}]}"#,
        r#"{"type":"message","content":[{"type":"refusal","refusal":"no"}]}"#,
        r#"{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"e"}"#,
        r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}"#,
        r#"{"type":"function_call"}"#,
        r#"{"type":"x_call"}"#,
        "{}",
        "7",
    ]);
    let part = prop::sample::select(vec![
        r#"{"type":"output_text","text":"héy"}"#,
        r#"{"type":"refusal","refusal":"no"}"#,
        r#"{"type":"summary_text","text":"s"}"#,
        "null",
        "[]",
    ]);
    let event = (kind, item, part, 0..3_u32, 0..3_u32, "[a-é]{0,3}").prop_map(|(kind, item, part, at, n, text)| {
        format!(
            "data: {{\"type\":\"response.{kind}\",\"output_index\":{at},\"content_index\":{n},\"summary_index\":{n},\
             \"delta\":\"{text}\",\"text\":\"{text}\",\"arguments\":\"{text}\",\"item\":{item},\"part\":{part},\
             \"annotation\":{part},\"response\":{{\"output\":[{item}],\"usage\":{{\"input_tokens\":1}}}}}}\n\n"
        )
    });
    let junk = prop_oneof![20 => event, 1 => "[ -~é\n]{0,20}"];
    prop::collection::vec(junk, 0..20).prop_map(|events| events.concat().into_bytes())
}

proptest! {
    #[test]
    fn how_any_stream_is_cut_changes_nothing(input in any_stream(), step in 1..40_usize) {
        prop_assert_eq!(streamed(&input, step), streamed(&input, usize::MAX));
    }

    #[test]
    fn any_events_make_items_that_open_before_they_grow(input in any_stream()) {
        let (events, _) = streamed(&input, 64);
        let mut open = std::collections::BTreeSet::new();
        for event in events {
            match event {
                Event::ItemStart { i, .. } => prop_assert!(open.insert(i)),
                Event::Delta { i, .. } | Event::Meta { i, .. } => prop_assert!(open.contains(&i)),
                Event::ItemEnd { i } => prop_assert!(open.remove(&i)),
                _ => {}
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(input in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ends = streamed(&input, 13);
        let _read = super::decode_response(&input, &mut Vec::new());
    }
}
