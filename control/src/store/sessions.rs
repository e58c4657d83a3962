//! End users and their sessions. What changes or shows a session takes the projects that it may be of.

use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::callers::{names, number};
use super::records::SessionRow;
use super::stored;
use crate::error::Error;

const FAILED: &str = "keep sessions";

/// The end user of that hash, made under `id` where there is none: their id, and what is known of them.
pub(crate) async fn end_user(
    tx: &mut Transaction<'static, Any>,
    id: &str,
    project: &str,
    external_hash: &str,
    now_ms: u64,
) -> Result<(String, String), Error> {
    let row = sqlx::query(include_str!("sql/upsert_end_user.sql"))
        .bind(id)
        .bind(project)
        .bind(external_hash)
        .bind(stored(now_ms))
        .fetch_one(&mut **tx)
        .await;
    let read = row.and_then(|row| Ok((row.try_get("id")?, row.try_get("metadata")?)));
    read.map_err(Error::sql(FAILED))
}

/// Keeps what is known of an end user: a JSON object.
pub(crate) async fn set_metadata(
    tx: &mut Transaction<'static, Any>,
    id: &str,
    metadata: &str,
) -> Result<(), Error> {
    let query = sqlx::query(include_str!("sql/set_end_user_metadata.sql")).bind(id).bind(metadata);
    query.execute(&mut **tx).await.map(drop).map_err(Error::sql(FAILED))
}

/// Stores a new session.
pub(crate) async fn insert(
    tx: &mut Transaction<'static, Any>,
    session: &SessionRow,
    now_ms: u64,
) -> Result<(), Error> {
    sqlx::query(include_str!("sql/insert_session.sql"))
        .bind(&session.id)
        .bind(&session.project)
        .bind(&session.end_user)
        .bind(&session.hash)
        .bind(session.feature.clone())
        .bind(serde_json::to_string(&session.scopes)?)
        .bind(stored(now_ms))
        .bind(stored(session.expires_ms))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(Error::sql(FAILED))
}

/// Revokes a session of one of these projects. Whether it was not revoked until now.
pub(crate) async fn revoke(
    tx: &mut Transaction<'static, Any>,
    id: &str,
    projects: &[String],
    now_ms: u64,
) -> Result<bool, Error> {
    let query = sqlx::query(include_str!("sql/revoke_session.sql"));
    let query = query.bind(id).bind(serde_json::to_string(projects)?).bind(stored(now_ms));
    let done = query.execute(&mut **tx).await;
    done.map(|done| done.rows_affected() > 0).map_err(Error::sql(FAILED))
}

/// A session of one of these projects.
pub(crate) async fn get(
    tx: &mut Transaction<'static, Any>,
    id: &str,
    projects: &[String],
) -> Result<Option<SessionRow>, Error> {
    let query =
        sqlx::query(include_str!("sql/session_of.sql")).bind(id).bind(serde_json::to_string(projects)?);
    let row = query.fetch_optional(&mut **tx).await;
    row.and_then(|row| row.as_ref().map(read).transpose()).map_err(Error::sql(FAILED))
}

fn read(row: &AnyRow) -> Result<SessionRow, sqlx::Error> {
    Ok(SessionRow {
        id: row.try_get("id")?,
        project: row.try_get("project")?,
        end_user: row.try_get("end_user")?,
        hash: row.try_get("hash")?,
        feature: row.try_get("feature")?,
        scopes: names(row, "scopes")?,
        expires_ms: number(row, "expires_ms")?.unwrap_or_default(),
        revoked: number(row, "revoked_ms")?.is_some(),
    })
}
