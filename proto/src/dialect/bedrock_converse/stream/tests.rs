//! Streams as the service sends them and as it should not.

use serde_json::json;

use super::*;
use crate::canonical::{Delta, Event, FinishReason, Item, fold};
use crate::dialect::bedrock_converse::golden::frames::{event, exception, frame, stream};

fn run(bytes: &[u8]) -> (Vec<Event>, Result<(), BrokenStream>, bool) {
    let mut decoder = decoder();
    let mut out = Vec::new();
    let pushed = decoder.push(bytes, &mut out);
    (out, pushed, decoder.is_done())
}

fn text(n: u32, text: &str) -> Vec<u8> {
    event("contentBlockDelta", json!({ "contentBlockIndex": n, "delta": { "text": text } }))
}

fn stop() -> Vec<u8> {
    event("messageStop", json!({ "stopReason": "end_turn" }))
}

#[test]
fn the_end_needs_the_numbers_or_the_end_of_the_connection() {
    let mut decoder = decoder();
    let mut out = Vec::new();
    let bytes = [event("messageStart", json!({})), text(0, "Hi"), stop()].concat();
    decoder.push(&bytes, &mut out).unwrap();
    assert!(!decoder.is_done() && !out.iter().any(|event| matches!(event, Event::Finish(_))));
    let usage = event("metadata", json!({ "usage": { "inputTokens": 1, "outputTokens": 2 } }));
    decoder.push(&usage, &mut out).unwrap();
    assert!(decoder.is_done());
    let response = fold(out.clone());
    assert_eq!(response.usage.unwrap().output_tokens, Some(2));
    assert_eq!(response.finish.unwrap().reason, FinishReason::Stop);
    // Nothing behind the end is looked at.
    let before = out.len();
    decoder.push(b"garbage that is no frame at all", &mut out).unwrap();
    decoder.finish(&mut out).unwrap();
    assert_eq!(out.len(), before);

    let mut without = super::decoder();
    let mut out = Vec::new();
    without.push(&bytes, &mut out).unwrap();
    without.finish(&mut out).unwrap();
    assert!(without.is_done());
    let response = fold(out);
    assert_eq!((response.usage, response.items[0].text.as_str()), (None, "Hi"));
}

#[test]
fn numbers_before_the_stop_count_too() {
    let usage = event("metadata", json!({ "usage": { "inputTokens": 1, "outputTokens": 2 } }));
    let (out, pushed, done) = run(&[text(0, "Hi"), usage, stop()].concat());
    assert_eq!((pushed, done), (Ok(()), true));
    assert!(matches!(out[0], Event::Start { .. }), "opened without messageStart");
    assert!(fold(out).usage.is_some());
}

#[test]
fn calls_may_interleave_and_blocks_may_stay_open() {
    let start = |n: u32, id: &str| {
        let start = json!({ "toolUse": { "toolUseId": id, "name": "f" } });
        event("contentBlockStart", json!({ "contentBlockIndex": n, "start": start }))
    };
    let input = |n: u32, input: &str| {
        let delta = json!({ "toolUse": { "input": input } });
        event("contentBlockDelta", json!({ "contentBlockIndex": n, "delta": delta }))
    };
    let bytes =
        [start(3, "a"), start(9, "b"), input(3, "{\"x\""), input(9, "{}"), input(3, ":1}"), stop()].concat();
    let (mut out, pushed, _) = run(&bytes);
    pushed.unwrap();
    out.retain(|event| {
        matches!(event, Event::Delta { .. } | Event::ItemStart { .. } | Event::ItemEnd { .. })
    });
    let response = fold(out.clone());
    let calls: Vec<(&Item, &str)> = response.items.iter().map(|i| (&i.item, i.text.as_str())).collect();
    assert_eq!((calls[0].1, calls[1].1), ("{\"x\":1}", "{}"));
    let ends = out.iter().filter(|event| matches!(event, Event::ItemEnd { .. })).count();
    assert_eq!(ends, 2);
}

#[test]
fn a_block_that_changes_its_kind_becomes_two_items() {
    let thought = json!({ "contentBlockIndex": 0, "delta": { "reasoningContent": { "text": "hm" } } });
    let (out, ..) = run(&[event("contentBlockDelta", thought), text(0, "Hi"), stop()].concat());
    let response = fold(out);
    assert_eq!(response.items.len(), 2);
    assert_eq!((&response.items[0].item, &response.items[1].item), (&Item::Reasoning, &Item::Text));
}

#[test]
fn a_signature_in_pieces_is_one() {
    let piece = |signature: &str| {
        let delta = json!({ "reasoningContent": { "signature": signature } });
        event("contentBlockDelta", json!({ "contentBlockIndex": 0, "delta": delta }))
    };
    let (out, ..) = run(&[piece("abc"), piece("def"), stop()].concat());
    let response = fold(out);
    let [crate::canonical::Meta::Opaque(opaque)] = response.items[0].metas.as_slice() else { panic!() };
    assert_eq!((opaque.data.as_str(), &opaque.origin), ("abcdef", &None));
}

#[test]
fn exceptions_break_the_stream_with_their_names() {
    let body = json!({ "message": "Too many tokens, please wait before trying again." });
    let bytes = [text(0, "Hi"), exception("throttlingException", &body)].concat();
    let (out, pushed, _) = run(&bytes);
    let Err(BrokenStream::Upstream(error)) = pushed else { panic!("{pushed:?}") };
    assert_eq!(error.code.as_deref(), Some("throttlingException"));
    assert_eq!(error.message, "Too many tokens, please wait before trying again.");
    assert!(out.contains(&Event::Delta { i: 0, delta: Delta::Text("Hi".into()) }));

    let model = json!({ "message": "The model failed.", "originalStatusCode": 500, "originalMessage": "x" });
    let (_, pushed, _) = run(&exception("modelStreamErrorException", &model));
    assert!(matches!(pushed, Err(BrokenStream::Upstream(error)) if error.message == "The model failed."));

    let headers =
        [(":message-type", "error"), (":error-code", "InternalFailure"), (":error-message", "It broke.")];
    let (_, pushed, _) = run(&frame(&headers, ""));
    let Err(BrokenStream::Upstream(error)) = pushed else { panic!("{pushed:?}") };
    assert_eq!((error.message.as_str(), error.code.as_deref()), ("It broke.", Some("InternalFailure")));
}

#[test]
fn frames_have_to_be_sound() {
    let sound = text(0, "Hello");
    for at in [5, 9, 20, sound.len() - 1] {
        let mut bent = sound.clone();
        bent[at] ^= 1;
        assert_eq!(run(&bent).1, Err(BrokenStream::NotAChunk), "{at}");
    }
    assert_eq!(run(b"{\"message\":\"not a stream\"}").1, Err(BrokenStream::TooLarge));
    assert_eq!(run(&[0, 0, 0, 3]).1, Err(BrokenStream::NotAChunk));
    let headers = [(":message-type", "event"), (":event-type", "contentBlockDelta")];
    for payload in ["", "{", "[]", "{}", "{\"delta\":1}"] {
        assert_eq!(run(&frame(&headers, payload)).1, Err(BrokenStream::NotAChunk), "{payload}");
    }
    assert_eq!(run(&frame(&[], "{}")).1, Err(BrokenStream::NotAChunk));
    let unknown = frame(&[(":message-type", "event"), (":event-type", "somethingNew")], "?");
    assert_eq!(run(&[unknown, text(0, "a")].concat()).1, Ok(()));
    let orphan = json!({ "contentBlockIndex": 5, "delta": { "toolUse": { "input": "x" } } });
    assert_eq!(run(&event("contentBlockDelta", orphan)).1, Err(BrokenStream::NotAChunk));
}

#[test]
fn a_broken_stream_stays_broken() {
    let mut decoder = decoder();
    let mut out = Vec::new();
    assert!(decoder.push(&[0, 0, 0, 3], &mut out).is_err());
    assert_eq!(decoder.push(&text(0, "x"), &mut out), Err(BrokenStream::CutShort));
    assert_eq!(decoder.finish(&mut out), Err(BrokenStream::CutShort));
    assert!(out.is_empty() && !decoder.is_done());
}

#[test]
fn blocks_cannot_be_opened_without_end() {
    let bytes: Vec<u8> = (0..1100).flat_map(|n| text(n, "x")).collect();
    assert_eq!(run(&bytes).1, Err(BrokenStream::TooLarge));
}

#[test]
fn openai_streams_count_their_cache_once() {
    let usage = json!({ "inputTokens": 4995, "outputTokens": 19, "totalTokens": 10007, "cacheWriteInputTokens": 4993 });
    let answer =
        json!({ "output": { "message": { "content": [] } }, "stopReason": "end_turn", "usage": usage });
    let input = |mut decoder: Box<dyn Decoder>| {
        let mut out = Vec::new();
        decoder.push(&stream(&answer), &mut out).unwrap();
        fold(out).usage.unwrap().input_tokens
    };
    assert_eq!(input(decoder_of("us.openai.gpt-6-luna")), Some(4995));
    assert_eq!(input(decoder_of("anthropic.claude-opus-5-5")), Some(9988));
}

#[test]
fn a_garbled_answer_is_an_error_with_a_price() {
    let answer = json!({ "output": { "message": { "content": [] } }, "stopReason": "malformed_tool_use",
        "usage": { "inputTokens": 3, "outputTokens": 4 } });
    let (out, pushed, _) = run(&stream(&answer));
    assert!(
        matches!(pushed, Err(BrokenStream::Upstream(error)) if error.code.as_deref() == Some("malformed_tool_use"))
    );
    assert_eq!(fold(out).usage.unwrap().output_tokens, Some(4));
}

#[test]
fn there_is_an_end_to_blocks() {
    let many: Vec<u8> = (0..9000)
        .flat_map(|n| {
            let start =
                json!({ "contentBlockIndex": n, "start": { "toolUse": { "toolUseId": "a", "name": "f" } } });
            let end = event("contentBlockStop", json!({ "contentBlockIndex": n }));
            [event("contentBlockStart", start), end].concat()
        })
        .collect();
    assert_eq!(run(&many).1, Err(BrokenStream::TooLarge));
}
