//! What is switched off, and by whom. What an operator has switched off only an operator can switch on again.

use ledger::Db;
use proto::subject::SWITCHES_BUCKET;
use proto::switch::{SwitchKind, SwitchedOff, entry};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::{NewRow, stored};
use crate::error::Error;

/// Who can switch it on again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Its owner, and an operator.
    Owner,
    /// An operator alone.
    Operator,
}

/// One thing that is off.
#[derive(Debug, Clone)]
pub(crate) struct Off {
    pub(crate) id: String,
    pub(crate) by: By,
}

/// Whether something is in use, as every API says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// It is.
    Active,
    /// Its owner has switched it off.
    Disabled,
    /// An operator has switched it off.
    SuspendedByOperator,
}

impl By {
    /// As a column.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
        }
    }
}

impl Off {
    /// What to call it.
    pub(crate) fn status(&self) -> Status {
        match self.by {
            By::Owner => Status::Disabled,
            By::Operator => Status::SuspendedByOperator,
        }
    }
}

impl Status {
    /// Of something that may be off.
    pub(crate) fn of(off: Option<&Off>) -> Self {
        off.map_or(Self::Active, Off::status)
    }
}

/// Whether it is off.
pub(crate) async fn is_off(db: &Db, kind: SwitchKind, id: &str) -> Result<bool, Error> {
    Ok(get(db, kind, id).await?.is_some())
}

/// What is known of it if it is off.
pub(crate) async fn get(db: &Db, kind: SwitchKind, id: &str) -> Result<Option<Off>, Error> {
    let query = sqlx::query(include_str!("sql/switch.sql")).bind(kind.as_str()).bind(id);
    let row = query.fetch_optional(db.pool()).await;
    let found = row.and_then(|row| row.as_ref().map(read).transpose());
    found.map_err(Error::sql("read a switch"))
}

/// The same within a transaction, before it is changed there.
pub(crate) async fn get_within(
    tx: &mut Transaction<'static, Any>,
    kind: SwitchKind,
    id: &str,
) -> Result<Option<Off>, Error> {
    let query = sqlx::query(include_str!("sql/switch.sql")).bind(kind.as_str()).bind(id);
    let row = query.fetch_optional(&mut **tx).await;
    let found = row.and_then(|row| row.as_ref().map(read).transpose());
    found.map_err(Error::sql("read a switch"))
}

/// Everything of one kind that is off.
pub(crate) async fn of_kind(db: &Db, kind: SwitchKind) -> Result<Vec<Off>, Error> {
    let rows =
        sqlx::query(include_str!("sql/switches_of_kind.sql")).bind(kind.as_str()).fetch_all(db.pool()).await;
    let found = rows.and_then(|rows| rows.iter().map(read).collect());
    found.map_err(Error::sql("read the switches"))
}

/// Switches it off; what an operator says replaces what its owner said, never the other way round.
pub(crate) async fn off(
    tx: &mut Transaction<'static, Any>,
    kind: SwitchKind,
    id: &str,
    (by, by_name): (By, &str),
    reason: Option<&str>,
    now_ms: u64,
) -> Result<(), Error> {
    sqlx::query(include_str!("sql/switch_off.sql"))
        .bind(kind.as_str())
        .bind(id)
        .bind(by.as_str())
        .bind(by_name)
        .bind(reason)
        .bind(stored(now_ms))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(Error::sql("switch off"))
}

/// Switches it on. `false` if an operator has switched it off and the owner asks.
pub(crate) async fn on(
    tx: &mut Transaction<'static, Any>,
    kind: SwitchKind,
    id: &str,
    by: By,
) -> Result<bool, Error> {
    let found = get_within(tx, kind, id).await?;
    if by == By::Owner && found.is_some_and(|off| off.by == By::Operator) {
        return Ok(false);
    }
    let query = sqlx::query(include_str!("sql/switch_on.sql")).bind(kind.as_str()).bind(id);
    query.execute(&mut **tx).await.map_err(Error::sql("switch on"))?;
    Ok(true)
}

/// Switches it off for good as an operator, and tells what the bucket must learn.
pub(crate) async fn off_for_good(
    tx: &mut Transaction<'static, Any>,
    kind: SwitchKind,
    id: &str,
    by_name: &str,
    since_ms: u64,
) -> Result<NewRow, Error> {
    off(tx, kind, id, (By::Operator, by_name), None, since_ms).await?;
    NewRow::put(SWITCHES_BUCKET, &entry(kind, id), &SwitchedOff { since_ms })
}

fn read(row: &AnyRow) -> Result<Off, sqlx::Error> {
    let by: String = row.try_get("by_scope")?;
    Ok(Off { id: row.try_get("id")?, by: if by == By::Owner.as_str() { By::Owner } else { By::Operator } })
}
