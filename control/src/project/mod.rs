//! The projector: does what the outbox says, in its order, and puts back what a new NATS does not have.
//!
//! Everything here may be done twice and by several controls at once; nothing old replaces something newer. A row
//! is marked done only after NATS has acknowledged it, and the next one is begun only then.

mod bucket;
mod events;
mod nudge;
mod restore;
mod stage;
#[cfg(test)]
mod stage_tests;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Instant;

use async_nats::jetstream::kv::Store;
use bytes::Bytes;
use ledger::Db;
use proto::clock::now_ms;
use proto::config::Config;
use proto::event::Event;
use proto::nats::Link;
use proto::nats::presence::Roster;
use proto::subject;

pub use self::nudge::Nudge;

use self::bucket::{Verdict, write};
use self::stage::Step;
use crate::audit;
use crate::error::Error;
use crate::metrics;
use crate::store::{self, OutboxRow, Work, publications};

/// Projects one database into one NATS.
pub(crate) struct Projector {
    db: Db,
    link: Link,
    config: Store,
    keys: Store,
    switches: Store,
    credentials: Store,
    nudge: Nudge,
    roster: Roster,
    /// The version that is staged, and since when this control has been waiting for it.
    staging: Mutex<Option<(u64, Instant)>>,
}

/// What a pass over the outbox did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Drained {
    /// How many rows were done.
    pub(crate) done: usize,
    /// Whether processes are still being asked about a version.
    pub(crate) pending: bool,
}

/// How many rows are done until old ones are forgotten again.
const PRUNE_EVERY: usize = 256;

impl Projector {
    /// Opens the buckets, which must have been declared.
    pub(crate) async fn open(db: Db, link: Link, nudge: Nudge, roster: Roster) -> Result<Self, Error> {
        let open = async |bucket| link.js.get_key_value(bucket).await.map_err(Error::nats("open a bucket"));
        let config = open(subject::CONFIG_BUCKET).await?;
        let keys = open(subject::KEYS_BUCKET).await?;
        let switches = open(subject::SWITCHES_BUCKET).await?;
        let credentials = open(subject::CREDENTIALS_BUCKET).await?;
        let staging = Mutex::default();
        Ok(Self { db, link, config, keys, switches, credentials, nudge, roster, staging })
    }

    /// Does all waiting rows in order, up to the first that fails. While processes are asked about a version, the rows
    /// of versions wait; what belongs to none (a key revoked, something switched off) goes past them, unless it is
    /// about something that one of them is about as well.
    pub(crate) async fn drain(&self) -> Result<Drained, Error> {
        let mut drained = Drained::default();
        loop {
            let before = drained.done;
            let again = self.pass(&mut drained).await?;
            self.nudge.passed();
            if !again && (drained.pending || drained.done == before) {
                return Ok(drained);
            }
        }
    }

    /// Goes through what waits once. True if rows were taken away meanwhile, so that it has to be looked at again.
    async fn pass(&self, drained: &mut Drained) -> Result<bool, Error> {
        let mut held: HashSet<String> = HashSet::new();
        let mut after = 0;
        drained.pending = false;
        loop {
            let rows = store::waiting(&self.db, after).await?;
            metrics::outbox_waiting(rows.len());
            let Some(last) = rows.last().map(|row| row.position) else { return Ok(false) };
            after = last;
            for row in rows {
                if drained.pending && (row.version.is_some() || held.contains(&row.target)) {
                    held.insert(row.target);
                    continue;
                }
                match self.step(&row).await? {
                    Step::Done => {}
                    Step::Pending => {
                        drained.pending = true;
                        continue;
                    }
                    Step::Refused => return Ok(true),
                }
                drained.done += 1;
                if drained.done.is_multiple_of(PRUNE_EVERY) {
                    store::prune(&self.db, last).await?;
                }
            }
            self.nudge.passed();
        }
    }

    /// Does one row and marks it done.
    async fn step(&self, row: &OutboxRow) -> Result<Step, Error> {
        let Some(work) = row.work else {
            let message = format!("row {} is of a kind that this release does not know", row.id);
            return Err(Error::Nats { action: "project the outbox", message });
        };
        let written = match work {
            Work::Stage => match self.stage(row).await? {
                Step::Done => true,
                other => return Ok(other),
            },
            // What another control has decided or done meanwhile is not done again.
            _ if row.version.is_some() && !store::is_waiting(&self.db, &row.id).await? => false,
            work => self.perform(work, row).await?,
        };
        store::mark_done(&self.db, &row.id).await?;
        metrics::row_done(work.as_str(), written);
        tracing::debug!(row = row.id, version = row.version, work = work.as_str(), written, "projected");
        Ok(Step::Done)
    }

    async fn perform(&self, work: Work, row: &OutboxRow) -> Result<bool, Error> {
        let payload = Bytes::copy_from_slice(row.payload.as_bytes());
        let key = row.target.split_once('/').map_or(row.target.as_str(), |(_, key)| key);
        match work {
            Work::Put => {
                let store = self.store_of(row)?;
                write(store, key, |now| self.if_waiting(row, now, Some(payload.clone()))).await
            }
            Work::Delete => write(self.store_of(row)?, key, |now| self.if_waiting(row, now, None)).await,
            Work::Stage => self.stage(row).await.map(|_| false),
            Work::MarkKeys => self.mark_keys(row.payload.parse().unwrap_or_default()).await,
            Work::Event => match serde_json::from_slice::<Event>(&payload)? {
                Event::Config(config) => events::store(&self.link, config.version, &payload).await,
                Event::Audit(record) => audit::events::store(&self.link, &record, &payload).await,
                Event::Attempt(_) | Event::Usage(_) | Event::Takeover(_) | Event::Closed(_) => Ok(false),
            },
            Work::PutConfig => {
                let config: Config = serde_json::from_slice(&payload)?;
                let version = config.version;
                let written = self.put_config(version, payload).await?;
                if written {
                    tracing::info!(config_version = version, "configuration projected");
                }
                publications::activate(&self.db, version, now_ms()).await?;
                Ok(written)
            }
        }
    }

    /// The bucket that a row is about.
    fn store_of(&self, row: &OutboxRow) -> Result<&Store, Error> {
        match row.target.split_once('/').map_or("", |(bucket, _)| bucket) {
            subject::KEYS_BUCKET => Ok(&self.keys),
            subject::SWITCHES_BUCKET => Ok(&self.switches),
            subject::CREDENTIALS_BUCKET => Ok(&self.credentials),
            _ => {
                let message = format!("row {} is about a bucket that this release does not know", row.id);
                Err(Error::Nats { action: "project the outbox", message })
            }
        }
    }

    /// A row's write is due only while the row is waiting.
    async fn if_waiting(
        &self,
        row: &OutboxRow,
        now: Option<Bytes>,
        wanted: Option<Bytes>,
    ) -> Result<Verdict, Error> {
        if now == wanted || !store::is_waiting(&self.db, &row.id).await? {
            return Ok(Verdict::Keep);
        }
        Ok(wanted.map_or(Verdict::Delete, Verdict::Put))
    }

    /// Raises the mark up to which keys are projected.
    async fn mark_keys(&self, version: u64) -> Result<bool, Error> {
        let judge = async |now: Option<Bytes>| {
            let raised = number(now.as_deref()) < version;
            Ok(if raised { Verdict::Put(version.to_string().into()) } else { Verdict::Keep })
        };
        write(&self.keys, subject::KEYS_PROJECTED, judge).await
    }

    /// Puts the configuration in force, unless a newer one is.
    async fn put_config(&self, version: u64, document: Bytes) -> Result<bool, Error> {
        let judge = async |now: Option<Bytes>| {
            let newer = version_of(now.as_deref()) < version;
            Ok(if newer { Verdict::Put(document.clone()) } else { Verdict::Keep })
        };
        write(&self.config, subject::CONFIG_KEY, judge).await
    }
}

/// The number a bucket holds as text; 0 if it holds none.
fn number(value: Option<&[u8]>) -> u64 {
    value.and_then(|v| std::str::from_utf8(v).ok()).and_then(|v| v.parse().ok()).unwrap_or_default()
}

/// The version of a projected document; 0 if there is none that this release can read.
fn version_of(document: Option<&[u8]>) -> u64 {
    #[derive(serde::Deserialize)]
    struct Numbered {
        version: u64,
    }
    document.and_then(|d| serde_json::from_slice::<Numbered>(d).ok()).map_or(0, |numbered| numbered.version)
}
