//! How an attempt's outcome reaches the caller and the books: the last frame first, then the event, both with the
//! same bytes.

use std::time::Duration;

use bytes::Bytes;
use proto::ctl::Question;
use proto::dialect::openai_chat::Answer;
use proto::dialect::openai_responses::marked;
use proto::event::{Ending, Event, Outcome};
use proto::fault::{Fault, FaultCode};
use proto::reply::Section;
use proto::usage::{Estimate, Reconciled, estimate_tokens, reconcile};

use super::Execution;
use super::attempt::Failed;
use super::call::{Call, Trace};
use crate::background::{self, Final};
use crate::claim::ask;
use crate::http::{Seen, Upstream};
use crate::jobs::Stop;
use crate::keep;
use crate::reply;
use crate::route::Hop;

/// What is to be said about an attempt beside what the execution knows itself.
struct Verdict<'a> {
    hop: &'a Hop,
    upstream: &'a Upstream,
    trace: &'a Trace,
    ending: Ending,
    fault: Option<&'a Fault>,
    used: Reconciled,
    bound: bool,
    last: bool,
}

impl Execution<'_> {
    /// A whole answer: one frame (or several), then the event.
    pub(super) async fn succeed_whole(
        &mut self,
        hop: &Hop,
        call: &Call<'_>,
        trace: &Trace,
        body: Bytes,
        answer: &Answer,
    ) {
        let upstream = call.upstream;
        let body = match keep::kept(self.work) {
            Some(_) => marked(&body, &keep::mark(self.work)),
            None => body,
        };
        keep::keep(self.work, &self.plan.body, &body).await;
        let estimate = Estimate {
            input_tokens: self.plan.estimate.input_tokens,
            output_tokens: estimate_tokens(answer.output_chars),
        };
        let used = reconcile(answer.reported.as_ref(), estimate);
        let mut head = self.head(hop, call, "application/json");
        let price = hop.price(&self.plan.set.config, &self.work.envelope.model);
        head.cost = price.and_then(|price| price.cost(&used.usage));
        let ending = Ending::Success;
        let event = self.outcome(Verdict {
            hop,
            upstream,
            trace,
            ending,
            fault: None,
            used,
            bound: true,
            last: true,
        });
        if let Some(seat) = self.work.seat.get() {
            return seat.conclude(self.work, event, Final::Answered(body), Some(&self.plan.body)).await;
        }
        let Some(record) = self.work.record(&event) else { return };
        self.work.job.ask(false);
        let link = &self.work.worker.link;
        let epoch = link.state().epoch;
        let mut frames = Vec::with_capacity(1);
        for sections in reply::answer(head, body, record.payload.clone()) {
            frames.extend(self.replier.send(sections).await);
        }
        record.store_for_sure(self.work).await;
        if link.state().epoch != epoch {
            // The connection broke meanwhile: a frame that arrived already is ignored as a duplicate.
            for frame in frames {
                self.replier.publish(frame).await;
            }
        }
    }

    /// A complete stream: what still waits goes out with the end.
    pub(super) async fn succeed_stream(
        &mut self,
        hop: &Hop,
        upstream: &Upstream,
        trace: &Trace,
        (rest, answer): (Vec<Section>, Option<Bytes>),
        used: Reconciled,
    ) {
        let ending = Ending::Success;
        let event = self.outcome(Verdict {
            hop,
            upstream,
            trace,
            ending,
            fault: None,
            used,
            bound: true,
            last: true,
        });
        if let Some(seat) = self.work.seat.get() {
            self.replier.send(rest).await;
            // A chunk that could not be kept leaves a gap that nobody may take for the answer.
            let whole = answer.filter(|_| self.work.job.stopped_now() != Some(Stop::Fenced));
            let end = whole.map_or_else(|| Final::Failed(background::broken_off()), Final::Answered);
            return seat.conclude(self.work, event, end, Some(&self.plan.body)).await;
        }
        self.end(rest, &event).await;
    }

    /// The last attempt failed: the caller is told, in its dialect, by the ingress.
    pub(super) async fn fail(&mut self, hop: &Hop, failed: Box<Failed>) {
        let Failed { upstream, failure, trace, used, begun, mut rest } = *failed;
        let event = self.outcome(Verdict {
            hop,
            upstream: &upstream,
            trace: &trace,
            ending: Ending::Failed,
            fault: Some(&failure.fault),
            used,
            bound: begun,
            last: true,
        });
        if let Some(seat) = self.work.seat.get() {
            self.replier.send(rest).await;
            let end = Final::Failed(failure.fault);
            return seat.conclude(self.work, event, end, Some(&self.plan.body)).await;
        }
        if !begun {
            // Nothing has gone out yet: the error answer says where it comes from, like any other.
            let mut head = self.bare_head(hop, "application/json");
            head.status = failure.fault.status();
            rest.insert(0, Section::Head(head));
        }
        rest.push(Section::Fault(failure.fault));
        self.end(rest, &event).await;
    }

    /// An attempt failed and another follows.
    pub(super) async fn pass_over(&mut self, hop: &Hop, failed: Box<Failed>) {
        let event = self.outcome(Verdict {
            hop,
            upstream: &failed.upstream,
            trace: &failed.trace,
            ending: Ending::Failed,
            fault: Some(&failed.failure.fault),
            used: failed.used,
            bound: false,
            last: false,
        });
        if let Some(record) = self.work.record(&event) {
            record.store_for_sure(self.work).await;
        }
    }

    /// The call was dropped because nobody wants its answer.
    pub(super) async fn cancelled(
        &mut self,
        hop: &Hop,
        upstream: &Upstream,
        trace: &Trace,
        used: Reconciled,
        stop: Stop,
    ) {
        self.work.worker.metrics.cancel(stop.label());
        let fault = Fault::new(FaultCode::Cancelled, "The caller went away.");
        let event = self.outcome(Verdict {
            hop,
            upstream,
            trace,
            ending: Ending::Cancelled,
            fault: Some(&fault),
            used,
            // A caller that leaves has had the attempt made for it: its last frame binds it at the ingress.
            bound: match stop {
                Stop::Disconnected | Stop::Asked => true,
                Stop::Fenced => false,
                Stop::Unreachable | Stop::Closed => self.replier.sent() > 0,
            },
            last: true,
        });
        if let Some(seat) = self.work.seat.get() {
            let end = match stop {
                Stop::Asked => Final::Cancelled,
                Stop::Disconnected | Stop::Unreachable | Stop::Closed | Stop::Fenced => {
                    Final::Failed(background::broken_off())
                }
            };
            return seat.conclude(self.work, event, end, Some(&self.plan.body)).await;
        }
        match stop {
            // The ingress is there and keeps the event for whoever must finish this in our place.
            Stop::Disconnected => self.end(vec![Section::Fault(fault)], &event).await,
            Stop::Unreachable | Stop::Closed | Stop::Fenced | Stop::Asked => {
                self.work.job.ask(false);
                if let Some(record) = self.work.record(&event) {
                    record.store_for_sure(self.work).await;
                }
            }
        }
    }

    /// Sends the last frame, then stores the event that it carries.
    async fn end(&mut self, mut sections: Vec<Section>, event: &Event) {
        let Some(record) = self.work.record(event) else { return };
        self.work.job.ask(false);
        let link = &self.work.worker.link;
        let epoch = link.state().epoch;
        let sent_before = self.replier.sent();
        sections.push(Section::End(record.payload.clone()));
        let frame = self.replier.send(sections).await;
        record.store_for_sure(self.work).await;
        if link.state().epoch != epoch {
            if let Some(frame) = frame {
                self.replier.publish(frame).await;
            }
            if sent_before > 0 {
                // Frames of the middle may be lost too; the ingress compares the count and ends the stream loudly.
                let _heard = ask(&self.work.worker, &self.work.job, Question::Wanted).await;
            }
        }
    }

    /// The outcome as an event; also what metrics, health and the log say about the attempt.
    fn outcome(&self, verdict: Verdict<'_>) -> Event {
        let Verdict { hop, upstream, trace, ending, fault, used, bound, last } = verdict;
        let duration = trace.started.elapsed();
        let status = trace.status.map(|status| status.as_u16());
        let code = fault.map(|fault| fault.code);
        upstream.metrics.attempt(ending, code, duration, trace.first_byte);
        // A call that was dropped half-way says nothing about the provider.
        if ending != Ending::Cancelled {
            upstream.note(Seen {
                status,
                latency_ms: ms(trace.first_byte.unwrap_or(duration)),
                error: code.filter(|code| *code != FaultCode::UpstreamRefused).map(FaultCode::label),
                at_ms: proto::clock::now_ms(),
            });
        }
        let attempt = self.attempt_id();
        if ending == Ending::Failed {
            tracing::info!(
                request_id = %attempt.request, %attempt, traceparent = self.work.job.traceparent,
                provider = hop.place.provider, model = hop.place.model, status,
                fault = code.map(FaultCode::label), duration_ms = ms(duration), last, "attempt failed"
            );
        } else {
            tracing::debug!(
                request_id = %attempt.request, %attempt, traceparent = self.work.job.traceparent,
                provider = hop.place.provider, model = hop.place.model, status,
                ending = ending.as_str(), duration_ms = ms(duration), "attempt ended"
            );
        }
        Event::Usage(Outcome {
            attempt,
            subject: self.work.subject.clone(),
            provider: hop.place.provider.clone(),
            model: hop.place.model.clone(),
            priced_with: self.plan.set.config.version,
            route_mode: hop.route_mode,
            ending,
            status,
            fault: code,
            used,
            bound,
            last,
            from_tombstone: false,
            queue_ms: self.first_call.map_or_else(|| self.work.waited_ms(), |(_, queue_ms)| queue_ms),
            first_byte_ms: trace.first_byte.map(ms),
            duration_ms: ms(duration),
        })
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
