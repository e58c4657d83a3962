//! Key records, read from their bucket when first needed and kept until they change. Millions of keys must not
//! all sit in memory, so the bucket is not mirrored: only its *changes* are watched, and what changes is put into
//! the cache at once. That makes a revocation count in well under a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_nats::jetstream::kv::{Entry, Operation, Store};
use futures_util::StreamExt;
use moka::Expiry;
use moka::future::Cache;
use proto::config::KeyRecord;
use proto::nats::Link;
use proto::subject::{KEYS_BUCKET, KEYS_PROJECTED};
use tokio::sync::Semaphore;

use crate::metrics::{KeyLookup, Metrics};

/// Keys kept at most.
const CAPACITY: u64 = 100_000;
/// How long a record is believed without having been seen to change.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// How long a key counts as unknown: a key that is made after all is heard of through the watch.
const MISSING_FOR: Duration = Duration::from_secs(2);
const READ_PATIENCE: Duration = Duration::from_secs(2);
/// Reads of the bucket at one time: a flood of made-up keys must not become a flood of reads.
const READS_MAX: usize = 128;
const WATCH_RETRY: Duration = Duration::from_millis(250);

/// Nobody can say whether the key is valid.
#[derive(Debug)]
pub(super) struct Outage;

#[derive(Debug, Clone)]
enum Cached {
    Known(Arc<KeyRecord>),
    Missing,
}

/// The cache over the `keys` bucket.
#[derive(Debug)]
pub(crate) struct KeyCache {
    records: Cache<String, Cached>,
    bucket: ArcSwapOption<Store>,
    reads: Semaphore,
    /// Counted up when the cache is emptied: a read that began before must not be kept.
    generation: AtomicU64,
    /// The configuration version up to which all keys are projected; 0 while unknown.
    projected: AtomicU64,
    metrics: Arc<Metrics>,
}

impl KeyCache {
    /// An empty cache; [`KeyCache::follow`] connects it to the bucket.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            records: Cache::builder().max_capacity(CAPACITY).expire_after(Lifetimes).build(),
            bucket: ArcSwapOption::empty(),
            reads: Semaphore::new(READS_MAX),
            generation: AtomicU64::new(0),
            projected: AtomicU64::new(0),
            metrics,
        }
    }

    /// The configuration version up to which all keys are known to be in the bucket; 0 while unknown.
    pub(crate) fn projected(&self) -> u64 {
        self.projected.load(Ordering::Relaxed)
    }

    /// The record stored under `hash`. While `link_down`, only what is in the cache is answered.
    pub(super) async fn lookup(
        &self,
        hash: String,
        link_down: bool,
    ) -> Result<Option<Arc<KeyRecord>>, Outage> {
        let found = match self.records.get(&hash).await {
            Some(cached) => {
                self.metrics.key(KeyLookup::Hit);
                cached
            }
            None if link_down => return Err(self.failed()),
            None => self.read(hash).await?,
        };
        Ok(match found {
            Cached::Known(record) => Some(record),
            Cached::Missing => None,
        })
    }

    async fn read(&self, hash: String) -> Result<Cached, Outage> {
        let generation = self.generation.load(Ordering::Acquire);
        let read = async {
            let _permit = self.reads.acquire().await.ok()?;
            let bucket = self.bucket.load_full()?;
            bucket.get(hash.as_str()).await.ok()
        };
        let value = match tokio::time::timeout(READ_PATIENCE, read).await {
            Ok(Some(value)) => value,
            Ok(None) | Err(_) => return Err(self.failed()),
        };
        self.metrics.key(KeyLookup::Miss);
        let cached = value.map_or(Cached::Missing, |json| parse(&hash, &json));
        if generation != self.generation.load(Ordering::Acquire) {
            return Ok(cached);
        }
        // Not in place of what the watch has put there meanwhile: that is newer.
        Ok(self.records.entry(hash).or_insert(cached).await.into_value())
    }

    fn failed(&self) -> Outage {
        self.metrics.key(KeyLookup::Failed);
        Outage
    }

    /// Follows the bucket's changes for ever.
    pub(crate) async fn follow(&self, link: &Link) {
        loop {
            if let Err(error) = self.watch(link).await {
                tracing::debug!(error, "watching the keys ended, starting again");
            }
            tokio::time::sleep(WATCH_RETRY).await;
        }
    }

    async fn watch(&self, link: &Link) -> Result<(), String> {
        let bucket = link.js.get_key_value(KEYS_BUCKET).await.map_err(|e| e.to_string())?;
        let mut changes = bucket.watch_all().await.map_err(|e| e.to_string())?;
        // What changed while nobody watched is not known, so nothing that was read before counts any more.
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.records.invalidate_all();
        let projected = bucket.get(KEYS_PROJECTED).await.map_err(|e| e.to_string())?;
        self.note_projected(projected.as_deref());
        self.bucket.store(Some(Arc::new(bucket)));
        while let Some(change) = changes.next().await {
            self.take(change.map_err(|e| e.to_string())?).await;
        }
        Ok(())
    }

    async fn take(&self, change: Entry) {
        if change.key == KEYS_PROJECTED {
            self.note_projected(Some(&change.value));
            return;
        }
        let cached = match change.operation {
            Operation::Put => parse(&change.key, &change.value),
            Operation::Delete | Operation::Purge => Cached::Missing,
        };
        self.records.insert(change.key, cached).await;
    }

    fn note_projected(&self, value: Option<&[u8]>) {
        let text = value.and_then(|bytes| std::str::from_utf8(bytes).ok());
        if let Some(version) = text.and_then(|text| text.trim().parse().ok()) {
            self.projected.store(version, Ordering::Relaxed);
        }
    }
}

fn parse(hash: &str, json: &[u8]) -> Cached {
    match serde_json::from_slice(json) {
        Ok(record) => Cached::Known(Arc::new(record)),
        Err(error) => {
            // The hash says nothing about the secret without the pepper.
            tracing::error!(hash, error = %error, "a key record does not decode");
            Cached::Missing
        }
    }
}

/// How long an entry lives, by what it says.
struct Lifetimes;

impl Lifetimes {
    fn of(cached: &Cached) -> Duration {
        match cached {
            Cached::Known(_) => KNOWN_FOR,
            Cached::Missing => MISSING_FOR,
        }
    }
}

impl Expiry<String, Cached> for Lifetimes {
    fn expire_after_create(&self, _key: &String, value: &Cached, _at: Instant) -> Option<Duration> {
        Some(Self::of(value))
    }

    fn expire_after_update(
        &self,
        _key: &String,
        value: &Cached,
        _at: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(Self::of(value))
    }
}
