//! The bucket of kept responses: read from the stream's leader, written against a revision, and large ones in an
//! object store beside it, the object first and what refers to it second.

use std::time::{Duration, Instant};

use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::jetstream::object_store::{ObjectMetadata, ObjectStore};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use tokio::io::AsyncReadExt;

use super::{Link, PublishError, publish};
use crate::clock::now_ms;
use crate::id::{RequestId, Token};
use crate::seal::{KeyRing, SEAL_OVERHEAD_MAX, day_key_id};
use crate::stored::{Held, Key, Stored, StoredError};
use crate::subject::RESULTS_BUCKET;

/// Larger records go to the object store, whatever the server takes: they would stall the connection.
const INLINE_BYTES_MAX: usize = 768 << 10;
/// Room left for what a message has beside its payload.
const PAYLOAD_MARGIN: usize = 16 << 10;
const OBJECT_CHUNK_BYTES: usize = 512 << 10;
/// The largest record: the largest body and the largest answer.
const RECORD_BYTES_MAX: usize = (160 << 20) + SEAL_OVERHEAD_MAX;
const READ_AGAIN: Duration = Duration::from_millis(200);
const REMOVE_PATIENCE: Duration = Duration::from_secs(2);
const OPERATION: &str = "KV-Operation";
const PURGE: &str = "PURGE";
const ROLLUP: &str = "Nats-Rollup";

/// Kept responses.
#[derive(Debug, Clone)]
pub struct Results {
    link: Link,
}

/// A response that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// What is kept.
    pub stored: Stored,
    /// What a change must be made against.
    pub revision: u64,
    object: Option<String>,
}

/// What a write may replace.
#[derive(Debug, Clone, Copy)]
pub enum Replaces<'a> {
    /// Whatever is there.
    Anything,
    /// Nothing: there must never have been one.
    Nothing,
    /// Exactly what was found.
    Exactly(&'a Found),
}

/// Why a kept response could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// Somebody else has changed it meanwhile.
    #[error("the stored response was changed meanwhile")]
    Changed,
    /// NATS does not do it at the moment. A write may have happened all the same.
    #[error("stored responses cannot be reached: {0}")]
    Unreachable(String),
    /// What is there is not what it should be.
    #[error(transparent)]
    Damaged(#[from] StoredError),
}

impl Results {
    /// The bucket at the other end of `link`.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    /// The response under `key`, if there is one. Tries for as long as `patience`.
    pub async fn read(
        &self,
        key: &Key,
        ring: &KeyRing,
        patience: Duration,
    ) -> Result<Option<Found>, ResultError> {
        let started = Instant::now();
        loop {
            let left = patience.saturating_sub(started.elapsed());
            let error = match tokio::time::timeout(left, self.once(key, ring)).await {
                Ok(Err(ResultError::Unreachable(error))) => error,
                Ok(read) => return read,
                Err(_) => return Err(ResultError::Unreachable(format!("no answer within {patience:?}"))),
            };
            if started.elapsed() + READ_AGAIN >= patience {
                return Err(ResultError::Unreachable(error));
            }
            tokio::time::sleep(READ_AGAIN).await;
        }
    }

    async fn once(&self, key: &Key, ring: &KeyRing) -> Result<Option<Found>, ResultError> {
        // From the leader: a follower may not know yet what the caller has been told.
        let stream = self.link.js.get_stream_no_info(format!("KV_{RESULTS_BUCKET}")).await;
        let stream = stream.map_err(unreachable)?;
        let message = match stream.get_last_raw_message_by_subject(subject(key).as_str()).await {
            Ok(message) => message,
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => return Ok(None),
                LastRawMessageErrorKind::JetStream(refused) if refused.code() == 404 => return Ok(None),
                LastRawMessageErrorKind::InvalidSubject
                | LastRawMessageErrorKind::JetStream(_)
                | LastRawMessageErrorKind::Other => return Err(unreachable(error)),
            },
        };
        if message.headers.get(OPERATION).is_some() {
            return Ok(None);
        }
        let (stored, object) = match Held::read(&message.payload)? {
            Held::Sealed(request, sealed) => (Stored::open(key, request, sealed, ring)?, None),
            Held::Object(request, name) => {
                let sealed = self.fetch(name).await?;
                (Stored::open(key, request, &sealed, ring)?, Some(name.to_owned()))
            }
        };
        Ok(Some(Found { stored, revision: message.sequence, object }))
    }

    /// Stores a response. Tries for as long as `patience`. `by` names the write: the same write said twice happens
    /// once. Returns what can be changed next.
    pub async fn write(
        &self,
        key: &Key,
        ring: &KeyRing,
        stored: Stored,
        replaces: Replaces<'_>,
        by: &str,
        patience: Duration,
    ) -> Result<Found, ResultError> {
        let request = stored.about.request;
        let sealed = stored.seal(ring, &day_key_id(now_ms()))?;
        let inline_max = self.link.max_payload().saturating_sub(PAYLOAD_MARGIN).min(INLINE_BYTES_MAX);
        let object =
            if sealed.len() > inline_max { Some(self.put(request, &sealed, patience).await?) } else { None };
        let value = match &object {
            Some(name) => Held::Object(request, name).value(),
            None => Held::Sealed(request, &sealed).value(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, format!("{key}:{by}"));
        let before = match replaces {
            Replaces::Anything => None,
            Replaces::Nothing => Some(0),
            Replaces::Exactly(found) => Some(found.revision),
        };
        if let Some(revision) = before {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string());
        }
        match publish(&self.link, subject(key), headers, value, patience).await {
            Ok(done) => {
                if let Replaces::Exactly(Found { object: Some(before), .. }) = replaces {
                    self.drop_object(before).await;
                }
                Ok(Found { stored, revision: done.seq, object })
            }
            Err(error) => {
                let changed = matches!(error, PublishError::Refused(_)) && before.is_some();
                if let (true, Some(name)) = (changed, &object) {
                    self.drop_object(name).await;
                }
                Err(if changed { ResultError::Changed } else { unreachable(error) })
            }
        }
    }

    /// Removes a response that was found.
    pub async fn remove(&self, key: &Key, found: &Found, patience: Duration) -> Result<(), ResultError> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, format!("{key}:{}:removed", found.revision));
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, found.revision.to_string());
        headers.insert(OPERATION, PURGE);
        headers.insert(ROLLUP, "sub");
        match publish(&self.link, subject(key), headers, Bytes::new(), patience).await {
            Ok(_) => {}
            Err(PublishError::Refused(_)) => return Err(ResultError::Changed),
            Err(error) => return Err(unreachable(error)),
        }
        if let Some(name) = &found.object {
            self.drop_object(name).await;
        }
        Ok(())
    }

    async fn objects(&self) -> Result<ObjectStore, ResultError> {
        self.link.js.get_object_store(RESULTS_BUCKET).await.map_err(unreachable)
    }

    async fn fetch(&self, name: &str) -> Result<Vec<u8>, ResultError> {
        let object = self.objects().await?.get(name).await.map_err(unreachable)?;
        let size = object.info().size;
        if size > RECORD_BYTES_MAX {
            return Err(StoredError::Damaged.into());
        }
        let mut sealed = Vec::with_capacity(size);
        let limit = u64::try_from(RECORD_BYTES_MAX).unwrap_or(u64::MAX);
        object.take(limit).read_to_end(&mut sealed).await.map_err(unreachable)?;
        Ok(sealed)
    }

    async fn put(
        &self,
        request: RequestId,
        sealed: &Bytes,
        patience: Duration,
    ) -> Result<String, ResultError> {
        let name = format!("{request}.{}", Token::random());
        let meta = ObjectMetadata {
            name: name.clone(),
            chunk_size: Some(OBJECT_CHUNK_BYTES.min(self.link.max_payload().saturating_sub(PAYLOAD_MARGIN))),
            ..ObjectMetadata::default()
        };
        let put = async {
            self.objects().await?.put(meta, &mut &sealed[..]).await.map_err(unreachable)?;
            Ok(name)
        };
        let late = |_| Err(ResultError::Unreachable(format!("no answer within {patience:?}")));
        tokio::time::timeout(patience, put).await.unwrap_or_else(late)
    }

    /// An object that nothing refers to. If it cannot be removed now, it dies by age.
    async fn drop_object(&self, name: &str) {
        let dropped = async { self.objects().await?.delete(name).await.map_err(unreachable) };
        if !matches!(tokio::time::timeout(REMOVE_PATIENCE, dropped).await, Ok(Ok(()))) {
            tracing::debug!(name, "an object without reference was left to its age");
        }
    }
}

fn subject(key: &Key) -> Subject {
    format!("$KV.{RESULTS_BUCKET}.{key}").into()
}

pub(super) fn unreachable(error: impl std::fmt::Display) -> ResultError {
    ResultError::Unreachable(error.to_string())
}
