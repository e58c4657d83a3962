//! What Gemini sent, as files, and what it becomes.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::canonical::{CallKind, Delta, FinishReason, Folded, Item, Meta, OpaqueKind, Response, fold};
use crate::usage::Tier;

fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/gemini")
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(dir().join(file)).unwrap()
}

fn cases(ending: &str) -> Vec<String> {
    let names = std::fs::read_dir(dir()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut cases: Vec<String> = names
        .filter_map(|name| name.to_str().and_then(|name| name.strip_suffix(ending)).map(str::to_owned))
        .collect();
    cases.sort_unstable();
    cases
}

fn streamed(pieces: &[&[u8]]) -> (Vec<Event>, Result<(), BrokenStream>) {
    let (mut decoder, mut out) = (decoder(), Vec::new());
    for piece in pieces {
        if let Err(broken) = decoder.push(piece, &mut out) {
            return (out, Err(broken));
        }
        assert!(!decoder.is_done());
    }
    let finished = decoder.finish(&mut out);
    (out, finished)
}

fn stream(case: &str) -> (Response, Result<(), BrokenStream>) {
    let (events, result) = streamed(&[&read(&format!("{case}.stream"))]);
    (fold(events), result)
}

fn answer(case: &str) -> Response {
    let mut events = Vec::new();
    decode_response(&read(&format!("{case}.answer.json")), &mut events).unwrap();
    fold(events)
}

fn upstream(result: Result<(), BrokenStream>) -> crate::dialect::UpstreamError {
    let Err(BrokenStream::Upstream(error)) = result else { panic!("not an error: {result:?}") };
    error
}

fn finish(response: &Response) -> (FinishReason, Option<&str>) {
    let finish = response.finish.as_ref().unwrap();
    (finish.reason, finish.details.as_deref())
}

fn signatures(item: &Folded) -> Vec<&str> {
    let opaque = |meta: &'static str, m: &Meta| match m {
        Meta::Opaque(opaque) => {
            assert_eq!((opaque.kind, &opaque.origin), (OpaqueKind::ThoughtSignature, &None), "{meta}");
            true
        }
        Meta::Citation(_) => false,
    };
    let own = item.metas.iter().filter(|m| opaque("signature", m));
    own.map(|m| if let Meta::Opaque(opaque) = m { opaque.data.as_str() } else { "" }).collect()
}

/// The order that `Event` documents.
fn well_formed(events: &[Event]) {
    let mut open = Vec::new();
    let mut next = 0;
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Start { .. } => assert_eq!(at, 0),
            Event::ItemStart { i, .. } => {
                assert_eq!(*i, next);
                next += 1;
                open.push(*i);
            }
            Event::Delta { i, .. } | Event::Meta { i, .. } => assert!(open.contains(i), "{events:?}"),
            Event::ItemEnd { i } => {
                assert!(open.contains(i));
                open.retain(|other| other != i);
            }
            Event::Usage(_) => assert!(at > 0),
            Event::Finish(_) => {
                assert!(open.is_empty());
                assert_eq!(at, events.len() - 1);
            }
        }
    }
}

#[test]
fn a_stream_folds_to_its_whole_answer() {
    let mut both = 0;
    for case in cases(".answer.json") {
        if !dir().join(format!("{case}.stream")).exists() {
            continue;
        }
        let (response, result) = stream(&case);
        assert_eq!(result, Ok(()), "{case}");
        assert_eq!(response, answer(&case), "{case}");
        both += 1;
    }
    assert!(both >= 20, "{both}");
}

#[test]
fn every_stream_is_read_the_same_byte_by_byte() {
    for case in cases(".stream") {
        let bytes = read(&format!("{case}.stream"));
        let whole = streamed(&[&bytes]);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(streamed(&single), whole, "{case}");
        well_formed(&whole.0);
    }
}

#[test]
fn text_and_thoughts_are_items_of_their_own() {
    let text = answer("text");
    assert_eq!((text.id.as_str(), text.model.as_str()), ("kDgeabX9Mv6gjMcPr6zb4Q4", "gemini-3.8-flash"));
    assert_eq!((text.items.len(), text.items[0].text.as_str()), (1, "Hello, world!"));
    assert_eq!(finish(&text), (FinishReason::Stop, None));
    let thinking = answer("reasoning");
    let items: Vec<_> = thinking.items.iter().map(|item| (&item.item, item.text.as_str())).collect();
    assert_eq!(items, [(&Item::Reasoning, "**Plan**\nAdd them."), (&Item::Text, "4")]);
    assert_eq!(signatures(&thinking.items[1]), ["CtoBAb4+9vv0abc="]);
    assert_eq!(answer("unicode_split").items[0].text, "Grüße 漢字 👩‍👩‍👧 \0\u{2028}é");
    assert_eq!(answer("json_schema").items[0].text, r#"{"answer": 42}"#);
    assert!(answer("empty").items.is_empty());
}

#[test]
fn calls_are_whole_and_have_ids() {
    let calls = |case: &str| -> Vec<(String, String, String, Vec<String>)> {
        let response = answer(case);
        assert_eq!(finish(&response).0, FinishReason::ToolCalls, "{case}");
        let calls = response.items.iter().filter_map(|folded| match &folded.item {
            Item::ToolCall { id, name, kind: CallKind::Function } => {
                let own = signatures(folded).into_iter().map(str::to_owned).collect();
                Some((id.clone(), name.clone(), folded.text.clone(), own))
            }
            _ => None,
        });
        calls.collect()
    };
    let parallel = calls("parallel_tools");
    let arguments: Vec<&str> = parallel.iter().map(|call| call.2.as_str()).collect();
    let expected =
        [r#"{"city":"Paris","unit":"c"}"#, r#"{"unit":"c","city":"Zürich"}"#, r#"{"zone":"Europe/Paris"}"#];
    assert_eq!(arguments, expected);
    assert_eq!(parallel[0].3, ["Cs8BSig1=="]);
    assert!(parallel[1].3.is_empty() && parallel[2].3.is_empty());
    assert!(parallel.iter().all(|call| call.0.starts_with("call_") && call.0.len() == 29));
    assert!(parallel[0].0 != parallel[1].0 && parallel[1].0 != parallel[2].0);
    assert_eq!(calls("call_ids")[0].0, "fc-7f3a");
    assert_eq!(calls("empty_arguments").iter().map(|c| c.2.as_str()).collect::<Vec<_>>(), ["{}", "{}"]);
    assert_eq!(calls("text_then_tool")[0].2, r#"{"q":"a \"b\" \\ c","n":[1,2.5,null]}"#);
    assert_eq!(calls("thinking_signature")[0].3, ["CoIDAb4+9vt5ZmF=="]);
    let unnamed = calls("no_response_id");
    assert_ne!(unnamed[0].0, unnamed[1].0);
}

#[test]
fn ends_keep_their_reason() {
    use FinishReason::{Length, Refusal, Stop};
    assert_eq!(finish(&answer("safety_stop")), (Refusal, Some("The answer was stopped for safety.")));
    assert_eq!(finish(&answer("refusal")), (Refusal, Some("PROHIBITED_CONTENT")));
    assert_eq!(finish(&answer("length_stop")), (Length, None));
    assert_eq!(finish(&answer("length_all_thoughts")), (Length, None));
    assert_eq!(finish(&answer("continuation")), (Length, Some("CONTINUATION")));
    let malformed = answer("malformed_after_text");
    assert_eq!(finish(&malformed), (Stop, Some("Malformed function call: print(f(1)")));
}

#[test]
fn numbers_are_the_last_ones() {
    let usage = |case: &str| answer(case).usage;
    let full = usage("usage_all").unwrap();
    assert_eq!(
        (full.input_tokens, full.output_tokens, full.total_tokens),
        (Some(1205), Some(80), Some(1285))
    );
    assert_eq!((full.cached_input_tokens, full.reasoning_tokens), (Some(1000), Some(60)));
    assert_eq!((full.web_searches, full.tier), (Some(2), Some(Tier::Priority)));
    assert_eq!(usage("usage_missing"), None);
    let blocked = usage("refusal").unwrap();
    assert_eq!((blocked.input_tokens, blocked.output_tokens), (Some(17), Some(0)));
    let odd = usage("usage_inconsistent").unwrap();
    assert_eq!((odd.input_tokens, odd.output_tokens, odd.cached_input_tokens), (Some(5), None, Some(50)));
}

#[test]
fn what_only_gemini_knows_is_passed_on_whole() {
    let items = answer("hosted_code").items;
    let hosted: Vec<_> = items.iter().filter(|item| matches!(item.item, Item::Hosted { .. })).collect();
    assert_eq!((items.len(), hosted.len()), (4, 2));
    let Item::Hosted { raw } = &answer("image_output").items[0].item else { panic!("no image") };
    assert_eq!(raw["inlineData"]["data"], "iVBORw0KGgo=");
    let citations = answer("citations").items.remove(0).metas;
    let [Meta::Citation(citation)] = citations.as_slice() else { panic!("{citations:?}") };
    assert_eq!((&citation["type"], &citation["end_index"]), (&"url_citation".into(), &11.into()));
}

#[test]
fn framing_may_vary() {
    for case in ["pings", "line_feeds", "multi_line", "no_last_blank_line", "whole_array"] {
        let (response, result) = stream(case);
        assert_eq!(result, Ok(()), "{case}");
        assert_eq!((response.items.len(), response.items[0].text.as_str()), (1, "Hello"), "{case}");
        assert_eq!(response.usage.unwrap().output_tokens, Some(2), "{case}");
    }
}

#[test]
fn errors_break_a_stream_wherever_they_stand() {
    for case in ["mid_stream_error", "error_bare", "error_array"] {
        let error = upstream(stream(case).1);
        assert_eq!(error.message, "The model is overloaded. Please try again later.", "{case}");
        assert_eq!(error.code.as_deref(), Some("UNAVAILABLE"), "{case}");
    }
    let (response, result) = stream("malformed_call");
    let error = upstream(result);
    assert_eq!(error.code.as_deref(), Some("MALFORMED_FUNCTION_CALL"));
    assert_eq!(response.usage.unwrap().input_tokens, Some(9), "the numbers stay readable");
    assert_eq!(stream("cut_short").1, Err(BrokenStream::CutShort));
    assert_eq!(stream("cut_in_event").1, Err(BrokenStream::CutShort));
    assert_eq!(stream("not_a_chunk").1, Err(BrokenStream::NotAChunk));
    assert_eq!(streamed(&[]).1, Err(BrokenStream::CutShort));
    assert_eq!(streamed(&[b"<html>\n\n"]).1, Err(BrokenStream::CutShort));
}

#[test]
fn a_broken_decoder_stays_broken() {
    let (mut decoder, mut out) = (decoder(), Vec::new());
    assert!(decoder.push(&read("mid_stream_error.stream"), &mut out).is_err());
    let before = out.len();
    assert_eq!(decoder.push(&read("text.stream"), &mut out), Err(BrokenStream::CutShort));
    assert_eq!(decoder.finish(&mut out), Err(BrokenStream::CutShort));
    assert_eq!(out.len(), before);
}

#[test]
fn what_is_no_answer_is_refused() {
    let whole = |body: &[u8]| decode_response(body, &mut Vec::new());
    let Err(BadAnswer::Upstream(error)) = whole(&read("error_as_success.answer.json")) else {
        panic!("not an error")
    };
    assert_eq!(error.kind.as_deref(), Some("UNAVAILABLE"));
    assert_eq!(whole(&read("not_an_answer.answer.json")), Err(BadAnswer::NotACompletion));
    let bodies: [&[u8]; 7] = [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"<html>",
        br#"{"candidates":[{"content":{"parts":[{"functionCall":{}}]},"finishReason":"STOP"}]}"#,
        br#"{"candidates":[{"content":{"parts":[{"text":7}]},"finishReason":"STOP"}]}"#,
    ];
    for body in bodies {
        assert_eq!(whole(body), Err(BadAnswer::NotACompletion), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn the_numbers_come_before_the_end() {
    let (events, _) = streamed(&[&read("text.stream")]);
    let usages = events.iter().filter(|event| matches!(event, Event::Usage(_))).count();
    assert_eq!(usages, 2, "the same numbers are not said twice");
    assert!(matches!(events[1], Event::ItemStart { i: 0, item: Item::Text }));
    assert_eq!(events[2], Event::Delta { i: 0, delta: Delta::Text("Hello".into()) });
}

#[test]
fn there_is_an_end_to_calls() {
    let call = r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}"#;
    let many = format!("{call}\n\n").repeat(9000);
    assert_eq!(streamed(&[many.as_bytes()]).1, Err(BrokenStream::TooLarge));
}

proptest! {
    #[test]
    fn chunking_makes_no_difference(case in 0usize..64, cuts in prop::collection::vec(0usize..4096, 0..12)) {
        let cases = cases(".stream");
        let bytes = read(&format!("{}.stream", cases[case % cases.len()]));
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(streamed(&pieces), streamed(&[&bytes]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        case in 0usize..64, at in 0usize..4096, junk in prop::collection::vec(any::<u8>(), 0..40)
    ) {
        let cases = cases(".stream");
        let mut bytes = read(&format!("{}.stream", cases[case % cases.len()]));
        let at = at % (bytes.len() + 1);
        let end = (at + junk.len()).min(bytes.len());
        bytes.splice(at..end, junk.clone());
        let (events, _) = streamed(&[&bytes]);
        well_formed(&events);
        let _whole = decode_response(&bytes, &mut Vec::new());
        let _junk = (decode_response(&junk, &mut Vec::new()), streamed(&[&junk]));
    }
}
