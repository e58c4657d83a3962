//! Chat streams: a role, pieces, a reason, the usage where it was asked for, `[DONE]`.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{CREATED, call_id, filter_results, finish_reason, id, model, prompt_filter, usage};
use crate::fake::asked::{Event, Said};
use crate::fake::script::Failure;
use crate::fake::tale::{Call, Ending, Piece};
use crate::openai::error::inner;

/// An error in the middle; nothing comes behind it.
pub(crate) fn error() -> Bytes {
    format!("data: {}\n\n", json!({"error": inner(Failure::Status(500))})).into()
}

/// All of it.
pub(crate) fn events(said: Said<'_>) -> Vec<Event> {
    let mut events = Vec::new();
    if said.asked.variant {
        // Azure's first: no choice, no id, no model.
        let first = json!({"id": "", "object": "", "created": 0, "model": "", "choices": [],
            "prompt_filter_results": prompt_filter()});
        events.push(Event::bare(format!("data: {first}\n\n")));
    }
    events.push(Event::bare(delta(said, &json!({"role": "assistant", "content": "", "refusal": null}))));
    let calls: Vec<&Call> = said.tale.calls().collect();
    for piece in &said.tale.pieces {
        match piece {
            Piece::Text(words) => {
                events.extend(words.iter().map(|word| Event::token(delta(said, &json!({"content": word})))));
            }
            Piece::Refusal(words) => {
                events.extend(words.iter().map(|word| Event::token(delta(said, &json!({"refusal": word})))));
            }
            Piece::Reasoning(words) if said.asked.show_thoughts => {
                events.extend(
                    words.iter().map(|word| Event::bare(delta(said, &json!({"reasoning_content": word})))),
                );
            }
            Piece::Reasoning(_) | Piece::Redacted | Piece::Call(_) => {}
        }
    }
    if said.tale.in_turn {
        events.extend(calls.iter().enumerate().flat_map(|(i, call)| interleaved(said, &[*call], i)));
    } else {
        events.extend(interleaved(said, &calls, 0));
    }
    let mut last = chunk(said, &json!([choice(said, &json!({}), Some(finish_reason(said)))]), None);
    if said.asked.variant {
        last["choices"][0]["content_filter_results"] = filter_results(said.tale.ending == Ending::Safety);
    }
    events.push(Event::bare(format!("data: {last}\n\n")));
    if let Some(usage) = usage(said).filter(|_| said.asked.include_usage) {
        events.push(Event::bare(format!("data: {}\n\n", chunk(said, &json!([]), Some(usage)))));
    }
    events.push(Event::bare(Bytes::from_static(b"data: [DONE]\n\n")));
    events
}

/// All calls open first, counted from `first`; then their arguments take turns.
fn interleaved(said: Said<'_>, calls: &[&Call], first: usize) -> Vec<Event> {
    let mut events = Vec::new();
    for (i, call) in (first..).zip(calls) {
        let opened = if call.custom {
            json!({"index": i, "id": call_id(call), "type": "custom", "custom": {"name": call.name, "input": ""}})
        } else {
            let arguments = if call.arguments.is_empty() { "{}" } else { "" };
            json!({"index": i, "id": call_id(call), "type": "function",
                "function": {"name": call.name, "arguments": arguments}})
        };
        let tokens = u64::from(call.arguments.is_empty());
        let bytes = delta(said, &json!({"tool_calls": [opened]}));
        events.push(Event { bytes, tokens });
    }
    let longest = calls.iter().map(|call| call.arguments.len()).max().unwrap_or(0);
    for n in 0..longest {
        for (i, call) in (first..).zip(calls) {
            let Some(part) = call.arguments.get(n) else { continue };
            let grown = if call.custom {
                json!({"index": i, "custom": {"input": part}})
            } else {
                json!({"index": i, "function": {"arguments": part}})
            };
            events.push(Event::token(delta(said, &json!({"tool_calls": [grown]}))));
        }
    }
    events
}

fn choice(said: Said<'_>, delta: &Value, finish: Option<&str>) -> Value {
    let mut choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
    if said.asked.variant {
        choice["content_filter_results"] = json!({});
    }
    choice
}

fn delta(said: Said<'_>, delta: &Value) -> Bytes {
    format!("data: {}\n\n", chunk(said, &json!([choice(said, delta, None)]), None)).into()
}

fn chunk(said: Said<'_>, choices: &Value, usage: Option<Value>) -> Value {
    let mut chunk = json!({"id": id(said), "object": "chat.completion.chunk", "created": CREATED,
        "model": model(said), "service_tier": "default", "system_fingerprint": null, "choices": choices});
    if said.asked.include_usage {
        chunk["usage"] = usage.unwrap_or(Value::Null);
    }
    chunk
}
