//! Developers' tokens. Every statement takes the developer it may touch; none of them = all.

use ledger::Db;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::callers::{names, number};
use super::stored;
use crate::error::Error;

const FAILED: &str = "keep developers' tokens";

/// A token, without its hash.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) developer: String,
    pub(crate) name: String,
    pub(crate) prefix: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) created_ms: u64,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) revoked_ms: Option<u64>,
    pub(crate) last_used_ms: Option<u64>,
}

/// Stores a new one.
pub(crate) async fn insert(
    tx: &mut Transaction<'static, Any>,
    token: &Token,
    hash: &str,
) -> Result<(), Error> {
    sqlx::query(include_str!("sql/insert_developer_token.sql"))
        .bind(&token.id)
        .bind(&token.developer)
        .bind(&token.name)
        .bind(hash)
        .bind(&token.prefix)
        .bind(serde_json::to_string(&token.scopes)?)
        .bind(stored(token.created_ms))
        .bind(token.expires_ms.map(stored))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(Error::sql(FAILED))
}

/// A page in the order of ids.
pub(crate) async fn list(
    db: &Db,
    developer: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<Token>, Error> {
    let query = sqlx::query(include_str!("sql/developer_tokens.sql"));
    let rows = query.bind(after).bind(developer.unwrap_or_default()).bind(limit).fetch_all(db.pool()).await;
    rows.and_then(|rows| rows.iter().map(read).collect()).map_err(Error::sql(FAILED))
}

/// The one of that id.
pub(crate) async fn get(
    tx: &mut Transaction<'static, Any>,
    id: &str,
    developer: Option<&str>,
) -> Result<Option<Token>, Error> {
    let query = sqlx::query(include_str!("sql/developer_token.sql"));
    let row = query.bind(id).bind(developer.unwrap_or_default()).fetch_optional(&mut **tx).await;
    row.and_then(|row| row.as_ref().map(read).transpose()).map_err(Error::sql(FAILED))
}

/// Revokes it. Whether it was in force until now.
pub(crate) async fn revoke(
    tx: &mut Transaction<'static, Any>,
    id: &str,
    developer: Option<&str>,
    now_ms: u64,
) -> Result<bool, Error> {
    let query = sqlx::query(include_str!("sql/revoke_developer_token.sql"));
    let done =
        query.bind(id).bind(developer.unwrap_or_default()).bind(stored(now_ms)).execute(&mut **tx).await;
    done.map(|done| done.rows_affected() > 0).map_err(Error::sql(FAILED))
}

fn read(row: &AnyRow) -> Result<Token, sqlx::Error> {
    Ok(Token {
        id: row.try_get("id")?,
        developer: row.try_get("developer")?,
        name: row.try_get("name")?,
        prefix: row.try_get("prefix")?,
        scopes: names(row, "scopes")?,
        created_ms: number(row, "created_ms")?.unwrap_or_default(),
        expires_ms: number(row, "expires_ms")?,
        revoked_ms: number(row, "revoked_ms")?,
        last_used_ms: number(row, "last_used_ms")?,
    })
}
