//! Whole answers of generateContent.

use serde_json::{Value, json};

use super::check::version;
use crate::fake::asked::Said;
use crate::fake::script::Numbers;
use crate::fake::tale::{Ending, Piece};

/// The reason of the end; a prompt that is blocked has none, for it has no candidate.
pub(super) fn finish(said: Said<'_>) -> &'static str {
    match said.tale.ending {
        Ending::Stop | Ending::StopSequence(_) | Ending::Tools => "STOP",
        Ending::Length => "MAX_TOKENS",
        Ending::Safety | Ending::PromptBlock => "SAFETY",
        Ending::Refusal => "PROHIBITED_CONTENT",
    }
}

fn signature(said: Said<'_>) -> Value {
    json!(said.seal.make("thought", said.asked.base(), ""))
}

/// The parts, those of a text one by one as a stream sends them.
pub(super) fn parts(said: Said<'_>) -> Vec<(Value, u64)> {
    let mut parts: Vec<(Value, u64)> = Vec::new();
    let signs = version(said.asked.base()) >= 3.0;
    let mut called = false;
    let mut thought = false;
    for piece in &said.tale.pieces {
        match piece {
            Piece::Reasoning(words) => {
                thought = true;
                let shown = words.iter().filter(|_| said.asked.show_thoughts);
                parts.extend(shown.map(|word| (json!({"text": word, "thought": true}), 0)));
            }
            Piece::Redacted => thought = true,
            Piece::Text(words) => {
                parts.extend(words.iter().map(|word| (json!({"text": word}), 1)));
                if let Some((last, _)) = parts.last_mut().filter(|_| thought && signs) {
                    last["thoughtSignature"] = signature(said);
                }
            }
            // It has no words of its own for a refusal.
            Piece::Refusal(_) => {}
            Piece::Call(call) => {
                let mut part = json!({"functionCall": {"name": call.name, "args": call.object()}});
                if signs && !called {
                    part["thoughtSignature"] = signature(said);
                }
                called = true;
                parts.push((part, call.arguments.len().max(1) as u64));
            }
        }
    }
    parts
}

/// The parts of a whole answer: texts of a kind are one.
fn joined(said: Said<'_>) -> Vec<Value> {
    let mut joined: Vec<Value> = Vec::new();
    for (part, _) in parts(said) {
        let grows = joined.last().is_some_and(|last| {
            last["text"].is_string() && part["text"].is_string() && last["thought"] == part["thought"]
        });
        match joined.last_mut().filter(|_| grows) {
            Some(last) => {
                let text =
                    [&last["text"], &part["text"]].map(|text| text.as_str().unwrap_or_default()).concat();
                last["text"] = json!(text);
                if let Some(signature) = part.get("thoughtSignature") {
                    last["thoughtSignature"] = signature.clone();
                }
            }
            None => joined.push(part),
        }
    }
    joined
}

/// Its numbers, with so much visible output so far.
pub(super) fn usage(said: Said<'_>, visible: u64) -> Option<Value> {
    let counts = said.tale.counts;
    let odd = said.tale.numbers == Numbers::Odd;
    let total = counts.input() + visible + counts.reasoning;
    let mut usage = json!({"promptTokenCount": counts.input(),
        "totalTokenCount": if odd { 999 } else { total },
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": counts.input()}]});
    if visible > 0 {
        usage["candidatesTokenCount"] = json!(visible);
    }
    if counts.reasoning > 0 {
        usage["thoughtsTokenCount"] = json!(counts.reasoning);
    }
    if counts.cached > 0 || odd {
        usage["cachedContentTokenCount"] = json!(if odd { counts.input() + 100 } else { counts.cached });
    }
    (said.tale.numbers != Numbers::Missing).then_some(usage)
}

/// A response with these candidates.
pub(super) fn response(said: Said<'_>, candidates: Option<Value>, visible: u64) -> Value {
    let mut response = json!({});
    match candidates {
        Some(candidates) => response["candidates"] = candidates,
        None => {
            response["promptFeedback"] = json!({"blockReason": "PROHIBITED_CONTENT"});
        }
    }
    if let Some(usage) = usage(said, visible) {
        response["usageMetadata"] = usage;
    }
    response["modelVersion"] = json!(said.asked.model);
    response["responseId"] = json!(said.tale.tag);
    response
}

/// The body.
pub(crate) fn whole(said: Said<'_>) -> Value {
    if said.tale.ending == Ending::PromptBlock {
        return response(said, None, 0);
    }
    let parts = joined(said);
    let mut candidate = json!({"finishReason": finish(said), "index": 0});
    if !parts.is_empty() {
        candidate["content"] = json!({"parts": parts, "role": "model"});
    }
    response(said, Some(json!([candidate])), said.tale.counts.visible)
}
