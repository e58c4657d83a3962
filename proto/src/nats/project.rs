//! What `control` projects and every process watches: the configuration in force and the payload keys.
//!
//! A process keeps the last good version; while the bucket cannot be read it goes on with that.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use async_nats::jetstream::kv::{self, Operation};
use futures_util::StreamExt;

use super::Link;
use crate::config::Config;
use crate::seal::{KeyRing, Wrapper};
use crate::subject;

const RETRY_DELAY: Duration = Duration::from_millis(250);

/// A bucket that could not be watched.
#[derive(Debug, thiserror::Error)]
#[error("cannot watch the bucket {bucket}: {message}")]
pub struct ProjectionError {
    bucket: &'static str,
    message: String,
}

/// Snapshots of the projected state. Cheap to clone; reading takes no lock.
#[derive(Debug, Clone)]
pub struct Projection {
    config: Arc<ArcSwapOption<Config>>,
    ring: Arc<ArcSwap<KeyRing>>,
}

impl Projection {
    /// An empty projection; [`Projection::run`] fills it.
    pub fn new() -> Self {
        Self { config: Arc::default(), ring: Arc::default() }
    }

    /// The configuration in force; `None` until the first one is seen.
    pub fn config(&self) -> Option<Arc<Config>> {
        self.config.load_full()
    }

    /// The payload keys.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Follows both buckets for ever; a failed watch is started again.
    pub async fn run(&self, link: Link, wrapper: Wrapper) {
        let config = self.keep(&link, subject::CONFIG_BUCKET, |entry| self.take_config(entry));
        let keys = self.keep(&link, subject::PAYLOAD_KEYS_BUCKET, |entry| self.take_key(&wrapper, entry));
        tokio::join!(config, keys);
    }

    async fn keep(&self, link: &Link, bucket: &'static str, take: impl Fn(&kv::Entry)) {
        loop {
            if let Err(error) = follow(link, bucket, &take).await {
                tracing::debug!(bucket, error = %error, "watch ended, starting again");
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    fn take_config(&self, entry: &kv::Entry) {
        if entry.key != subject::CONFIG_KEY || entry.operation != Operation::Put {
            return;
        }
        match serde_json::from_slice::<Config>(&entry.value) {
            Ok(config) if self.config().is_none_or(|now| now.version < config.version) => {
                tracing::info!(config_version = config.version, "configuration in force");
                self.config.store(Some(Arc::new(config)));
            }
            Ok(_) => {}
            Err(error) => tracing::error!(error = %error, "a projected configuration does not decode"),
        }
    }

    fn take_key(&self, wrapper: &Wrapper, entry: &kv::Entry) {
        let mut ring = KeyRing::clone(&self.ring());
        match entry.operation {
            Operation::Put => match wrapper.open(&entry.key, &entry.value) {
                Ok(key) => ring.insert(entry.key.clone(), key),
                Err(error) => {
                    tracing::error!(key_id = entry.key, error = %error, "a payload key does not open");
                    return;
                }
            },
            Operation::Delete | Operation::Purge => ring.remove(&entry.key),
        }
        self.ring.store(Arc::new(ring));
    }
}

impl Default for Projection {
    fn default() -> Self {
        Self::new()
    }
}

async fn follow(link: &Link, bucket: &'static str, take: impl Fn(&kv::Entry)) -> Result<(), ProjectionError> {
    let failed = |message: String| ProjectionError { bucket, message };
    let store = link.js.get_key_value(bucket).await.map_err(|e| failed(e.to_string()))?;
    let mut entries = store.watch_with_history(">").await.map_err(|e| failed(e.to_string()))?;
    while let Some(entry) = entries.next().await {
        take(&entry.map_err(|e| failed(e.to_string()))?);
    }
    Ok(())
}
