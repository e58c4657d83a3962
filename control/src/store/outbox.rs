//! The outbox: what a transaction decided must reach NATS, in order.

use ledger::Db;
use sqlx::{Any, Row, Transaction};

use super::stored;
use crate::error::Error;

/// Rows of one version lie between its number times this and the next version's.
const ROWS_PER_VERSION: u64 = 1 << 20;
/// Rows of this many versions are kept after they are done, to look at.
const VERSIONS_KEPT: u64 = 16;

/// What is to be done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Put the payload under the target `keys/<hash>`.
    PutKey,
    /// Delete the target `keys/<hash>`.
    DeleteKey,
    /// Raise the mark up to which keys are projected to the payload.
    MarkKeys,
    /// Publish the payload as an event.
    Event,
    /// Put the payload as the configuration in force.
    PutConfig,
}

impl Work {
    const ALL: [Self; 5] = [Self::PutKey, Self::DeleteKey, Self::MarkKeys, Self::Event, Self::PutConfig];

    /// The work as a column and metric label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PutKey => "put_key",
            Self::DeleteKey => "delete_key",
            Self::MarkKeys => "mark_keys",
            Self::Event => "event",
            Self::PutConfig => "put_config",
        }
    }
}

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct OutboxRow {
    pub(crate) id: String,
    pub(crate) position: i64,
    /// `None` if a newer release wrote it.
    pub(crate) work: Option<Work>,
    /// Bucket and key, or subject.
    pub(crate) target: String,
    pub(crate) payload: String,
}

/// Adds the rows of one version, in their order.
pub(super) async fn add(
    tx: &mut Transaction<'static, Any>,
    version: u64,
    rows: &[(Work, String, String)],
) -> Result<(), Error> {
    for (index, (work, target, payload)) in (0_u64..).zip(rows) {
        let position = stored(version.saturating_mul(ROWS_PER_VERSION).saturating_add(index));
        sqlx::query(include_str!("sql/insert_outbox.sql"))
            .bind(format!("{version}:{index}"))
            .bind(position)
            .bind(work.as_str())
            .bind(target)
            .bind(payload)
            .execute(&mut **tx)
            .await
            .map_err(Error::sql("add to the outbox"))?;
    }
    Ok(())
}

/// The next rows to be done, at most 64.
pub(crate) async fn waiting(db: &Db) -> Result<Vec<OutboxRow>, Error> {
    let rows = sqlx::query(include_str!("sql/waiting_rows.sql")).fetch_all(db.pool()).await;
    let rows = rows.map_err(Error::sql("read the outbox"))?;
    rows.iter().map(|row| read(row).map_err(Error::sql("read the outbox"))).collect()
}

/// Whether a row still has to be done: another control may have been faster.
pub(crate) async fn is_waiting(db: &Db, id: &str) -> Result<bool, Error> {
    let row = sqlx::query(include_str!("sql/row_done.sql")).bind(id).fetch_optional(db.pool()).await;
    let read = row.and_then(|row| row.map(|row| row.try_get::<i64, _>("done")).transpose());
    Ok(read.map_err(Error::sql("read the outbox"))? == Some(0))
}

/// Notes that a row is done.
pub(crate) async fn mark_done(db: &Db, id: &str) -> Result<(), Error> {
    let marked = sqlx::query(include_str!("sql/mark_done.sql")).bind(id).execute(db.pool()).await;
    marked.map(drop).map_err(Error::sql("mark an outbox row done"))
}

/// Forgets the rows of all but the newest versions up to `version`.
pub(crate) async fn prune(db: &Db, version: u64) -> Result<(), Error> {
    let before = stored(version.saturating_sub(VERSIONS_KEPT).saturating_mul(ROWS_PER_VERSION));
    let pruned = sqlx::query(include_str!("sql/prune_outbox.sql")).bind(before).execute(db.pool()).await;
    pruned.map(drop).map_err(Error::sql("prune the outbox"))
}

fn read(row: &sqlx::any::AnyRow) -> Result<OutboxRow, sqlx::Error> {
    let kind: String = row.try_get("kind")?;
    Ok(OutboxRow {
        id: row.try_get("id")?,
        position: row.try_get("position")?,
        work: Work::ALL.into_iter().find(|work| work.as_str() == kind),
        target: row.try_get("target")?,
        payload: row.try_get("payload")?,
    })
}
