//! What workers and ledgers say of themselves every second: backlog, expected wait, readiness, provider health.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::Subscriber;
use futures_util::StreamExt;
use proto::ctl::{LedgerBeat, ProviderBeat, WorkerBeat};
use proto::id::WorkerId;

use crate::metrics::Metrics;

/// A beat older than this says nothing any more.
const FRESH: Duration = Duration::from_secs(5);
/// Weight of the last second in the rate at which requests are finished: about the last five seconds count.
const RATE_WEIGHT: f64 = 0.2;
const RATE_EVERY: Duration = Duration::from_secs(1);

/// How much waits for the workers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Load {
    /// Requests stored and not finished.
    pub(crate) backlog: u64,
    /// Requests the workers can work on at once.
    pub(crate) capacity: u64,
    /// Requests finished per second.
    pub(crate) rate: f64,
}

impl Load {
    /// How long a request that is stored now waits for a worker; `None` where nothing tells.
    pub(crate) fn expected_wait(&self) -> Option<Duration> {
        if self.backlog <= self.capacity {
            return Some(Duration::ZERO);
        }
        // A pool that has not finished anything yet (long answers) does not say when it will.
        let seconds = f64::from(u32::try_from(self.backlog).unwrap_or(u32::MAX)) / self.rate;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// What is known of the other roles.
#[derive(Debug)]
pub(crate) struct Presence {
    pool: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    workers: HashMap<WorkerId, (WorkerBeat, Instant)>,
    load: Option<(Load, Instant)>,
    rate_at: Option<Instant>,
    ledger_at: Option<Instant>,
    providers: HashMap<String, ProviderBeat>,
}

impl Presence {
    /// Nothing heard yet; only workers of `pool` count.
    pub(crate) fn new(pool: String) -> Self {
        Self { pool, inner: Mutex::default() }
    }

    /// How much waits; `None` while no worker says.
    pub(crate) fn load(&self, now: Instant) -> Option<Load> {
        self.inner().load.filter(|(_, at)| fresh(*at, now)).map(|(load, _)| load)
    }

    /// Whether some worker takes deliveries and routes with configuration `version` or a newer one.
    pub(crate) fn worker_ready(&self, version: u64, now: Instant) -> bool {
        let inner = self.inner();
        inner.workers.values().any(|(beat, at)| fresh(*at, now) && beat.pulling && beat.config >= version)
    }

    /// Whether some ledger could read its database and the stream lately.
    pub(crate) fn ledger_ready(&self, now: Instant) -> bool {
        self.inner().ledger_at.is_some_and(|at| fresh(at, now))
    }

    /// What was last seen of each provider.
    pub(crate) fn providers(&self) -> HashMap<String, ProviderBeat> {
        self.inner().providers.clone()
    }

    /// Listens for ever.
    pub(crate) async fn follow(&self, mut workers: Subscriber, mut ledgers: Subscriber, metrics: &Metrics) {
        loop {
            tokio::select! {
                Some(message) = workers.next() => {
                    if let Ok(beat) = serde_json::from_slice(&message.payload) {
                        let load = self.worker_beat(beat, Instant::now());
                        let wait = load.expected_wait().unwrap_or_default();
                        metrics.backlog.set(f64::from(u32::try_from(load.backlog).unwrap_or(u32::MAX)));
                        metrics.wait.set(wait.as_secs_f64());
                    }
                }
                Some(message) = ledgers.next() => {
                    if let Ok(beat) = serde_json::from_slice(&message.payload) {
                        self.ledger_beat(&beat, Instant::now());
                    }
                }
                else => return,
            }
        }
    }

    fn worker_beat(&self, beat: WorkerBeat, now: Instant) -> Load {
        let mut inner = self.inner();
        if beat.pool != self.pool {
            return inner.load.map(|(load, _)| load).unwrap_or_default();
        }
        for provider in &beat.providers {
            let known = inner.providers.get(&provider.provider);
            if known.is_none_or(|known| known.at_ms <= provider.at_ms) {
                inner.providers.insert(provider.provider.clone(), provider.clone());
            }
        }
        inner.workers.insert(beat.worker, (beat, now));
        inner.workers.retain(|_, (_, at)| fresh(*at, now));
        let beats = || inner.workers.values().map(|(beat, _)| beat);
        let finished: u64 = beats().map(|beat| beat.finished).sum();
        let backlog = beats().filter_map(|beat| beat.backlog).max().unwrap_or(0);
        let capacity = beats().map(|beat| beat.capacity).sum();
        let before = inner.load.map(|(load, _)| load.rate).unwrap_or_default();
        // Every worker beats once a second, so the rate moves once a second and not with every beat.
        let due = inner.rate_at.is_none_or(|at| now.saturating_duration_since(at) >= RATE_EVERY);
        let finished = f64::from(u32::try_from(finished).unwrap_or(u32::MAX));
        let rate = match inner.rate_at {
            None => finished,
            Some(_) if due => before + (finished - before) * RATE_WEIGHT,
            Some(_) => before,
        };
        if due {
            inner.rate_at = Some(now);
        }
        let load = Load { backlog, capacity, rate };
        inner.load = Some((load, now));
        load
    }

    fn ledger_beat(&self, beat: &LedgerBeat, now: Instant) {
        if beat.consuming {
            self.inner().ledger_at = Some(now);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fresh(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) <= FRESH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(worker: u64, backlog: Option<u64>, finished: u64) -> WorkerBeat {
        WorkerBeat {
            worker: WorkerId(worker),
            pool: "main".to_owned(),
            config: 3,
            pulling: true,
            backlog,
            finished,
            running: 0,
            capacity: 10,
            providers: Vec::new(),
        }
    }

    #[test]
    fn the_wait_is_the_backlog_over_what_all_workers_finish() {
        let (presence, now) = (Presence::new("main".to_owned()), Instant::now());
        presence.worker_beat(beat(1, Some(100), 5), now);
        let later = now + Duration::from_secs(1);
        let load = presence.worker_beat(beat(2, Some(90), 5), later);
        assert_eq!((load.backlog, load.capacity), (100, 20));
        assert!((load.rate - 6.0).abs() < 1e-9);
        assert!(load.expected_wait().unwrap() > Duration::from_secs(16));
        let idle = Load { backlog: 20, capacity: 20, rate: 0.0 };
        assert_eq!(idle.expected_wait(), Some(Duration::ZERO));
        assert_eq!(Load { backlog: 21, ..idle }.expected_wait(), None);
    }

    #[test]
    fn old_beats_and_other_pools_say_nothing() {
        let (presence, now) = (Presence::new("main".to_owned()), Instant::now());
        presence.worker_beat(WorkerBeat { pool: "other".to_owned(), ..beat(9, Some(9), 9) }, now);
        assert_eq!(presence.load(now), None);
        presence.worker_beat(beat(1, Some(1), 0), now);
        assert!(presence.worker_ready(3, now) && !presence.worker_ready(4, now));
        let late = now + FRESH + Duration::from_millis(1);
        assert!(!presence.worker_ready(3, late) && presence.load(late).is_none());
        presence.ledger_beat(&LedgerBeat { consuming: false, active: true, cursor: 1, lag: 0 }, now);
        assert!(!presence.ledger_ready(now));
        presence.ledger_beat(&LedgerBeat { consuming: true, active: true, cursor: 1, lag: 0 }, now);
        assert!(presence.ledger_ready(now) && !presence.ledger_ready(late));
    }
}
