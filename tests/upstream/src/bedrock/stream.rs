//! Streams of Converse: binary frames with check sums. Text and thoughts open without an event of their own; the
//! numbers come last, behind the end of the message.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{extra, redacted, stop_reason, thought, tool_use_id, usage};
use crate::fake::asked::{Event, Said};
use crate::fake::tale::Piece;

const PADDING: &str = "abcdefghijklmnopqrstuvwxyz";

fn frame(kind: [&'static str; 2], name: &'static str, payload: &Value) -> Bytes {
    let header =
        |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
    let message = Message::new(Bytes::from(payload.to_string()))
        .add_header(header(kind[0], name))
        .add_header(header(":content-type", "application/json"))
        .add_header(header(":message-type", kind[1]));
    let mut bytes = Vec::new();
    // The only error is a frame too large, and none is.
    let _written = write_message_to(&message, &mut bytes).is_ok();
    bytes.into()
}

/// An event, padded as the service pads.
fn event(name: &'static str, mut payload: Value) -> Bytes {
    let length = payload.to_string().len() % PADDING.len();
    payload["p"] = json!(PADDING[..=length]);
    frame([":event-type", "event"], name, &payload)
}

/// An exception in the middle.
pub(crate) fn error() -> Bytes {
    let payload = json!({"message": "The model had an error while processing your request.",
        "originalStatusCode": 500, "originalMessage": "internal error"});
    frame([":exception-type", "exception"], "modelStreamErrorException", &payload)
}

fn delta(i: usize, delta: &Value) -> Bytes {
    event("contentBlockDelta", json!({"contentBlockIndex": i, "delta": delta}))
}

/// All of it.
pub(crate) fn events(said: Said<'_>) -> Vec<Event> {
    let mut events = vec![Event::bare(event("messageStart", json!({"role": "assistant"})))];
    for (i, piece) in said.tale.pieces.iter().enumerate() {
        match piece {
            Piece::Text(words) | Piece::Refusal(words) => {
                events.extend(words.iter().map(|word| Event::token(delta(i, &json!({"text": word})))));
            }
            Piece::Reasoning(words) => {
                let (shown, signature) = thought(said, words);
                let part = |part: Value| Event::bare(delta(i, &json!({"reasoningContent": part})));
                events.extend(shown.iter().map(|word| part(json!({"text": word}))));
                events.push(part(json!({"signature": signature})));
            }
            Piece::Redacted => {
                let part = json!({"reasoningContent": {"redactedContent": redacted(said)}});
                events.push(Event::bare(delta(i, &part)));
            }
            Piece::Call(call) => {
                let start = json!({"toolUse": {"toolUseId": tool_use_id(call), "name": call.name}});
                let started = json!({"contentBlockIndex": i, "start": start});
                events.push(Event::bare(event("contentBlockStart", started)));
                let part = |text: &String| Event::token(delta(i, &json!({"toolUse": {"input": text}})));
                events.extend(call.arguments.iter().map(part));
            }
        }
        events.push(Event::bare(event("contentBlockStop", json!({"contentBlockIndex": i}))));
    }
    let mut stop = json!({"stopReason": stop_reason(said)});
    if let Some(extra) = extra(said) {
        stop["additionalModelResponseFields"] = extra;
    }
    events.push(Event::bare(event("messageStop", stop)));
    let mut metadata = json!({"metrics": {"latencyMs": 12}, "serviceTier": {"type": "default"}});
    if let Some(usage) = usage(said, true) {
        metadata["usage"] = usage;
    }
    events.push(Event::bare(event("metadata", metadata)));
    events
}
