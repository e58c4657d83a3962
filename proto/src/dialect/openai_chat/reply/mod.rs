//! Canonical answers, written for callers of Chat Completions, streamed or whole.
//!
//! | event | Chat Completions |
//! |---|---|
//! | text | `content`; several texts are one |
//! | reasoning, its summary | `reasoning_content` |
//! | opaque data of reasoning | `reasoning_details`, see below |
//! | refusal | `refusal` |
//! | tool call | `tool_calls[]`, or `function_call` for a caller that offered `functions` |
//! | opaque data of a call | `extra_content.google.thought_signature`, what is none under `forebay.opaque` |
//! | citation | `annotations` |
//! | picture | `images[]`, which OpenAI itself does not have |
//! | hosted item, opaque data of a text | nothing: there is no place for it |
//! | usage | `usage`, always there of a whole answer, in a chunk of its own where asked for |
//! | stop, stop sequence, pause | `stop` (`tool_calls` if any was called) |
//! | length, context full | `length` |
//! | refusal | `stop` beside a refusal in words, as OpenAI has it; else `content_filter` |
//!
//! Each thought with opaque data becomes pieces with an `id` of their own, and an `index` each: one
//! `reasoning.text` with the text and its token as `signature`, or any `reasoning.summary` and then
//! `reasoning.encrypted` with the token as `data`. Clients written for OpenRouter send them back as they are.

mod stream;
mod thought;
mod usage;
mod whole;

use serde_json::{Map, Value, json};

use super::decode::LEGACY;
use crate::canonical::{Finish, FinishReason, Opaque, OpaqueKind};
use crate::dialect::codec::{Encoder, Reply};
use crate::dialect::gemini;

pub use self::whole::encode_response;

/// An encoder of a stream of which nothing was sent.
pub fn encoder(reply: Reply) -> Box<dyn Encoder> {
    Box::new(stream::ChatEncoder::new(reply))
}

/// The id of an answer that the provider gave none.
fn id(given: &str, reply: &Reply) -> String {
    if given.is_empty() { format!("chatcmpl-{}", reply.request) } else { given.to_owned() }
}

/// The model that answered.
fn model<'a>(given: &'a str, reply: &'a Reply) -> &'a str {
    if given.is_empty() { &reply.asked.model } else { given }
}

/// Whether the caller reads calls as `function_call`.
fn is_legacy(reply: &Reply) -> bool {
    reply.asked.echo.contains_key(LEGACY)
}

/// What an answer came to, for its `finish_reason`.
#[derive(Debug, Clone, Copy, Default)]
struct Came {
    calls: bool,
    refusal: bool,
    legacy: bool,
}

fn finish_word(reason: Option<FinishReason>, came: Came) -> &'static str {
    let called = if came.legacy { "function_call" } else { "tool_calls" };
    match reason {
        Some(FinishReason::Length | FinishReason::ContextFull) => "length",
        Some(FinishReason::Refusal) if !came.refusal => "content_filter",
        Some(FinishReason::Stop | FinishReason::ToolCalls) if came.calls => called,
        Some(
            FinishReason::Stop
            | FinishReason::StopSequence
            | FinishReason::ToolCalls
            | FinishReason::Refusal
            | FinishReason::Pause,
        )
        | None => "stop",
    }
}

/// What the provider says of its refusal; a single word is its code, not an explanation.
fn explanation(finish: &Finish) -> Option<&str> {
    let details = finish.details.as_deref()?;
    (finish.reason == FinishReason::Refusal && details.contains(' ')).then_some(details)
}

/// Opaque data of a call, as its `extra_content`.
fn extra_content(opaque: &[Opaque], reply: &Reply) -> Option<Value> {
    let mut extra = Map::new();
    let mut others = Vec::new();
    for opaque in opaque {
        let token = reply.carrier.wrap(opaque, &reply.origin);
        if opaque.kind == OpaqueKind::ThoughtSignature && !extra.contains_key("google") {
            extra.insert("google".into(), json!({"thought_signature": token}));
        } else {
            others.push(Value::String(token));
        }
    }
    if !others.is_empty() {
        extra.insert("forebay".into(), json!({"opaque": others}));
    }
    (!extra.is_empty()).then_some(Value::Object(extra))
}

/// A picture that the model made, as clients of servers that speak this dialect read it (OpenRouter, LiteLLM).
fn image(raw: &Value) -> Option<Value> {
    let (kind, data) = gemini::picture(raw)?;
    Some(json!({"type": "image_url", "image_url": {"url": format!("data:{kind};base64,{data}")}}))
}

/// A citation as Chat has it; one that is not OpenAI's stays as it stood.
fn annotation(citation: &Value) -> Value {
    match citation {
        Value::Object(map) if citation["type"] == "url_citation" && !map.contains_key("url_citation") => {
            let mut inner = map.clone();
            inner.shift_remove("type");
            json!({"type": "url_citation", "url_citation": inner})
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
