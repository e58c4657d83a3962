//! The golden files of this dialect: every request reads, every answer gives the same whole and streamed, and what is
//! written to a caller reads back as it was.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::canonical::{
    Carrier, Event, Finish, Folded, Item, Meta, Opaque, Origin, Request, Response, Warnings, fold,
};
use crate::catalogue::Profile;
use crate::config::ProviderKind;
use crate::dialect::codec::{Decoder, Relay, Reply, Target};
use crate::dialect::{BadAnswer, BrokenStream, Dialect};
use crate::id::RequestId;
use crate::secret::Secret;

fn golden(suffix: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/anthropic_messages");
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let case = path.file_name()?.to_str()?.strip_suffix(suffix)?.to_owned();
            Some((case, std::fs::read(&path).unwrap()))
        })
        .collect();
    files.sort();
    assert!(files.len() >= 15, "{suffix}: {}", files.len());
    files
}

fn carrier() -> Carrier {
    Carrier::new(&Secret::new([3; 32]))
}

fn origin() -> Origin {
    Origin { provider: "claude".into(), model: "claude-sonnet-5".into() }
}

fn reply() -> Reply {
    Reply {
        request: RequestId::new(),
        asked: Arc::new(Request::new(Dialect::AnthropicMessages, "alias")),
        include_usage: false,
        created: 0,
        carrier: carrier(),
        origin: origin(),
        price: None,
        input_estimate: 5,
    }
}

fn streamed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Result<(), BrokenStream>) {
    let mut decoder: Box<dyn Decoder> = decoder();
    let mut events = Vec::new();
    for piece in pieces {
        if let Err(broken) = decoder.push(piece, &mut events) {
            return (events, Err(broken));
        }
    }
    let result = decoder.finish(&mut events);
    (events, result)
}

fn whole(body: &[u8]) -> Response {
    let mut events = Vec::new();
    decode_response(body, &mut events).unwrap();
    fold(events)
}

/// What another provider's answer would look like: everything but the words that are of this one alone.
fn essence(mut response: Response) -> (Vec<Folded>, Option<Finish>) {
    for item in &mut response.items {
        item.metas.retain(|meta| matches!(meta, Meta::Opaque(_)));
    }
    (response.items, response.finish)
}

#[test]
fn every_request_reads_and_goes_to_its_own_kind_unchanged() {
    for (case, body) in golden(".request.json") {
        let scan = scan(&body).unwrap();
        assert_eq!(scan.model, "claude-sonnet", "{case}");
        let request = decode_request(&body, &carrier()).unwrap_or_else(|fault| panic!("{case}: {fault:?}"));
        assert_eq!((request.model.as_str(), request.stream), ("claude-sonnet", scan.stream), "{case}");
        let (origin, mut warnings) = (origin(), Warnings::default());
        let profile = Profile { mid_system: true, ..Profile::default() };
        let target = Target { kind: ProviderKind::Anthropic, origin: &origin, profile: &profile };
        let encoded = encode_request(&request, &target, &mut warnings)
            .unwrap_or_else(|fault| panic!("{case}: {fault:?}"));
        // What was written reads as what was read, but for what was warned about.
        let mut back = decode_request(&encoded.body, &carrier()).unwrap();
        back.model.clone_from(&request.model);
        let nested = warnings.all().iter().any(|warning| warning.code == "unknown_field_dropped");
        if !nested && !["multi_turn", "parallel_tools"].contains(&case.as_str()) {
            let text = |request: &Request| {
                format!(
                    "{:?}",
                    (
                        &request.tools,
                        &request.reasoning,
                        &request.output,
                        &request.cache,
                        &request.sampling,
                        &request.rest
                    )
                )
            };
            assert_eq!(text(&back), text(&request), "{case}");
        }
        let again = encode_request(&back, &target, &mut warnings).unwrap();
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        assert_eq!(json(&again.body), json(&encoded.body), "{case}");
    }
}

#[test]
fn every_answer_is_the_same_whole_and_streamed() {
    for (case, stream) in golden(".stream") {
        let (events, result) = streamed([stream.as_slice()]);
        let expected = match case.as_str() {
            "mid_stream_error" => "upstream",
            "cut_stream" | "cut_in_event" => "cut",
            "not_a_chunk" => "broken",
            _ => "whole",
        };
        let got = match &result {
            Ok(()) => "whole",
            Err(BrokenStream::Upstream(error)) if error.kind.as_deref() == Some("overloaded_error") => {
                "upstream"
            }
            Err(BrokenStream::CutShort) => "cut",
            Err(_) => "broken",
        };
        assert_eq!(got, expected, "{case}: {result:?}");
        for size in [1, 2, 5, 17] {
            let (pieces, result) = streamed(stream.chunks(size));
            assert_eq!((&pieces, result.is_ok()), (&events, got == "whole"), "{case} in {size}s");
        }
        if got == "whole" {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join(format!("fixtures/anthropic_messages/{case}.answer.json"));
            let answer = std::fs::read(path).unwrap();
            assert_eq!(fold(events), whole(&answer), "{case}");
        }
    }
}

/// A token's contents in its place, as if the provider had just said it.
fn unwrap(meta: &mut Meta) {
    if let Meta::Opaque(opaque) = meta {
        let inner = reply().carrier.unwrap(&opaque.data).unwrap();
        assert_eq!(inner.origin, Some(reply().origin));
        *opaque = Opaque { origin: None, ..inner };
    }
}

#[test]
fn every_answer_goes_to_a_caller_and_back() {
    for (case, body) in golden(".answer.json") {
        if case == "error_as_success" {
            let refused = decode_response(&body, &mut Vec::new());
            assert!(matches!(refused, Err(BadAnswer::Upstream(_))), "{refused:?}");
            continue;
        }
        let response = whole(&body);
        let written = encode_response(&response, reply());
        let json: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(json["model"], "alias", "{case}");
        let original: Value = serde_json::from_slice(&body).unwrap();
        let mut back = whole(&written);
        back.items.iter_mut().flat_map(|item| &mut item.metas).for_each(unwrap);
        assert_eq!(essence(back.clone()).0, essence(response.clone()).0, "{case}");
        for key in ["id", "role", "type", "stop_reason", "stop_sequence"] {
            assert_eq!(json[key], original[key], "{case}: {key}");
        }
        if case != "usage_missing" && case != "usage_iterations" {
            for key in ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation"] {
                assert_eq!(json["usage"][key], original["usage"][key], "{case}: {key}");
            }
        }
        // The stream says the same.
        let mut events = Vec::new();
        decode_response(&body, &mut events).unwrap();
        let mut encoder = encoder(reply());
        let mut out = BytesMut::new();
        events.into_iter().for_each(|event| encoder.event(event, &mut out));
        encoder.end(&mut out);
        let (events, result) = streamed([&out[..]]);
        assert_eq!(result, Ok(()), "{case}");
        let mut streamed = fold(events);
        streamed.items.iter_mut().flat_map(|item| &mut item.metas).for_each(unwrap);
        assert_eq!(
            (essence(streamed.clone()), streamed.usage),
            (essence(back.clone()), back.usage),
            "{case}"
        );
        // And passes as a provider's.
        let mut relay = MessagesStream::new("alias");
        let mut passed = BytesMut::new();
        relay.push(&out, &mut passed).unwrap();
        assert!(relay.is_done() && passed == out, "{case}");
    }
}

#[test]
fn relays_forward_what_decoders_read() {
    for (case, stream) in golden(".stream") {
        let mut relay = MessagesStream::new("claude-sonnet-5");
        let mut out = BytesMut::new();
        let result = relay.push(&stream, &mut out).and_then(|()| relay.finish(&mut out));
        let (events, decoded) = streamed([stream.as_slice()]);
        assert_eq!(result, decoded, "{case}");
        assert_eq!(relay.reported(), fold(events.clone()).usage, "{case}");
        if result.is_ok() {
            assert_eq!(streamed([&out[..]]).0, events, "{case}");
        }
        if case != "crlf" && result.is_ok() {
            assert_eq!(out, stream, "{case}");
        }
    }
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("event: ".to_owned()),
        Just("data: ".to_owned()),
        Just("\n\n".to_owned()),
        Just("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\"}}".to_owned()),
        Just("{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"mcp_tool_use\",\"input\":{}}}".to_owned()),
        Just("{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}".to_owned()),
        Just("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"text\":\"x\"}}".to_owned()),
        Just("{\"type\":\"message_stop\"}".to_owned()),
        ".{0,12}",
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), stream in any_stream()) {
        for input in [&bytes, &stream] {
            let _read = streamed([input.as_slice()]);
            let _read = decode_response(input, &mut Vec::new());
            let _read = decode_request(input, &carrier());
            let _read = scan(input);
            let _read = scan_count(input);
            let _read = read_answer(input);
            let _read = read_error(500, input);
            let mut out = BytesMut::new();
            let mut relay = MessagesStream::new("m");
            let _read = relay.push(input, &mut out).and_then(|()| relay.finish(&mut out));
        }
    }

    #[test]
    fn pieces_never_matter(stream in any_stream(), size in 1_usize..40) {
        let (events, result) = streamed([stream.as_slice()]);
        let (pieces, other) = streamed(stream.chunks(size));
        prop_assert_eq!((events, result), (pieces, other));
    }

    #[test]
    fn any_events_make_a_stream_that_reads(steps in prop::collection::vec((0_u32..5, 0_u8..6, "[a-z]{0,4}"), 0..60)) {
        use crate::canonical::{CallKind, Delta};
        let mut encoder = encoder(reply());
        let mut out = BytesMut::new();
        let (mut open, mut next, mut expected) = (Vec::<(u32, bool)>::new(), 0, std::collections::BTreeMap::<u32, String>::new());
        for (which, what, text) in steps {
            let pick = (!open.is_empty()).then(|| open[which as usize % open.len()]);
            match (what, pick) {
                (0 | 1, _) => {
                    let call = what == 0;
                    let item = if call { Item::ToolCall { id: format!("c{next}"), name: "f".into(), kind: CallKind::Function } } else { Item::Text };
                    encoder.event(Event::ItemStart { i: next, item }, &mut out);
                    open.push((next, call));
                    if call { expected.insert(next, String::new()); }
                    next += 1;
                }
                (2..=4, Some((i, call))) => {
                    let delta = if call { Delta::Arguments(text.clone()) } else { Delta::Text(text.clone()) };
                    if call { expected.entry(i).or_default().push_str(&text); }
                    encoder.event(Event::Delta { i, delta }, &mut out);
                }
                (_, Some((i, _))) => {
                    open.retain(|(other, _)| *other != i);
                    encoder.event(Event::ItemEnd { i }, &mut out);
                }
                _ => {}
            }
        }
        encoder.end(&mut out);
        let (events, result) = streamed([&out[..]]);
        prop_assert_eq!(result, Ok(()));
        // Blocks are sequential, and each call has all its arguments.
        let mut at = None;
        for event in &events {
            match event {
                Event::ItemStart { i, .. } => prop_assert!(at.replace(*i).is_none()),
                Event::ItemEnd { i } => prop_assert_eq!(at.take(), Some(*i)),
                _ => {}
            }
        }
        let calls: Vec<(String, String)> = fold(events).items.into_iter().filter_map(|item| match item.item {
            Item::ToolCall { id, .. } => Some((id, item.text)),
            _ => None,
        }).collect();
        let mut calls_expected: Vec<(String, String)> =
            expected.into_iter().map(|(i, text)| (format!("c{i}"), if text.is_empty() { "{}".to_owned() } else { text })).collect();
        let mut calls = calls;
        calls.sort();
        calls_expected.sort();
        prop_assert_eq!(calls, calls_expected);
    }
}
