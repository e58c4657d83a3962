//! Errors in OpenAI's words, and where Azure words them otherwise.

use serde_json::{Value, json};

use crate::fake::asked::{Incoming, Refusal};
use crate::fake::look::{Bad, What};
use crate::fake::script::Failure;

const CALLER: &str = "invalid_request_error";

/// An error in OpenAI's shape.
pub(crate) fn refusal(
    status: u16,
    kind: &str,
    param: Option<&str>,
    code: Option<&str>,
    message: &str,
) -> Refusal {
    Refusal::new(status, json!({"error": {"message": message, "type": kind, "param": param, "code": code}}))
}

/// A path that is none.
pub(crate) fn unknown_url(call: &Incoming) -> Refusal {
    let message = format!("Invalid URL ({} {})", call.method, call.path);
    refusal(404, CALLER, None, Some("unknown_url"), &message)
}

/// The error for a wrong body.
pub(crate) fn refuse(bad: &Bad, azure: bool) -> Refusal {
    let Bad { what, path, text } = bad;
    let (code, message) = match what {
        What::Unknown if azure => {
            let message = format!("Unrecognized request argument supplied: {path}");
            return refusal(400, CALLER, None, None, &message);
        }
        What::Unknown => ("unknown_parameter", format!("Unknown parameter: '{path}'.")),
        What::Missing => ("missing_required_parameter", format!("Missing required parameter: '{path}'.")),
        What::Type => ("invalid_type", format!("Invalid type for '{path}': expected {text}.")),
        What::Value => ("invalid_value", format!("Invalid value for '{path}': {text}")),
        What::Unsupported => ("unsupported_parameter", text.clone()),
        What::Coded(code) => (*code, text.clone()),
    };
    let status = if *what == What::Coded("not_found") { 404 } else { 400 };
    refusal(status, CALLER, Some(path), Some(code), &message)
}

/// A scripted error.
pub(crate) fn failure(failure: Failure) -> Refusal {
    let plain = |status, kind, code, message| refusal(status, kind, None, code, message);
    match failure {
        Failure::Status(400) => {
            refusal(400, CALLER, Some("messages"), Some("invalid_value"), "Invalid value for 'messages'.")
        }
        Failure::Status(401) => plain(401, CALLER, Some("invalid_api_key"), "Incorrect API key provided."),
        Failure::Status(403) => plain(
            403,
            "request_forbidden",
            Some("unsupported_country_region_territory"),
            "Country not supported.",
        ),
        Failure::Status(404) => {
            let message = "The model does not exist or you do not have access to it.";
            plain(404, CALLER, Some("model_not_found"), message)
        }
        Failure::Status(408) => plain(408, "server_error", Some("timeout"), "The request timed out."),
        Failure::Status(413) => plain(413, CALLER, Some("request_too_large"), "The request is too large."),
        Failure::Status(429) => {
            let message = "Rate limit reached for requests. Please try again in 1s.";
            plain(429, "requests", Some("rate_limit_exceeded"), message)
                .with("retry-after", "1")
                .with("retry-after-ms", "1000")
                .with("x-ratelimit-limit-requests", "500")
                .with("x-ratelimit-remaining-requests", "0")
                .with("x-ratelimit-reset-requests", "1s")
        }
        Failure::Status(503 | 529) => {
            let message = "The server is overloaded or not ready yet.";
            plain(503, "service_unavailable_error", Some("server_is_overloaded"), message)
        }
        Failure::Status(status) => {
            let message = "The server had an error while processing your request. Sorry about that!";
            plain(status, "server_error", Some("server_error"), message)
        }
        Failure::Quota => {
            let message = "You exceeded your current quota, please check your plan and billing details.";
            plain(429, "insufficient_quota", Some("insufficient_quota"), message)
        }
        Failure::Context => {
            let message = "Input tokens exceed the configured limit of 128000 tokens.";
            refusal(400, CALLER, Some("messages"), Some("context_length_exceeded"), message)
        }
        Failure::PromptBlock => {
            let message = "Your request was rejected as a result of our safety system.";
            plain(400, CALLER, Some("content_policy_violation"), message)
        }
    }
}

/// The error object of a failure, for the middle of a stream.
pub(crate) fn inner(f: Failure) -> Value {
    failure(f).body["error"].take()
}
