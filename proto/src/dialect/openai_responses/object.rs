//! The response object: what it repeats of the request, and the states it can be in.
//!
//! Official clients' types require `tools`, `tool_choice`, `parallel_tool_calls`, `temperature`, `top_p`, `metadata`,
//! `instructions`, `error` and `incomplete_details` (openai-python 3.51 `types/responses/response`, read 2026-11);
//! what the caller did not say stands there with OpenAI's default.

use serde_json::{Map, Value, json};

use crate::id::RequestId;

/// The id of the response to a request.
pub fn response_id(request: RequestId) -> String {
    made_id("resp", request, 0)
}

/// An id of a dialect's own, made from the request's and a number.
pub(super) fn made_id(prefix: &str, request: RequestId, n: usize) -> String {
    format!("{prefix}_{:032x}{n:04x}", request.as_u128())
}

/// What a response is, apart from what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Queued,
    InProgress,
    Completed,
    /// With its reason.
    Incomplete(&'static str),
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
        }
    }
}

/// A response without output and usage.
pub(super) fn response(
    echo: &Map<String, Value>,
    id: &str,
    created: u64,
    model: &str,
    status: Status,
) -> Value {
    let said = |name: &str, default: Value| echo.get(name).cloned().unwrap_or(default);
    let incomplete = match status {
        Status::Incomplete(reason) => json!({ "reason": reason }),
        _ => Value::Null,
    };
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    put("id", json!(id));
    put("object", json!("response"));
    put("created_at", json!(created));
    put("status", json!(status.as_str()));
    put("background", said("background", json!(false)));
    put("completed_at", Value::Null);
    put("error", Value::Null);
    put("incomplete_details", incomplete);
    put("instructions", said("instructions", Value::Null));
    put("max_output_tokens", said("max_output_tokens", Value::Null));
    put("max_tool_calls", said("max_tool_calls", Value::Null));
    put("model", json!(model));
    put("output", json!([]));
    put("parallel_tool_calls", said("parallel_tool_calls", json!(true)));
    put("previous_response_id", said("previous_response_id", Value::Null));
    put("prompt_cache_key", said("prompt_cache_key", Value::Null));
    put(
        "reasoning",
        filled(said("reasoning", json!({})), [("effort", Value::Null), ("summary", Value::Null)]),
    );
    put("safety_identifier", said("safety_identifier", Value::Null));
    put("service_tier", said("service_tier", json!("default")));
    put("store", said("store", json!(true)));
    put("temperature", said("temperature", json!(1.0)));
    put("text", filled(said("text", json!({})), [("format", json!({ "type": "text" }))]));
    put("tool_choice", said("tool_choice", json!("auto")));
    put("tools", tools(said("tools", json!([]))));
    put("top_logprobs", said("top_logprobs", json!(0)));
    put("top_p", said("top_p", json!(1.0)));
    put("truncation", said("truncation", json!("disabled")));
    put("usage", Value::Null);
    put("user", said("user", Value::Null));
    put("metadata", said("metadata", json!({})));
    Value::Object(out)
}

/// An object with these members where it has none of their names.
fn filled<const N: usize>(mut object: Value, members: [(&str, Value); N]) -> Value {
    if let Some(map) = object.as_object_mut() {
        for (name, value) in members {
            map.entry(name).or_insert(value);
        }
    }
    object
}

/// Functions in an answer have members that a request may leave out.
fn tools(mut tools: Value) -> Value {
    for tool in tools.as_array_mut().into_iter().flatten().filter(|tool| tool["type"] == "function") {
        if let Some(map) = tool.as_object_mut() {
            for name in ["description", "parameters", "strict"] {
                map.entry(name).or_insert(Value::Null);
            }
        }
    }
    tools
}
