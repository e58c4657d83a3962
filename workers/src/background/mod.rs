//! Background responses: nobody waits for them, so the kept record decides which delivery may answer.
//!
//! | moment | what happens |
//! |---|---|
//! | delivered | the record is bound to this delivery, against its revision: every earlier delivery is fenced by that |
//! | delivered again, the record is over | the event kept in it is published once more: no second call |
//! | delivered again, it is not | a new attempt; but once events of another delivery can be read, the response fails |
//! | done | the record gets response, status and final event, against its revision; then the event is published |
//! | that is refused | another delivery has it: what was used is the platform's loss. Or the caller has cancelled it: the caller's |
//! | cancelled | the ingress has said so in the record, tells the workers, and every tick reads it |

mod chunks;
mod seat;

pub(crate) use chunks::Chunks;
pub(crate) use seat::{Final, Seat};

use std::time::Duration;

use proto::dialect::openai_responses::in_progress;
use proto::event::{CloseReason, Event};
use proto::fault::{Fault, FaultCode};
use proto::nats::{Found, Replaces, ResultError, Tail};
use proto::stored::{Key, Status};

use crate::Worker;
use crate::consume::{settle, take_over};
use crate::error::chain;
use crate::jobs::{Job, Stop};
use crate::work::Work;

/// How long events may wait for more of them before they are stored.
pub(crate) const LINGER: Duration = Duration::from_millis(100);
/// How many bytes of events may wait.
pub(crate) const LINGER_BYTES_MAX: usize = 64 << 10;
/// The number of the first event after the ingress's own, `response.queued`.
pub(crate) const FIRST_EVENT: u64 = 1;
/// One round of reading or writing.
const ROUND: Duration = Duration::from_secs(10);
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(500);
/// A tick's look at the record may take no longer than to the next tick.
const GLANCE: Duration = Duration::from_millis(1400);

/// What a caller is told whose events broke off.
pub(crate) fn broken_off() -> Fault {
    Fault::new(FaultCode::Internal, "The response broke off when a part of the gateway was lost.")
}

/// Binds the response to this delivery. `false` if there is nothing to do; then that is on the event stream.
pub(crate) async fn enter(work: &Work, key: &Key, mut taken_over: bool) -> bool {
    loop {
        let Some(found) = read(work, key).await else {
            work.close(CloseReason::Unwanted, None, None).await;
            return false;
        };
        let before = found.stored.about.token;
        if before.is_some() && !taken_over {
            // The server's count may have been lost with it.
            take_over(work).await;
            taken_over = true;
        }
        if found.stored.about.status.is_over() {
            over(work, &found).await;
            return false;
        }
        let mut next = found.stored.clone();
        next.about.token = Some(work.job.token);
        next.about.status = Status::InProgress;
        next.response = in_progress(next.object()).to_string().into();
        let by = format!("{}.begun", work.job.token);
        let ring = work.worker.projection.ring();
        match work.worker.results.write(key, &ring, next, Replaces::Exactly(&found), &by, ROUND).await {
            Ok(now) => return begin(work, key, now, before).await,
            Err(ResultError::Changed) => {}
            Err(error) => complain(work, &error, "a background response cannot be begun").await,
        }
    }
}

/// The response is ours. One whose events can be read already cannot be told anew.
async fn begin(work: &Work, key: &Key, now: Found, before: Option<proto::id::Token>) -> bool {
    let tail = if now.stored.about.stream { tail(work).await } else { Tail::default() };
    work.seat.get_or_init(|| Seat::new(key.clone(), now, tail));
    if tail.token.is_some_and(|token| token != work.job.token) {
        work.close(CloseReason::BrokenOff, tail.token.or(before), Some(broken_off())).await;
        return false;
    }
    true
}

/// The response is over: what books it is published, if that is known.
async fn over(work: &Work, found: &Found) {
    let stored = &found.stored;
    match Event::from_json(&stored.end) {
        Ok(event) => settle(work, event).await,
        // Cancelled before it was begun, or by a worker that has not lived to say what it used.
        Err(_) => work.close(CloseReason::Unwanted, stored.about.token, None).await,
    }
}

/// The record; none if it is gone, or as good as gone because its key is.
async fn read(work: &Work, key: &Key) -> Option<Found> {
    let mut damaged = 0;
    loop {
        let ring = work.worker.projection.ring();
        match work.worker.results.read(key, &ring, ROUND).await {
            Ok(found) => return found,
            // A new key may reach this process a little later.
            Err(ResultError::Damaged(_)) if damaged >= 4 => return None,
            Err(error) => {
                damaged += u32::from(matches!(error, ResultError::Damaged(_)));
                complain(work, &error, "a background response cannot be read").await;
            }
        }
    }
}

async fn tail(work: &Work) -> Tail {
    loop {
        match work.worker.replays.tail(work.job.request, ROUND).await {
            Ok(tail) => return tail,
            Err(error) => complain(work, &error, "a background response's events cannot be read").await,
        }
    }
}

/// Says what is wrong, and waits a little. The request goes on giving signs of life meanwhile, and is ended from
/// outside when the process must end.
async fn complain(work: &Work, error: &ResultError, what: &'static str) {
    let job = &work.job;
    tracing::warn!(
        request_id = %job.request, traceparent = job.traceparent, error = chain(error), "{what}, trying again"
    );
    tokio::time::sleep(PAUSE).await;
}

/// Whether the response is still wanted, of this delivery.
pub(crate) async fn wanted(worker: &Worker, job: &Job, key: &Key) {
    let found = match worker.results.read(key, &worker.projection.ring(), GLANCE).await {
        Ok(found) => found,
        Err(error) => {
            tracing::debug!(
                request_id = %job.request, traceparent = job.traceparent, error = chain(&error),
                "a response was not looked at"
            );
            return;
        }
    };
    if !job.asking() {
        return; // It has ended meanwhile.
    }
    match found.map(|found| found.stored.about) {
        Some(about) if about.token == Some(job.token) && about.status == Status::Cancelled => {
            job.stop(Stop::Asked);
        }
        Some(about) if about.token == Some(job.token) => {}
        Some(_) | None => job.stop(Stop::Fenced),
    }
}
