//! What configuration every process runs with, as it says itself: written to a bucket on every change and every five
//! seconds, read by whoever publishes and by whoever asks how the deployment is.
//!
//! How long ago a process spoke is told by the server's clock: each entry carries the time at which it was stored, and
//! the newest of those tells how late it is there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{Entry, Operation, Store};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Link;
use super::project::{Projection, ProjectionError};
use crate::clock::now_ms;
use crate::config::Config;
use crate::subject::PRESENCE_BUCKET;

/// Who has said nothing for this long does not count as running.
pub const LIVE: Duration = Duration::from_secs(12);
/// How often a process says that it is there.
const EVERY: Duration = Duration::from_secs(5);
/// How long judging a staged version may take.
const JUDGE_PATIENCE: Duration = Duration::from_secs(4);
/// How long one write may take.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);
const RETRY_DELAY: Duration = Duration::from_millis(250);
/// The longest explanation that is passed on, in characters.
const ERROR_MAX: usize = 500;

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Its role.
    pub role: String,
    /// Its id, new with every start.
    pub id: String,
    /// The release it was built from.
    pub build: String,
    /// Since when it has been running, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// The version it runs with; 0 = none yet.
    pub config: u64,
    /// What it says of a version that is to come into force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<Observed>,
}

/// What a process says of a staged version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The version.
    pub version: u64,
    /// Whether it could run with it; `None` while it has not judged yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    /// Why it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A process that speaks of itself.
#[derive(Debug, Clone)]
pub struct Speaker {
    link: Link,
    role: &'static str,
    id: String,
    since_ms: u64,
}

impl Speaker {
    /// A process that starts now.
    pub fn new(link: Link, role: &'static str, id: impl ToString) -> Self {
        Self { link, role, id: id.to_string(), since_ms: now_ms() }
    }

    /// Says for ever what the projection holds, and what `judge` thinks of a staged version beside the one in force.
    pub async fn run<J, F>(&self, projection: &Projection, judge: J)
    where
        J: Fn(Arc<Config>, Option<Arc<Config>>) -> F,
        F: Future<Output = Result<(), String>>,
    {
        let mut changes = projection.changes();
        let mut judged: Option<Observed> = None;
        loop {
            changes.mark_unchanged();
            let staged = projection.staged();
            let current = projection.config();
            let config = current.as_ref().map_or(0, |config| config.version);
            let ahead = staged.filter(|staged| staged.version > config);
            judged =
                judged.filter(|known| ahead.as_ref().is_some_and(|ahead| ahead.version == known.version));
            if let (Some(ahead), None) = (&ahead, &judged) {
                // Heard first and judged second: whoever waits knows that somebody is there.
                self.say(config, Some(Observed { version: ahead.version, ok: None, error: None })).await;
                let verdict = match &ahead.document {
                    Ok(document) => timeout(JUDGE_PATIENCE, judge(Arc::clone(document), current))
                        .await
                        .unwrap_or_else(|_| Err(format!("not judged within {} s", JUDGE_PATIENCE.as_secs()))),
                    Err(error) => Err(format!("it does not decode: {error}")),
                };
                let error = verdict.err().map(|error| error.chars().take(ERROR_MAX).collect());
                judged = Some(Observed { version: ahead.version, ok: Some(error.is_none()), error });
            }
            let said = self.say(config, judged.clone()).await;
            // Nobody sends changes any more only when the projection is gone, and then nobody listens.
            timeout(if said { EVERY } else { RETRY_DELAY }, changes.changed()).await.ok();
        }
    }

    /// Takes everything back, at an orderly end.
    pub async fn leave(&self) {
        let gone = async {
            let store = self.link.js.get_key_value(PRESENCE_BUCKET).await.ok()?;
            store.delete(self.key()).await.ok()
        };
        if !matches!(timeout(WRITE_PATIENCE, gone).await, Ok(Some(()))) {
            tracing::debug!("the presence of this process was not taken back; it is forgotten by itself");
        }
    }

    async fn say(&self, config: u64, staged: Option<Observed>) -> bool {
        let said = Presence {
            role: self.role.to_owned(),
            id: self.id.clone(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            since_ms: self.since_ms,
            config,
            staged,
        };
        let write = async {
            let store = self.link.js.get_key_value(PRESENCE_BUCKET).await.map_err(|e| e.to_string())?;
            let text = serde_json::to_vec(&said).map_err(|e| e.to_string())?;
            store.put(self.key(), text.into()).await.map_err(|e| e.to_string())
        };
        let written = timeout(WRITE_PATIENCE, write).await.unwrap_or_else(|_| Err("no answer".to_owned()));
        if let Err(error) = &written {
            tracing::debug!(error, "the presence of this process was not stored, trying again");
        }
        written.is_ok()
    }

    fn key(&self) -> String {
        format!("{}.{}", self.role, self.id)
    }
}

/// Another process, as it was last heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What it said.
    pub presence: Presence,
    /// How long ago.
    pub ago: Duration,
}

impl Heard {
    /// Whether it counts as running.
    pub fn is_live(&self) -> bool {
        self.ago < LIVE
    }
}

/// Everybody who is there. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Roster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether everything that the bucket held at the beginning has been read.
    complete: bool,
    /// By key: what was said, and when by the server's clock, in milliseconds since the Unix epoch.
    heard: BTreeMap<String, (Presence, u64)>,
    /// A moment of the server's clock and when it was heard here.
    clock: Option<(u64, Instant)>,
}

impl Default for Roster {
    fn default() -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), changes: watch::Sender::new(0) }))
    }
}

impl Roster {
    /// Everybody heard of, live or not, by role and id; `None` while that is not known.
    pub fn all(&self) -> Option<Vec<Heard>> {
        let state = self.state();
        let now = state.now_ms();
        let heard = |(presence, at): &(Presence, u64)| Heard {
            presence: presence.clone(),
            ago: Duration::from_millis(now.saturating_sub(*at)),
        };
        state.complete.then(|| state.heard.values().map(heard).collect())
    }

    /// Wakes whenever somebody says something else.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Listens for ever; a failed watch is started again.
    pub async fn run(&self, link: Link) {
        loop {
            if let Err(error) = self.follow(&link).await {
                tracing::debug!(error = %error, "watch ended, starting again");
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    async fn follow(&self, link: &Link) -> Result<(), ProjectionError> {
        let failed = |message: String| ProjectionError::new(PRESENCE_BUCKET, message);
        let store: Store = link.js.get_key_value(PRESENCE_BUCKET).await.map_err(|e| failed(e.to_string()))?;
        let empty = store.status().await.map_err(|e| failed(e.to_string()))?.values() == 0;
        let mut entries = store.watch_with_history(">").await.map_err(|e| failed(e.to_string()))?;
        *self.state() = State { complete: empty, ..State::default() };
        while let Some(entry) = entries.next().await {
            self.take(&entry.map_err(|e| failed(e.to_string()))?);
        }
        Ok(())
    }

    fn take(&self, entry: &Entry) {
        let at = u64::try_from(entry.created.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        {
            let mut state = self.state();
            if state.clock.is_none() || state.now_ms() < at {
                state.clock = Some((at, Instant::now()));
            }
            match (entry.operation, serde_json::from_slice::<Presence>(&entry.value)) {
                (Operation::Put, Ok(presence)) => {
                    state.heard.insert(entry.key.clone(), (presence, at));
                }
                (Operation::Put, Err(error)) => {
                    tracing::debug!(key = entry.key, error = %error, "a presence does not decode");
                }
                (Operation::Delete | Operation::Purge, _) => {
                    state.heard.remove(&entry.key);
                }
            }
            state.complete |= entry.seen_current;
            let now = state.now_ms();
            let forget = u64::try_from(5 * LIVE.as_millis()).unwrap_or(u64::MAX);
            state.heard.retain(|_, (_, at)| now.saturating_sub(*at) < forget);
        }
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the server's clock says now, as far as it was heard: never more.
    fn now_ms(&self) -> u64 {
        self.clock.map_or(0, |(at, heard)| {
            at.saturating_add(u64::try_from(heard.elapsed().as_millis()).unwrap_or(u64::MAX))
        })
    }
}
