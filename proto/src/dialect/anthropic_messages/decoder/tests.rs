//! What decoding holds back, forgives and refuses; whole streams are in the golden files.

use serde_json::json;

use super::*;
use crate::canonical::fold;

fn stream(events: &[Value]) -> (Vec<Event>, Result<(), BrokenStream>) {
    let mut decoder = decoder();
    let mut out = Vec::new();
    for event in events {
        if let Err(broken) = decoder.push(format!("data: {event}\n\n").as_bytes(), &mut out) {
            return (out, Err(broken));
        }
    }
    let result = decoder.finish(&mut out);
    (out, result)
}

#[test]
fn a_signature_comes_whole_just_before_the_end() {
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let (events, result) = stream(&[
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        delta(json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(json!({"type": "signature_delta", "signature": "Eo"})),
        delta(json!({"type": "signature_delta", "signature": "Yb"})),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_stop"}),
    ]);
    assert_eq!(result, Ok(()));
    let signature = opaque(OpaqueKind::Signature, "EoYb".into());
    // A server that forgets to start its message is forgiven.
    assert!(matches!(&events[0], Event::Start { id, .. } if id.is_empty()));
    assert_eq!(events[3], Event::Meta { i: 0, meta: signature });
    assert_eq!(events[5], Event::Finish(Finish::new(FinishReason::Stop)));
}

#[test]
fn a_call_may_come_whole_or_bare() {
    let call = |input: Value| json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": input}});
    let end = [json!({"type": "content_block_stop", "index": 0}), json!({"type": "message_stop"})];
    for (input, expected) in [(json!({"a": 1}), "{\"a\":1}"), (json!({}), "{}"), (Value::Null, "{}")] {
        let (events, result) = stream(&[call(input), end[0].clone(), end[1].clone()]);
        assert_eq!((result, fold(events).items[0].text.as_str()), (Ok(()), expected));
    }
}

#[test]
fn what_is_held_has_a_limit() {
    let start = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "id": "s", "name": "f"}});
    let piece = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "x".repeat(1 << 20)}});
    let mut events = vec![start];
    events.extend(std::iter::repeat_n(piece, 5));
    assert_eq!(stream(&events).1, Err(BrokenStream::TooLarge));
    let open = |index: usize| json!({"type": "content_block_start", "index": index, "content_block": {"type": "text"}});
    let many: Vec<Value> = (0..=OPEN_MAX).map(open).collect();
    assert_eq!(stream(&many).1, Err(BrokenStream::NotAChunk));
    let close = |index: usize| json!({"type": "content_block_stop", "index": index});
    let many: Vec<Value> = (0..9000).flat_map(|index| [open(index), close(index)]).collect();
    assert_eq!(stream(&many).1, Err(BrokenStream::TooLarge));
}

#[test]
fn errors_are_told_in_any_shape() {
    for event in [
        json!({"type": "error", "error": {"type": "api_error", "message": "boom"}}),
        json!({"error": {"message": "boom"}}),
    ] {
        let (_, result) = stream(&[event]);
        assert!(matches!(result, Err(BrokenStream::Upstream(error)) if error.message == "boom"));
    }
    assert!(matches!(stream(&[json!({"type": "error"})]).1, Err(BrokenStream::Upstream(_))));
    assert_eq!(stream(&[json!({"type": "ping"})]).1, Err(BrokenStream::CutShort));
}

#[test]
fn the_placeholder_of_the_start_is_no_output() {
    let start = json!({"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 3, "output_tokens": 1}}});
    let (events, _) = stream(&[start]);
    let Event::Usage(reported) = &events[1] else { panic!("{events:?}") };
    assert_eq!((reported.input_tokens, reported.output_tokens), (Some(3), None));
}
