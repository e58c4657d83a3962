//! An assistant's message: thoughts first, then what was said, then the calls.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::message::content;
use super::reasoning;
use crate::canonical::{At, CallKind, Carrier, Content, Opaque, OpaqueKind, Part};
use crate::dialect::openai_chat::request::expected;
use crate::fault::Fault;

/// Reads the parts of an assistant's message.
pub(super) fn parts(
    fields: &mut Fields,
    at: At,
    carrier: &Carrier,
    rest: &mut Map<String, Value>,
    legacy: &mut Vec<(String, String)>,
) -> Result<Vec<Part>, Fault> {
    let mut parts = reasoning::parts(fields, at, carrier, rest)?;
    let mut said = content(fields, at, rest)?.unwrap_or_default();
    let annotations = fields.list("annotations")?.unwrap_or_default();
    let text = said.iter_mut().find_map(|part| match &mut part.content {
        Content::Text { citations, .. } => Some(citations),
        _ => None,
    });
    if let Some(citations) = text {
        *citations = annotations;
    }
    let refusal = fields.text("refusal")?.filter(|text| !text.is_empty());
    let calls = fields.list("tool_calls")?.unwrap_or_default();
    let call = fields.object("function_call")?;
    // An empty text beside something else is only how some servers write that there is none.
    let alone = refusal.is_none() && calls.is_empty() && call.is_none();
    said.retain(|part| alone || !matches!(&part.content, Content::Text { text, .. } if text.is_empty()));
    parts.append(&mut said);
    parts.extend(refusal.map(|text| Part::new(at, Content::Refusal { text })));
    let path = fields.path("tool_calls");
    for (i, value) in calls.into_iter().enumerate() {
        parts.push(Part::new(at, tool_call(Fields::of(value, format!("{path}[{i}]"))?, carrier, rest)?));
    }
    if let Some(mut call) = call {
        let name = call.name("name")?;
        let id = format!("call_function_{}", at.turn);
        legacy.push((name.clone(), id.clone()));
        let arguments = arguments(&mut call, "arguments")?;
        let kind = CallKind::Function;
        parts.push(Part::new(at, Content::ToolCall { id, name, kind, arguments, opaque: Vec::new() }));
    }
    Ok(parts)
}

fn tool_call(mut fields: Fields, carrier: &Carrier, rest: &mut Map<String, Value>) -> Result<Content, Fault> {
    let id = fields.name("id")?;
    fields.take("index");
    let kind = fields.text("type")?;
    let opaque = extra_content(&mut fields, carrier)?;
    let content = match kind.as_deref() {
        None | Some("function" | "") => {
            let mut function = fields.required_object("function")?;
            let name = function.name("name")?;
            let arguments = arguments(&mut function, "arguments")?;
            Content::ToolCall { id, name, kind: CallKind::Function, arguments, opaque }
        }
        Some("custom") => {
            let mut custom = fields.required_object("custom")?;
            let name = custom.name("name")?;
            let arguments = arguments(&mut custom, "input")?;
            Content::ToolCall { id, name, kind: CallKind::Custom, arguments, opaque }
        }
        Some(_) => return Err(expected(&fields.path("type"), "function or custom")),
    };
    fields.leave(rest);
    Ok(content)
}

/// Arguments are a text; some clients write the object itself.
fn arguments(fields: &mut Fields, key: &str) -> Result<String, Fault> {
    match fields.take(key) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(value @ Value::Object(_)) => Ok(value.to_string()),
        Some(_) => Err(expected(&fields.path(key), "a string")),
    }
}

/// `google.thought_signature`, a token of ours or Gemini's own, and `forebay.opaque`, tokens of ours.
fn extra_content(fields: &mut Fields, carrier: &Carrier) -> Result<Vec<Opaque>, Fault> {
    let Some(extra) = fields.map("extra_content")? else { return Ok(Vec::new()) };
    let extra = Value::Object(extra);
    let mut opaque = Vec::new();
    if let Some(text) = extra["google"]["thought_signature"].as_str().filter(|text| !text.is_empty()) {
        opaque.extend(reasoning::opaque(text, OpaqueKind::ThoughtSignature, carrier));
    }
    let ours = extra["forebay"]["opaque"].as_array().into_iter().flatten();
    opaque.extend(ours.filter_map(|token| carrier.unwrap(token.as_str()?)));
    Ok(opaque)
}
