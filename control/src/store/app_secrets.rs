//! The secrets that projects' servers open sessions with: their hashes. Every statement takes the project.

use ledger::Db;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::callers::number;
use super::stored;
use crate::error::Error;

const FAILED: &str = "keep secrets of projects";

/// A secret, without its hash.
#[derive(Debug, Clone)]
pub(crate) struct AppSecret {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) prefix: String,
    pub(crate) created_ms: u64,
    pub(crate) revoked_ms: Option<u64>,
}

/// Stores a new one.
pub(crate) async fn insert(
    tx: &mut Transaction<'static, Any>,
    secret: &AppSecret,
    hash: &str,
) -> Result<(), Error> {
    sqlx::query(include_str!("sql/insert_project_secret.sql"))
        .bind(&secret.id)
        .bind(&secret.project)
        .bind(hash)
        .bind(&secret.prefix)
        .bind(stored(secret.created_ms))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(Error::sql(FAILED))
}

/// A page in the order of ids.
pub(crate) async fn list(db: &Db, project: &str, after: &str, limit: i64) -> Result<Vec<AppSecret>, Error> {
    let query = sqlx::query(include_str!("sql/project_secrets.sql")).bind(after).bind(project).bind(limit);
    let rows = query.fetch_all(db.pool()).await;
    rows.and_then(|rows| rows.iter().map(read).collect()).map_err(Error::sql(FAILED))
}

/// How many of a project hold.
pub(crate) async fn live(db: &Db, project: &str) -> Result<usize, Error> {
    let row = sqlx::query(include_str!("sql/live_project_secrets.sql")).bind(project);
    let live: Result<i64, _> = row.fetch_one(db.pool()).await.and_then(|row| row.try_get("live"));
    Ok(usize::try_from(live.map_err(Error::sql(FAILED))?).unwrap_or_default())
}

/// The one of that id.
pub(crate) async fn get(
    tx: &mut Transaction<'static, Any>,
    id: &str,
    project: &str,
) -> Result<Option<AppSecret>, Error> {
    let query = sqlx::query(include_str!("sql/project_secret.sql")).bind(id).bind(project);
    let row = query.fetch_optional(&mut **tx).await;
    row.and_then(|row| row.as_ref().map(read).transpose()).map_err(Error::sql(FAILED))
}

/// Revokes it. Whether it was in force until now.
pub(crate) async fn revoke(
    tx: &mut Transaction<'static, Any>,
    id: &str,
    project: &str,
    now_ms: u64,
) -> Result<bool, Error> {
    let query = sqlx::query(include_str!("sql/revoke_project_secret.sql"));
    let done = query.bind(id).bind(project).bind(stored(now_ms)).execute(&mut **tx).await;
    done.map(|done| done.rows_affected() > 0).map_err(Error::sql(FAILED))
}

fn read(row: &AnyRow) -> Result<AppSecret, sqlx::Error> {
    Ok(AppSecret {
        id: row.try_get("id")?,
        project: row.try_get("project")?,
        prefix: row.try_get("prefix")?,
        created_ms: number(row, "created_ms")?.unwrap_or_default(),
        revoked_ms: number(row, "revoked_ms")?,
    })
}
