//! How breakers are shared: told to the other workers at once over core NATS, and kept in a bucket that every worker
//! watches, so that one that starts knows them too. Where the bucket cannot be had, workers go on with what they are
//! told, and each finds out for itself when a provider is well again.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::{self, Operation};
use bytes::Bytes;
use futures_util::StreamExt;
use proto::health::{BreakerRecord, PROBED_PREFIX};
use proto::nats::Link;
use proto::subject;
use tokio_util::sync::CancellationToken;

use super::state::Admission;
use super::{Begun, Breakers, Pass, Probe, lock};
use crate::metrics;

/// How long a probe waits for the bucket to say that it is the only one.
const LEASE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it tries when another was quicker.
const LEASE_TRIES: usize = 3;
/// Between two writes: a provider that comes and goes does not flood the bucket.
const WRITE_PAUSE: Duration = Duration::from_millis(5);
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY_DELAY: Duration = Duration::from_millis(250);
/// How often a write is tried against others that come in between.
const WRITE_TRIES: usize = 5;

/// Why a record is not in the bucket.
#[derive(Debug, thiserror::Error)]
#[error("the bucket of breakers: {0}")]
struct BucketError(String);

fn failed(error: impl std::fmt::Display) -> BucketError {
    BucketError(error.to_string())
}

/// What stands in the bucket after a write.
enum Stands {
    Ours,
    Theirs,
}

/// Follows and tells until `ended`.
pub(crate) async fn share(breakers: Breakers, link: Link, ended: CancellationToken) {
    let work = async {
        tokio::join!(
            follow(&breakers, &link),
            listen(&breakers, &link),
            say(&breakers, &link),
            write(&breakers)
        )
    };
    tokio::select! {
        _ = work => {}
        () = ended.cancelled() => {}
    }
}

/// Watches the bucket for ever; a watch that ends is started again.
async fn follow(breakers: &Breakers, link: &Link) {
    loop {
        if let Err(error) = Box::pin(watch(breakers, link)).await {
            tracing::debug!(%error, "watch ended, starting again");
        }
        breakers.0.bucket.store(None);
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

async fn watch(breakers: &Breakers, link: &Link) -> Result<(), BucketError> {
    let store = link.js.get_key_value(subject::HEALTH_BUCKET).await.map_err(failed)?;
    let empty = store.status().await.map_err(failed)?.values() == 0;
    let mut entries = store.watch_with_history(">").await.map_err(failed)?;
    breakers.0.bucket.store(Some(Arc::new(store)));
    // What changed while the bucket could not be had is written now.
    breakers.write_all();
    let mut known = empty;
    if empty {
        breakers.0.loaded.send_replace(true);
    }
    while let Some(entry) = entries.next().await {
        let entry = entry.map_err(failed)?;
        if entry.operation == Operation::Put && !entry.key.starts_with(PROBED_PREFIX) {
            match serde_json::from_slice::<BreakerRecord>(&entry.value) {
                Ok(record) => breakers.adopt(record, known, false),
                Err(error) => tracing::warn!(%error, "a breaker in the bucket does not decode"),
            }
        }
        if !known && entry.delta == 0 {
            known = true;
            breakers.0.loaded.send_replace(true);
        }
    }
    Ok(())
}

/// Hears what other workers say.
async fn listen(breakers: &Breakers, link: &Link) {
    loop {
        match link.client.subscribe(subject::CTL_BREAKER).await {
            Ok(mut said) => {
                while let Some(message) = said.next().await {
                    match serde_json::from_slice::<BreakerRecord>(&message.payload) {
                        Ok(record) if record.by != breakers.0.me => breakers.adopt(record, true, false),
                        Ok(_) => {}
                        Err(error) => {
                            tracing::warn!(%error, "what a worker said of a breaker does not decode")
                        }
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "cannot hear the other workers"),
        }
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

/// Tells the other workers what changed here.
async fn say(breakers: &Breakers, link: &Link) {
    loop {
        breakers.0.say.notified().await;
        let unsaid = std::mem::take(&mut *lock(&breakers.0.unsaid));
        for key in unsaid {
            let Some(payload) = breakers.record_of(key).and_then(|record| encode(&record)) else { continue };
            if let Err(error) = link.client.publish(subject::CTL_BREAKER, payload).await {
                tracing::debug!(%error, "a breaker was not told to the others");
            }
        }
    }
}

/// Writes what changed here.
async fn write(breakers: &Breakers) {
    loop {
        breakers.0.write.notified().await;
        loop {
            let next = lock(&breakers.0.unwritten).iter().next().copied();
            let Some(key) = next else { break };
            lock(&breakers.0.unwritten).remove(&key);
            let Some(record) = breakers.record_of(key) else { continue };
            let written = tokio::time::timeout(WRITE_TIMEOUT, put(breakers, &record, false)).await;
            match written.unwrap_or_else(|_| Err(failed("no answer"))) {
                Ok(_) => tokio::time::sleep(WRITE_PAUSE).await,
                Err(error) => {
                    tracing::debug!(%error, "a breaker is not in the bucket yet");
                    lock(&breakers.0.unwritten).insert(key);
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }
}

/// Makes this the call that finds out, if no other worker's is.
pub(super) async fn lease(breakers: &Breakers, key: u64) -> Result<Pass, Duration> {
    for _ in 0..LEASE_TRIES {
        let Some((pass, record)) = breakers.propose(key)? else {
            return Ok(Pass { key, begun: breakers.begun(), probe: None });
        };
        match tokio::time::timeout(LEASE_TIMEOUT, put(breakers, &record, true)).await {
            // What another has written since is known now, and may leave the place free all the same.
            Ok(Ok(Stands::Theirs)) => {}
            Ok(Ok(Stands::Ours)) => {
                breakers.tell(key);
                return Ok(pass);
            }
            Ok(Err(_)) | Err(_) => {
                // Without the bucket nobody can agree; one call of each worker is little enough.
                metrics::breaker_alone();
                breakers.tell(key);
                return Ok(pass);
            }
        }
    }
    Err(RETRY_DELAY)
}

/// Writes a record where it is newer than what is there; else takes that over. A `lease` needs the place for itself:
/// what another has written since is not overwritten, whatever it says.
async fn put(breakers: &Breakers, record: &BreakerRecord, lease: bool) -> Result<Stands, BucketError> {
    let store = breakers.0.bucket.load_full().ok_or_else(|| failed("not open"))?;
    let name = record.entry();
    let payload = encode(record).ok_or_else(|| failed("a record does not encode"))?;
    for _ in 0..WRITE_TRIES {
        let there = store.entry(&name).await.map_err(failed)?;
        let revision = there.as_ref().map_or(0, |entry| entry.revision);
        let there = there
            .filter(|entry| entry.operation == Operation::Put)
            .and_then(|entry| serde_json::from_slice::<BreakerRecord>(&entry.value).ok());
        if let Some(there) = there {
            if there == *record {
                return Ok(Stands::Ours);
            }
            if there.beats(record) || (lease && there.version >= record.version) {
                breakers.adopt(there, false, lease);
                return Ok(Stands::Theirs);
            }
        }
        match store.update(&name, payload.clone(), revision).await {
            Ok(_) => return Ok(Stands::Ours),
            Err(error) if error.kind() == kv::UpdateErrorKind::WrongLastRevision => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed("others write all the time"))
}

fn encode(record: &BreakerRecord) -> Option<Bytes> {
    serde_json::to_vec(record).ok().map(Bytes::from)
}

impl Breakers {
    /// Takes the place of the probe within this process; `None` = it is closed by now.
    fn propose(&self, key: u64) -> Result<Option<(Pass, BreakerRecord)>, Duration> {
        let (now, mut table) = (self.now(), self.table());
        let Some(slot) = table.get_mut(&key) else { return Ok(None) };
        match slot.breaker.admits(now) {
            Admission::Granted => Ok(None),
            Admission::Refused(wait) => Err(wait),
            Admission::Probe => {
                let begun = slot.breaker.probe(now, self.0.lease);
                let record = self.changed(key, slot, false);
                let probe = Arc::new(Probe { breakers: self.clone(), key, begun });
                Ok(Some((Pass { key, begun, probe: Some(probe) }, record)))
            }
        }
    }

    fn begun(&self) -> Begun {
        Begun { at: self.now(), probe: None }
    }

    fn record_of(&self, key: u64) -> Option<BreakerRecord> {
        self.table().get(&key)?.record.clone()
    }

    fn tell(&self, key: u64) {
        lock(&self.0.unsaid).insert(key);
        self.0.say.notify_one();
        self.write_later(key);
    }

    /// Everything that is not closed is to be in the bucket.
    fn write_all(&self) {
        let keys: Vec<u64> =
            self.table().iter().filter(|(_, slot)| slot.record.is_some()).map(|(key, _)| *key).collect();
        for key in keys {
            self.write_later(key);
        }
    }
}
