//! The table of the audit log, and the setting that names its last record.

use std::collections::BTreeSet;

use ledger::Db;
use proto::audit::AuditRecord;
use proto::event::Event;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::{NewRow, stored};
use crate::error::Error;

/// The setting that holds `<seq>:<hash>` of the last record. Its row is what appending locks.
const HEAD_SETTING: &str = "audit_head";
const READ: &str = "read the audit log";
const WRITE: &str = "write the audit log";

/// A record with its hash.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// The record.
    #[serde(flatten)]
    pub record: AuditRecord,
    /// Its hash, which the next record repeats.
    pub hash: String,
}

/// Which records to show; what is absent does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// `scope:name` of who did it.
    pub actor: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// To what kind of thing.
    pub resource: Option<String>,
    /// To which one.
    pub resource_id: Option<String>,
    /// The developer it concerns.
    pub developer: Option<String>,
    /// Whether it was done.
    pub outcome: Option<String>,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// At or after this, in milliseconds since the Unix epoch.
    pub since_ms: Option<u64>,
    /// Before this, in milliseconds since the Unix epoch.
    pub until_ms: Option<u64>,
}

/// A row as it stands there, believed in nothing.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    at_ms: u64,
    actor: String,
    action: String,
    resource: String,
    resource_id: Option<String>,
    developer: Option<String>,
    outcome: String,
    request_id: Option<String>,
    pub(crate) document: String,
    pub(crate) hash: String,
}

impl Row {
    /// Whether the columns say what the record does.
    pub(crate) fn says(&self, record: &AuditRecord) -> bool {
        self.seq == record.seq
            && self.at_ms == record.at_ms
            && self.actor == record.actor.to_string()
            && self.action == record.action
            && self.resource == record.resource
            && self.resource_id == record.resource_id
            && self.developer == record.developer
            && self.outcome == record.outcome.as_str()
            && self.request_id == record.request_id
    }
}

/// Takes the lock of the log, held until the transaction ends, and tells the last record's number and hash.
pub(crate) async fn lock_head(tx: &mut Transaction<'static, Any>) -> Result<(u64, String), Error> {
    // In the order of everybody who writes to both: nobody waits for the other in a circle.
    super::outbox::lock(tx).await?;
    let locked =
        sqlx::query(include_str!("sql/lock_setting.sql")).bind(HEAD_SETTING).execute(&mut **tx).await;
    locked.map_err(Error::sql(WRITE))?;
    let row = sqlx::query(include_str!("sql/setting.sql")).bind(HEAD_SETTING).fetch_one(&mut **tx).await;
    let text: String = row.and_then(|row| row.try_get("value")).map_err(Error::sql(WRITE))?;
    Ok(parse_head(&text).unwrap_or_default())
}

/// Stores a record and makes it the last one.
pub(crate) async fn insert(tx: &mut Transaction<'static, Any>, record: &AuditRecord) -> Result<(), Error> {
    let hash = record.hash();
    sqlx::query(include_str!("sql/insert_audit.sql"))
        .bind(stored(record.seq))
        .bind(stored(record.at_ms))
        .bind(record.actor.to_string())
        .bind(&record.action)
        .bind(&record.resource)
        .bind(record.resource_id.clone())
        .bind(record.developer.clone())
        .bind(record.outcome.as_str())
        .bind(record.request_id.clone())
        .bind(serde_json::to_string(record)?)
        .bind(&hash)
        .execute(&mut **tx)
        .await
        .map_err(Error::sql(WRITE))?;
    let head = format!("{}:{hash}", record.seq);
    let set = sqlx::query(include_str!("sql/update_setting.sql")).bind(HEAD_SETTING).bind(head);
    set.execute(&mut **tx).await.map(drop).map_err(Error::sql(WRITE))
}

/// Adds the copy of a record to the outbox, after everything that is there.
pub(crate) async fn add_copy(tx: &mut Transaction<'static, Any>, record: &AuditRecord) -> Result<(), Error> {
    let event = Event::Audit(Box::new(record.clone()));
    super::append(tx, &[NewRow::event(&event)?]).await.map(drop)
}

/// Number and hash of the record that was written last, as the setting says; `None` before the first.
pub(crate) async fn head(db: &Db) -> Result<Option<(u64, String)>, Error> {
    let row = sqlx::query(include_str!("sql/setting.sql")).bind(HEAD_SETTING).fetch_optional(db.pool()).await;
    let text = row.and_then(|row| row.map(|row| row.try_get::<String, _>("value")).transpose());
    Ok(text.map_err(Error::sql(READ))?.and_then(|text| parse_head(&text)))
}

fn parse_head(text: &str) -> Option<(u64, String)> {
    let (seq, hash) = text.split_once(':')?;
    Some((seq.parse().ok()?, hash.to_owned()))
}

/// The greatest number there is; 0 if there is none.
pub(crate) async fn newest(db: &Db) -> Result<u64, Error> {
    let row = sqlx::query(include_str!("sql/newest_audit.sql")).fetch_optional(db.pool()).await;
    let seq = row.and_then(|row| row.map(|row| row.try_get::<i64, _>("seq")).transpose());
    Ok(seq.map_err(Error::sql(READ))?.map_or(0, number))
}

/// The next rows after that number, at most 500.
pub(crate) async fn rows_after(db: &Db, seq: u64) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query(include_str!("sql/audit_after.sql")).bind(stored(seq)).fetch_all(db.pool()).await;
    rows.and_then(|rows| rows.iter().map(read).collect()).map_err(Error::sql(READ))
}

/// Numbers of the records whose copies the projector has not published yet.
pub(crate) async fn on_the_way(db: &Db) -> Result<BTreeSet<u64>, Error> {
    let rows = sqlx::query(include_str!("sql/audit_waiting.sql")).fetch_all(db.pool()).await;
    let mut seqs = BTreeSet::new();
    for row in rows.map_err(Error::sql(READ))? {
        let payload: String = row.try_get("payload").map_err(Error::sql(READ))?;
        if let Ok(Event::Audit(record)) = serde_json::from_str(&payload) {
            seqs.insert(record.seq);
        }
    }
    Ok(seqs)
}

/// A page of the records that fit, newest first: those before the number `before`, if given.
pub async fn list(db: &Db, filter: &Filter, before: Option<u64>, limit: u64) -> Result<Vec<Entry>, Error> {
    let before = before.map_or(i64::MAX, stored);
    entries(db, include_str!("sql/list_audit.sql"), filter, before, limit).await
}

/// A page of the records that fit, oldest first: those after the number `after`.
pub(crate) async fn page(db: &Db, filter: &Filter, after: u64, limit: u64) -> Result<Vec<Entry>, Error> {
    entries(db, include_str!("sql/page_audit.sql"), filter, stored(after), limit).await
}

async fn entries(
    db: &Db,
    statement: &'static str,
    filter: &Filter,
    from: i64,
    limit: u64,
) -> Result<Vec<Entry>, Error> {
    let given = |text: &Option<String>| text.clone().unwrap_or_default();
    let rows = sqlx::query(statement)
        .bind(from)
        .bind(given(&filter.actor))
        .bind(given(&filter.action))
        .bind(given(&filter.resource))
        .bind(given(&filter.resource_id))
        .bind(given(&filter.developer))
        .bind(given(&filter.outcome))
        .bind(given(&filter.request_id))
        .bind(stored(filter.since_ms.unwrap_or_default()))
        .bind(filter.until_ms.map_or(i64::MAX, stored))
        .bind(stored(limit))
        .fetch_all(db.pool())
        .await
        .map_err(Error::sql(READ))?;
    let entry = |row: &AnyRow| -> Result<Entry, Error> {
        let row = read(row).map_err(Error::sql(READ))?;
        Ok(Entry { record: serde_json::from_str(&row.document)?, hash: row.hash })
    };
    rows.iter().map(entry).collect()
}

fn read(row: &AnyRow) -> Result<Row, sqlx::Error> {
    Ok(Row {
        seq: number(row.try_get("seq")?),
        at_ms: number(row.try_get("at_ms")?),
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        resource: row.try_get("resource")?,
        resource_id: row.try_get("resource_id")?,
        developer: row.try_get("developer")?,
        outcome: row.try_get("outcome")?,
        request_id: row.try_get("request_id")?,
        document: row.try_get("document")?,
        hash: row.try_get("hash")?,
    })
}

fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}
