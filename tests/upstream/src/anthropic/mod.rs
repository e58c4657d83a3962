//! Anthropic's API: Messages, counting of tokens, models.
//!
//! Sources: the types of the vendor's Python SDKs 2.10 (API version 2026-10-21) and 0.125 (2023-06-01), read 2026-11.

pub(crate) mod answer;
mod blocks;
mod check;
pub(crate) mod error;
pub(crate) mod model;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
mod tools;
mod turns;

use serde_json::{Value, json};

use crate::fake::Ctx;
use crate::fake::asked::{Fixed, Form, Incoming, Refusal, Routed};
use error::{refusal, refuse};

/// The largest body.
const BODY_MAX: usize = 32 << 20;

/// Version of the API that a call names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// 2023-06-01.
    Old,
    /// 2026-10-21.
    New,
}

/// Finds out what a call asks for.
pub(crate) fn route(ctx: &Ctx, call: &Incoming) -> Result<Routed, Refusal> {
    check_key(ctx, call)?;
    let version = match call.header("anthropic-version") {
        Some("2023-06-01") => Version::Old,
        Some("2026-10-21") => Version::New,
        Some(other) => {
            let message = format!("anthropic-version: \"{other}\" is not a valid version");
            return Err(refusal(400, "invalid_request_error", &message));
        }
        None => {
            return Err(refusal(400, "invalid_request_error", "anthropic-version: header is required"));
        }
    };
    let beta = call.header("anthropic-beta").is_some_and(|beta| !beta.is_empty());
    match (call.method.as_str(), call.path.as_str()) {
        ("POST", "/v1/messages") => {
            let asked = check::check(ctx, json_body(call)?, version, beta).map_err(|bad| refuse(&bad))?;
            Ok(Routed::Ask(Box::new(asked)))
        }
        ("POST", "/v1/messages/count_tokens") => {
            let asked = check::count(ctx, json_body(call)?, version, beta).map_err(|bad| refuse(&bad))?;
            let tokens = 11 + asked.last_text.len() / 4;
            Ok(Fixed::free(Form::Count, json!({"input_tokens": tokens})))
        }
        ("GET", "/v1/models") => {
            let data = ["claude-opus-5-5", "claude-sonnet-4-5", "claude-haiku-5-5"].map(model);
            let body = json!({"data": data, "has_more": false, "first_id": "claude-opus-5-5",
                "last_id": "claude-haiku-5-5"});
            Ok(Fixed::free(Form::Models, body))
        }
        ("GET", path) if path.starts_with("/v1/models/") => {
            Ok(Fixed::free(Form::Models, model(path.trim_start_matches("/v1/models/"))))
        }
        (_, "/v1/messages" | "/v1/models") => {
            Err(refusal(405, "invalid_request_error", "Method Not Allowed"))
        }
        _ => Err(refusal(404, "not_found_error", "Not Found")),
    }
}

/// The key as `x-api-key` or as a bearer.
fn check_key(ctx: &Ctx, call: &Incoming) -> Result<(), Refusal> {
    let wrong = |message| Err(refusal(401, "authentication_error", message));
    match call.header("x-api-key").or_else(|| call.bearer()) {
        Some(key) if key == ctx.key => Ok(()),
        Some(_) => wrong("invalid x-api-key"),
        None => wrong("x-api-key header is required"),
    }
}

fn json_body(call: &Incoming) -> Result<&Value, Refusal> {
    if call.body.len() > BODY_MAX {
        let message = "Request exceeds the maximum size";
        return Err(refusal(413, "request_too_large", message));
    }
    if !call.says_json() {
        let message = "Content-Type must be application/json";
        return Err(refusal(400, "invalid_request_error", message));
    }
    call.json
        .as_ref()
        .ok_or_else(|| refusal(400, "invalid_request_error", "The request body is not valid JSON"))
}

fn model(id: &str) -> Value {
    json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active", "deprecated_at": null, "retires_at": null, "max_input_tokens": 200_000,
        "max_tokens": 64_000})
}
