//! Puts back what NATS does not have: a new data directory, a lost bucket, a database from a backup.

use std::time::Duration;

use async_nats::jetstream::kv::Store;
use bytes::Bytes;
use futures_util::TryStreamExt;
use proto::event::Event;
use proto::subject;
use proto::switch::{self, SwitchKind};
use serde_json::Value;

use super::bucket::{self, Verdict, write};
use super::{Projector, events, number, version_of};
use crate::error::Error;
use crate::store::{publications, records};

/// How long listing the keys of a bucket may take.
const LIST_PATIENCE: Duration = Duration::from_secs(30);

impl Projector {
    /// The highest version that NATS has seen. A new version must be above it, or nobody would take it.
    pub(crate) async fn floor(&self) -> Result<u64, Error> {
        let current = bucket::read(&self.config, subject::CONFIG_KEY).await?;
        let staged = bucket::read(&self.config, subject::CONFIG_STAGED).await?;
        let marked = bucket::read(&self.keys, subject::KEYS_PROJECTED).await?;
        let (_, event) = events::last(&self.link).await?;
        let shown = version_of(current.as_deref()).max(version_of(staged.as_deref()));
        Ok(shown.max(number(marked.as_deref())).max(event))
    }

    /// Compares NATS with the version in force and puts again what is missing. Call it with an empty outbox. True if
    /// anything was missing.
    pub(crate) async fn restore(&self) -> Result<bool, Error> {
        let Some(newest) = publications::in_force(&self.db).await? else { return Ok(false) };
        let version = newest.version;
        let mut restored = false;
        let marked = bucket::read(&self.keys, subject::KEYS_PROJECTED).await?;
        let lost = number(marked.as_deref()) < version;
        // What is switched off goes before the keys that it stops.
        if lost || is_empty(&self.switches).await? {
            restored |= self.restore_switches().await?;
        }
        if lost || is_empty(&self.credentials).await? {
            restored |= self.restore_credentials().await?;
        }
        if lost {
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
            tracing::warn!(config_version = version, "nats had lost what was projected: projected again");
        }
        Ok(restored)
    }

    /// Puts every key and session of the database that the bucket does not hold as it is.
    async fn restore_keys(&self) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let page = records::keys_after(&self.db, &after).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(last);
            for hash in &page {
                write(&self.keys, hash, |now| self.as_key(hash, now)).await?;
            }
        }
        after.clear();
        loop {
            let page = records::sessions_after(&self.db, &after).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(last);
            for hash in &page {
                write(&self.keys, hash, |now| self.as_key(hash, now)).await?;
            }
        }
    }

    async fn restore_switches(&self) -> Result<bool, Error> {
        let mut after = (String::new(), String::new());
        let mut wrote = false;
        loop {
            let page = records::switches_after(&self.db, &after).await?;
            let Some(last) = page.last() else { return Ok(wrote) };
            after.clone_from(last);
            for (kind, id) in &page {
                let Some(entry) = entry_of(kind, id) else { continue };
                wrote |= write(&self.switches, &entry, |now| self.as_switch(&entry, now)).await?;
            }
        }
    }

    async fn restore_credentials(&self) -> Result<bool, Error> {
        let mut after = String::new();
        let mut wrote = false;
        loop {
            let page = records::credentials_after(&self.db, &after).await?;
            let Some(last) = page.last() else { return Ok(wrote) };
            after.clone_from(last);
            for id in &page {
                wrote |= write(&self.credentials, id, |now| self.as_credential(id, now)).await?;
            }
        }
    }

    /// Deletes what the database does not know: keys and credentials that nobody could ever revoke, switches that
    /// nobody could lift. How many entries were changed.
    pub(crate) async fn forget_unknown(&self) -> Result<usize, Error> {
        let mut forgotten = 0;
        for hash in entries(&self.keys).await?.iter().filter(|key| !key.starts_with('_')) {
            forgotten += usize::from(write(&self.keys, hash, |now| self.as_key(hash, now)).await?);
        }
        for entry in &entries(&self.switches).await? {
            let wrote = write(&self.switches, entry, |now| self.as_switch(entry, now)).await?;
            forgotten += usize::from(wrote);
        }
        for id in &entries(&self.credentials).await? {
            let wrote = write(&self.credentials, id, |now| self.as_credential(id, now)).await?;
            forgotten += usize::from(wrote);
        }
        Ok(forgotten)
    }

    // The database is asked after the bucket was read, so that what is written is never older than what it replaces.

    async fn as_key(&self, hash: &str, now: Option<Bytes>) -> Result<Verdict, Error> {
        as_in_database(records::key(&self.db, hash).await?.as_ref(), now.as_ref())
    }

    async fn as_switch(&self, entry: &str, now: Option<Bytes>) -> Result<Verdict, Error> {
        let off = match switch_of(entry) {
            Some((kind, id)) => records::switch(&self.db, kind, &id).await?,
            None => None,
        };
        as_in_database(off.as_ref(), now.as_ref())
    }

    async fn as_credential(&self, id: &str, now: Option<Bytes>) -> Result<Verdict, Error> {
        as_in_database(records::credential(&self.db, id).await?.as_ref(), now.as_ref())
    }
}

fn as_in_database(wanted: Option<&impl serde::Serialize>, now: Option<&Bytes>) -> Result<Verdict, Error> {
    let wanted = wanted.map(|record| serde_json::to_vec(record).map(Bytes::from)).transpose()?;
    if now == wanted.as_ref() {
        return Ok(Verdict::Keep);
    }
    Ok(wanted.map_or(Verdict::Delete, Verdict::Put))
}

/// Everything that a bucket holds.
async fn entries(store: &Store) -> Result<Vec<String>, Error> {
    let failed = "list a bucket";
    let list = async {
        let keys = store.keys().await.map_err(Error::nats(failed))?;
        keys.try_collect::<Vec<String>>().await.map_err(Error::nats(failed))
    };
    tokio::time::timeout(LIST_PATIENCE, list).await.map_err(Error::nats(failed))?
}

async fn is_empty(store: &Store) -> Result<bool, Error> {
    let status = store.status().await.map_err(Error::nats("ask about a bucket"))?;
    Ok(status.values() == 0)
}

/// The entry of what the database calls by kind and id.
fn entry_of(kind: &str, id: &str) -> Option<String> {
    let kind: SwitchKind = serde_json::from_value(Value::String(kind.to_owned())).ok()?;
    Some(switch::entry(kind, id))
}

/// Kind and id of an entry.
fn switch_of(entry: &str) -> Option<(&str, String)> {
    let (kind, name) = entry.split_once('.')?;
    let mut id = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'=' {
            id.push(*byte);
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        id.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after.get(2..)?;
    }
    Some((kind, String::from_utf8(id).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_entry_leads_back() {
        for (kind, id) in [("key", "key_1-a"), ("feature", "acme/write:it"), ("project", "a=3a")] {
            let entry = entry_of(kind, id).unwrap();
            assert_eq!(switch_of(&entry), Some((kind, id.to_owned())), "{entry}");
        }
        assert_eq!((entry_of("planet", "x"), switch_of("key.=z")), (None, None));
    }
}
