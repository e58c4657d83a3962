//! One attempt: announced, called, and understood.

use std::sync::Arc;
use std::time::Duration;

use proto::config::ProviderKind;
use proto::dialect::Dialect;
use proto::dialect::codec::{self, Target};
use proto::dialect::exchange::{Ask, Exchange};
use proto::dialect::openai_chat::tools_with_reasoning;
use proto::dialect::openai_responses::KeptStream;
use proto::event::{Announced, Event};
use proto::fault::{Fault, FaultCode};
use proto::id::AttemptId;
use proto::reply::{Head, Section};
use proto::usage::{Estimate, Reconciled, Reported, estimate_tokens, reconcile};
use tokio::time::Instant;

use super::Execution;
use super::call::{Call, Trace};
use super::failure::{Failure, Limits};
use super::stream::Relay;
use crate::background;
use crate::http::Upstream;
use crate::jobs::{Job, Stop};
use crate::keep;
use crate::linger::Linger;
use crate::route::Hop;

/// How long the announcement may take to be stored: an election and some more.
const ANNOUNCE_PATIENCE: Duration = Duration::from_secs(20);

/// What a caller is told to wait when a model has no usable provider: somebody must mend the configuration.
const NO_ROUTE_RETRY_MS: u64 = 10_000;
/// What a caller is told to wait when the event stream takes nothing: an election.
const UNRECORDED_RETRY_MS: u64 = 5000;

/// What came of an attempt.
pub(super) enum Attempted {
    /// The request is answered or given up, and all of that is on the event stream.
    Settled,
    /// It failed; the table decides what follows.
    Failed(Box<Failed>),
    /// Nothing was called: the request cannot be carried there.
    Unfit(Box<Fault>),
}

/// A failed attempt whose outcome is not on the stream yet.
pub(super) struct Failed {
    pub(super) upstream: Arc<Upstream>,
    pub(super) failure: Failure,
    pub(super) trace: Trace,
    pub(super) used: Reconciled,
    /// Whether bytes of it were passed on.
    pub(super) begun: bool,
    /// Bytes that came before the failure and were not passed on yet.
    pub(super) rest: Vec<Section>,
}

/// Why a call has no answer.
enum Ended {
    Failed(Failure),
    Stopped(Stop),
}

/// Runs `exchange` until it ends or the job is to stop; then it is dropped, and with it the connection.
async fn unless_stopped<T>(
    job: &Job,
    exchange: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Ended> {
    tokio::select! {
        biased;
        stop = job.stopped() => Err(Ended::Stopped(stop)),
        result = exchange => result.map_err(Ended::Failed),
    }
}

impl Execution<'_> {
    /// Makes one attempt at `hop`.
    pub(super) async fn attempt(&mut self, hop: &Hop) -> Attempted {
        self.k += 1;
        let Some(upstream) = self.plan.set.get(&hop.place.provider).cloned() else {
            // The chain was made of providers of this very set.
            self.work.close(proto::event::CloseReason::Refused, None, Some(no_route())).await;
            return Attempted::Settled;
        };
        let mut trace = Trace::new();
        let exchange = match self.exchange(hop, &upstream) {
            Ok(exchange) => exchange,
            Err(fault) => {
                self.k -= 1;
                return Attempted::Unfit(Box::new(fault));
            }
        };
        let _permit = self.permit(&upstream).await;
        if self.work.left().is_zero() {
            self.k -= 1;
            self.too_late().await;
            return Attempted::Settled;
        }
        if let Err(failure) = self.announce(hop).await {
            return Attempted::Failed(Box::new(failed(upstream, failure, trace)));
        }
        if let Some(stop) = self.work.job.stopped_now() {
            self.cancelled(hop, &upstream, &trace, Reconciled::nothing(), stop).await;
            return Attempted::Settled;
        }
        trace.started = Instant::now();
        self.first_call.get_or_insert_with(|| (trace.started, self.work.waited_ms()));
        let call = Call {
            upstream: &upstream,
            exchange,
            model: &hop.place.model,
            stream: self.work.envelope.stream,
            attempt: self.attempt_id(),
            traceparent: self.work.job.traceparent.as_deref(),
            limits: self.limits(),
        };
        if call.stream {
            self.attempt_stream(hop, &call, &upstream, trace).await
        } else {
            self.attempt_whole(hop, &call, &upstream, trace).await
        }
    }

    /// The provider's body, and the way back.
    fn exchange(&mut self, hop: &Hop, upstream: &Upstream) -> Result<Exchange, Fault> {
        let envelope = &self.work.envelope;
        let profile = upstream.profile(hop);
        let target = Target { kind: upstream.provider.kind, origin: &hop.place, profile: &profile };
        let ask = Ask {
            dialect: envelope.dialect,
            body: &self.plan.body,
            model: &envelope.model,
            stream: envelope.stream,
            include_usage: envelope.include_usage,
            strict: envelope.strict,
            forget: self.forget,
            anthropic: (envelope.anthropic_version.as_deref(), envelope.anthropic_beta.as_deref()),
            request: self.work.job.request,
            price: hop.price(&self.plan.set.config, &envelope.model),
            input_estimate: self.plan.estimate.input_tokens,
            carrier: &self.work.worker.carrier,
        };
        let usual = upstream.asked_in(envelope.dialect, hop).ok_or_else(no_route)?;
        let responses = usual == Dialect::OpenaiChat
            && profile.tools_need_responses
            && upstream.adapter.kind != ProviderKind::OpenaiCompatible
            && tools_with_reasoning(&self.plan.body);
        let dialect = if responses { Dialect::OpenaiResponses } else { usual };
        Exchange::prepare(&ask, &target, dialect, &mut self.decoded)
    }

    async fn attempt_whole(
        &mut self,
        hop: &Hop,
        call: &Call<'_>,
        upstream: &Arc<Upstream>,
        mut trace: Trace,
    ) -> Attempted {
        match unless_stopped(&self.work.job, call.whole(&mut trace)).await {
            Ok((body, answer)) => {
                self.succeed_whole(hop, call, &trace, body, &answer).await;
                Attempted::Settled
            }
            Err(Ended::Stopped(stop)) => {
                let used = self.used(&trace, None, 0);
                self.cancelled(hop, upstream, &trace, used, stop).await;
                Attempted::Settled
            }
            Err(Ended::Failed(failure)) => {
                let used = self.used(&trace, failure.reported.as_deref(), 0);
                Attempted::Failed(Box::new(Failed { used, ..failed(Arc::clone(upstream), failure, trace) }))
            }
        }
    }

    async fn attempt_stream(
        &mut self,
        hop: &Hop,
        call: &Call<'_>,
        upstream: &Arc<Upstream>,
        mut trace: Trace,
    ) -> Attempted {
        let config = &self.work.worker.config;
        let linger = match self.work.job.background {
            Some(_) => Linger::new(background::LINGER, background::LINGER_BYTES_MAX),
            None => Linger::new(config.linger, config.linger_bytes_max),
        };
        let head = self.head(hop, call, "text/event-stream; charset=utf-8");
        let first_call = self.first_call.map_or(trace.started, |(at, _)| at);
        let stream = self.stream(call);
        let mut relay = Relay::new(stream, &mut self.replier, linger, head, first_call);
        let exchange = async {
            let body = call.exchange.bodies.first().cloned().unwrap_or_default();
            let mut response = call.open(&body, &mut trace).await?;
            relay.run(call, &mut response, &mut trace).await?;
            Ok(response)
        };
        let called = unless_stopped(&self.work.job, exchange).await;
        let (reported, chars, begun) = (relay.stream.reported(), relay.stream.output_chars(), relay.begun());
        match called {
            Ok(response) => {
                let answer = relay.stream.answer();
                if let Some(answer) = &answer {
                    keep::keep(self.work, &self.plan.body, answer).await;
                }
                let rest = relay.rest().await;
                let used = self.used(&trace, reported.as_ref(), chars);
                self.succeed_stream(hop, upstream, &trace, (rest, answer), used).await;
                // Held until here: by now the connection has read the end of the body and can be used again.
                drop(response);
                Attempted::Settled
            }
            Err(Ended::Stopped(stop)) => {
                drop(relay);
                let used = self.used(&trace, reported.as_ref(), chars);
                self.cancelled(hop, upstream, &trace, used, stop).await;
                Attempted::Settled
            }
            Err(Ended::Failed(failure)) => {
                let rest = relay.rest_if_begun().await;
                let used = self.used(&trace, reported.as_ref(), chars);
                let failed = failed(Arc::clone(upstream), failure, trace);
                Attempted::Failed(Box::new(Failed { used, begun, rest, ..failed }))
            }
        }
    }

    /// The state machine of a streamed answer; it keeps the answer where that is asked for.
    fn stream(&self, call: &Call<'_>) -> Box<dyn codec::Relay> {
        let stream = call.exchange.relay();
        if keep::kept(self.work).is_none() {
            return stream;
        }
        let stream = KeptStream::new(stream, keep::mark(self.work));
        match self.work.job.background {
            Some(_) => Box::new(stream.numbered(background::FIRST_EVENT)),
            None => Box::new(stream),
        }
    }

    /// What an attempt that did not end well used, and what a stream used that did.
    fn used(&self, trace: &Trace, reported: Option<&Reported>, output_chars: u64) -> Reconciled {
        if reported.is_none() && !trace.may_be_billed() {
            return Reconciled::nothing();
        }
        let output_tokens = if output_chars == 0 { 0 } else { estimate_tokens(output_chars) };
        reconcile(reported, Estimate { input_tokens: self.plan.estimate.input_tokens, output_tokens })
    }

    /// Puts the attempt on the event stream; without that nothing is called.
    async fn announce(&self, hop: &Hop) -> Result<(), Failure> {
        let work = self.work;
        let event = Event::Attempt(Announced {
            attempt: self.attempt_id(),
            subject: work.subject.clone(),
            dialect: work.envelope.dialect,
            stream: work.envelope.stream,
            provider: hop.place.provider.clone(),
            model: hop.place.model.clone(),
            priced_with: self.plan.set.config.version,
            route_mode: hop.route_mode,
            estimate: self.plan.estimate,
            deadline_ms: work.deadline_ms,
        });
        let unavailable = || {
            let fault = Fault::new(FaultCode::Unavailable, "The request could not be recorded.");
            Failure::last(fault.retry_after(UNRECORDED_RETRY_MS))
        };
        let record = work.record(&event).ok_or_else(unavailable)?;
        let patience = work.left().min(ANNOUNCE_PATIENCE);
        record.store(&work.worker.link, &work.worker.metrics, patience).await.map_err(|error| {
            let error = crate::error::chain(&error);
            tracing::warn!(
                request_id = %work.job.request,
                traceparent = work.job.traceparent,
                error,
                "attempt not announced, so not made"
            );
            unavailable()
        })
    }

    /// Waits for a place among the calls that may run at this provider, where their number is limited.
    async fn permit(&self, upstream: &Upstream) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let permits = upstream.permits.clone()?;
        tokio::select! {
            permit = permits.acquire_owned() => permit.ok(),
            _ = self.work.job.stopped() => None,
            () = tokio::time::sleep_until(self.work.deadline) => None,
        }
    }

    fn limits(&self) -> Limits {
        let config = &self.work.worker.config;
        let first_byte = match self.work.job.background {
            Some(_) => config.background_first_byte_timeout.max(config.first_byte_timeout),
            None => config.first_byte_timeout,
        };
        Limits {
            first_byte,
            deadline: self.work.deadline,
            idle: config.idle_timeout(),
            bytes_max: config.answer_bytes_max,
        }
    }

    /// The head of an answer that `hop` gives.
    pub(super) fn head(&self, hop: &Hop, call: &Call<'_>, content_type: &str) -> Head {
        Head { warnings: call.exchange.warnings.header(), ..self.bare_head(hop, content_type) }
    }

    /// The same without what its call would say.
    pub(super) fn bare_head(&self, hop: &Hop, content_type: &str) -> Head {
        let (first_call, queue_ms) =
            self.first_call.unwrap_or_else(|| (Instant::now(), self.work.waited_ms()));
        Head {
            status: 200,
            content_type: content_type.to_owned(),
            provider: hop.place.provider.clone(),
            model: hop.place.model.clone(),
            route_mode: hop.route_mode.as_str().to_owned(),
            attempts: self.k,
            config: self.plan.set.config.version,
            queue_ms,
            upstream_ms: u64::try_from(first_call.elapsed().as_millis()).unwrap_or(u64::MAX),
            warnings: None,
            cost: None,
        }
    }

    /// The attempt being made.
    pub(super) fn attempt_id(&self) -> AttemptId {
        AttemptId { request: self.work.job.request, token: self.work.job.token, k: self.k }
    }
}

fn failed(upstream: Arc<Upstream>, failure: Failure, trace: Trace) -> Failed {
    Failed { upstream, failure, trace, used: Reconciled::nothing(), begun: false, rest: Vec::new() }
}

/// What a caller is told when a model has no place to be served.
pub(crate) fn no_route() -> Fault {
    let sentence = "No provider of this model can be used at the moment.";
    Fault::new(FaultCode::Unavailable, sentence).retry_after(NO_ROUTE_RETRY_MS)
}
