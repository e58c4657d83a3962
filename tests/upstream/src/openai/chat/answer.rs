//! Whole Chat answers.

use serde_json::{Value, json};

use crate::fake::asked::Said;
use crate::fake::script::Numbers;
use crate::fake::tale::{Call, Ending, Piece};

/// When every answer was made.
pub(crate) const CREATED: u64 = 1_790_000_000;

/// Why it ended, in Chat's words.
pub(super) fn finish_reason(said: Said<'_>) -> &'static str {
    match said.tale.ending {
        Ending::Stop | Ending::StopSequence(_) | Ending::Refusal => "stop",
        Ending::Length => "length",
        Ending::Tools => "tool_calls",
        Ending::Safety | Ending::PromptBlock => "content_filter",
    }
}

/// The id of a call.
pub(super) fn call_id(call: &Call) -> String {
    format!("call_{}", call.tag)
}

/// The id of the answer.
pub(super) fn id(said: Said<'_>) -> String {
    format!("chatcmpl-{}", said.tale.tag)
}

/// The model that answers: Azure names the one behind the deployment.
pub(super) fn model(said: Said<'_>) -> String {
    said.asked.model.clone()
}

/// What it used; `None` where the script says nothing of it.
pub(super) fn usage(said: Said<'_>) -> Option<Value> {
    let counts = said.tale.counts;
    let (input, output) = (counts.input(), counts.output());
    let odd = said.tale.numbers == Numbers::Odd;
    let reasoning = if odd { output + 100 } else { counts.reasoning };
    let total = if odd { 999 } else { input + output };
    (said.tale.numbers != Numbers::Missing).then(|| {
        json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": counts.cached,
                "cache_write_tokens": counts.write_short + counts.write_long, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}})
    })
}

/// What Azure's filter says of a text that it lets pass, or does not.
pub(crate) fn filter_results(blocked: bool) -> Value {
    let safe = json!({"filtered": false, "severity": "safe"});
    let violence = if blocked { json!({"filtered": true, "severity": "medium"}) } else { safe.clone() };
    json!({"hate": safe, "sexual": safe, "self_harm": safe, "violence": violence})
}

/// What Azure's filter says of the prompt.
pub(super) fn prompt_filter() -> Value {
    json!([{"prompt_index": 0, "content_filter_results": filter_results(false)}])
}

fn message(said: Said<'_>) -> Value {
    let mut message = json!({"role": "assistant", "content": said.tale.text(), "refusal": null,
        "annotations": []});
    for piece in &said.tale.pieces {
        match piece {
            Piece::Refusal(words) => message["refusal"] = json!(words.concat()),
            Piece::Reasoning(words) if said.asked.show_thoughts => {
                message["reasoning_content"] = json!(words.concat());
            }
            _ => {}
        }
    }
    let calls: Vec<Value> = said.tale.calls().map(call).collect();
    if !calls.is_empty() {
        message["tool_calls"] = Value::Array(calls);
    }
    message
}

fn call(call: &Call) -> Value {
    let arguments = call.arguments.concat();
    if call.custom {
        return json!({"id": call_id(call), "type": "custom",
            "custom": {"name": call.name, "input": arguments}});
    }
    let arguments = if arguments.is_empty() { "{}".to_owned() } else { arguments };
    json!({"id": call_id(call), "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

/// The body.
pub(crate) fn whole(said: Said<'_>) -> Value {
    let mut body = json!({
        "id": id(said), "object": "chat.completion", "created": CREATED, "model": model(said),
        "choices": [{"index": 0, "message": message(said), "logprobs": null,
                     "finish_reason": finish_reason(said)}],
        "service_tier": "default", "system_fingerprint": null,
    });
    if said.asked.variant {
        body["prompt_filter_results"] = prompt_filter();
        body["choices"][0]["content_filter_results"] = filter_results(said.tale.ending == Ending::Safety);
    }
    if let Some(usage) = usage(said) {
        body["usage"] = usage;
    }
    body
}
