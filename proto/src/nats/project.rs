//! What `control` projects and every process watches: the configuration in force, the payload keys, and what is
//! switched off.
//!
//! A process keeps the last good version; while the bucket cannot be read it goes on with that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use async_nats::jetstream::kv::Operation;
use tokio::sync::watch;

use super::{Begin, Bucket, BucketError, Entry, Link};
use crate::config::Config;
use crate::seal::{KeyRing, Wrapper};
use crate::subject;
use crate::switch::Switches;

const RETRY_DELAY: Duration = Duration::from_millis(250);

/// A bucket that could not be watched.
#[derive(Debug, thiserror::Error)]
#[error("cannot watch the bucket {bucket}: {message}")]
pub struct ProjectionError {
    bucket: &'static str,
    message: String,
}

impl ProjectionError {
    pub(super) fn new(bucket: &'static str, message: String) -> Self {
        Self { bucket, message }
    }
}

/// A version that is to come into force once every process has looked at it.
#[derive(Debug, Clone)]
pub struct Staged {
    /// Its number.
    pub version: u64,
    /// The document, or why this release cannot read it.
    pub document: Result<Arc<Config>, String>,
}

/// Snapshots of the projected state. Cheap to clone; reading takes no lock.
#[derive(Debug, Clone)]
pub struct Projection {
    config: Arc<ArcSwapOption<Config>>,
    ring: Arc<ArcSwap<KeyRing>>,
    switches: Switches,
    staged: Arc<ArcSwapOption<Staged>>,
    changes: watch::Sender<u64>,
    /// Whether all that is switched off has been heard of once.
    switches_known: Arc<AtomicBool>,
}

impl Projection {
    /// An empty projection; [`Projection::run`] fills it.
    pub fn new() -> Self {
        Self {
            config: Arc::default(),
            ring: Arc::default(),
            switches: Switches::default(),
            staged: Arc::default(),
            changes: watch::Sender::new(0),
            switches_known: Arc::default(),
        }
    }

    /// The configuration in force; `None` until the first one is seen.
    pub fn config(&self) -> Option<Arc<Config>> {
        self.config.load_full()
    }

    /// The version that is to come into force next, while there is one.
    pub fn staged(&self) -> Option<Arc<Staged>> {
        self.staged.load_full()
    }

    /// Wakes whenever another version is in force or staged.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The payload keys.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// What is switched off.
    pub fn switches(&self) -> &Switches {
        &self.switches
    }

    /// Whether all that was switched off when this process began has been heard of: until then nobody can say that
    /// something is not.
    pub fn switches_known(&self) -> bool {
        self.switches_known.load(Ordering::Acquire)
    }

    /// Follows the buckets for ever; a failed watch is started again.
    pub async fn run(&self, link: Link, wrapper: Wrapper) {
        let config = self.keep(&link, subject::CONFIG_BUCKET, |entry| self.take_config(entry), || ());
        let keys =
            self.keep(&link, subject::PAYLOAD_KEYS_BUCKET, |entry| self.take_key(&wrapper, entry), || ());
        let switches = self.keep(
            &link,
            subject::SWITCHES_BUCKET,
            |entry| self.switches.set(&entry.key, entry.operation == Operation::Put),
            || self.switches_known.store(true, Ordering::Release),
        );
        tokio::join!(config, keys, switches);
    }

    /// Follows the configuration alone, for a process that needs nothing else.
    pub async fn run_config(&self, link: Link) {
        self.keep(&link, subject::CONFIG_BUCKET, |entry| self.take_config(entry), || ()).await;
    }

    async fn keep(&self, link: &Link, bucket: &'static str, take: impl Fn(&Entry), caught_up: impl Fn()) {
        loop {
            if let Err(error) = Box::pin(follow(link, bucket, &take, &caught_up)).await {
                tracing::debug!(bucket, error = %error, "watch ended, starting again");
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    fn take_config(&self, entry: &Entry) {
        match (entry.key.as_str(), entry.operation) {
            (subject::CONFIG_KEY, Operation::Put) => self.take_current(&entry.value),
            (subject::CONFIG_STAGED, Operation::Put) => self.take_staged(&entry.value),
            (subject::CONFIG_STAGED, Operation::Delete | Operation::Purge) => self.staged.store(None),
            _ => return,
        }
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn take_current(&self, document: &[u8]) {
        match serde_json::from_slice::<Config>(document) {
            Ok(config) if self.config().is_none_or(|now| now.version < config.version) => {
                tracing::info!(config_version = config.version, "configuration in force");
                self.config.store(Some(Arc::new(config)));
            }
            Ok(_) => {}
            Err(error) => tracing::error!(error = %error, "a projected configuration does not decode"),
        }
    }

    fn take_staged(&self, document: &[u8]) {
        #[derive(serde::Deserialize)]
        struct Numbered {
            version: u64,
        }
        let Ok(Numbered { version }) = serde_json::from_slice(document) else {
            tracing::error!("a staged configuration has no number");
            return;
        };
        let document = serde_json::from_slice(document).map(Arc::new).map_err(|error| error.to_string());
        self.staged.store(Some(Arc::new(Staged { version, document })));
    }

    fn take_key(&self, wrapper: &Wrapper, entry: &Entry) {
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

/// Hands on what a bucket holds and then what changes, and says when what it held has been handed on.
async fn follow(
    link: &Link,
    bucket: &'static str,
    take: impl Fn(&Entry),
    caught_up: impl Fn(),
) -> Result<(), BucketError> {
    // The configuration's bucket remembers what was in force before.
    let begin = if bucket == subject::CONFIG_BUCKET { Begin::Newest } else { Begin::Everything };
    let mut changes = Bucket::new(link.clone(), bucket).changes(begin).await?;
    loop {
        if changes.is_caught_up() {
            caught_up();
        }
        take(&changes.next().await?);
    }
}
