//! Every metric of the role: names, units, labels. Labels are bounded: provider names come from the configuration,
//! all others are closed sets. Handles are made once, so that the hot path looks nothing up.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit, counter, gauge, histogram};
use proto::event::Ending;
use proto::fault::FaultCode;

const DELIVERIES: &str = "forebay_worker_deliveries_total";
const REDELIVERIES: &str = "forebay_worker_redeliveries_total";
const POISON: &str = "forebay_worker_poison_total";
const QUEUE_WAIT: &str = "forebay_worker_queue_wait_seconds";
const IN_FLIGHT: &str = "forebay_worker_in_flight";
const BACKLOG: &str = "forebay_worker_backlog";
const EVENT_PUBLISH: &str = "forebay_worker_event_publish_seconds";
const CLAIMS: &str = "forebay_worker_claims_total";
const CANCELS: &str = "forebay_worker_cancels_total";
const CLOSED: &str = "forebay_worker_closed_total";
const UNACKED: &str = "forebay_worker_unacked_total";
const ATTEMPTS: &str = "forebay_worker_attempts_total";
const UPSTREAM: &str = "forebay_worker_upstream_seconds";
const FIRST_BYTE: &str = "forebay_worker_first_byte_seconds";
const RETRIES: &str = "forebay_worker_retries_total";
const FALLBACKS: &str = "forebay_worker_fallbacks_total";
const RESULT_STORE: &str = "forebay_worker_result_store_seconds";
const UNKEPT: &str = "forebay_worker_results_unkept_total";

/// Handles of the process-wide metrics.
pub(crate) struct Metrics {
    /// Requests taken from the stream.
    pub(crate) deliveries: Counter,
    /// Those of them that had been delivered before.
    pub(crate) redeliveries: Counter,
    /// Messages that are no requests.
    pub(crate) poison: Counter,
    /// From acceptance to delivery.
    pub(crate) queue_wait: Histogram,
    /// Requests worked on.
    pub(crate) in_flight: Gauge,
    /// Requests stored but not finished.
    pub(crate) backlog: Gauge,
    /// Storing an event, retries included.
    pub(crate) event_publish: Histogram,
    /// Requests left to another delivery because the stream could not be told that they are done.
    pub(crate) unacked: Counter,
    /// Storing an answer that is kept.
    pub(crate) result_store: Histogram,
    /// Answers that were to be kept and could not be.
    pub(crate) unkept: Counter,
}

impl Metrics {
    /// Describes and makes everything. The recorder must be installed before.
    pub(crate) fn new() -> Self {
        describe();
        Self {
            deliveries: counter!(DELIVERIES),
            redeliveries: counter!(REDELIVERIES),
            poison: counter!(POISON),
            queue_wait: histogram!(QUEUE_WAIT),
            in_flight: gauge!(IN_FLIGHT),
            backlog: gauge!(BACKLOG),
            event_publish: histogram!(EVENT_PUBLISH),
            unacked: counter!(UNACKED),
            result_store: histogram!(RESULT_STORE),
            unkept: counter!(UNKEPT),
        }
    }

    /// An ingress answered a claim, or did not.
    pub(crate) fn claim(&self, answer: &'static str) {
        counter!(CLAIMS, "answer" => answer).increment(1);
    }

    /// A running request was stopped.
    pub(crate) fn cancel(&self, reason: &'static str) {
        counter!(CANCELS, "reason" => reason).increment(1);
    }

    /// A request was closed without a last outcome.
    pub(crate) fn closed(&self, reason: &'static str) {
        counter!(CLOSED, "reason" => reason).increment(1);
    }
}

/// Handles of one provider's metrics.
pub(crate) struct ProviderMetrics {
    provider: String,
    success: Counter,
    upstream: Histogram,
    first_byte: Histogram,
    retries: Counter,
    fallbacks: Counter,
}

impl ProviderMetrics {
    pub(crate) fn new(provider: &str) -> Self {
        let provider = provider.to_owned();
        Self {
            success: counter!(ATTEMPTS, "provider" => provider.clone(), "outcome" => "success", "fault" => ""),
            upstream: histogram!(UPSTREAM, "provider" => provider.clone()),
            first_byte: histogram!(FIRST_BYTE, "provider" => provider.clone()),
            retries: counter!(RETRIES, "provider" => provider.clone()),
            fallbacks: counter!(FALLBACKS, "provider" => provider.clone()),
            provider,
        }
    }

    /// An upstream call ended.
    pub(crate) fn attempt(
        &self,
        ending: Ending,
        fault: Option<FaultCode>,
        duration: Duration,
        first_byte: Option<Duration>,
    ) {
        match ending {
            Ending::Success => self.success.increment(1),
            Ending::Failed | Ending::Cancelled => counter!(
                ATTEMPTS,
                "provider" => self.provider.clone(),
                "outcome" => ending.as_str(),
                "fault" => fault.map_or("", FaultCode::label),
            )
            .increment(1),
        }
        self.upstream.record(duration);
        if let Some(first_byte) = first_byte {
            self.first_byte.record(first_byte);
        }
    }

    /// The same target is tried again.
    pub(crate) fn retry(&self) {
        self.retries.increment(1);
    }

    /// The next target is tried after this one failed.
    pub(crate) fn fallback(&self) {
        self.fallbacks.increment(1);
    }
}

impl std::fmt::Debug for ProviderMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderMetrics").field("provider", &self.provider).finish_non_exhaustive()
    }
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!(DELIVERIES, Unit::Count, "Requests taken from the stream");
    describe_counter!(REDELIVERIES, Unit::Count, "Requests taken that had been delivered before");
    describe_counter!(POISON, Unit::Count, "Messages on the request stream that are no requests");
    describe_histogram!(QUEUE_WAIT, Unit::Seconds, "From a request's acceptance to its delivery");
    describe_gauge!(IN_FLIGHT, Unit::Count, "Requests worked on");
    describe_gauge!(BACKLOG, Unit::Count, "Requests stored but not finished, over all workers of the pool");
    describe_histogram!(EVENT_PUBLISH, Unit::Seconds, "Storing one event, until it is acknowledged");
    describe_counter!(CLAIMS, Unit::Count, "Claims at ingresses, by answer");
    describe_counter!(CANCELS, Unit::Count, "Running requests stopped, by reason");
    describe_counter!(CLOSED, Unit::Count, "Requests closed without a last outcome, by reason");
    describe_counter!(UNACKED, Unit::Count, "Requests left to another delivery");
    describe_counter!(ATTEMPTS, Unit::Count, "Upstream calls, by provider, outcome and fault");
    describe_histogram!(UPSTREAM, Unit::Seconds, "Upstream calls, from sending to the end, by provider");
    describe_histogram!(FIRST_BYTE, Unit::Seconds, "Upstream calls, from sending to the first content");
    describe_counter!(RETRIES, Unit::Count, "Tries on a same target again, by provider");
    describe_histogram!(RESULT_STORE, Unit::Seconds, "Storing one answer that is kept");
    describe_counter!(UNKEPT, Unit::Count, "Answers that were to be kept and could not be stored");
    describe_counter!(FALLBACKS, Unit::Count, "Moves to the next target, by the provider that failed");
}
