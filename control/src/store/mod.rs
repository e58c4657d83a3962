//! The only SQL of control: versions, virtual keys, the outbox and settings.
//!
//! One statement a file, one text for both engines. Whoever publishes inserts the next version first; the
//! primary key lets one of several publishers through and the others start again with what it left.

mod keys;
mod outbox;
mod publish;
#[cfg(test)]
mod tests;

pub(crate) use keys::{after as keys_after, by_hash as key_by_hash, has_live as has_live_key};
pub(crate) use outbox::{OutboxRow, Work, is_waiting, mark_done, prune, waiting};
pub(crate) use publish::{Change, publish_change};
pub use publish::{GeneratedKey, Published, Source, publish};

use ledger::{Db, Engine};
use proto::config::Config;
use sqlx::{Any, Row, Transaction};

use crate::error::Error;

/// A stored version.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    /// Its number.
    pub(crate) version: u64,
    /// Where it came from: see [`Source`].
    pub(crate) source: String,
    /// What makes two drafts equal.
    pub(crate) digest: String,
    /// The document.
    pub(crate) config: Config,
}

/// The newest version; `None` if nothing was ever published.
pub(crate) async fn newest(db: &Db) -> Result<Option<Version>, Error> {
    let row = sqlx::query(include_str!("sql/newest_version.sql")).fetch_optional(db.pool()).await;
    row.map_err(Error::sql("read the newest version"))?.map(|row| version(&row)).transpose()
}

fn version(row: &sqlx::any::AnyRow) -> Result<Version, Error> {
    let read = || -> Result<(i64, String, String, String), sqlx::Error> {
        Ok((
            row.try_get("version")?,
            row.try_get("source")?,
            row.try_get("digest")?,
            row.try_get("document")?,
        ))
    };
    let (version, source, digest, document) = read().map_err(Error::sql("read a version"))?;
    let version = u64::try_from(version).unwrap_or_default();
    Ok(Version { version, source, digest, config: serde_json::from_str(&document)? })
}

/// Begins a transaction that may write. SQLite takes its write lock at once, so that waiting for another writer
/// is waiting and not an error at the first write.
async fn begin(db: &Db) -> Result<Transaction<'static, Any>, Error> {
    let begun = match db.engine() {
        Engine::Sqlite => db.pool().begin_with("BEGIN IMMEDIATE").await,
        Engine::Postgres => db.pool().begin().await,
    };
    begun.map_err(Error::sql("begin a transaction"))
}

/// A number as both engines store it.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
