//! The `usage` of an answer: the provider's numbers made whole, and what they cost.

use serde_json::{Value, json};

use crate::dialect::codec::Reply;
use crate::usage::{Estimate, Reported, estimate_tokens, reconcile};

/// The usage as the caller reads it; what the provider did not say is estimated from `chars` of output.
pub(super) fn usage(reported: Option<&Reported>, chars: u64, reply: &Reply) -> Value {
    let estimate = Estimate { input_tokens: reply.input_estimate, output_tokens: estimate_tokens(chars) };
    let used = reconcile(reported, estimate).usage;
    let mut usage = json!({
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens.saturating_add(used.output_tokens),
        "prompt_tokens_details": {
            "cached_tokens": used.cached_input_tokens,
            "cache_write_tokens": used.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
    });
    if let Some(cost) = reply.price.as_ref().and_then(|price| price.cost(&used)) {
        usage["cost_usd"] = cost.to_string().into();
    }
    usage
}
