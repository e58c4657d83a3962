//! One delivery from its arrival to its acknowledgement: is it a request, is it ours, is there time, where to.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::Subject as NatsSubject;
use bytes::Bytes;
use proto::config::Config as Document;
use proto::dialect::caller::scan;
use proto::envelope::Envelope;
use proto::event::{self, CloseReason, Event, Takeover};
use proto::fault::{Fault, FaultCode};
use tokio::time::Instant;

use crate::Worker;
use crate::background;
use crate::body;
use crate::claim::{Claim, claim};
use crate::delivery::Delivery;
use crate::error::chain;
use crate::execute::{self, Plan};
use crate::jobs::Job;
use crate::keep;
use crate::keeper;
use crate::route::{self, Hop};
use crate::work::{Work, time_left};

/// A request that was delivered this often is not tried again.
const DELIVERIES_MAX: u64 = 5;
/// A delivery older than this is claimed before it is served: its ingress may have given up.
const FRESH_MS: u64 = 250;
/// How long a projection may lag behind the ingress that has seen more.
const PROJECTION_PATIENCE: Duration = Duration::from_secs(2);
const PROJECTION_POLL: Duration = Duration::from_millis(20);
/// One try to tell the stream that a request is done, how many there are, and the pause after the first, which
/// grows with each: together longer than an election.
const ACK_TIMEOUT: Duration = Duration::from_secs(2);
const ACK_TRIES: u32 = 8;
const ACK_PAUSE: Duration = Duration::from_millis(200);
const ACK: Bytes = Bytes::from_static(b"+ACK");
const TERM: Bytes = Bytes::from_static(b"+TERM");

/// Takes a delivery in and starts to work on it.
pub(crate) async fn accept(worker: &Arc<Worker>, delivery: Delivery) {
    worker.metrics.deliveries.increment(1);
    let mut envelope = match Envelope::from_headers(delivery.headers.as_ref()) {
        Ok(envelope) => envelope,
        Err(error) => {
            worker.metrics.poison.increment(1);
            let seq = delivery.origin.seq;
            tracing::error!(seq, error = chain(&error), "a message on the request stream is no request");
            return say(worker, delivery.ack, TERM).await;
        }
    };
    let subject = event::Subject::of(&envelope, delivery.origin);
    let job = Arc::new(Job::new(&mut envelope, delivery.ack.clone(), worker.uptime_ms()));
    if !worker.jobs.enter(&job) {
        // Signs of life were lost with a connection. The running job goes on; the stream is told so.
        tracing::debug!(request_id = %job.request, traceparent = job.traceparent, "delivered again while it runs here");
        return keeper::progress(worker, &job).await;
    }
    let entered = Entered { worker: Arc::clone(worker), job: Arc::clone(&job) };
    let delivered = delivery.delivered;
    let payload = delivery.payload;
    let work = work(worker, &job, envelope, subject);
    // On the heap at once: a task moves its future several times, and this one is 10 KB.
    let task = worker.tracker.spawn(Box::pin(async move {
        serve(&work, delivered, payload).await;
        acknowledge(&entered.worker, &entered.job).await;
    }));
    job.set_abort(task.abort_handle());
}

/// A job's place among the running ones, given back however it ends.
struct Entered {
    worker: Arc<Worker>,
    job: Arc<Job>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.worker.jobs.leave(self.job.request);
    }
}

fn work(worker: &Arc<Worker>, job: &Arc<Job>, envelope: Envelope, subject: event::Subject) -> Work {
    let accepted_ms = subject.origin.accepted_ms;
    let left = time_left(accepted_ms, envelope.budget_ms, proto::clock::now_ms());
    Work {
        worker: Arc::clone(worker),
        job: Arc::clone(job),
        subject,
        deadline: Instant::now() + left,
        deadline_ms: accepted_ms.saturating_add(envelope.budget_ms),
        envelope,
        seat: OnceLock::new(),
    }
}

/// Brings a request to its end. When this returns, that end is on the event stream.
async fn serve(work: &Work, delivered: u64, payload: Bytes) {
    let waited_ms = work.waited_ms();
    work.worker.metrics.queue_wait.record(Duration::from_millis(waited_ms));
    let redelivered = delivered > 1;
    if redelivered {
        work.worker.metrics.redeliveries.increment(1);
        let job = &work.job;
        tracing::info!(request_id = %job.request, traceparent = job.traceparent, delivered, "request taken over");
        take_over(work).await;
    }
    if let Some(key) = &work.job.background {
        if !background::enter(work, key, redelivered).await {
            return;
        }
    } else if redelivered || waited_ms > FRESH_MS || work.worker.shaken() {
        match claim(&work.worker, &work.job).await {
            Claim::Granted => {}
            Claim::Refused { reason, bound } => {
                if !redelivered {
                    // The server's count may have been lost with it, and an earlier delivery's attempt be open.
                    take_over(work).await;
                }
                return work.close(reason, bound, None).await;
            }
            Claim::Done(event) => return settle(work, *event).await,
        }
    }
    if work.left().is_zero() {
        let fault = Fault::new(FaultCode::UpstreamTimeout, "The request waited until its deadline passed.");
        return work.close(CloseReason::DeadlineExceeded, None, Some(fault)).await;
    }
    if delivered >= DELIVERIES_MAX {
        let fault = Fault::new(FaultCode::Internal, "The request failed several times.");
        return work.close(CloseReason::DeliveriesExceeded, None, Some(fault)).await;
    }
    match plan(work, payload).await {
        Ok(plan) => execute::execute(work, plan).await,
        Err(fault) => work.close(CloseReason::Refused, None, Some(fault)).await,
    }
}

/// Says on the event stream that this delivery has the request now.
pub(crate) async fn take_over(work: &Work) {
    let event = Event::Takeover(Takeover {
        request: work.job.request,
        token: work.job.token,
        subject: work.subject.clone(),
    });
    if let Some(record) = work.record(&event) {
        record.store_for_sure(work).await;
    }
}

/// The request was answered in full by a delivery that may not have lived to book it: the event that its last
/// frame carried is published in its place.
pub(crate) async fn settle(work: &Work, mut event: Event) {
    if event.request() != Some(work.job.request) {
        tracing::error!(
            request_id = %work.job.request,
            traceparent = work.job.traceparent,
            "an ingress answered a claim with another request's event"
        );
        return work.close(CloseReason::Unwanted, None, None).await;
    }
    if let Event::Usage(outcome) = &mut event {
        outcome.from_tombstone = true;
    }
    if let Some(record) = work.record(&event) {
        record.store_for_sure(work).await;
    }
}

/// Where the request may be served, and with what.
async fn plan(work: &Work, payload: Bytes) -> Result<Plan, Fault> {
    let document = document(work).await.ok_or_else(|| {
        Fault::new(FaultCode::Unavailable, "The gateway has no configuration yet.").retry_after(1000)
    })?;
    let set = work.worker.upstreams.of(&document).await;
    let model = &work.envelope.model;
    let speaks = |hop: &Hop| {
        set.get(&hop.place.provider).is_some_and(|up| up.asked_in(work.envelope.dialect, hop).is_some())
    };
    let chain = route::resolve(&set.config, model, speaks);
    let chain = chain.ok_or_else(|| {
        Fault::new(FaultCode::ModelNotFound, format!("The model `{model}` does not exist."))
            .with_param("model")
    })?;
    if chain.is_empty() {
        let there = |hop: &Hop| set.get(&hop.place.provider).is_some();
        let there = route::resolve(&set.config, model, there).is_some_and(|chain| !chain.is_empty());
        return Err(if there { not_served(work) } else { execute::no_route() });
    }
    let body = body::open(work, payload).await?;
    let asked = body.len();
    let body = keep::joined(work, body).await?;
    let estimate = match work.envelope.estimate {
        Some(estimate) if body.len() == asked => estimate,
        _ => scan(work.envelope.dialect, &body)?.estimate,
    };
    Ok(Plan { set, chain, body, estimate })
}

/// No provider of the model has anything of the kind, today or later.
fn not_served(work: &Work) -> Fault {
    let message = format!("No provider of the model `{}` serves requests of this kind.", work.envelope.model);
    Fault::new(FaultCode::InvalidRequest, message).with_param("model")
}

/// The configuration in force, at least as new as the one that admitted the request where that comes in time.
async fn document(work: &Work) -> Option<Arc<Document>> {
    let started = Instant::now();
    loop {
        let document = work.worker.projection.config();
        let current = document.as_ref().is_some_and(|d| d.version >= work.envelope.config);
        if current || started.elapsed() >= PROJECTION_PATIENCE {
            return document;
        }
        tokio::time::sleep(PROJECTION_POLL).await;
    }
}

/// Tells the stream that the request is done. If it cannot be told, the request is delivered once more, and whoever
/// gets it finds out that it is done; so a confirmation is waited for only where the connection is not to be trusted.
async fn acknowledge(worker: &Worker, job: &Job) {
    if worker.link.state().connected && !worker.shaken() {
        return say(worker, job.ack.clone(), ACK).await;
    }
    for tries in 1..=ACK_TRIES {
        let request = async_nats::Request::new().payload(ACK).timeout(Some(ACK_TIMEOUT));
        match worker.link.client.send_request(job.ack.clone(), request).await {
            Ok(_) => return,
            Err(error) => tracing::debug!(
                request_id = %job.request, traceparent = job.traceparent, %error, "acknowledgement not confirmed"
            ),
        }
        tokio::time::sleep(ACK_PAUSE * tries).await;
    }
    worker.metrics.unacked.increment(1);
    tracing::warn!(request_id = %job.request, traceparent = job.traceparent, "request done but not acknowledged");
}

async fn say(worker: &Worker, ack: NatsSubject, what: Bytes) {
    match tokio::time::timeout(ACK_TIMEOUT, worker.link.client.publish(ack, what)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "acknowledgement not sent"),
        Err(_) => tracing::warn!("acknowledgement not sent in time"),
    }
}
