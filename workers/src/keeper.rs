//! Signs of life: every running request says to its stream that it is worked on, and asks its ingress whether the
//! answer is still wanted. One timer for all of them, so that a short request costs none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::ctl::{Answer, Question};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::Worker;
use crate::background;
use crate::claim::{Heard, ask};
use crate::jobs::{Job, Stop};

/// How finely ticks are spread.
const ROUND: Duration = Duration::from_millis(250);
const PROGRESS: Bytes = Bytes::from_static(b"+WPI");

/// Runs until `ended`.
pub(crate) async fn keep(worker: Arc<Worker>, ended: CancellationToken) {
    let tick_ms = u64::try_from(worker.config.tick.as_millis()).unwrap_or(u64::MAX);
    let mut round = tokio::time::interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = round.tick() => {}
            () = ended.cancelled() => return,
        }
        // A broken connection would only queue what is stale when it is back.
        if !worker.link.state().connected {
            continue;
        }
        for job in worker.jobs.due(worker.uptime_ms(), tick_ms) {
            progress(&worker, &job).await;
            if job.asking() {
                worker.tracker.spawn(wanted(Arc::clone(&worker), job));
            }
        }
    }
}

/// Says to the stream that the request is worked on.
pub(crate) async fn progress(worker: &Worker, job: &Job) {
    let said = worker.link.client.publish(job.ack.clone(), PROGRESS);
    match tokio::time::timeout(ROUND, said).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(
            request_id = %job.request, traceparent = job.traceparent, %error, "progress not sent"
        ),
        Err(_) => tracing::debug!(
            request_id = %job.request, traceparent = job.traceparent, "progress not sent in time"
        ),
    }
}

async fn wanted(worker: Arc<Worker>, job: Arc<Job>) {
    if let Some(key) = &job.background {
        return background::wanted(&worker, &job, key).await;
    }
    let heard = ask(&worker, &job, Question::Wanted).await;
    if !job.asking() {
        return; // The last frame went out meanwhile: that the ingress is done with it is as it should be.
    }
    match heard {
        Heard::Answer(answer) => {
            job.answered();
            match answer {
                Answer::Granted => {}
                Answer::Disconnected => job.stop(Stop::Disconnected),
                Answer::Gone { bound } => job.gone(bound),
                Answer::BrokenOff { bound } => job.gone(Some(bound)),
                Answer::Done { .. } => job.stop(Stop::Fenced),
            }
        }
        Heard::NoResponder => job.unanswered(),
        Heard::Nothing => {}
    }
}
