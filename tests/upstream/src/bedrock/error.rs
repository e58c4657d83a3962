//! Errors in Bedrock's words: a message in the body, the kind in a header.

use serde_json::json;

use crate::anthropic::error::words;
use crate::fake::asked::Refusal;
use crate::fake::look::{Bad, What};
use crate::fake::script::Failure;

/// An error of that kind.
pub(crate) fn refusal(status: u16, kind: &str, message: &str) -> Refusal {
    let kind = format!("{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/");
    Refusal::new(status, json!({"message": message})).with("x-amzn-errortype", kind)
}

/// A `ValidationException`.
pub(super) fn validation(message: &str) -> Refusal {
    refusal(400, "ValidationException", message)
}

/// The error for a wrong body.
pub(super) fn refuse(bad: &Bad) -> Refusal {
    let path = bad.dotted();
    let message = match bad.what {
        What::Unknown => format!(
            "Malformed input request: #: extraneous key [{path}] is not permitted, please reformat your input and try again."
        ),
        What::Missing => format!(
            "1 validation error detected: Value at '{path}' failed to satisfy constraint: Member must not be null"
        ),
        What::Type => {
            let message = format!("Unexpected type at '{path}': expected {}", bad.text);
            return refusal(400, "SerializationException", &message);
        }
        What::Value => format!(
            "1 validation error detected: Value at '{path}' failed to satisfy constraint: {}",
            bad.text
        ),
        What::Unsupported => bad.text.clone(),
        // What the model behind it says is passed on in its own words.
        What::Coded(_) => format!("The model returned the following errors: {}", words(bad)),
    };
    validation(&message)
}

/// A scripted error.
pub(crate) fn failure(failure: Failure) -> Refusal {
    match failure {
        Failure::Status(401) => {
            let message = "The security token included in the request is invalid.";
            refusal(403, "UnrecognizedClientException", message)
        }
        Failure::Status(403) => refusal(
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
        ),
        Failure::Status(404) => {
            refusal(404, "ResourceNotFoundException", "The specified model was not found.")
        }
        Failure::Status(408 | 504) => refusal(
            408,
            "ModelTimeoutException",
            "The request took too long to process. Processing time exceeded the model timeout length.",
        ),
        Failure::Status(429) => {
            let message = "Too many requests, please wait before trying again.";
            refusal(429, "ThrottlingException", message).with("x-amz-retry-after", "1000")
        }
        Failure::Quota => refusal(
            400,
            "ServiceQuotaExceededException",
            "Your request exceeds the service quota for your account.",
        ),
        Failure::Status(502 | 503 | 529) => {
            refusal(503, "ServiceUnavailableException", "Bedrock is unable to process your request.")
        }
        Failure::Status(500..) => refusal(
            500,
            "InternalServerException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
        Failure::Context => validation("Input is too long for requested model."),
        Failure::Status(_) | Failure::PromptBlock => validation("The provided request is not valid"),
    }
}
