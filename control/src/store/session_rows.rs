//! Sessions, as operators see and revoke them.

use ledger::Db;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::callers::{names, number};
use super::stored;
use crate::error::Error;

const FAILED: &str = "keep sessions";

/// A session.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) end_user: String,
    /// The keyed hash of its token, under which the ingress finds it.
    pub(crate) hash: String,
    pub(crate) feature: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) created_ms: u64,
    pub(crate) expires_ms: u64,
    pub(crate) revoked_ms: Option<u64>,
}

/// A page in the order of ids; an empty filter = all.
pub(crate) async fn page(
    db: &Db,
    after: &str,
    project: &str,
    end_user: &str,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let query = sqlx::query(include_str!("sql/sessions_page.sql")).bind(after).bind(project).bind(end_user);
    let rows = query.bind(limit).fetch_all(db.pool()).await;
    rows.and_then(|rows| rows.iter().map(read).collect()).map_err(Error::sql(FAILED))
}

/// The one of that id.
pub(crate) async fn get(db: &Db, id: &str) -> Result<Option<Row>, Error> {
    let row = sqlx::query(include_str!("sql/session_by_id.sql")).bind(id).fetch_optional(db.pool()).await;
    row.and_then(|row| row.as_ref().map(read).transpose()).map_err(Error::sql(FAILED))
}

/// Revokes it.
pub(crate) async fn revoke(tx: &mut Transaction<'static, Any>, id: &str, now_ms: u64) -> Result<(), Error> {
    let query = sqlx::query(include_str!("sql/end_session.sql")).bind(id).bind(stored(now_ms));
    query.execute(&mut **tx).await.map(drop).map_err(Error::sql(FAILED))
}

fn read(row: &AnyRow) -> Result<Row, sqlx::Error> {
    Ok(Row {
        id: row.try_get("id")?,
        project: row.try_get("project")?,
        end_user: row.try_get("end_user")?,
        hash: row.try_get("hash")?,
        feature: row.try_get("feature")?,
        scopes: names(row, "scopes")?,
        created_ms: number(row, "created_ms")?.unwrap_or_default(),
        expires_ms: number(row, "expires_ms")?.unwrap_or_default(),
        revoked_ms: number(row, "revoked_ms")?,
    })
}
