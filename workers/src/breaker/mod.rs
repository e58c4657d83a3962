//! Circuit breakers: one for each (provider, credential, model) that has failed lately, shared by all workers.
//!
//! Before a call one look into a table says whether it may be made; what came of it is noted there. Only what changes
//! a breaker's state leaves the process, and not on the request's time: [`share`] tells the other workers at once and
//! writes the bucket. The one exception is the call that finds out whether a provider is well again: that it is the
//! only one among all workers is settled in the bucket just before it is made. What is not in the table is usable.

mod policy;
mod share;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_nats::jetstream::kv;
use proto::health::{BreakerBeat, BreakerRecord, BreakerState, FailureClass};
use proto::id::WorkerId;
use tokio::sync::{Notify, watch};

pub use policy::{BreakerPolicy, ClassPolicy};
pub(crate) use share::share;
pub(crate) use state::{Admission, Found, Ill};

use crate::metrics;
use state::{Begun, Breaker, Known, ms};

/// More places than this are not watched: a caller of a wildcard alias can name any number of models.
const PLACES_MAX: usize = 4096;

/// Whom a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place<'a> {
    /// The provider's name.
    pub(crate) provider: &'a str,
    /// Id of the sealed credential; `None` = the one that its provider's row names.
    pub(crate) credential: Option<&'a str>,
    /// The model there.
    pub(crate) model: &'a str,
}

/// A call that was let through.
#[derive(Debug)]
pub(crate) struct Pass {
    key: u64,
    begun: Begun,
    /// Where it is the one that finds out.
    probe: Option<Arc<Probe>>,
}

/// The place of the call that finds out. Dropped without a word of what came of it, it is free again.
#[derive(Debug)]
pub(crate) struct Probe {
    breakers: Breakers,
    key: u64,
    begun: Begun,
}

impl Pass {
    /// Its place as the one that finds out, if it has that.
    pub(crate) fn probe(&self) -> Option<Arc<Probe>> {
        self.probe.clone()
    }
}

impl Probe {
    /// The provider has begun to answer: whoever waits for this need not wait for its end.
    pub(crate) fn answered(&self) {
        self.breakers.note(self.key, self.begun, None, Found::Well);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Changes nothing where something was found out.
        self.breakers.note(self.key, self.begun, None, Found::Nothing);
    }
}

/// All breakers of the process. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Breakers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    policy: BreakerPolicy,
    /// How long a probe may take before it counts as lost.
    lease: Duration,
    me: WorkerId,
    started: Instant,
    hasher: RandomState,
    table: Mutex<HashMap<u64, Slot>>,
    /// How many are in the table: with none, nothing is looked up.
    count: AtomicUsize,
    /// Changed here and not said to the others yet.
    unsaid: Mutex<HashSet<u64>>,
    say: Notify,
    /// Changed here and not in the bucket yet.
    unwritten: Mutex<HashSet<u64>>,
    write: Notify,
    /// The bucket, while it can be had.
    bucket: ArcSwapOption<kv::Store>,
    /// Whether what it holds was read once.
    loaded: watch::Sender<bool>,
}

#[derive(Debug)]
struct Slot {
    provider: String,
    credential: Option<String>,
    model: String,
    breaker: Breaker,
    /// As it was last changed, here or elsewhere; `None` = never.
    record: Option<BreakerRecord>,
}

impl Slot {
    fn is(&self, place: &Place<'_>) -> bool {
        self.provider == place.provider
            && self.credential.as_deref() == place.credential
            && self.model == place.model
    }
}

impl Breakers {
    /// None is open. `lease` is how long a call may take until its first content.
    pub(crate) fn new(policy: BreakerPolicy, me: WorkerId, lease: Duration) -> Self {
        Self(Arc::new(Inner {
            policy,
            lease,
            me,
            started: Instant::now(),
            hasher: RandomState::new(),
            table: Mutex::default(),
            count: AtomicUsize::new(0),
            unsaid: Mutex::default(),
            say: Notify::new(),
            unwritten: Mutex::default(),
            write: Notify::new(),
            bucket: ArcSwapOption::empty(),
            loaded: watch::Sender::new(false),
        }))
    }

    /// Whether a call may be made there now. One look into a table.
    pub(crate) fn admits(&self, place: &Place<'_>) -> Admission {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return Admission::Granted;
        }
        let key = self.key(place);
        let table = self.table();
        let slot = table.get(&key).filter(|slot| slot.is(place));
        slot.map_or(Admission::Granted, |slot| slot.breaker.admits(self.now()))
    }

    /// How long until the first of these places may be asked again; `None` = there are none.
    pub(crate) fn soonest<'a>(&self, places: impl Iterator<Item = Place<'a>>) -> Option<Duration> {
        let waits = places.map(|place| match self.admits(&place) {
            Admission::Granted | Admission::Probe => Duration::ZERO,
            Admission::Refused(wait) => wait,
        });
        waits.min()
    }

    /// Lets a call through, or says how long it has to wait. Waits itself only where the call would be the one that
    /// finds out, to settle that with the other workers.
    pub(crate) async fn enter(&self, place: &Place<'_>) -> Result<Pass, Duration> {
        match self.admits(place) {
            Admission::Granted => {
                let begun = Begun { at: self.now(), probe: None };
                Ok(Pass { key: self.key(place), begun, probe: None })
            }
            Admission::Refused(wait) => Err(wait),
            Admission::Probe => share::lease(self, self.key(place)).await,
        }
    }

    /// Notes what came of a call.
    pub(crate) fn record(&self, place: &Place<'_>, pass: &Pass, found: Found) {
        self.note(pass.key, pass.begun, Some(place), found);
    }

    /// A provider has answered a question that is no call of a model: what that refutes is closed, where it is time to
    /// find out.
    pub(crate) fn refute(&self, provider: &str, refuted: &[FailureClass]) {
        let now = self.now();
        self.close_where(|slot| {
            slot.provider == provider
                && slot.credential.is_none()
                && refuted.contains(&slot.breaker.known.class)
                && slot.breaker.known.state != BreakerState::Closed
                && slot.breaker.admits(now) == Admission::Probe
        });
    }

    /// Closes what an operator wants closed; how many that were.
    pub(crate) fn reset(
        &self,
        provider: Option<&str>,
        credential: Option<&str>,
        model: Option<&str>,
    ) -> usize {
        self.close_where(|slot| {
            slot.breaker.known.state != BreakerState::Closed
                && provider.is_none_or(|name| slot.provider == name)
                && credential.is_none_or(|id| slot.credential.as_deref().unwrap_or("-") == id)
                && model.is_none_or(|name| slot.model == name)
        })
    }

    /// Providers with a breaker that is not closed, each with the worst of them.
    pub(crate) fn beats(&self) -> Vec<BreakerBeat> {
        let mut worst: HashMap<String, BreakerBeat> = HashMap::new();
        let table = self.table();
        let records = table.values().filter_map(|slot| slot.record.as_ref());
        for record in records.filter(|record| record.state != BreakerState::Closed) {
            let beat = BreakerBeat {
                provider: record.provider.clone(),
                state: record.state,
                class: record.class,
                until_ms: record.until_ms,
            };
            let known = worst.entry(record.provider.clone()).or_insert_with(|| beat.clone());
            if (beat.state, beat.until_ms) > (known.state, known.until_ms) {
                *known = beat;
            }
        }
        worst.into_values().collect()
    }

    /// Everything that was changed at some time, as it is now.
    #[cfg(test)]
    fn records(&self) -> Vec<BreakerRecord> {
        self.table().values().filter_map(|slot| slot.record.clone()).collect()
    }

    /// Waits until what the bucket holds is known, but not for long.
    pub(crate) async fn loaded(&self, patience: Duration) {
        let mut loaded = self.0.loaded.subscribe();
        if tokio::time::timeout(patience, loaded.wait_for(|loaded| *loaded)).await.is_err() {
            tracing::warn!("the health of providers is not known yet, so all count as usable");
        }
    }

    fn close_where(&self, due: impl Fn(&Slot) -> bool) -> usize {
        let (now, mut table) = (self.now(), self.table());
        let keys: Vec<u64> = table.iter().filter(|(_, slot)| due(slot)).map(|(key, _)| *key).collect();
        for key in &keys {
            if let Some(slot) = table.get_mut(key) {
                slot.breaker.close(now);
                self.changed(*key, slot, true);
            }
        }
        keys.len()
    }

    fn note(&self, key: u64, begun: Begun, place: Option<&Place<'_>>, found: Found) {
        let counts = matches!(found, Found::Ill(ill) if self.0.policy.of(ill.class).is_some());
        if !counts && self.0.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let (now, mut table) = (self.now(), self.table());
        if let Some(place) = place {
            let there = table.get(&key).is_some_and(|slot| slot.is(place));
            if !there && (!counts || !self.insert(&mut table, key, place, now)) {
                return;
            }
        }
        let Some(slot) = table.get_mut(&key) else { return };
        if slot.breaker.record(&self.0.policy, begun, now, found) {
            self.changed(key, slot, true);
        } else if slot.record.is_none() && slot.breaker.is_well() {
            table.remove(&key);
            self.0.count.store(table.len(), Ordering::Release);
        }
    }

    /// Makes room in the table for one place more; `false` = there is none.
    fn insert(&self, table: &mut HashMap<u64, Slot>, key: u64, place: &Place<'_>, now: u64) -> bool {
        if table.len() >= PLACES_MAX {
            table.retain(|_, slot| !slot.breaker.is_blank(now));
        }
        if table.len() >= PLACES_MAX {
            return false;
        }
        let slot = Slot {
            provider: place.provider.to_owned(),
            credential: place.credential.map(str::to_owned),
            model: place.model.to_owned(),
            breaker: Breaker::new(now, proto::clock::now_ms()),
            record: None,
        };
        table.insert(key, slot);
        self.0.count.store(table.len(), Ordering::Release);
        true
    }

    /// A breaker has changed here: makes the record of it, and has it told.
    fn changed(&self, key: u64, slot: &mut Slot, tell: bool) -> BreakerRecord {
        let known = &slot.breaker.known;
        let since_ms = proto::clock::now_ms();
        let stays = known.until.saturating_sub(known.since);
        let record = BreakerRecord {
            provider: slot.provider.clone(),
            credential: slot.credential.clone(),
            model: slot.model.clone(),
            state: known.state,
            class: known.class,
            reason: known.reason.clone(),
            status: known.status,
            openings: known.openings,
            version: known.version,
            since_ms,
            until_ms: if known.state == BreakerState::Closed { 0 } else { since_ms + stays },
            by: self.0.me,
        };
        tracing::info!(
            provider = record.provider,
            credential = record.credential,
            model = record.model,
            state = record.state.as_str(),
            class = record.class.as_str(),
            status = record.status,
            stays_ms = stays,
            "breaker changed"
        );
        metrics::breaker(&record.provider, record.state, record.class);
        slot.record = Some(record.clone());
        if tell {
            lock(&self.0.unsaid).insert(key);
            self.0.say.notify_one();
            self.write_later(key);
        }
        record
    }

    fn write_later(&self, key: u64) {
        lock(&self.0.unwritten).insert(key);
        self.0.write.notify_one();
    }

    /// Takes in what another worker says, or the bucket; `fresh` = just now, so that its clock does not matter.
    fn adopt(&self, record: BreakerRecord, fresh: bool, force: bool) {
        let place = Place {
            provider: &record.provider,
            credential: record.credential.as_deref(),
            model: &record.model,
        };
        let (key, now, mut table) = (self.key(&place), self.now(), self.table());
        let there = table.get(&key).filter(|slot| slot.is(&place));
        let newer = there.and_then(|slot| slot.record.as_ref()).is_none_or(|known| record.beats(known));
        if !force && !newer {
            return;
        }
        // A closed one that nobody here knows of is what everything is without being in the table.
        let idle = there.is_none() && record.state == BreakerState::Closed;
        if idle || (there.is_none() && !self.insert(&mut table, key, &place, now)) {
            return;
        }
        let whole = record.until_ms.saturating_sub(record.since_ms);
        let left = if fresh { whole } else { record.remaining_ms(proto::clock::now_ms()) };
        let Some(slot) = table.get_mut(&key) else { return };
        slot.breaker.adopt(Known {
            state: record.state,
            class: record.class,
            reason: record.reason.clone(),
            status: record.status,
            openings: record.openings,
            version: record.version,
            until: now + left,
            since: now,
        });
        slot.record = Some(record);
    }

    fn key(&self, place: &Place<'_>) -> u64 {
        self.0.hasher.hash_one(place)
    }

    fn now(&self) -> u64 {
        ms(self.0.started.elapsed())
    }

    fn table(&self) -> MutexGuard<'_, HashMap<u64, Slot>> {
        lock(&self.0.table)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every statement leaves what is inside whole, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
