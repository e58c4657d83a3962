//! The only SQL of control: versions, virtual keys, callers, switches, the outbox, settings and the audit log.
//!
//! One statement a file, one text for both engines. Whoever publishes inserts the next version first; the
//! primary key lets one of several publishers through and the others start again with what it left.

pub(crate) mod admin_tokens;
pub(crate) mod app_secrets;
pub(crate) mod audit_log;
pub(crate) mod callers;
pub(crate) mod credentials;
pub(crate) mod developer_tokens;
pub(crate) mod developers;
pub(crate) mod drafts;
pub(crate) mod isolation;
pub(crate) mod key_rows;
mod keys;
mod outbox;
pub(crate) mod publications;
mod publish;
pub(crate) mod records;
pub(crate) mod session_rows;
pub(crate) mod sessions;
pub(crate) mod switches;
#[cfg(test)]
mod tests;
pub(crate) mod usage;

pub use keys::KeyLimits;
pub(crate) use keys::{KeyRow, has_live as has_live_key, insert as insert_key};
pub use outbox::{Appended, NewRow, append};
pub(crate) use outbox::{OutboxRow, Work, any_waiting, is_waiting, mark_done, prune, waiting};
pub(crate) use publications::{By, Kind};
pub use publications::{Publication, publications};
pub(crate) use publish::{Change, publish_by, publish_change};
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
    /// What the file or the environment said of it, where it came from there.
    pub(crate) authored: Option<Config>,
}

/// The highest number of any version, one that did not come into force included; 0 if there is none.
pub(crate) async fn highest(db: &Db) -> Result<u64, Error> {
    let row = sqlx::query(include_str!("sql/highest_version.sql")).fetch_one(db.pool()).await;
    let version: i64 =
        row.and_then(|row| row.try_get("version")).map_err(Error::sql("read the highest version"))?;
    Ok(u64::try_from(version).unwrap_or_default())
}

/// The newest whole configuration, of a file or the environment.
pub(crate) async fn newest_base(db: &Db) -> Result<Option<Version>, Error> {
    let row = sqlx::query(include_str!("sql/newest_base.sql")).fetch_optional(db.pool()).await;
    row.map_err(Error::sql("read a version"))?.map(|row| version(&row)).transpose()
}

/// The newest version that was not refused, in force or about to be; `None` if nothing was ever published.
pub(crate) async fn newest(db: &Db) -> Result<Option<Version>, Error> {
    let row = sqlx::query(include_str!("sql/newest_version.sql")).fetch_optional(db.pool()).await;
    row.map_err(Error::sql("read the newest version"))?.map(|row| version(&row)).transpose()
}

fn version(row: &sqlx::any::AnyRow) -> Result<Version, Error> {
    let failed = "read a version";
    let text = |name| row.try_get::<String, _>(name).map_err(Error::sql(failed));
    let number: i64 = row.try_get("version").map_err(Error::sql(failed))?;
    let authored: Option<String> = row.try_get("authored").map_err(Error::sql(failed))?;
    Ok(Version {
        version: u64::try_from(number).unwrap_or_default(),
        source: text("source")?,
        digest: text("digest")?,
        config: serde_json::from_str(&text("document")?)?,
        authored: authored.map(|authored| serde_json::from_str(&authored)).transpose()?,
    })
}

/// Begins a transaction that may write. SQLite takes its write lock at once, so that waiting for another writer
/// is waiting and not an error at the first write.
pub async fn begin(db: &Db) -> Result<Transaction<'static, Any>, Error> {
    let begun = match db.engine() {
        Engine::Sqlite => db.pool().begin_with("BEGIN IMMEDIATE").await,
        Engine::Postgres => db.pool().begin().await,
    };
    begun.map_err(Error::sql("begin a transaction"))
}

/// A number as both engines store it.
pub(crate) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
