//! Tokens of administrators and viewers.

use ledger::Db;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::callers::number;
use super::stored;
use crate::error::Error;

const FAILED: &str = "keep administrators' tokens";

/// A token, without its hash.
#[derive(Debug, Clone)]
pub(crate) struct TokenRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) prefix: String,
    pub(crate) created_ms: u64,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) revoked_ms: Option<u64>,
    pub(crate) last_used_ms: Option<u64>,
}

/// A page in the order of ids.
pub(crate) async fn page(db: &Db, after: &str, limit: i64) -> Result<Vec<TokenRow>, Error> {
    let query = sqlx::query(include_str!("sql/admin_tokens_page.sql")).bind(after).bind(limit);
    let rows = query.fetch_all(db.pool()).await;
    rows.and_then(|rows| rows.iter().map(read).collect()).map_err(Error::sql(FAILED))
}

/// The one of that id.
pub(crate) async fn get(db: &Db, id: &str) -> Result<Option<TokenRow>, Error> {
    let row = sqlx::query(include_str!("sql/admin_token_by_id.sql")).bind(id).fetch_optional(db.pool()).await;
    row.and_then(|row| row.as_ref().map(read).transpose()).map_err(Error::sql(FAILED))
}

/// Stores a new one.
pub(crate) async fn insert(
    tx: &mut Transaction<'static, Any>,
    row: &TokenRow,
    hash: &str,
) -> Result<(), Error> {
    sqlx::query(include_str!("sql/insert_admin_token.sql"))
        .bind(&row.id)
        .bind(&row.name)
        .bind(&row.role)
        .bind(hash)
        .bind(&row.prefix)
        .bind(stored(row.created_ms))
        .bind(row.expires_ms.map(stored))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(Error::sql(FAILED))
}

/// Revokes it.
pub(crate) async fn revoke(tx: &mut Transaction<'static, Any>, id: &str, now_ms: u64) -> Result<(), Error> {
    let query = sqlx::query(include_str!("sql/revoke_admin_token.sql")).bind(id).bind(stored(now_ms));
    query.execute(&mut **tx).await.map(drop).map_err(Error::sql(FAILED))
}

fn read(row: &AnyRow) -> Result<TokenRow, sqlx::Error> {
    Ok(TokenRow {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        role: row.try_get("role")?,
        prefix: row.try_get("prefix")?,
        created_ms: number(row, "created_ms")?.unwrap_or_default(),
        expires_ms: number(row, "expires_ms")?,
        revoked_ms: number(row, "revoked_ms")?,
        last_used_ms: number(row, "last_used_ms")?,
    })
}
