//! The streams and buckets, and how durable they are.

use std::time::Duration;

use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind,
};
use async_nats::jetstream::{ErrorCode, kv, object_store, stream};

use super::{Link, StreamOptions};
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

/// Just above the horizon of publish retries.
const DEDUP_WINDOW: Duration = Duration::from_secs(30);
/// Of the events on one server, where a try is answered at once or not at all: longer than two tries. The ledger knows
/// an event by its id, so a copy that comes later costs a few bytes; what the server has to remember costs it time
/// with every message.
const EVENTS_DEDUP_WINDOW: Duration = Duration::from_secs(5);
/// How many configuration versions their bucket remembers.
const CONFIG_HISTORY: i64 = 64;
/// The longest deadline of a request; bodies outlive their message by it.
const DEADLINE_MAX: Duration = Duration::from_secs(3600);

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
        subject::REPLAYS_STREAM,
        stream::Config {
            subjects: vec![subject::REPLAYS_SUBJECTS.to_owned()],
            max_age: options.requests_max_age,
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
            duplicate_window: if replicas > 1 { DEDUP_WINDOW } else { EVENTS_DEDUP_WINDOW },
            ..base
        },
    )
    .await?;
    for (name, history, max_age) in [
        (subject::CONFIG_BUCKET, CONFIG_HISTORY, Duration::ZERO),
        (subject::KEYS_BUCKET, 1, Duration::ZERO),
        (subject::PAYLOAD_KEYS_BUCKET, 1, Duration::ZERO),
        (subject::RESULTS_BUCKET, 1, options.requests_max_age),
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
    objects(link, options, subject::BODIES_BUCKET).await?;
    objects(link, options, subject::RESULTS_BUCKET).await
}

/// An object store, and its stream where that exists: the client has no call that changes one.
async fn objects(link: &Link, options: &StreamOptions, name: &'static str) -> Result<(), DeclareError> {
    let failed = |error: String| DeclareError { name, message: error };
    let (max_age, replicas) = (options.requests_max_age + DEADLINE_MAX, options.durability.replicas());
    match link.js.get_stream(format!("OBJ_{name}")).await {
        Ok(there) => {
            let config =
                stream::Config { max_age, num_replicas: replicas, ..there.cached_info().config.clone() };
            if config != there.cached_info().config {
                link.js.update_stream(config).await.map_err(|error| failed(error.to_string()))?;
            }
        }
        Err(error) if is_missing(&error) => {
            let config = object_store::Config {
                bucket: name.to_owned(),
                max_age,
                storage: stream::StorageType::File,
                num_replicas: replicas,
                ..object_store::Config::default()
            };
            link.js.create_object_store(config).await.map_err(|error| failed(error.to_string()))?;
        }
        Err(error) => return Err(failed(error.to_string())),
    }
    Ok(())
}

fn is_missing(error: &GetStreamError) -> bool {
    match error.kind() {
        GetStreamErrorKind::JetStream(error) => error.error_code() == ErrorCode::STREAM_NOT_FOUND,
        _ => false,
    }
}

/// Waits until somebody has declared everything, asking twice a second.
pub async fn wait_declared(link: &Link) {
    // This object store is declared last.
    while link.js.get_object_store(subject::RESULTS_BUCKET).await.is_err() {
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
