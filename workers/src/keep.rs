//! Responses that are kept: what an answer is stored as before its last frame goes out, and how a request goes on
//! from an earlier one. The provider knows nothing of either.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::dialect::openai_responses::{self, Mark};
use proto::envelope::Kept;
use proto::fault::{Fault, FaultCode};
use proto::nats::{Replaces, ResultError};
use proto::stored::{About, Key, Status, Stored};

use crate::error::chain;
use crate::work::Work;

/// How long storing an answer may hold up its last frame.
const STORE_PATIENCE: Duration = Duration::from_secs(5);
/// How long an earlier response may take to be found.
const READ_PATIENCE: Duration = Duration::from_secs(10);
const RETRY_AFTER_MS: u64 = 1000;

/// What is asked of this request, if anything is.
pub(crate) fn kept(work: &Work) -> Option<&Kept> {
    work.envelope.kept.as_ref()
}

/// What the answer is to say of itself.
pub(crate) fn mark(work: &Work) -> Mark {
    let Some(kept) = kept(work) else { return Mark::default() };
    Mark {
        id: kept.background.then(|| openai_responses::response_id(work.job.request)),
        previous: kept.previous.clone(),
        background: kept.background,
    }
}

/// The body with what was said before in front of it.
pub(crate) async fn joined(work: &Work, body: Bytes) -> Result<Bytes, Fault> {
    let Some(previous) = kept(work).and_then(|kept| kept.previous.as_deref()) else { return Ok(body) };
    let key = Key::new(&work.envelope.project, previous);
    let ring = work.worker.projection.ring();
    let found = work.worker.results.read(&key, &ring, READ_PATIENCE.min(work.left())).await;
    let stored = match found {
        Ok(Some(found)) => found.stored,
        Ok(None) => return Err(not_found(previous)),
        Err(error) => {
            let (job, unreachable) = (&work.job, matches!(error, ResultError::Unreachable(_)));
            tracing::warn!(
                request_id = %job.request, traceparent = job.traceparent, error = chain(&error),
                "an earlier response cannot be read"
            );
            // What was sealed with a key that is forgotten is as good as gone.
            return Err(if unreachable { unavailable() } else { not_found(previous) });
        }
    };
    if !stored.about.status.is_answered() {
        let message = format!("The response `{previous}` has no answer to go on from.");
        return Err(Fault::new(FaultCode::InvalidRequest, message).with_param("previous_response_id"));
    }
    let joined = openai_responses::with_previous(&body, &stored.items())?;
    if joined.len() > work.worker.config.body_bytes_max {
        let message = "The request and what it goes on from are too large together.";
        return Err(Fault::new(FaultCode::RequestTooLarge, message).with_param("previous_response_id"));
    }
    Ok(joined)
}

fn not_found(id: &str) -> Fault {
    let message = format!("Previous response with id '{id}' not found.");
    Fault::new(FaultCode::PreviousResponseNotFound, message).with_param("previous_response_id")
}

fn unavailable() -> Fault {
    Fault::new(FaultCode::Unavailable, "Stored responses cannot be read at the moment.")
        .retry_after(RETRY_AFTER_MS)
}

/// The status that a provider's answer gives a response.
pub(crate) fn status(response: &[u8]) -> Status {
    match openai_responses::named(response).status.as_str() {
        "incomplete" => Status::Incomplete,
        _ => Status::Completed,
    }
}

/// Stores the answer of a request that asks for it. It is paid for by now: if it cannot be stored, it is given all
/// the same.
pub(crate) async fn keep(work: &Work, body: &[u8], response: &Bytes) {
    if !kept(work).is_some_and(|kept| kept.store && !kept.background) {
        return;
    }
    let named = openai_responses::named(response);
    let job = &work.job;
    if named.id.is_empty() {
        tracing::warn!(
            request_id = %job.request, traceparent = job.traceparent, "an answer without an id cannot be stored"
        );
        return;
    }
    let started = Instant::now();
    let key = Key::new(&work.envelope.project, &named.id);
    let stored = Stored {
        about: About {
            request: job.request,
            project: work.envelope.project.clone(),
            id: named.id,
            status: status(response),
            model: work.envelope.model.clone(),
            created_ms: work.subject.origin.accepted_ms,
            background: false,
            stream: false,
            token: None,
        },
        input: openai_responses::input_of_body(body),
        response: response.clone(),
        end: Bytes::new(),
    };
    let (ring, by) = (work.worker.projection.ring(), job.token.to_string());
    let written =
        work.worker.results.write(&key, &ring, stored, Replaces::Anything, &by, STORE_PATIENCE).await;
    match written {
        Ok(_) => work.worker.metrics.result_store.record(started.elapsed()),
        Err(error) => {
            work.worker.metrics.unkept.increment(1);
            tracing::warn!(
                request_id = %job.request, traceparent = job.traceparent, error = chain(&error),
                "an answer could not be stored"
            );
        }
    }
}
