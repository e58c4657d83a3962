//! Streams of Messages: blocks one after the other, numbers first and last.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{block, call_id, stop, thought, usage, whole};
use super::error::failure;
use crate::fake::asked::{Event, Said};
use crate::fake::script::{Failure, Numbers};
use crate::fake::tale::Piece;

/// A ping.
pub(crate) const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// An error in the middle.
pub(crate) fn error() -> Bytes {
    format!("event: error\ndata: {}\n\n", failure(Failure::Status(529)).body).into()
}

fn event(kind: &str, fields: &Value) -> Bytes {
    let mut event = json!({"type": kind});
    if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
        event.extend(fields.clone());
    }
    format!("event: {kind}\ndata: {event}\n\n").into()
}

fn delta(index: usize, delta: &Value) -> Bytes {
    event("content_block_delta", &json!({"index": index, "delta": delta}))
}

/// The message as it begins: no content, and the numbers of the prompt.
fn start(said: Said<'_>) -> Value {
    let mut message = whole(said);
    message["content"] = json!([]);
    for key in ["stop_reason", "stop_sequence", "stop_details"] {
        message[key] = Value::Null;
    }
    if let Some(usage) = message.get_mut("usage") {
        usage["output_tokens"] = json!(1);
        if let Some(usage) = usage.as_object_mut() {
            usage.remove("output_tokens_details");
        }
        if said.tale.numbers == Numbers::Odd {
            usage["input_tokens"] = json!(0);
        }
    }
    message
}

/// The numbers at the end: those of the output, and of the prompt only where they correct the first ones.
fn last_usage(said: Said<'_>) -> Option<Value> {
    let whole = usage(said)?;
    let mut last = json!({"output_tokens": whole["output_tokens"],
        "output_tokens_details": whole["output_tokens_details"]});
    if said.tale.numbers == Numbers::Odd {
        last["input_tokens"] = whole["input_tokens"].clone();
    }
    Some(last)
}

/// All of it.
pub(crate) fn events(said: Said<'_>) -> Vec<Event> {
    let mut events = vec![Event::bare(event("message_start", &json!({"message": start(said)})))];
    events.push(Event::bare(PING));
    for (i, piece) in said.tale.pieces.iter().enumerate() {
        one(&mut events, said, i, piece);
    }
    let mut last = json!({"delta": stop(said)});
    if let Some(usage) = last_usage(said) {
        last["usage"] = usage;
    }
    events.push(Event::bare(event("message_delta", &last)));
    events.push(Event::bare(event("message_stop", &json!({}))));
    events
}

fn one(events: &mut Vec<Event>, said: Said<'_>, i: usize, piece: &Piece) {
    let opened = match piece {
        Piece::Text(_) | Piece::Refusal(_) => json!({"type": "text", "text": ""}),
        Piece::Reasoning(_) => json!({"type": "thinking", "thinking": "", "signature": ""}),
        Piece::Redacted => block(said, piece),
        Piece::Call(call) => json!({"type": "tool_use", "id": call_id(call), "name": call.name, "input": {}}),
    };
    let start = event("content_block_start", &json!({"index": i, "content_block": opened}));
    events.push(Event::bare(start));
    match piece {
        Piece::Text(words) | Piece::Refusal(words) => {
            let text = |word| Event::token(delta(i, &json!({"type": "text_delta", "text": word})));
            events.extend(words.iter().map(text));
        }
        Piece::Reasoning(words) => {
            let (shown, signature) = thought(said, words);
            let text = |word| Event::bare(delta(i, &json!({"type": "thinking_delta", "thinking": word})));
            events.extend(shown.iter().map(text));
            let signed = json!({"type": "signature_delta", "signature": signature});
            events.push(Event::bare(delta(i, &signed)));
        }
        Piece::Redacted => {}
        Piece::Call(call) => {
            let part =
                |text| Event::token(delta(i, &json!({"type": "input_json_delta", "partial_json": text})));
            events.extend(call.arguments.iter().map(part));
        }
    }
    events.push(Event::bare(event("content_block_stop", &json!({"index": i}))));
}
