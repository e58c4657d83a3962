//! Errors in Azure's words: codes are texts, even of numbers, and there is no `type`.

use serde_json::json;

use super::body;
use crate::fake::asked::Refusal;
use crate::fake::script::Failure;
use crate::openai;

/// No credential, or a wrong one.
pub(super) fn denied() -> Refusal {
    let message = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.";
    Refusal::new(401, body("401", message))
}

/// A path or a version that is none.
pub(super) fn not_found() -> Refusal {
    Refusal::new(404, body("404", "Resource not found"))
}

/// A deployment that is none.
pub(super) fn deployment_not_found() -> Refusal {
    let message = "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.";
    Refusal::new(404, body("DeploymentNotFound", message))
}

fn blocked() -> Refusal {
    let message = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.";
    let safe = json!({"filtered": false, "severity": "safe"});
    Refusal::new(
        400,
        json!({"error": {"message": message, "type": null, "param": "prompt", "code": "content_filter",
            "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {
                "hate": safe, "self_harm": safe, "sexual": safe,
                "violence": {"filtered": true, "severity": "medium"},
                "jailbreak": {"filtered": false, "detected": false}}}}}),
    )
}

/// A scripted error.
pub(crate) fn failure(failure: Failure) -> Refusal {
    match failure {
        Failure::Status(401) => denied(),
        Failure::Status(403) => {
            let message = "The principal lacks the required data action `Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action`.";
            Refusal::new(403, body("PermissionDenied", message))
        }
        Failure::Status(404) => deployment_not_found(),
        Failure::Status(429) => {
            let message = "Requests to the ChatCompletions_Create Operation have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 1 second.";
            Refusal::new(429, body("429", message))
                .with("retry-after", "1")
                .with("retry-after-ms", "1000")
                .with("x-ratelimit-remaining-requests", "0")
                .with("x-ratelimit-reset-requests", "1")
        }
        Failure::Quota => Refusal::new(429, body("insufficient_quota", "You exceeded your current quota.")),
        Failure::Status(503 | 529) => Refusal::new(
            503,
            body("ServiceUnavailable", "The service is temporarily unable to process your request."),
        ),
        Failure::Status(status @ 500..) => Refusal::new(
            status,
            body("InternalServerError", "The server had an error while processing your request."),
        ),
        Failure::PromptBlock => blocked(),
        Failure::Status(_) | Failure::Context => openai::error::failure(failure),
    }
}
