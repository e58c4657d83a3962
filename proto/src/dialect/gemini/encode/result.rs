//! Tool results. A `functionResponse` is always an object: a result that is the text of one JSON object is that object,
//! any other text stands under `output`, and what a failed tool said under `error`.

use serde_json::{Map, Value, json};

use super::{is_budget_family, media};
use crate::canonical::{Content, Part, Warnings};
use crate::catalogue::Profile;
use crate::fault::Fault;

/// A result as parts.
#[derive(Debug)]
pub(super) struct Written {
    /// The `functionResponse` part.
    pub(super) response: Value,
    /// Parts that have to stand beside it, since the model takes no media within.
    pub(super) beside: Vec<Value>,
}

/// What the call `id` of the tool `name` gave.
pub(super) fn write(
    (id, name): (&str, &str),
    (parts, is_error): (&[Part], bool),
    path: &str,
    profile: &Profile,
    warnings: &mut Warnings,
) -> Result<Written, Fault> {
    let mut texts = Vec::new();
    let mut attached = Vec::new();
    for part in parts {
        match &part.content {
            Content::Text { text, .. } | Content::Refusal { text } => texts.push(text.as_str()),
            other => match media::part(other, path, profile, warnings)? {
                Some(media) => attached.push(media),
                None => warnings.add("tool_result_part_dropped", path),
            },
        }
    }
    let mut response = json!({ "name": name, "response": response(&texts, is_error) });
    if !id.is_empty() {
        response["id"] = id.into();
    }
    let mut beside = Vec::new();
    if !attached.is_empty() && is_budget_family(profile) {
        warnings.add("tool_result_media_moved", path);
        beside.push(json!({ "text": format!("Attachment of tool call {id}:") }));
        beside.append(&mut attached);
    } else if !attached.is_empty() {
        response["parts"] = attached.into();
    }
    Ok(Written { response: json!({ "functionResponse": response }), beside })
}

fn response(texts: &[&str], is_error: bool) -> Value {
    if let ([text], false) = (texts, is_error)
        && let Ok(object) = serde_json::from_str::<Map<String, Value>>(text)
    {
        return Value::Object(object);
    }
    let key = if is_error { "error" } else { "output" };
    json!({ key: texts.join("\n") })
}
