//! Faults as Messages clients read them (vendor docs, read 2026-11).
//!
//! | status | type |
//! |---|---|
//! | 400, 405 | `invalid_request_error` |
//! | 401 | `authentication_error` (of the caller's key alone: a client told so of ours would throw its own away) |
//! | 402 | `billing_error` |
//! | 403 | `permission_error` |
//! | 404 | `not_found_error` |
//! | 409 | `conflict_error` |
//! | 413 | `request_too_large` |
//! | 429 | `rate_limit_error` |
//! | 408, 504 | `timeout_error` |
//! | 529 | `overloaded_error` |
//! | others | `api_error` |

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::fault::{Fault, FaultCode};

/// OpenAI's code for a prompt that does not fit the model, which ours is too.
const CONTEXT_EXCEEDED: &str = "context_length_exceeded";
/// Anthropic's words for the same.
const TOO_LONG: &str = "prompt is too long";

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Error<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Error<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: Cow<'a, str>,
    details: Map<String, Value>,
}

/// The HTTP status a Messages client sees.
pub fn status(fault: &Fault) -> u16 {
    match fault.code {
        FaultCode::UpstreamRefused => {
            fault.upstream_status.filter(|theirs| [402, 404, 409, 413].contains(theirs)).unwrap_or(400)
        }
        FaultCode::UpstreamOverloaded | FaultCode::Overloaded => 529,
        FaultCode::UpstreamAccountError | FaultCode::UpstreamError => 500,
        FaultCode::InvalidRequest
        | FaultCode::RequestTooLarge
        | FaultCode::RequestTimeout
        | FaultCode::InvalidApiKey
        | FaultCode::PreviousResponseNotFound
        | FaultCode::ModelNotFound
        | FaultCode::NotFound
        | FaultCode::MethodNotAllowed
        | FaultCode::UpstreamRateLimited
        | FaultCode::UpstreamTimeout
        | FaultCode::Unavailable
        | FaultCode::Cancelled
        | FaultCode::Internal => fault.status(),
    }
}

fn kind(status: u16) -> &'static str {
    match status {
        400 | 405 | 422 | 499 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

/// The body of an error answer. `error.details` says the machine-readable code, a provider's own where it refused, and
/// the field at fault.
pub fn fault_body(fault: &Fault, request_id: &str) -> Vec<u8> {
    let code = match &fault.upstream_code {
        Some(theirs) if fault.code == FaultCode::UpstreamRefused => theirs.as_str(),
        _ => fault.code.openai().2,
    };
    let mut details = Map::new();
    details.insert("error_code".into(), code.into());
    if let Some(param) = &fault.param {
        details.insert("param".into(), param.as_str().into());
    }
    match &fault.details {
        Some(Value::Object(more)) => details.extend(more.clone()),
        Some(other) => drop(details.insert("details".into(), other.clone())),
        None => {}
    }
    let mut message = Cow::Borrowed(fault.message.as_str());
    // There is no code for it: clients that shorten the conversation go by the words.
    if code == CONTEXT_EXCEEDED && !message.contains(TOO_LONG) {
        message = format!("{TOO_LONG}: {message}").into();
    }
    let error = Error { kind: kind(status(fault)), message, details };
    // Strings and JSON values always serialise; should that ever change, the caller still reads an error.
    serde_json::to_vec(&Wire { kind: "error", error, request_id }).unwrap_or_else(|_| {
        br#"{"type":"error","error":{"type":"api_error","message":"internal error"},"request_id":null}"#
            .to_vec()
    })
}

/// The event that ends a stream which broke after it had begun. No `message_stop` follows it. What was sent before
/// does not matter.
pub fn fault_event(fault: &Fault, request_id: &str, _last: &[u8]) -> Vec<u8> {
    let mut out = b"event: error\ndata: ".to_vec();
    out.extend(fault_body(fault, request_id));
    out.extend_from_slice(b"\n\n");
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_prompt_that_is_too_long_is_said_in_anthropics_words() {
        let said = |message: &str| {
            let mut fault = Fault::new(FaultCode::UpstreamRefused, message);
            fault.upstream_code = Some("context_length_exceeded".into());
            let body: Value = serde_json::from_slice(&fault_body(&fault, "req_1")).unwrap();
            body["error"]["message"].as_str().unwrap().to_owned()
        };
        assert_eq!(said("Input is too long."), "prompt is too long: Input is too long.");
        assert_eq!(said("prompt is too long: 9 > 8"), "prompt is too long: 9 > 8");
    }

    #[test]
    fn every_code_has_its_status_and_type() {
        let expected = |code| match code {
            FaultCode::InvalidRequest | FaultCode::UpstreamRefused | FaultCode::PreviousResponseNotFound => {
                (400, "invalid_request_error")
            }
            FaultCode::RequestTooLarge => (413, "request_too_large"),
            FaultCode::RequestTimeout => (408, "timeout_error"),
            FaultCode::InvalidApiKey => (401, "authentication_error"),
            FaultCode::ModelNotFound | FaultCode::NotFound => (404, "not_found_error"),
            FaultCode::MethodNotAllowed => (405, "invalid_request_error"),
            FaultCode::UpstreamRateLimited => (429, "rate_limit_error"),
            FaultCode::UpstreamOverloaded | FaultCode::Overloaded => (529, "overloaded_error"),
            FaultCode::UpstreamTimeout => (504, "timeout_error"),
            FaultCode::Unavailable => (503, "api_error"),
            FaultCode::Cancelled => (499, "invalid_request_error"),
            FaultCode::UpstreamAccountError | FaultCode::UpstreamError | FaultCode::Internal => {
                (500, "api_error")
            }
        };
        for code in FaultCode::ALL {
            let fault = Fault::new(code, "x");
            assert_eq!((status(&fault), kind(status(&fault))), expected(code), "{code:?}");
        }
        let mut refused = Fault::new(FaultCode::UpstreamRefused, "x");
        for (theirs, ours) in [(413, 413), (422, 400), (401, 400), (402, 402), (404, 404)] {
            refused.upstream_status = Some(theirs);
            assert_eq!(status(&refused), ours);
        }
    }

    #[test]
    fn bodies_and_events_have_the_vendors_shape() {
        let fault = Fault::new(FaultCode::InvalidRequest, "No \"x\"\nhere.")
            .with_param("messages[0]")
            .with_details(json!({"limit": 4}));
        let body: Value = serde_json::from_slice(&fault_body(&fault, "req_1")).unwrap();
        assert_eq!(
            body,
            json!({"type": "error", "request_id": "req_1", "error": {"type": "invalid_request_error",
                "message": "No \"x\"\nhere.",
                "details": {"error_code": "invalid_request", "param": "messages[0]", "limit": 4}}})
        );
        let event = fault_event(&fault, "req_1", b"");
        assert!(event.starts_with(b"event: error\ndata: {\"type\":\"error\"") && event.ends_with(b"\n\n"));
    }
}
