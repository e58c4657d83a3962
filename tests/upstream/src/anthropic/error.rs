//! Errors in Anthropic's words.

use serde_json::json;

use crate::fake::asked::Refusal;
use crate::fake::look::{Bad, What};
use crate::fake::script::Failure;

const CALLER: &str = "invalid_request_error";

/// An error in Anthropic's shape.
pub(crate) fn refusal(status: u16, kind: &str, message: &str) -> Refusal {
    Refusal::new(
        status,
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"}),
    )
}

/// The words for what is wrong with a body.
pub(crate) fn words(bad: &Bad) -> String {
    let path = bad.dotted();
    match bad.what {
        What::Unknown => format!("{path}: Extra inputs are not permitted"),
        What::Missing => format!("{path}: Field required"),
        What::Type => {
            let article = bad.text.trim_start_matches("an ").trim_start_matches("a ");
            let kind = match article {
                "object" => "dictionary",
                "array" => "list",
                other => other,
            };
            format!("{path}: Input should be a valid {kind}")
        }
        What::Value if !path.is_empty() => format!("{path}: {}", bad.text),
        What::Value | What::Unsupported | What::Coded(_) => bad.text.clone(),
    }
}

/// The error for a wrong body.
pub(super) fn refuse(bad: &Bad) -> Refusal {
    match bad.what {
        What::Coded("not_found") => refusal(404, "not_found_error", &bad.text),
        _ => refusal(400, CALLER, &words(bad)),
    }
}

/// A scripted error.
pub(crate) fn failure(failure: Failure) -> Refusal {
    match failure {
        Failure::Status(400) | Failure::PromptBlock => refusal(400, CALLER, "messages: Invalid value"),
        Failure::Status(401) => refusal(401, "authentication_error", "invalid x-api-key"),
        Failure::Status(403) => refusal(
            403,
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        ),
        Failure::Status(404) => refusal(404, "not_found_error", "model: claude-none"),
        Failure::Status(408 | 504) => refusal(504, "timeout_error", "The request timed out."),
        Failure::Status(413) => refusal(413, "request_too_large", "Request exceeds the maximum size"),
        Failure::Status(429) => {
            let message = "Number of request tokens has exceeded your per-minute rate limit.";
            refusal(429, "rate_limit_error", message)
                .with("retry-after", "1")
                .with("anthropic-ratelimit-requests-limit", "50")
                .with("anthropic-ratelimit-requests-remaining", "0")
                .with("anthropic-ratelimit-requests-reset", "2026-11-20T00:00:01Z")
        }
        Failure::Status(503 | 529) => refusal(529, "overloaded_error", "Overloaded"),
        Failure::Status(_) => refusal(500, "api_error", "Internal server error"),
        Failure::Quota => {
            let message = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.";
            refusal(400, CALLER, message)
        }
        Failure::Context => refusal(400, CALLER, "prompt is too long: 212345 tokens > 200000 maximum"),
    }
}
