//! What is written: one batch, in one transaction whose first statement moves the cursor.

use proto::subject::EVENTS_STREAM;
use serde::Serialize;
use sqlx::{Any, AnyConnection, Transaction};

use super::rows::{AttemptRow, ClosingDetail, TransferRow, int};
use super::{Db, Sql, per_engine};
use crate::book::changes::Changes;
use crate::book::{At, Books};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::transfer;

const MOVE_CURSOR: &str = include_str!("sql/move_cursor.sql");
const INSERT_TAKEOVER: &str = include_str!("sql/insert_takeover.sql");
const INSERT_CLOSURE: &str = include_str!("sql/insert_closure.sql");
const INSERT_CONFIG: &str = include_str!("sql/insert_config.sql");
const INSERT_INCIDENT: &str = include_str!("sql/insert_incident.sql");
const INSERT_CHECKPOINT: &str = include_str!("sql/insert_checkpoint.sql");
const INSERT_ATTEMPTS: Sql = per_engine!("insert_attempts");
const UPDATE_ATTEMPTS: Sql = per_engine!("update_attempts");
const INSERT_TRANSFERS: Sql = per_engine!("insert_transfers");
const ADD_TO_ACCOUNTS: Sql = per_engine!("add_to_accounts");

/// A batch to be written.
pub(crate) struct Batch<'a> {
    /// Where the cursor must stand.
    pub(crate) from: u64,
    /// Where it stands afterwards.
    pub(crate) to: At,
    /// The state before the first event, if a day begins with it.
    pub(crate) checkpoint: Option<&'a Checkpoint>,
    /// Where the attempts of `changes` are found.
    pub(crate) books: &'a Books,
    /// What changes.
    pub(crate) changes: &'a Changes,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is in the database.
    Done,
    /// Another ledger was first; nothing was written.
    CursorMoved,
    /// A row that was taken for new exists, or one that was taken for known stands elsewhere; nothing was
    /// written.
    Contradicted(&'static str),
}

/// Writes a batch, or nothing of it.
pub(crate) async fn write_batch(db: &Db, batch: &Batch<'_>) -> Result<Written, Error> {
    let mut tx = db.pool().begin().await.map_err(Error::Write)?;
    match statements(db, &mut tx, batch).await {
        Ok(Written::Done) => {
            tx.commit().await.map_err(Error::Write)?;
            Ok(Written::Done)
        }
        Ok(refused) => {
            tx.rollback().await.map_err(Error::Write)?;
            Ok(refused)
        }
        Err(Error::Write(sqlx::Error::Database(error))) if error.is_unique_violation() => {
            tx.rollback().await.map_err(Error::Write)?;
            Ok(Written::Contradicted("a row that was taken for new exists"))
        }
        Err(error) => Err(error),
    }
}

async fn statements(db: &Db, tx: &mut Transaction<'_, Any>, batch: &Batch<'_>) -> Result<Written, Error> {
    let moved = sqlx::query(MOVE_CURSOR)
        .bind(int(batch.to.seq))
        .bind(int(batch.to.ms))
        .bind(EVENTS_STREAM)
        .bind(int(batch.from))
        .execute(&mut **tx)
        .await
        .map_err(Error::Write)?;
    if moved.rows_affected() != 1 {
        return Ok(Written::CursorMoved);
    }
    if let Some(checkpoint) = batch.checkpoint {
        insert_checkpoint(tx, checkpoint).await?;
    }
    let engine = db.engine();
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for id in &batch.changes.attempts {
        let attempt = batch.books.request(id.request).and_then(|r| r.attempt(*id));
        let attempt = attempt.ok_or(Error::Bug("a changed attempt is not in the working set"))?;
        let rows = if attempt.stored.is_some() { &mut changed } else { &mut new };
        rows.push(AttemptRow(attempt));
    }
    for (sql, rows) in [(INSERT_ATTEMPTS, &new), (UPDATE_ATTEMPTS, &changed)] {
        if !rows.is_empty() && many(tx, sql.of(engine), rows).await? != rows.len() as u64 {
            return Ok(Written::Contradicted("an attempt stands elsewhere"));
        }
    }
    let transfers: Vec<_> = batch.changes.transfers.iter().map(TransferRow).collect();
    if !transfers.is_empty() {
        many(tx, INSERT_TRANSFERS.of(engine), &transfers).await?;
        let totals: Vec<_> = transfer::totals(&batch.changes.transfers)
            .into_iter()
            .map(|(account, totals)| (account, totals.debits, totals.credits))
            .collect();
        many(tx, ADD_TO_ACCOUNTS.of(engine), &totals).await?;
    }
    rare(tx, batch.changes).await?;
    Ok(Written::Done)
}

/// Writes all `rows` with one statement.
async fn many<R: Serialize>(
    connection: &mut AnyConnection,
    sql: &'static str,
    rows: &[R],
) -> Result<u64, Error> {
    let rows = serde_json::to_string(rows).map_err(Error::Encode)?;
    let done = sqlx::query(sql).bind(rows).execute(connection).await.map_err(Error::Write)?;
    Ok(done.rows_affected())
}

/// What most batches have none of.
async fn rare(connection: &mut AnyConnection, changes: &Changes) -> Result<(), Error> {
    for (request, taken) in &changes.takeovers {
        sqlx::query(INSERT_TAKEOVER)
            .bind(format!("{request}.{}", taken.token))
            .bind(int(taken.seq))
            .bind(int(taken.at_ms))
            .execute(&mut *connection)
            .await
            .map_err(Error::Write)?;
    }
    for (request, closing) in &changes.closings {
        let detail = serde_json::to_string(&ClosingDetail::of(closing)).map_err(Error::Encode)?;
        sqlx::query(INSERT_CLOSURE)
            .bind(format!("{request}.{}", closing.token))
            .bind(closing.subject.project.clone())
            .bind(closing.reason.as_str())
            .bind(int(closing.subject.origin.accepted_ms))
            .bind(int(closing.seq))
            .bind(int(closing.at_ms))
            .bind(detail)
            .execute(&mut *connection)
            .await
            .map_err(Error::Write)?;
    }
    for (seq, config) in &changes.configs {
        let document = serde_json::to_string(config.as_ref()).map_err(Error::Encode)?;
        sqlx::query(INSERT_CONFIG)
            .bind(int(config.version))
            .bind(int(*seq))
            .bind(document)
            .execute(&mut *connection)
            .await
            .map_err(Error::Write)?;
    }
    for (n, incident) in changes.incidents.iter().enumerate() {
        let same = changes.incidents[..n].iter().filter(|i| i.at.seq == incident.at.seq).count();
        sqlx::query(INSERT_INCIDENT)
            .bind(format!("{}:{}:{same}", incident.at.seq, incident.kind.as_str()))
            .bind(incident.kind.as_str())
            .bind(incident.subject.clone())
            .bind(incident.note.clone())
            .bind(int(incident.at.seq))
            .bind(int(incident.at.ms))
            .execute(&mut *connection)
            .await
            .map_err(Error::Write)?;
    }
    Ok(())
}

async fn insert_checkpoint(connection: &mut AnyConnection, checkpoint: &Checkpoint) -> Result<(), Error> {
    sqlx::query(INSERT_CHECKPOINT)
        .bind(int(checkpoint.seq))
        .bind(int(checkpoint.at_ms))
        .bind(checkpoint.hash.clone())
        .bind(checkpoint.document.clone())
        .execute(connection)
        .await
        .map_err(Error::Write)?;
    Ok(())
}
