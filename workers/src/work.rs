//! One delivered request and what every step needs to know of it; and how it ends without an attempt's outcome.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proto::envelope::Envelope;
use proto::event::{CloseReason, Closed, Event, Subject};
use proto::fault::Fault;
use proto::id::Token;
use proto::reply::Section;
use tokio::time::Instant;

use crate::Worker;
use crate::background::{Final, Seat};
use crate::jobs::Job;
use crate::reply::Replier;
use crate::store::Record;

/// How far the clocks of the stream and of this machine may disagree without harm to a request.
const SKEW_MS: u64 = 2000;
/// No request runs longer than this, whatever its envelope says.
const BUDGET_MAX_MS: u64 = 24 * 3600 * 1000;

/// One delivery, past its first checks.
pub(crate) struct Work {
    /// The process.
    pub(crate) worker: Arc<Worker>,
    /// This delivery among its siblings.
    pub(crate) job: Arc<Job>,
    /// What the ingress said about the request, but for the trace context, which the job has.
    pub(crate) envelope: Envelope,
    /// What every event says about it.
    pub(crate) subject: Subject,
    /// When the caller stops waiting, on this process's clock.
    pub(crate) deadline: Instant,
    /// The same on the stream's clock.
    pub(crate) deadline_ms: u64,
    /// This delivery's hold on a background response, once it has it.
    pub(crate) seat: OnceLock<Seat>,
}

/// How long the caller still waits, by a clock that may be `SKEW_MS` off: never more than its whole budget.
pub(crate) fn time_left(accepted_ms: u64, budget_ms: u64, now_ms: u64) -> Duration {
    let budget_ms = budget_ms.min(BUDGET_MAX_MS);
    let end = accepted_ms.saturating_add(budget_ms).saturating_add(SKEW_MS);
    Duration::from_millis(end.saturating_sub(now_ms).min(budget_ms))
}

impl Work {
    /// Until the deadline.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// How long the request has been waiting, in milliseconds.
    pub(crate) fn waited_ms(&self) -> u64 {
        proto::clock::now_ms().saturating_sub(self.subject.origin.accepted_ms)
    }

    /// The request ends here without a last outcome. `fault` is what the caller is told, if anybody still listens.
    pub(crate) async fn close(&self, reason: CloseReason, bound: Option<Token>, fault: Option<Fault>) {
        self.job.ask(false);
        self.worker.metrics.closed(reason.as_str());
        let event = Event::Closed(Closed {
            request: self.job.request,
            token: self.job.token,
            subject: self.subject.clone(),
            reason,
            fault: fault.as_ref().map(|fault| fault.code),
            bound,
        });
        let Some(record) = self.record(&event) else { return };
        tracing::info!(
            request_id = %self.job.request,
            traceparent = self.job.traceparent,
            reason = reason.as_str(),
            fault = fault.as_ref().map(|fault| fault.code.label()),
            "request closed"
        );
        if let (Some(fault), Some(seat)) = (&fault, self.seat.get()) {
            return seat.conclude(self, event, Final::Failed(fault.clone()), None).await;
        }
        if let Some(fault) = fault {
            let mut replier = self.replier();
            replier.send(vec![Section::Fault(fault), Section::End(record.payload.clone())]).await;
        }
        record.store_for_sure(self).await;
    }

    /// A way to the ingress; frames are numbered from what this delivery has sent so far.
    pub(crate) fn replier(&self) -> Replier {
        let replier = Replier::new(self.worker.link.client.clone(), Arc::clone(&self.job));
        match self.seat.get().and_then(|seat| seat.chunks(self)) {
            Some(chunks) => replier.into_chunks(chunks),
            None => replier,
        }
    }

    /// An event, encoded.
    pub(crate) fn record(&self, event: &Event) -> Option<Record> {
        Record::of(event)
            .inspect_err(|error| {
                let job = &self.job;
                tracing::error!(
                    request_id = %job.request, traceparent = job.traceparent, %error, "an event does not encode"
                );
            })
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_disagree_a_little() {
        let left = |now_ms| u64::try_from(time_left(100_000, 60_000, now_ms).as_millis()).unwrap();
        assert_eq!(left(90_000), 60_000, "a clock behind does not lengthen the wait");
        assert_eq!(left(101_000), 60_000);
        assert_eq!(left(132_000), 30_000);
        assert_eq!(left(161_999), 1);
        assert_eq!(left(162_000), 0);
        assert_eq!(time_left(u64::MAX, u64::MAX, 5).as_millis(), u128::from(BUDGET_MAX_MS));
    }
}
