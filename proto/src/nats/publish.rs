//! Publishing that counts only when the stream has acknowledged it.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use bytes::Bytes;

use super::Link;
use crate::event::Event;

/// How long one try waits for its acknowledgement. A leader election takes about five seconds, within which
/// several tries with the same message id pass; the dedup window (30 s) makes them one.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// A message is in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its sequence number.
    pub seq: u64,
    /// Whether it was there already, under the same message id.
    pub duplicate: bool,
}

/// A message of which it is not known whether it is in its stream, or which cannot be.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No acknowledgement came in time. It may have been stored all the same.
    #[error("no acknowledgement within {0:?}")]
    Unknown(Duration),
    /// Refused: too large, or the stream is full or missing.
    #[error("the stream refused the message")]
    Refused(#[source] async_nats::jetstream::context::PublishError),
    /// An event that does not encode.
    #[error("the event does not encode")]
    Encode(#[from] serde_json::Error),
}

/// Publishes and waits for the acknowledgement, trying again with the same message id (which `headers` must
/// hold) until `patience` is over.
pub async fn publish(
    link: &Link,
    subject: &str,
    headers: HeaderMap,
    payload: Bytes,
    patience: Duration,
) -> Result<Stored, PublishError> {
    let started = Instant::now();
    loop {
        let left = patience.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(PublishError::Unknown(patience));
        }
        let once = async {
            let sent =
                link.js.publish_with_headers(subject.to_owned(), headers.clone(), payload.clone()).await?;
            sent.await
        };
        match tokio::time::timeout(left.min(TRY_TIMEOUT), once).await {
            Ok(Ok(ack)) => return Ok(Stored { seq: ack.sequence, duplicate: ack.duplicate }),
            Ok(Err(error)) => match error.kind() {
                PublishErrorKind::MaxPayloadExceeded
                | PublishErrorKind::WrongLastMessageId
                | PublishErrorKind::WrongLastSequence => return Err(PublishError::Refused(error)),
                PublishErrorKind::StreamNotFound
                | PublishErrorKind::TimedOut
                | PublishErrorKind::BrokenPipe
                | PublishErrorKind::MaxAckPending
                | PublishErrorKind::Other => {
                    let id = message_id(&headers);
                    tracing::debug!(subject, id, error = %error, "publish not acknowledged, trying again");
                    tokio::time::sleep(RETRY_DELAY.min(left)).await;
                }
            },
            Err(_) => {
                let id = message_id(&headers);
                tracing::debug!(subject, id, "publish not acknowledged in time, trying again");
            }
        }
    }
}

/// The id of a message: a request's own, or an event's, which begins with its request's.
fn message_id(headers: &HeaderMap) -> &str {
    headers.get(async_nats::header::NATS_MESSAGE_ID).map_or("", |id| id.as_str())
}

/// Publishes an event under its own id.
pub async fn publish_event(link: &Link, event: &Event, patience: Duration) -> Result<Stored, PublishError> {
    let mut headers = HeaderMap::new();
    headers.insert(async_nats::header::NATS_MESSAGE_ID, event.id());
    let payload = Bytes::from(serde_json::to_vec(event)?);
    publish(link, &event.subject(), headers, payload, patience).await
}
