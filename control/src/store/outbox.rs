//! The outbox: what a transaction decided must reach NATS, in order.

use ledger::Db;
use proto::event::Event;
use proto::subject;
use sqlx::{Any, Row, Transaction};

use super::stored;
use crate::error::Error;

/// So many of the newest positions keep their rows after they are done, to look at.
const POSITIONS_KEPT: i64 = 10_000;
/// Its row in `settings` is what the writers of the outbox wait for each other at.
const LOCK: &str = "outbox_lock";

/// What is to be done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Put the payload under the target `<bucket>/<key>`.
    Put,
    /// Delete the target `<bucket>/<key>`.
    Delete,
    /// Raise the mark up to which keys are projected to the payload.
    MarkKeys,
    /// Publish the payload as an event.
    Event,
    /// Show the version to every process, and go on when all of them can run with it. The payload tells what its keys
    /// were before.
    Stage,
    /// Put the payload as the configuration in force.
    PutConfig,
}

impl Work {
    const ALL: [Self; 6] =
        [Self::Put, Self::Delete, Self::MarkKeys, Self::Event, Self::Stage, Self::PutConfig];

    /// The work as a column and metric label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::MarkKeys => "mark_keys",
            Self::Event => "event",
            Self::Stage => "stage",
            Self::PutConfig => "put_config",
        }
    }

    /// What a column says, in the words of the releases before as well.
    fn named(name: &str) -> Option<Self> {
        match name {
            "put_key" => Some(Self::Put),
            "delete_key" => Some(Self::Delete),
            name => Self::ALL.into_iter().find(|work| work.as_str() == name),
        }
    }
}

/// A row to be added: one thing that NATS must learn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRow {
    pub(crate) work: Work,
    pub(crate) target: String,
    pub(crate) payload: String,
    /// The configuration version that it is a part of, if it is.
    pub(crate) version: Option<u64>,
}

impl NewRow {
    fn new(work: Work, target: String, payload: String) -> Self {
        Self { work, target, payload, version: None }
    }

    /// An entry of a bucket (`keys`, `switches` or `credentials`) shall hold this.
    pub fn put(bucket: &str, key: &str, value: &impl serde::Serialize) -> Result<Self, Error> {
        Ok(Self::new(Work::Put, format!("{bucket}/{key}"), serde_json::to_string(value)?))
    }

    /// An entry of a bucket shall be gone.
    pub fn delete(bucket: &str, key: &str) -> Self {
        Self::new(Work::Delete, format!("{bucket}/{key}"), String::new())
    }

    /// An event shall be on its stream.
    pub fn event(event: &Event) -> Result<Self, Error> {
        Ok(Self::new(Work::Event, event.subject(), serde_json::to_string(event)?))
    }

    /// All keys up to this version are projected.
    pub(super) fn mark_keys(version: u64) -> Self {
        let target = format!("{}/{}", subject::KEYS_BUCKET, subject::KEYS_PROJECTED);
        Self::new(Work::MarkKeys, target, version.to_string())
    }

    /// Every process shall look at the version.
    pub(super) fn stage(before: String) -> Self {
        Self::new(Work::Stage, format!("{}/{}", subject::CONFIG_BUCKET, subject::CONFIG_STAGED), before)
    }

    /// This document is in force.
    pub(super) fn put_config(document: String) -> Self {
        Self::new(Work::PutConfig, format!("{}/{}", subject::CONFIG_BUCKET, subject::CONFIG_KEY), document)
    }

    /// As a part of a configuration version.
    pub(super) fn of(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
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
    /// The configuration version that it is a part of, if it is.
    pub(crate) version: Option<u64>,
}

/// The places of rows that were added together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// Takes the lock that everybody who writes to the outbox takes, held until the transaction ends.
pub(crate) async fn lock(tx: &mut Transaction<'static, Any>) -> Result<(), Error> {
    let locked = sqlx::query(include_str!("sql/lock_setting.sql")).bind(LOCK).execute(&mut **tx).await;
    locked.map(drop).map_err(Error::sql("lock the outbox"))
}

/// Adds rows behind all that are there, in their order. Take the transaction's other row locks first: from here to
/// the commit no other transaction gets a place.
pub async fn append(tx: &mut Transaction<'static, Any>, rows: &[NewRow]) -> Result<Appended, Error> {
    let failed = "add to the outbox";
    lock(tx).await?;
    let greatest = sqlx::query(include_str!("sql/greatest_position.sql")).fetch_one(&mut **tx).await;
    let greatest: i64 = greatest.and_then(|row| row.try_get("position")).map_err(Error::sql(failed))?;
    let mut last = greatest;
    for row in rows {
        last += 1;
        sqlx::query(include_str!("sql/insert_outbox.sql"))
            .bind(format!("row:{last}"))
            .bind(last)
            .bind(row.work.as_str())
            .bind(&row.target)
            .bind(&row.payload)
            .bind(row.version.map(stored))
            .execute(&mut **tx)
            .await
            .map_err(Error::sql(failed))?;
    }
    Ok(Appended { first: greatest + 1, last })
}

/// Whether any of these rows still has to be done.
pub(crate) async fn any_waiting(db: &Db, rows: Appended) -> Result<bool, Error> {
    let query = sqlx::query(include_str!("sql/any_waiting.sql")).bind(rows.first).bind(rows.last);
    let row = query.fetch_optional(db.pool()).await;
    row.map(|row| row.is_some()).map_err(Error::sql("read the outbox"))
}

/// The next rows to be done behind a position, at most 64.
pub(crate) async fn waiting(db: &Db, after: i64) -> Result<Vec<OutboxRow>, Error> {
    let rows = sqlx::query(include_str!("sql/waiting_rows.sql")).bind(after).fetch_all(db.pool()).await;
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

/// Forgets done rows far behind `position`.
pub(crate) async fn prune(db: &Db, position: i64) -> Result<(), Error> {
    let before = position.saturating_sub(POSITIONS_KEPT);
    let pruned = sqlx::query(include_str!("sql/prune_outbox.sql")).bind(before).execute(db.pool()).await;
    pruned.map(drop).map_err(Error::sql("prune the outbox"))
}

fn read(row: &sqlx::any::AnyRow) -> Result<OutboxRow, sqlx::Error> {
    let kind: String = row.try_get("kind")?;
    Ok(OutboxRow {
        id: row.try_get("id")?,
        position: row.try_get("position")?,
        work: Work::named(&kind),
        target: row.try_get("target")?,
        payload: row.try_get("payload")?,
        version: row.try_get::<Option<i64>, _>("version")?.and_then(|version| u64::try_from(version).ok()),
    })
}
