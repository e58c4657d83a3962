//! What is kept between requests: items stored, put in front of a later request, and listed; and the response object
//! of work that has not been done yet, or never will be.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::decode::echo;
use super::fault;
use super::object::{self, Status};
use crate::dialect::json::{self, Edit};
use crate::dialect::openai_chat::request::{expected, object, utf8};
use crate::dialect::openai_chat::rewrite::splice;
use crate::fault::{Fault, FaultCode};

/// The request with `previous_items` in front of its input and without `previous_response_id`; every other byte is
/// the caller's.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] for a body that [`scan`](super::scan()) would have refused as well.
pub fn with_previous(body: &[u8], previous_items: &[Value]) -> Result<Bytes, Fault> {
    let text = utf8(body)?;
    let (mut input, mut previous, mut first) = (None, None, None);
    object(text, |member| match &*member.name() {
        "input" => input = Some(member),
        "previous_response_id" => previous = Some(member),
        _ => first = first.or(Some(member)),
    })?;
    let items = serde_json::to_string(previous_items).unwrap_or_default();
    let items = items.get(1..items.len().saturating_sub(1)).unwrap_or_default();
    let comma = if items.is_empty() { "" } else { "," };
    let raw = input.map(|member| member.value);
    let mut edits = Vec::with_capacity(2);
    match raw {
        Some(raw) if raw.starts_with('[') => {
            let comma = if json::is_empty(raw) { "" } else { comma };
            let start = json::span(text.as_bytes(), raw.as_bytes()).start;
            edits.push(Edit::insert(start + 1, format!("{items}{comma}")));
        }
        Some(raw) if raw.starts_with('"') => {
            let message = format!(r#"[{items}{comma}{{"type":"message","role":"user","content":{raw}}}]"#);
            edits.push(Edit::replace(text, raw, message));
        }
        Some(null @ "null") => edits.push(Edit::replace(text, null, format!("[{items}]"))),
        Some(_) => return Err(expected("input", "a string or an array of items")),
        None => {}
    }
    match (previous, raw) {
        // The one is put where the other stood.
        (Some(member), None) => {
            let start = json::span(text.as_bytes(), member.key.as_bytes()).start;
            let end = json::span(text.as_bytes(), member.value.as_bytes()).end;
            edits.push(Edit { span: start..end, with: format!(r#""input":[{items}]"#).into() });
        }
        (Some(member), Some(_)) => edits.push(Edit::remove(text, member)),
        (None, None) => {
            let brace = text.find('{').unwrap_or_default();
            let comma = if first.is_some() { "," } else { "" };
            edits.push(Edit::insert(brace + 1, format!(r#""input":[{items}]{comma}"#)));
        }
        (None, Some(_)) => {}
    }
    Ok(splice(&Bytes::copy_from_slice(body), edits))
}

/// What must be stored so that a later request can go on from this answer: all input items (those put in front of
/// this request included), then the output items.
///
/// Reasoning that is neither encrypted nor shown in full says nothing to anybody later and is left out; then the
/// ids of the other items go too, since OpenAI refuses an item it knows without the reasoning it belongs to.
pub fn items_of(request_body: &[u8], response: &Value) -> Vec<Value> {
    let mut items = input_of(request_body);
    let output = response["output"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mute = |item: &&Value| {
        item["type"] == "reasoning"
            && item["encrypted_content"].as_str().is_none_or(str::is_empty)
            && item["content"].as_array().is_none_or(Vec::is_empty)
    };
    let any_mute = output.iter().any(|item| mute(&item));
    for item in output.iter().filter(|item| !mute(item)) {
        let mut item = item.clone();
        if any_mute
            && item["type"] != "reasoning"
            && let Some(map) = item.as_object_mut()
        {
            map.shift_remove("id");
        }
        items.push(item);
    }
    items
}

/// The items of a request's input as the list endpoint shows them: a text as the message it means, every item with
/// a type and an id, contents as lists.
pub fn input_items(body: &[u8]) -> Vec<Value> {
    let digest = Sha256::digest(body);
    let hash: String = digest.iter().take(14).map(|byte| format!("{byte:02x}")).collect();
    let mut items = input_of(body);
    for (n, item) in items.iter_mut().enumerate() {
        let Some(map) = item.as_object_mut() else { continue };
        if !map.contains_key("type") {
            map.insert("type".into(), json!("message"));
        }
        let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if map.get("id").is_none_or(Value::is_null) {
            map.insert("id".into(), json!(format!("{}_{hash}{n:04x}", prefix(&kind))));
        }
        if kind == "message" {
            let spoken = if map.get("role").is_some_and(|role| role == "assistant") {
                "output_text"
            } else {
                "input_text"
            };
            if let Some(Value::String(text)) = map.get("content") {
                let parts = json!([{ "type": spoken, "text": text }]);
                map.insert("content".into(), parts);
            }
        }
    }
    items
}

/// What ids of an item's type begin with.
fn prefix(kind: &str) -> &'static str {
    match kind {
        "message" => "msg",
        "reasoning" => "rs",
        "function_call" => "fc",
        "function_call_output" => "fco",
        "custom_tool_call" => "ctc",
        "custom_tool_call_output" => "ctco",
        _ => "item",
    }
}

/// The input of a request as a list of items.
fn input_of(body: &[u8]) -> Vec<Value> {
    match members(body).shift_remove("input") {
        Some(Value::Array(items)) => items,
        Some(Value::String(text)) => vec![json!({ "type": "message", "role": "user", "content": text })],
        _ => Vec::new(),
    }
}

fn members(body: &[u8]) -> Map<String, Value> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// The response under another id.
pub fn with_id(mut response: Value, id: &str) -> Value {
    response["id"] = json!(id);
    response
}

/// The response object of a background request that waits. `created` is in seconds since the Unix epoch.
pub fn queued(id: &str, request_body: &[u8], created: u64) -> Value {
    let map = members(request_body);
    let model = map.get("model").and_then(Value::as_str).unwrap_or_default();
    object::response(&echo(&map), id, created, model, Status::Queued)
}

/// The response object of a background request that is being worked on.
pub fn in_progress(response: Value) -> Value {
    with_status(response, "in_progress")
}

/// The response object of a background request that was cancelled.
pub fn cancelled(response: Value) -> Value {
    with_status(response, "cancelled")
}

/// The response object of a background request that failed.
pub fn failed(response: Value, fault: &Fault) -> Value {
    let mut response = with_status(response, "failed");
    // The dialect's own set of codes.
    let code = match fault.code {
        FaultCode::UpstreamRateLimited => "rate_limit_exceeded",
        FaultCode::InvalidRequest => "invalid_prompt",
        FaultCode::UpstreamRefused => fault::code(fault),
        _ => "server_error",
    };
    response["error"] = json!({ "code": code, "message": fault.message });
    response
}

fn with_status(mut response: Value, status: &str) -> Value {
    response["status"] = json!(status);
    if !response["output"].is_array() {
        response["output"] = json!([]);
    }
    response
}

#[cfg(test)]
mod tests;
