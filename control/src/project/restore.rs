//! Puts back what NATS does not have: a new data directory, a lost bucket, a database from a backup.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use proto::event::Event;
use proto::subject;

use super::bucket::{self, Verdict, write};
use super::{Projector, events, number, version_of};
use crate::error::Error;
use crate::store;

/// How long listing the keys of the bucket may take.
const LIST_PATIENCE: Duration = Duration::from_secs(30);

impl Projector {
    /// The highest version that NATS has seen. A new version must be above it, or nobody would take it.
    pub(crate) async fn floor(&self) -> Result<u64, Error> {
        let current = bucket::read(&self.config, subject::CONFIG_KEY).await?;
        let marked = bucket::read(&self.keys, subject::KEYS_PROJECTED).await?;
        let (_, event) = events::last(&self.link).await?;
        Ok(version_of(current.as_deref()).max(number(marked.as_deref())).max(event))
    }

    /// Compares NATS with the newest version and puts again what is missing. Call it with an empty outbox. True if
    /// anything was missing.
    pub(crate) async fn restore(&self) -> Result<bool, Error> {
        let Some(newest) = store::newest(&self.db).await? else { return Ok(false) };
        let version = newest.version;
        let mut restored = false;
        let marked = bucket::read(&self.keys, subject::KEYS_PROJECTED).await?;
        if number(marked.as_deref()) < version {
            self.restore_keys().await?;
            restored |= self.mark_keys(version).await?;
        }
        let document = Bytes::from(serde_json::to_vec(&newest.config)?);
        if events::last(&self.link).await?.1 < version {
            let event = Bytes::from(serde_json::to_vec(&Event::Config(newest.config))?);
            restored |= events::store(&self.link, version, &event).await?;
        }
        restored |= self.put_config(version, document).await?;
        if restored {
            tracing::warn!(config_version = version, "nats had lost the configuration: projected again");
        }
        Ok(restored)
    }

    /// Puts every key of the database that the bucket does not hold as it is.
    async fn restore_keys(&self) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let page = store::keys_after(&self.db, &after).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.hash);
            for row in &page {
                write(&self.keys, &row.hash, |now| self.as_in_database(&row.hash, now)).await?;
            }
        }
    }

    /// Deletes every key of the bucket that the database does not know: nobody could ever revoke it.
    pub(crate) async fn forget_unknown_keys(&self) -> Result<usize, Error> {
        let failed = "list the keys bucket";
        let list = async {
            let keys = self.keys.keys().await.map_err(Error::nats(failed))?;
            keys.try_collect::<Vec<String>>().await.map_err(Error::nats(failed))
        };
        let listed = tokio::time::timeout(LIST_PATIENCE, list).await.map_err(Error::nats(failed))??;
        let mut forgotten = 0;
        for hash in listed.iter().filter(|key| !key.starts_with('_')) {
            let wrote = write(&self.keys, hash, |now| self.as_in_database(hash, now)).await?;
            forgotten += usize::from(wrote);
        }
        Ok(forgotten)
    }

    /// The database is asked after the bucket was read, so that what is written is never older than what it replaces.
    async fn as_in_database(&self, hash: &str, now: Option<Bytes>) -> Result<Verdict, Error> {
        let row = store::key_by_hash(&self.db, hash).await?;
        let wanted = row.map(|row| serde_json::to_vec(&row.record()).map(Bytes::from)).transpose()?;
        if now == wanted {
            return Ok(Verdict::Keep);
        }
        Ok(wanted.map_or(Verdict::Delete, Verdict::Put))
    }
}
