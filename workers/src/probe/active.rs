//! Probes that a provider's row asks for: one worker of all asks, as often as the row says.
//!
//! Who asks is settled in the bucket of breakers: whoever moves the entry of the provider past its time. What probes
//! see is told beside what calls see and never counts as a failure of a call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::kv;
use proto::config::{PROBE_SECONDS_MIN, Provider};
use proto::ctl::ProviderBeat;
use proto::health::PROBED_PREFIX;
use proto::subject;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{ask, set};
use crate::Worker;
use crate::error::chain;
use crate::http::Upstream;

const TICK: Duration = Duration::from_secs(1);

/// What probes of this process last saw.
#[derive(Debug, Default)]
pub(crate) struct Probes(Mutex<HashMap<String, ProviderBeat>>);

impl Probes {
    /// Everything that was seen.
    pub(crate) fn seen(&self) -> Vec<ProviderBeat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn note(&self, beat: ProviderBeat) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(beat.provider.clone(), beat);
    }

    fn keep(&self, named: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| named(name));
    }
}

/// Probes until `ended`.
pub(crate) async fn probe(worker: Arc<Worker>, ended: CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = HashMap::new();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = ended.cancelled() => return,
        }
        if !worker.link.state().connected {
            continue;
        }
        tokio::select! {
            () = round(&worker, &mut due) => {}
            () = ended.cancelled() => return,
        }
    }
}

/// Asks every provider that it is time for.
async fn round(worker: &Worker, due: &mut HashMap<String, Instant>) {
    let Some(document) = worker.projection.config() else { return };
    let wanted: Vec<(&Provider, Duration)> = document
        .providers
        .iter()
        .filter(|provider| !provider.disabled)
        .filter_map(|provider| Some((provider, every(worker, provider)?)))
        .collect();
    let named = |name: &str| wanted.iter().any(|(provider, _)| provider.name == name);
    due.retain(|name, _| named(name));
    worker.probes.keep(named);
    let now = Instant::now();
    let ready: Vec<_> =
        wanted.iter().filter(|(provider, _)| due.get(&provider.name).is_none_or(|at| *at <= now)).collect();
    if ready.is_empty() {
        return;
    }
    let Some(set) = set(worker).await else { return };
    let asked = ready.iter().filter_map(|(provider, every)| Some((set.get(&provider.name)?.clone(), *every)));
    let asked: Vec<(Arc<Upstream>, Duration)> = asked.collect();
    for (provider, every) in ready {
        due.insert(provider.name.clone(), now + *every);
    }
    let turns = asked.iter().map(|(upstream, every)| one(worker, upstream, *every));
    for (upstream, left) in futures_util::future::join_all(turns).await {
        due.insert(upstream, now + left);
    }
}

/// How often a provider is to be asked; `None` = never.
fn every(worker: &Worker, provider: &Provider) -> Option<Duration> {
    let own = provider.health.as_ref().map(|health| health.probe_seconds);
    let seconds = own.unwrap_or(worker.config.probe_seconds);
    (seconds > 0).then(|| Duration::from_secs(u64::from(seconds.max(PROBE_SECONDS_MIN))))
}

/// Asks one provider if no other worker has; also when it is time again.
async fn one(worker: &Worker, upstream: &Arc<Upstream>, every: Duration) -> (String, Duration) {
    let name = upstream.provider.name.clone();
    match take(worker, &name, every).await {
        Ok(None) => {}
        Ok(Some(left)) => return (name, left),
        Err(error) => {
            tracing::debug!(
                provider = name,
                error = chain(&*error),
                "nobody can say whose turn the probe is"
            );
            return (name, every);
        }
    }
    let Some(heard) = ask::models(upstream).await else { return (name, every) };
    ask::judge(worker, &name, &heard);
    let healthy = heard.error.is_none();
    crate::metrics::probe(&name, healthy, heard.class);
    tracing::debug!(provider = name, status = heard.status, healthy, error = heard.error, "provider probed");
    worker.probes.note(ProviderBeat {
        provider: name.clone(),
        ok: healthy,
        status: heard.status,
        latency_ms: u64::try_from(heard.latency.as_millis()).unwrap_or(u64::MAX),
        error: heard.error.map(str::to_owned),
        at_ms: proto::clock::now_ms(),
    });
    (name, every)
}

/// Takes the turn; `Some` = another had it, and that long ago that this is left.
async fn take(
    worker: &Worker,
    name: &str,
    every: Duration,
) -> Result<Option<Duration>, Box<dyn std::error::Error + Send + Sync>> {
    let store = worker.link.js.get_key_value(subject::HEALTH_BUCKET).await?;
    let key = format!("{PROBED_PREFIX}{}", proto::health::word(name));
    let there = store.entry(key.as_str()).await?;
    if let Some(there) = &there {
        let now_ms = i128::from(proto::clock::now_ms());
        let age_ms = (now_ms - there.created.unix_timestamp_nanos() / 1_000_000).max(0);
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(u64::MAX));
        // Half a tick of grace: every worker looks once a second.
        if age + TICK / 2 < every {
            return Ok(Some(every.saturating_sub(age)));
        }
    }
    let revision = there.map_or(0, |entry| entry.revision);
    let by = worker.config.worker.to_string();
    match store.update(&key, by.into(), revision).await {
        Ok(_) => Ok(None),
        Err(error) if error.kind() == kv::UpdateErrorKind::WrongLastRevision => Ok(Some(every)),
        Err(error) => Err(error.into()),
    }
}
