//! Developers, as operators see and change them.

use ledger::Db;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::callers::number;
use super::stored;
use crate::error::Error;

const FAILED: &str = "keep developers";

/// A developer. Whether they are active stands among the switches.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DeveloperRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) payout_account_id: Option<String>,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
}

/// A page in the order of ids; `email` empty = all.
pub(crate) async fn page(db: &Db, after: &str, email: &str, limit: i64) -> Result<Vec<DeveloperRow>, Error> {
    let query = sqlx::query(include_str!("sql/developers_page.sql")).bind(after).bind(email).bind(limit);
    let rows = query.fetch_all(db.pool()).await;
    rows.and_then(|rows| rows.iter().map(read).collect()).map_err(Error::sql(FAILED))
}

/// The one of that id.
pub(crate) async fn get(db: &Db, id: &str) -> Result<Option<DeveloperRow>, Error> {
    let row = sqlx::query(include_str!("sql/developer_by_id.sql")).bind(id).fetch_optional(db.pool()).await;
    row.and_then(|row| row.as_ref().map(read).transpose()).map_err(Error::sql(FAILED))
}

/// Stores a new one.
pub(crate) async fn insert(tx: &mut Transaction<'static, Any>, row: &DeveloperRow) -> Result<(), Error> {
    sqlx::query(include_str!("sql/insert_developer.sql"))
        .bind(&row.id)
        .bind(&row.name)
        .bind(&row.email)
        .bind(row.payout_account_id.clone())
        .bind(stored(row.created_ms))
        .bind(stored(row.updated_ms))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(Error::sql(FAILED))
}

/// Changes what may change.
pub(crate) async fn update(tx: &mut Transaction<'static, Any>, row: &DeveloperRow) -> Result<(), Error> {
    sqlx::query(include_str!("sql/update_developer.sql"))
        .bind(&row.id)
        .bind(&row.name)
        .bind(&row.email)
        .bind(row.payout_account_id.clone())
        .bind(stored(row.updated_ms))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(Error::sql(FAILED))
}

fn read(row: &AnyRow) -> Result<DeveloperRow, sqlx::Error> {
    Ok(DeveloperRow {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        email: row.try_get("email")?,
        payout_account_id: row.try_get("payout_account_id")?,
        created_ms: number(row, "created_ms")?.unwrap_or_default(),
        updated_ms: number(row, "updated_ms")?.unwrap_or_default(),
    })
}
