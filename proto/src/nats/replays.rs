//! The events of background responses, kept as they were said so that they can be read again from any place on:
//! sealed chunks, each stored only behind the one that its writer knows. Nobody can slip one in between.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use futures_util::StreamExt;

use super::results::unreachable;
use super::{Link, PublishError, ResultError, publish};
use crate::clock::now_ms;
use crate::id::{RequestId, Token};
use crate::seal::{KeyRing, day_key_id};
use crate::stored::StoredError;
use crate::subject::{REPLAYS_STREAM, TOKEN_HEADER, replay};

const READ_AGAIN: Duration = Duration::from_millis(200);
const WAKE_PATIENCE: Duration = Duration::from_secs(2);

/// Kept events.
#[derive(Debug, Clone)]
pub struct Replays {
    link: Link,
}

/// The newest chunk of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tail {
    /// Its place in the stream; 0 while there is none.
    pub seq: u64,
    /// The delivery that it came from; none for what the ingress said.
    pub token: Option<Token>,
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its place in the stream.
    pub seq: u64,
    /// Bytes of events; none where the reader is only told that there is news of the response itself.
    pub events: Option<Bytes>,
}

/// A reader of one response's chunks, from the first on.
pub struct Reader {
    request: RequestId,
    messages: pull::Ordered,
}

impl Replays {
    /// The stream at the other end of `link`.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    /// The newest chunk of a response. Tries for as long as `patience`.
    pub async fn tail(&self, request: RequestId, patience: Duration) -> Result<Tail, ResultError> {
        let started = Instant::now();
        loop {
            let left = patience.saturating_sub(started.elapsed());
            let error = match tokio::time::timeout(left, self.once(request)).await {
                Ok(Ok(tail)) => return Ok(tail),
                Ok(Err(error)) => error,
                Err(_) => ResultError::Unreachable(format!("no answer within {patience:?}")),
            };
            if started.elapsed() + READ_AGAIN >= patience {
                return Err(error);
            }
            tokio::time::sleep(READ_AGAIN).await;
        }
    }

    async fn once(&self, request: RequestId) -> Result<Tail, ResultError> {
        let stream = self.link.js.get_stream_no_info(REPLAYS_STREAM).await.map_err(unreachable)?;
        let message = match stream.get_last_raw_message_by_subject(&replay(request)).await {
            Ok(message) => message,
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => return Ok(Tail::default()),
                LastRawMessageErrorKind::JetStream(refused) if refused.code() == 404 => {
                    return Ok(Tail::default());
                }
                LastRawMessageErrorKind::InvalidSubject
                | LastRawMessageErrorKind::JetStream(_)
                | LastRawMessageErrorKind::Other => return Err(unreachable(error)),
            },
        };
        let token = message.headers.get(TOKEN_HEADER).and_then(|token| token.as_str().parse().ok());
        Ok(Tail { seq: message.sequence, token })
    }

    /// Stores a chunk behind `tail`. Tries for as long as `patience`; the same chunk behind the same tail is stored
    /// once.
    ///
    /// # Errors
    /// [`ResultError::Changed`] if something else stands behind `tail`.
    pub async fn append(
        &self,
        request: RequestId,
        ring: &KeyRing,
        events: &[u8],
        token: Option<Token>,
        tail: Tail,
        patience: Duration,
    ) -> Result<Tail, ResultError> {
        let sealed = ring.seal(request, events, &day_key_id(now_ms())).map_err(StoredError::from)?;
        let mut headers = HeaderMap::new();
        let by = token.map_or_else(String::new, |token| token.to_string());
        headers.insert(NATS_MESSAGE_ID, format!("{request}:{by}:{}", tail.seq));
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, tail.seq.to_string());
        if token.is_some() {
            headers.insert(TOKEN_HEADER, by);
        }
        match publish(&self.link, replay(request).into(), headers, sealed, patience).await {
            Ok(stored) => Ok(Tail { seq: stored.seq, token }),
            Err(PublishError::Refused(_)) => Err(ResultError::Changed),
            Err(error) => Err(unreachable(error)),
        }
    }

    /// Tells readers that there is news of the response itself. They find out by themselves, a little later.
    pub async fn wake(&self, request: RequestId) {
        let told = publish(&self.link, replay(request).into(), HeaderMap::new(), Bytes::new(), WAKE_PATIENCE);
        if told.await.is_err() {
            tracing::debug!(about = %request, "readers of a response were not told of its end");
        }
    }

    /// Forgets a response's chunks.
    pub async fn remove(&self, request: RequestId) -> Result<(), ResultError> {
        let stream = self.link.js.get_stream_no_info(REPLAYS_STREAM).await.map_err(unreachable)?;
        stream.purge().filter(replay(request)).await.map(drop).map_err(unreachable)
    }

    /// Reads a response's chunks from the first on, and then as they come.
    pub async fn read(&self, request: RequestId) -> Result<Reader, ResultError> {
        let stream = self.link.js.get_stream_no_info(REPLAYS_STREAM).await.map_err(unreachable)?;
        let config = pull::OrderedConfig {
            filter_subject: replay(request),
            deliver_policy: DeliverPolicy::All,
            ..pull::OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(unreachable)?;
        let messages = consumer.messages().await.map_err(unreachable)?;
        Ok(Reader { request, messages })
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("request", &self.request).finish_non_exhaustive()
    }
}

impl Reader {
    /// The next chunk. After an error the reader is of no further use.
    pub async fn next(&mut self, ring: &KeyRing) -> Result<Chunk, ResultError> {
        let message = match self.messages.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(unreachable(error)),
            None => return Err(ResultError::Unreachable("the reader has ended".to_owned())),
        };
        let seq = message.info().map_err(unreachable)?.stream_sequence;
        if message.payload.is_empty() {
            return Ok(Chunk { seq, events: None });
        }
        let events = ring.open(self.request, &message.payload).map_err(StoredError::from)?;
        Ok(Chunk { seq, events: Some(events) })
    }
}
