//! What no translation can carry, whatever the target: the canonical answer has one choice, text and calls.

use serde_json::Value;

use super::context::refuse;
use crate::canonical::Request;
use crate::fault::Fault;

/// Refuses a request whose answer has no canonical form.
pub(super) fn check(request: &Request) -> Result<(), Fault> {
    if request.sampling.n.is_some_and(|n| n > 1) {
        return Err(refuse("n", "one answer at a time is all that can be translated"));
    }
    if request.sampling.logprobs {
        return Err(refuse("logprobs", "log probabilities cannot be translated"));
    }
    let audio = request.rest.get("modalities").and_then(Value::as_array);
    if audio.is_some_and(|kinds| kinds.iter().any(|kind| kind != "text")) {
        return Err(refuse("modalities", "only text can be translated"));
    }
    // Anthropic's way of warming a cache without an answer.
    if request.max_tokens == Some(0) {
        return Err(refuse("max_tokens", "it gives no answer of no tokens"));
    }
    if request.state.previous_id.is_some() {
        return Err(refuse("previous_response_id", "the provider keeps no earlier answers"));
    }
    if request.state.conversation.is_some() {
        return Err(refuse("conversation", "the provider keeps no conversations"));
    }
    Ok(())
}
