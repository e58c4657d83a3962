//! Whole answers of Converse.

use serde_json::{Value, json};

use crate::fake::asked::Said;
use crate::fake::script::Numbers;
use crate::fake::tale::{Call, Ending, Piece};

/// The id of a call.
pub(super) fn tool_use_id(call: &Call) -> String {
    format!("tooluse_{}", call.tag)
}

/// Thoughts as far as they are shown, and their signature.
pub(super) fn thought(said: Said<'_>, words: &[String]) -> (Vec<String>, String) {
    let shown = if said.asked.show_thoughts { words.to_vec() } else { Vec::new() };
    let signature = said.seal.make("signature", said.asked.base(), &shown.concat());
    (shown, signature)
}

/// Thoughts that are not shown.
pub(super) fn redacted(said: Said<'_>) -> String {
    said.seal.make("redacted", said.asked.base(), "")
}

fn block(said: Said<'_>, piece: &Piece) -> Value {
    match piece {
        Piece::Text(words) | Piece::Refusal(words) => json!({"text": words.concat()}),
        Piece::Reasoning(words) => {
            let (shown, signature) = thought(said, words);
            json!({"reasoningContent": {"reasoningText": {"text": shown.concat(), "signature": signature}}})
        }
        Piece::Redacted => json!({"reasoningContent": {"redactedContent": redacted(said)}}),
        Piece::Call(call) => json!({"toolUse": {"toolUseId": tool_use_id(call), "name": call.name,
            "input": call.object()}}),
    }
}

/// Why it ended.
pub(super) fn stop_reason(said: Said<'_>) -> &'static str {
    match said.tale.ending {
        Ending::Stop => "end_turn",
        Ending::StopSequence(_) => "stop_sequence",
        Ending::Length => "max_tokens",
        Ending::Tools => "tool_use",
        Ending::Refusal | Ending::Safety => "content_filtered",
        Ending::PromptBlock => "guardrail_intervened",
    }
}

/// The fields of the model's own answer that the request points at.
pub(super) fn extra(said: Said<'_>) -> Option<Value> {
    let paths = said.asked.body.get("additionalModelResponseFieldPaths")?.as_array()?;
    let Ending::StopSequence(stop) = &said.tale.ending else { return None };
    paths.iter().any(|path| path == "/stop_sequence").then(|| json!({"stop_sequence": stop}))
}

/// Its numbers; `openai.` models count cache reads and writes as input once more where they stream.
pub(super) fn usage(said: Said<'_>, stream: bool) -> Option<Value> {
    let counts = said.tale.counts;
    let writes = counts.write_short + counts.write_long;
    let twice = stream && super::without_geo(said.asked.base()).0.starts_with("openai.");
    let input = if twice { counts.input() } else { counts.uncached };
    let total = input + counts.cached + writes + counts.output();
    let mut details = Vec::new();
    for (ttl, tokens) in [("5m", counts.write_short), ("1h", counts.write_long)] {
        if tokens > 0 {
            details.push(json!({"ttl": ttl, "inputTokens": tokens}));
        }
    }
    (said.tale.numbers != Numbers::Missing).then(|| {
        json!({"inputTokens": input, "outputTokens": counts.output(),
            "totalTokens": if said.tale.numbers == Numbers::Odd { 999 } else { total },
            "cacheReadInputTokens": counts.cached, "cacheWriteInputTokens": writes, "cacheDetails": details})
    })
}

/// The body.
pub(crate) fn whole(said: Said<'_>) -> Value {
    let content: Vec<Value> = said.tale.pieces.iter().map(|piece| block(said, piece)).collect();
    let mut body = json!({"output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(said), "metrics": {"latencyMs": 12}, "serviceTier": {"type": "default"}});
    if let Some(extra) = extra(said) {
        body["additionalModelResponseFields"] = extra;
    }
    if let Some(usage) = usage(said, false) {
        body["usage"] = usage;
    }
    body
}
