//! The streams and buckets, and how durable they are.

use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::{ErrorCode, kv, object_store, stream};

use super::Link;
use crate::subject;

/// How safe an acknowledged message is. A stated profile, shown by readiness checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// One server, file storage, synced every 100 ms: a killed process or server loses nothing acknowledged, a
    /// power cut up to 100 ms.
    #[default]
    Fast,
    /// One server, every acknowledgement on disk first; about 20 times slower.
    Fsync,
    /// Three replicas in three servers.
    Replicated,
}

impl Durability {
    /// How many servers hold each message.
    pub fn replicas(self) -> usize {
        match self {
            Self::Fast | Self::Fsync => 1,
            Self::Replicated => 3,
        }
    }

    /// The profile's name in options and readiness checks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Fsync => "fsync",
            Self::Replicated => "replicated",
        }
    }
}

impl std::str::FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Fast, Self::Fsync, Self::Replicated]
            .into_iter()
            .find(|d| d.as_str() == text)
            .ok_or_else(|| "expected fast, fsync or replicated".to_owned())
    }
}

/// What the streams keep.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// How safe acknowledged messages are.
    pub durability: Durability,
    /// How long accepted requests are kept: the audit window.
    pub requests_max_age: Duration,
    /// The most that accepted requests may take, far above any backlog, in bytes.
    pub requests_max_bytes: i64,
    /// How long events are kept; what is older must stand behind a checkpoint.
    pub events_max_age: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Just above the horizon of publish retries.
const DEDUP_WINDOW: Duration = Duration::from_secs(30);
/// How many configuration versions their bucket remembers.
const CONFIG_HISTORY: i64 = 64;
/// The longest deadline of a request; bodies outlive their message by it.
const DEADLINE_MAX: Duration = Duration::from_secs(3600);

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Fast,
            requests_max_age: DAY,
            requests_max_bytes: 64 << 30,
            events_max_age: 90 * DAY,
        }
    }
}

/// A stream or bucket that could not be declared.
#[derive(Debug, thiserror::Error)]
#[error("cannot declare {name}: {message}")]
pub struct DeclareError {
    name: &'static str,
    message: String,
}

/// Declares every stream and bucket. Safe to call from many places and again: what exists is updated.
pub async fn declare(link: &Link, options: &StreamOptions) -> Result<(), DeclareError> {
    let replicas = options.durability.replicas();
    let base = stream::Config {
        storage: stream::StorageType::File,
        num_replicas: replicas,
        retention: stream::RetentionPolicy::Limits,
        discard: stream::DiscardPolicy::Old,
        duplicate_window: DEDUP_WINDOW,
        allow_direct: true,
        ..stream::Config::default()
    };
    stream(
        link,
        subject::REQUESTS_STREAM,
        stream::Config {
            subjects: vec![subject::REQUESTS_SUBJECTS.to_owned()],
            max_age: options.requests_max_age,
            max_bytes: options.requests_max_bytes,
            ..base.clone()
        },
    )
    .await?;
    stream(
        link,
        subject::EVENTS_STREAM,
        stream::Config {
            subjects: vec![subject::EVENTS_SUBJECTS.to_owned()],
            max_age: options.events_max_age,
            ..base
        },
    )
    .await?;
    for (name, history, max_age) in [
        (subject::CONFIG_BUCKET, CONFIG_HISTORY, Duration::ZERO),
        (subject::KEYS_BUCKET, 1, Duration::ZERO),
        (subject::PAYLOAD_KEYS_BUCKET, 1, Duration::ZERO),
    ] {
        let config = kv::Config {
            bucket: name.to_owned(),
            history,
            max_age,
            storage: stream::StorageType::File,
            num_replicas: replicas,
            ..kv::Config::default()
        };
        let made = link.js.create_or_update_key_value(config).await;
        made.map_err(|error| DeclareError { name, message: error.to_string() })?;
    }
    let bodies = object_store::Config {
        bucket: subject::BODIES_BUCKET.to_owned(),
        max_age: options.requests_max_age + DEADLINE_MAX,
        storage: stream::StorageType::File,
        num_replicas: replicas,
        ..object_store::Config::default()
    };
    if link.js.get_object_store(subject::BODIES_BUCKET).await.is_err() {
        let made = link.js.create_object_store(bodies).await;
        made.map_err(|error| DeclareError { name: subject::BODIES_BUCKET, message: error.to_string() })?;
    }
    Ok(())
}

/// Waits until somebody has declared everything, asking twice a second.
pub async fn wait_declared(link: &Link) {
    // The object store is declared last.
    while link.js.get_object_store(subject::BODIES_BUCKET).await.is_err() {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn stream(link: &Link, name: &'static str, config: stream::Config) -> Result<(), DeclareError> {
    let mut config = stream::Config { name: name.to_owned(), ..config };
    let failed = |error: CreateStreamError| DeclareError { name, message: error.to_string() };
    match link.js.create_or_update_stream(config.clone()).await {
        Ok(_) => Ok(()),
        // A server reserves `max_bytes` up front; on a small disk the age limit alone has to do.
        Err(error) if beyond_storage(&error) && config.max_bytes > 0 => {
            tracing::warn!(
                name,
                max_bytes = config.max_bytes,
                "the server cannot reserve this much, so the stream is bounded by age alone"
            );
            config.max_bytes = -1;
            link.js.create_or_update_stream(config).await.map(drop).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn beyond_storage(error: &CreateStreamError) -> bool {
    match error.kind() {
        CreateStreamErrorKind::JetStream(error) => {
            error.error_code() == ErrorCode::STORAGE_RESOURCES_EXCEEDED
        }
        _ => false,
    }
}
