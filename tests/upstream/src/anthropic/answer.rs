//! Whole Messages.

use serde_json::{Value, json};

use crate::fake::asked::Said;
use crate::fake::script::Numbers;
use crate::fake::tale::{Call, Ending, Piece};

/// The id of a call.
pub(super) fn call_id(call: &Call) -> String {
    format!("toolu_{}", call.tag)
}

/// Thoughts as far as they are shown, and their signature.
pub(super) fn thought(said: Said<'_>, words: &[String]) -> (Vec<String>, String) {
    let shown = if said.asked.show_thoughts { words.to_vec() } else { Vec::new() };
    let signature = said.seal.make("signature", said.asked.base(), &shown.concat());
    (shown, signature)
}

/// A block, complete.
pub(super) fn block(said: Said<'_>, piece: &Piece) -> Value {
    match piece {
        Piece::Text(words) | Piece::Refusal(words) => json!({"type": "text", "text": words.concat()}),
        Piece::Reasoning(words) => {
            let (shown, signature) = thought(said, words);
            json!({"type": "thinking", "thinking": shown.concat(), "signature": signature})
        }
        Piece::Redacted => json!({"type": "redacted_thinking",
            "data": said.seal.make("redacted", said.asked.base(), "")}),
        Piece::Call(call) => json!({"type": "tool_use", "id": call_id(call), "name": call.name,
            "input": call.object()}),
    }
}

/// Why it ended: the reason, the stop sequence, the details of a refusal.
pub(super) fn stop(said: Said<'_>) -> Value {
    let (reason, sequence, details) = match &said.tale.ending {
        Ending::Stop => ("end_turn", Value::Null, Value::Null),
        Ending::StopSequence(stop) => ("stop_sequence", json!(stop), Value::Null),
        Ending::Length => ("max_tokens", Value::Null, Value::Null),
        Ending::Tools => ("tool_use", Value::Null, Value::Null),
        Ending::Refusal | Ending::Safety | Ending::PromptBlock => {
            let details = json!({"type": "refusal", "category": "general_harms",
                "explanation": "The request is against the usage policy."});
            ("refusal", Value::Null, details)
        }
    };
    json!({"stop_reason": reason, "stop_sequence": sequence, "stop_details": details})
}

/// All of its numbers; `None` where the script says nothing of them.
pub(super) fn usage(said: Said<'_>) -> Option<Value> {
    let counts = said.tale.counts;
    let odd = said.tale.numbers == Numbers::Odd;
    let thinking = if odd { counts.output() + 100 } else { counts.reasoning };
    (said.tale.numbers != Numbers::Missing).then(|| {
        json!({"input_tokens": counts.uncached,
            "cache_creation_input_tokens": counts.write_short + counts.write_long,
            "cache_read_input_tokens": counts.cached,
            "cache_creation": {"ephemeral_5m_input_tokens": counts.write_short,
                "ephemeral_1h_input_tokens": counts.write_long},
            "output_tokens": counts.output(), "output_tokens_details": {"thinking_tokens": thinking},
            "server_tool_use": null, "service_tier": "standard", "inference_geo": "global"})
    })
}

/// The body.
pub(crate) fn whole(said: Said<'_>) -> Value {
    let content: Vec<Value> = said.tale.pieces.iter().map(|piece| block(said, piece)).collect();
    let mut body = json!({"id": format!("msg_{}", said.tale.tag), "type": "message", "role": "assistant",
        "model": said.asked.model, "content": content});
    if let (Value::Object(body), Value::Object(stop)) = (&mut body, stop(said)) {
        body.extend(stop);
    }
    if let Some(usage) = usage(said) {
        body["usage"] = usage;
    }
    body
}
