//! Whole answers of Responses.

use serde_json::{Value, json};

use crate::fake::asked::Said;
use crate::fake::script::Numbers;
use crate::fake::tale::{Call, Ending, Piece};
use crate::openai::chat::answer::{CREATED, filter_results};

/// Fields of the request that the answer repeats, and what stands there without them.
const ECHOED: [&str; 20] = [
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "top_logprobs",
    "truncation",
    "user",
    "background",
    "conversation",
];

/// The id of the answer.
pub(crate) fn id(said: Said<'_>) -> String {
    format!("resp_{}", said.tale.tag)
}

/// The items of the answer, complete.
pub(super) fn items(said: Said<'_>) -> Vec<Value> {
    said.tale.pieces.iter().enumerate().map(|(i, piece)| item(said, i, piece)).collect()
}

fn item(said: Said<'_>, i: usize, piece: &Piece) -> Value {
    let own = |prefix: &str| format!("{prefix}_{}{i:02}", said.tale.tag);
    let message = |part: Value| {
        json!({"id": own("msg"), "type": "message", "status": "completed", "role": "assistant",
            "content": [part]})
    };
    match piece {
        Piece::Reasoning(words) if said.asked.show_thoughts => {
            let summary = json!([{"type": "summary_text", "text": words.concat()}]);
            json!({"id": own("rs"), "type": "reasoning", "summary": summary, "encrypted_content": sealed(said)})
        }
        Piece::Reasoning(_) | Piece::Redacted => {
            json!({"id": own("rs"), "type": "reasoning", "summary": [], "encrypted_content": sealed(said)})
        }
        Piece::Text(words) => {
            message(json!({"type": "output_text", "text": words.concat(), "annotations": [], "logprobs": []}))
        }
        Piece::Refusal(words) => message(json!({"type": "refusal", "refusal": words.concat()})),
        Piece::Call(call) if call.custom => json!({"id": own("ctc"), "type": "custom_tool_call",
            "status": "completed", "call_id": call_id(call), "name": call.name,
            "input": call.arguments.concat()}),
        Piece::Call(call) => {
            let thought = said.tale.pieces.iter().any(|p| matches!(p, Piece::Reasoning(_) | Piece::Redacted));
            json!({"id": own(if thought { "fc_r" } else { "fc" }), "type": "function_call", "status": "completed",
                "call_id": call_id(call), "name": call.name, "arguments": arguments(call)})
        }
    }
}

fn sealed(said: Said<'_>) -> String {
    said.seal.make("encrypted", said.asked.base(), "")
}

fn call_id(call: &Call) -> String {
    format!("call_{}", call.tag)
}

/// Arguments as text; OpenAI writes none as `{}`.
pub(super) fn arguments(call: &Call) -> String {
    if call.arguments.is_empty() { "{}".to_owned() } else { call.arguments.concat() }
}

/// How it ended and, where it is incomplete, why.
pub(super) fn status(said: Said<'_>) -> (&'static str, Value) {
    match said.tale.ending {
        Ending::Length => ("incomplete", json!({"reason": "max_output_tokens"})),
        Ending::Safety | Ending::PromptBlock => ("incomplete", json!({"reason": "content_filter"})),
        Ending::Stop | Ending::StopSequence(_) | Ending::Tools | Ending::Refusal => {
            ("completed", Value::Null)
        }
    }
}

fn usage(said: Said<'_>) -> Value {
    let counts = said.tale.counts;
    let (input, output) = (counts.input(), counts.output());
    let odd = said.tale.numbers == Numbers::Odd;
    if said.tale.numbers == Numbers::Missing {
        return Value::Null;
    }
    json!({"input_tokens": input,
        "input_tokens_details": {"cached_tokens": counts.cached,
            "cache_write_tokens": counts.write_short + counts.write_long,
            "cache_write_tokens_details": {"ttl_30m_tokens": counts.write_short,
                "ttl_12h_tokens": counts.write_long}},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": if odd { output + 100 } else { counts.reasoning }},
        "total_tokens": if odd { 999 } else { input + output }})
}

/// The answer in a state: without its items and its numbers while it is in progress.
pub(super) fn response(
    said: Said<'_>,
    status: &str,
    details: &Value,
    items: Vec<Value>,
    done: bool,
) -> Value {
    let body = &said.asked.body;
    let mut response = json!({"id": id(said), "object": "response", "created_at": CREATED,
        "completed_at": if done { json!(CREATED + 1) } else { Value::Null }, "status": status, "error": null,
        "incomplete_details": details, "model": said.asked.model, "output": items,
        "usage": if done { usage(said) } else { Value::Null }, "service_tier": "default"});
    for key in ECHOED {
        let without = match key {
            "metadata" => json!({}),
            "tools" => json!([]),
            "tool_choice" => json!("auto"),
            "parallel_tool_calls" | "store" => json!(true),
            "background" => json!(false),
            "temperature" | "top_p" => json!(1.0),
            "text" => json!({"format": {"type": "text"}, "verbosity": "medium"}),
            "reasoning" => json!({"effort": null, "summary": null}),
            "truncation" => json!("disabled"),
            _ => Value::Null,
        };
        response[key] = body.get(key).filter(|given| !given.is_null()).cloned().unwrap_or(without);
    }
    if said.asked.variant && done {
        response["content_filters"] = json!([{"blocked": said.tale.ending == Ending::Safety,
            "source_type": "completion",
            "content_filter_results": filter_results(said.tale.ending == Ending::Safety)}]);
    }
    response
}

/// The body.
pub(crate) fn whole(said: Said<'_>) -> Value {
    let (status, details) = status(said);
    response(said, status, &details, items(said), true)
}
