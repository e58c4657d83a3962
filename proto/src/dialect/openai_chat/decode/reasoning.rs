//! Thoughts that a caller sends back.
//!
//! `reasoning_details` is a list of pieces (`reasoning.text` with `text` and `signature`, `reasoning.summary`,
//! `reasoning.encrypted` with `data`), as OpenRouter has it; pieces with the same `id` are one thought. What they
//! look like when they are ours is [`reply`](crate::dialect::openai_chat::reply)'s to say. Where the list shows no
//! text, `reasoning_content` or `reasoning` is the text.

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::canonical::{At, Carrier, Content, Opaque, OpaqueKind, Part};
use crate::fault::Fault;

#[derive(Default)]
struct Thought {
    id: Option<String>,
    text: String,
    summary: Vec<String>,
    opaque: Vec<Opaque>,
}

impl Thought {
    fn is_shown(&self) -> bool {
        !self.text.is_empty() || !self.summary.is_empty()
    }
}

/// The thoughts of an assistant's message.
pub(super) fn parts(
    fields: &mut Fields,
    at: At,
    carrier: &Carrier,
    rest: &mut Map<String, Value>,
) -> Result<Vec<Part>, Fault> {
    let other = text(fields.take("reasoning"));
    let shown = text(fields.take("reasoning_content")).or(other);
    let path = fields.path("reasoning_details");
    let mut thoughts: Vec<Thought> = Vec::new();
    for (i, detail) in fields.list("reasoning_details")?.unwrap_or_default().into_iter().enumerate() {
        if !note(&detail, carrier, &mut thoughts) {
            rest.insert(format!("{path}[{i}]"), detail);
        }
    }
    if let Some(shown) = shown
        && !thoughts.iter().any(Thought::is_shown)
    {
        match thoughts.first_mut() {
            Some(first) => first.text = shown,
            None => thoughts.push(Thought { text: shown, ..Thought::default() }),
        }
    }
    Ok(thoughts
        .into_iter()
        .map(|Thought { text, summary, opaque, .. }| {
            Part::new(at, Content::Reasoning { text, summary, opaque })
        })
        .collect())
}

fn text(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// Adds a piece to the thought it belongs to. Whether it was one that can be read.
fn note(detail: &Value, carrier: &Carrier, thoughts: &mut Vec<Thought>) -> bool {
    let member = |key: &str| detail[key].as_str().filter(|text| !text.is_empty());
    let signature = member("signature").map(|text| opaque(text, OpaqueKind::Signature, carrier));
    let data = member("data").map(|text| opaque(text, kind_of(member("format")), carrier));
    let (text, summary) = (member("text"), member("summary"));
    // Half a thought is worth nothing to its provider: a token that is not ours spoils the piece.
    if matches!(signature, Some(None)) || matches!(data, Some(None)) {
        return false;
    }
    if text.is_none() && summary.is_none() && signature.is_none() && data.is_none() {
        return false;
    }
    let id = member("id");
    if id.is_none() || thoughts.last().is_none_or(|last| last.id.as_deref() != id) {
        thoughts.push(Thought { id: id.map(str::to_owned), ..Thought::default() });
    }
    if let Some(thought) = thoughts.last_mut() {
        thought.text.push_str(text.unwrap_or_default());
        thought.summary.extend(summary.map(str::to_owned));
        thought.opaque.extend(signature.flatten());
        thought.opaque.extend(data.flatten());
    }
    true
}

/// What encrypted data without a token of ours is, by the format that OpenRouter names.
fn kind_of(format: Option<&str>) -> OpaqueKind {
    match format {
        Some(format) if format.starts_with("anthropic") => OpaqueKind::Redacted,
        Some(format) if format.starts_with("google") => OpaqueKind::ThoughtSignature,
        _ => OpaqueKind::Encrypted,
    }
}

/// Opaque data out of a token of ours, or as it stands; `None` for a token that is not ours after all.
pub(super) fn opaque(text: &str, kind: OpaqueKind, carrier: &Carrier) -> Option<Opaque> {
    if Carrier::is_token(text) {
        return carrier.unwrap(text);
    }
    Some(Opaque { origin: None, kind, data: text.to_owned() })
}
