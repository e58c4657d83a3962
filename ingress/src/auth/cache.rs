//! Key records, read from their bucket when first needed and kept until they change. Millions of keys must not
//! all sit in memory, so the bucket is not mirrored: only its *changes* are watched, and what changes is put into
//! the cache at once. That makes a revocation count in well under a second.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use async_nats::jetstream::kv::Operation;
use moka::Expiry;
use moka::future::Cache;
use proto::config::{KeyRecord, imported_lengths};
use proto::nats::{Begin, Bucket, Entry, Link};
use proto::subject::{KEYS_BUCKET, KEYS_IMPORTED, KEYS_PROJECTED};
use tokio::sync::Semaphore;

use super::Outage;
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

#[derive(Debug, Clone)]
enum Cached {
    Known(Arc<KeyRecord>),
    Missing,
}

/// The cache over the `keys` bucket.
#[derive(Debug)]
pub(crate) struct KeyCache {
    records: Cache<String, Cached>,
    bucket: ArcSwapOption<Bucket>,
    reads: Semaphore,
    /// Counted up when the cache is emptied: a read that began before must not be kept.
    generation: AtomicU64,
    /// The configuration version up to which all keys are projected; 0 while unknown.
    projected: AtomicU64,
    /// How long the known beginnings of imported keys are, in characters.
    imported: ArcSwap<Vec<usize>>,
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
            imported: ArcSwap::default(),
            metrics,
        }
    }

    /// The configuration version up to which all keys are known to be in the bucket; 0 while unknown.
    pub(crate) fn projected(&self) -> u64 {
        self.projected.load(Ordering::Relaxed)
    }

    /// How long the known beginnings of imported keys are, in characters; none where no key was imported.
    pub(super) fn imported_lengths(&self) -> Arc<Vec<usize>> {
        self.imported.load_full()
    }

    /// The record stored under `hash`. While `link_down`, only what is in the cache is answered.
    pub(super) async fn lookup(&self, hash: &str, link_down: bool) -> Result<Option<Arc<KeyRecord>>, Outage> {
        let found = match self.records.get(hash).await {
            Some(cached) => {
                self.metrics.key(KeyLookup::Hit);
                cached
            }
            None if link_down => return Err(self.failed()),
            None => self.read(hash.to_owned()).await?,
        };
        Ok(match found {
            Cached::Known(record) => Some(record),
            Cached::Missing => None,
        })
    }

    /// Whether the record under `hash` is known to be revoked or gone by now.
    pub(super) async fn is_withdrawn(&self, hash: &str) -> bool {
        match self.records.get(hash).await {
            Some(Cached::Known(record)) => record.revoked,
            Some(Cached::Missing) => true,
            None => false,
        }
    }

    /// Puts a record into the cache as the watch does.
    #[cfg(test)]
    pub(super) async fn put(&self, hash: &str, record: KeyRecord) {
        self.records.insert(hash.to_owned(), Cached::Known(Arc::new(record))).await;
    }

    async fn read(&self, hash: String) -> Result<Cached, Outage> {
        let generation = self.generation.load(Ordering::Acquire);
        let read = async {
            let _permit = self.reads.acquire().await.ok()?;
            let bucket = self.bucket.load_full()?;
            bucket.get(&hash).await.ok()
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
            let Err(error) = self.watch(link).await;
            tracing::debug!(error, "watching the keys ended, starting again");
            tokio::time::sleep(WATCH_RETRY).await;
        }
    }

    async fn watch(&self, link: &Link) -> Result<Infallible, String> {
        let bucket = Bucket::new(link.clone(), KEYS_BUCKET);
        let mut changes = bucket.changes(Begin::Now).await.map_err(|e| e.to_string())?;
        // What changed while nobody watched is not known, so nothing that was read before counts any more.
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.records.invalidate_all();
        let projected = bucket.get(KEYS_PROJECTED).await.map_err(|e| e.to_string())?;
        self.note_projected(projected.as_deref());
        let imported = bucket.get(KEYS_IMPORTED).await.map_err(|e| e.to_string())?;
        self.note_imported(imported.as_deref().unwrap_or_default());
        self.bucket.store(Some(Arc::new(bucket)));
        loop {
            self.take(changes.next().await.map_err(|e| e.to_string())?).await;
        }
    }

    async fn take(&self, change: Entry) {
        if change.key == KEYS_PROJECTED {
            self.note_projected(Some(&change.value));
            return;
        }
        if change.key == KEYS_IMPORTED {
            let there = change.operation == Operation::Put;
            self.note_imported(if there { &change.value } else { &[] });
            return;
        }
        let cached = match change.operation {
            Operation::Put => parse(&change.key, &change.value),
            Operation::Delete | Operation::Purge => Cached::Missing,
        };
        self.records.insert(change.key, cached).await;
    }

    fn note_imported(&self, value: &[u8]) {
        self.imported.store(Arc::new(imported_lengths(&String::from_utf8_lossy(value))));
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
