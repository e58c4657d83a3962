//! The one metric that every role's connection has. No other file of this crate uses the macros.

use metrics::{Counter, counter, describe_counter};

/// Messages lost on the side of a role, with the labels `role` and `reason`.
pub const MESSAGES_DROPPED: &str = "forebay_messages_dropped_total";

/// Says what the metric means, and gives the counter of messages that `role` lost because a subscription's channel was
/// full.
pub(super) fn slow_consumer(role: &'static str) -> Counter {
    describe_counter!(
        MESSAGES_DROPPED,
        "Messages lost on this side, by role and reason: slow_consumer (a subscription's channel was full), outbox \
         (an ingress's cancels and answers that could not be queued)"
    );
    counter!(MESSAGES_DROPPED, "role" => role, "reason" => "slow_consumer")
}
