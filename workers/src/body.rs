//! The caller's body: out of the message or the object store, and out of its seal.

use std::time::Duration;

use bytes::Bytes;
use proto::envelope::Body;
use proto::fault::{Fault, FaultCode};
use proto::seal::SealError;
use proto::subject;
use tokio::io::AsyncReadExt;

use crate::work::Work;

/// How long a body may take out of the object store.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
const FETCH_TRIES: u32 = 3;
const FETCH_AGAIN: Duration = Duration::from_millis(500);
/// A key that the ingress sealed with may reach this process a little later.
const KEY_PATIENCE: Duration = Duration::from_secs(2);
const KEY_POLL: Duration = Duration::from_millis(20);

/// Why a body cannot be had.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the object store does not give it")]
    Store(#[source] async_nats::Error),
    #[error("reading it failed")]
    Read(#[source] std::io::Error),
    #[error("it is larger than the limit")]
    TooLarge,
    #[error("it did not come in time")]
    Slow,
}

/// The plain body of a request whose message carried `payload`.
pub(crate) async fn open(work: &Work, payload: Bytes) -> Result<Bytes, Fault> {
    let sealed = match &work.envelope.body {
        Body::Inline => payload,
        Body::Object(name) => fetch(work, name).await?,
    };
    let started = tokio::time::Instant::now();
    loop {
        match work.worker.projection.ring().open(work.envelope.request, &sealed) {
            Ok(body) => return Ok(body),
            Err(SealError::UnknownKey(_)) if started.elapsed() < KEY_PATIENCE => {
                tokio::time::sleep(KEY_POLL).await;
            }
            Err(error) => {
                let job = &work.job;
                tracing::error!(
                    request_id = %job.request, traceparent = job.traceparent, %error, "a payload does not open"
                );
                return Err(Fault::new(FaultCode::Internal, "The stored request cannot be read any more."));
            }
        }
    }
}

async fn fetch(work: &Work, name: &str) -> Result<Bytes, Fault> {
    let mut tries = 0;
    loop {
        tries += 1;
        let once = tokio::time::timeout(FETCH_TIMEOUT.min(work.left()), fetch_once(work, name));
        let error = match once.await {
            Ok(Ok(body)) => return Ok(body),
            Ok(Err(error)) => error,
            Err(_) => FetchError::Slow,
        };
        let error = crate::error::chain(&error);
        tracing::warn!(
            request_id = %work.job.request,
            traceparent = work.job.traceparent,
            error,
            tries,
            "a stored body cannot be fetched"
        );
        if tries == FETCH_TRIES || work.left() < FETCH_AGAIN {
            return Err(Fault::new(FaultCode::Internal, "The stored request cannot be read."));
        }
        tokio::time::sleep(FETCH_AGAIN).await;
    }
}

async fn fetch_once(work: &Work, name: &str) -> Result<Bytes, FetchError> {
    let link = &work.worker.link;
    let bucket = link.js.get_object_store(subject::BODIES_BUCKET).await;
    let bucket = bucket.map_err(|error| FetchError::Store(error.into()))?;
    let object = bucket.get(name).await.map_err(|error| FetchError::Store(error.into()))?;
    let max = work.worker.config.body_bytes_max + proto::seal::SEAL_OVERHEAD_MAX;
    let size = object.info().size;
    if size > max {
        return Err(FetchError::TooLarge);
    }
    let mut sealed = Vec::with_capacity(size);
    let limit = u64::try_from(max).unwrap_or(u64::MAX);
    object.take(limit + 1).read_to_end(&mut sealed).await.map_err(FetchError::Read)?;
    if sealed.len() > max { Err(FetchError::TooLarge) } else { Ok(sealed.into()) }
}
