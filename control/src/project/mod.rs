//! The projector: does what the outbox says, in its order, and puts back what a new NATS does not have.
//!
//! Everything here may be done twice and by several controls at once; nothing old replaces something newer. A row
//! is marked done only after NATS has acknowledged it, and the next one is begun only then.

mod bucket;
mod events;
mod restore;
#[cfg(test)]
mod tests;

use async_nats::jetstream::kv::Store;
use bytes::Bytes;
use ledger::Db;
use proto::config::Config;
use proto::event::Event;
use proto::nats::Link;
use proto::subject;

use self::bucket::{Verdict, write};
use crate::error::Error;
use crate::metrics;
use crate::store::{self, OutboxRow, Work};

/// Projects one database into one NATS.
pub(crate) struct Projector {
    db: Db,
    link: Link,
    config: Store,
    keys: Store,
}

impl Projector {
    /// Opens the buckets, which must have been declared.
    pub(crate) async fn open(db: Db, link: Link) -> Result<Self, Error> {
        let open = async |bucket| link.js.get_key_value(bucket).await.map_err(Error::nats("open a bucket"));
        let config = open(subject::CONFIG_BUCKET).await?;
        let keys = open(subject::KEYS_BUCKET).await?;
        Ok(Self { db, link, config, keys })
    }

    /// Does all waiting rows in order, up to the first that fails. How many were done.
    pub(crate) async fn drain(&self) -> Result<usize, Error> {
        let mut done = 0;
        loop {
            let rows = store::waiting(&self.db).await?;
            metrics::outbox_waiting(rows.len());
            if rows.is_empty() {
                return Ok(done);
            }
            for row in rows {
                self.step(&row).await?;
                done += 1;
            }
        }
    }

    /// Does one row and marks it done.
    async fn step(&self, row: &OutboxRow) -> Result<(), Error> {
        let Some(work) = row.work else {
            let message = format!("row {} is of a kind that this release does not know", row.id);
            return Err(Error::Nats { action: "project the outbox", message });
        };
        let written = self.perform(work, row).await?;
        store::mark_done(&self.db, &row.id).await?;
        metrics::row_done(work.as_str(), written);
        tracing::debug!(row = row.id, position = row.position, work = work.as_str(), written, "projected");
        Ok(())
    }

    async fn perform(&self, work: Work, row: &OutboxRow) -> Result<bool, Error> {
        let payload = Bytes::copy_from_slice(row.payload.as_bytes());
        let key = row.target.split_once('/').map_or(row.target.as_str(), |(_, key)| key);
        match work {
            Work::PutKey => {
                write(&self.keys, key, |now| self.if_waiting(row, now, Some(payload.clone()))).await
            }
            Work::DeleteKey => write(&self.keys, key, |now| self.if_waiting(row, now, None)).await,
            Work::MarkKeys => self.mark_keys(row.payload.parse().unwrap_or_default()).await,
            Work::Event => match serde_json::from_slice::<Event>(&payload)? {
                Event::Config(config) => events::store(&self.link, config.version, &payload).await,
                _ => Ok(false),
            },
            Work::PutConfig => {
                let config: Config = serde_json::from_slice(&payload)?;
                let version = config.version;
                let written = self.put_config(version, payload).await?;
                if written {
                    tracing::info!(config_version = version, "configuration projected");
                    store::prune(&self.db, version).await?;
                }
                Ok(written)
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
