//! Errors in Gemini's words.

use serde_json::json;

use crate::fake::asked::Refusal;
use crate::fake::look::{Bad, What};
use crate::fake::script::Failure;

/// An error in Google's shape.
pub(crate) fn refusal(code: u16, status: &str, message: &str) -> Refusal {
    Refusal::new(code, json!({"error": {"code": code, "message": message, "status": status}}))
}

/// A key that is none: 400, not 401.
pub(super) fn bad_key() -> Refusal {
    Refusal::new(
        400,
        json!({"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.",
            "status": "INVALID_ARGUMENT", "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID", "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"}}]}}),
    )
}

/// The error for a wrong body.
pub(super) fn refuse(bad: &Bad) -> Refusal {
    let Bad { what, path, text } = bad;
    let message = match what {
        What::Unknown => {
            let message = match path.rsplit_once('.') {
                Some((at, name)) => format!("Unknown name \"{name}\" at '{at}': Cannot find field."),
                None => format!("Unknown name \"{path}\": Cannot find field."),
            };
            let violation = json!({"field": path, "description": message});
            let mut refused =
                refusal(400, "INVALID_ARGUMENT", &format!("Invalid JSON payload received. {message}"));
            refused.body["error"]["details"] = json!([{"@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [violation]}]);
            return refused;
        }
        What::Missing => format!("* GenerateContentRequest.{path}: {path} is not specified"),
        What::Type => format!("Invalid value at '{path}': expected {text}"),
        What::Value => format!("* GenerateContentRequest.{path}: {text}"),
        What::Unsupported | What::Coded(_) => text.clone(),
    };
    refusal(400, "INVALID_ARGUMENT", &message)
}

fn limited(message: &str, delay: Option<&str>) -> Refusal {
    let mut details = vec![json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]})];
    if let Some(delay) = delay {
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}));
    }
    let mut refused = refusal(429, "RESOURCE_EXHAUSTED", message);
    refused.body["error"]["details"] = json!(details);
    refused
}

/// A scripted error.
pub(crate) fn failure(failure: Failure) -> Refusal {
    match failure {
        Failure::Status(401) => bad_key(),
        Failure::Status(403) => refusal(403, "PERMISSION_DENIED", "The caller does not have permission"),
        Failure::Status(404) => {
            refusal(404, "NOT_FOUND", "models/gemini-none is not found for API version v1beta.")
        }
        Failure::Status(408 | 504) => {
            refusal(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.")
        }
        Failure::Status(429) => {
            let message = "You exceeded your current quota, please check your plan and billing details. Please retry in 1s.";
            limited(message, Some("1s"))
        }
        Failure::Quota => limited("Your prepayment credits are depleted.", None),
        Failure::Status(502 | 503 | 529) => {
            refusal(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
        }
        Failure::Status(500..) => refusal(500, "INTERNAL", "An internal error has occurred. Please retry."),
        Failure::Context => {
            let message =
                "The input token count (1212345) exceeds the maximum number of tokens allowed (1048576).";
            refusal(400, "INVALID_ARGUMENT", message)
        }
        Failure::Status(_) | Failure::PromptBlock => {
            refusal(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        }
    }
}
