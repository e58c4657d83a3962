//! Publishing that counts only when the stream has acknowledged it.

use std::time::{Duration, Instant};

use async_nats::client::PublishErrorKind;
use async_nats::{HeaderMap, Subject};
use bytes::Bytes;

use super::Link;
use super::acks::Answer;
use crate::event::Event;

/// How long one try waits for its acknowledgement. A leader election takes about five seconds, within which
/// several tries with the same message id pass; the dedup window (30 s in a cluster) makes them one.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// A wait this long may end a little late, which saves it a timer of its own.
const COARSE: Duration = Duration::from_secs(1);
/// The server's codes for what no second try can mend: a message that must follow another one does not.
const FINAL: [u64; 3] = [10_070, 10_071, 10_164];

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
    /// Refused for good: too large, or not what it must follow.
    #[error("the stream refused the message: {0}")]
    Refused(String),
    /// An event that does not encode.
    #[error("the event does not encode")]
    Encode(#[from] serde_json::Error),
}

/// Publishes and waits for the acknowledgement, trying again with the same message id (which `headers` must
/// hold) until `patience` is over.
pub async fn publish(
    link: &Link,
    subject: Subject,
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
        let once = once(link, subject.clone(), headers.clone(), payload.clone(), left.min(TRY_TIMEOUT));
        match once.await? {
            Answer::Stored { seq, duplicate } => return Ok(Stored { seq, duplicate }),
            Answer::Refused { code, description } if FINAL.contains(&code) => {
                return Err(PublishError::Refused(description));
            }
            Answer::Refused { code, description } => {
                tracing::debug!(%subject, code, description, "publish not acknowledged, trying again");
                tokio::time::sleep(RETRY_DELAY.min(left)).await;
            }
            Answer::NoStream => {
                tracing::debug!(%subject, "no stream takes the subject, trying again");
                tokio::time::sleep(RETRY_DELAY.min(left)).await;
            }
            Answer::Silence => tracing::debug!(%subject, "publish not acknowledged in time, trying again"),
        }
    }
}

/// One try, of `time` at most and a little more.
async fn once(
    link: &Link,
    subject: Subject,
    headers: HeaderMap,
    payload: Bytes,
    time: Duration,
) -> Result<Answer, PublishError> {
    let deadline = tokio::time::Instant::now() + time;
    let (reply, answer) = link.acks.expect(deadline);
    let sent = link.client.publish_with_reply_and_headers(subject, reply, headers, payload);
    match tokio::time::timeout_at(deadline, sent).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
            return Err(PublishError::Refused(error.to_string()));
        }
        Ok(Err(error)) => return Ok(Answer::Refused { code: 0, description: error.to_string() }),
        Err(_) => return Ok(Answer::Silence),
    }
    if time >= COARSE {
        return Ok(answer.await);
    }
    Ok(tokio::time::timeout_at(deadline, answer).await.unwrap_or(Answer::Silence))
}

/// Publishes an event under its own id.
pub async fn publish_event(link: &Link, event: &Event, patience: Duration) -> Result<Stored, PublishError> {
    let mut headers = HeaderMap::new();
    headers.insert(async_nats::header::NATS_MESSAGE_ID, event.id());
    let payload = Bytes::from(serde_json::to_vec(event)?);
    publish(link, event.subject().into(), headers, payload, patience).await
}
