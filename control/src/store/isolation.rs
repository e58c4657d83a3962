//! What the isolation check reads: in one transaction that cannot write.

use ledger::{Db, Engine};
use sqlx::{Any, Executor as _, Row as _, Transaction};

use super::stored;
use crate::error::Error;

const READ: &str = "check isolation";

/// An attempt, as far as it says whose it is.
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) key: String,
    pub(crate) detail: String,
}

/// Begins a transaction that sees one state and that the database lets write nothing.
pub(crate) async fn begin_read_only(db: &Db) -> Result<Transaction<'static, Any>, Error> {
    match db.engine() {
        Engine::Sqlite => {
            let mut tx = db.pool().begin().await.map_err(Error::sql(READ))?;
            tx.execute(include_str!("sql/query_only.sqlite.sql")).await.map_err(Error::sql(READ))?;
            Ok(tx)
        }
        Engine::Postgres => db
            .pool()
            .begin_with(include_str!("sql/begin_read_only.postgres.sql"))
            .await
            .map_err(Error::sql(READ)),
    }
}

/// Ends it, and gives the connection back as it was.
pub(crate) async fn end(db: &Db, mut tx: Transaction<'static, Any>) -> Result<(), Error> {
    if db.engine() == Engine::Sqlite {
        tx.execute(include_str!("sql/query_write.sqlite.sql")).await.map_err(Error::sql(READ))?;
    }
    tx.rollback().await.map_err(Error::sql(READ))
}

/// The newest document.
pub(crate) async fn newest_document(tx: &mut Transaction<'static, Any>) -> Result<Option<String>, Error> {
    let row = sqlx::query(include_str!("sql/newest_version.sql")).fetch_optional(&mut **tx).await;
    row.and_then(|row| row.map(|row| row.try_get("document")).transpose()).map_err(Error::sql(READ))
}

/// The document of a version.
pub(crate) async fn document(
    tx: &mut Transaction<'static, Any>,
    version: u64,
) -> Result<Option<String>, Error> {
    let row = sqlx::query(include_str!("sql/version_document.sql")).bind(stored(version));
    let row = row.fetch_optional(&mut **tx).await;
    row.and_then(|row| row.map(|row| row.try_get("document")).transpose()).map_err(Error::sql(READ))
}

/// Whether any version ever had a project of that name.
pub(crate) async fn was_published(tx: &mut Transaction<'static, Any>, project: &str) -> Result<bool, Error> {
    let part = format!("{{\"name\":{},", serde_json::to_string(project)?);
    let row = sqlx::query(include_str!("sql/version_with.sql")).bind(part).fetch_optional(&mut **tx).await;
    Ok(row.map_err(Error::sql(READ))?.is_some())
}

/// The first row of a statement that finds what is not as it should be: `id` and `owner`.
pub(crate) async fn first(
    tx: &mut Transaction<'static, Any>,
    statement: &'static str,
) -> Result<Option<(String, String)>, Error> {
    let row = sqlx::query(statement).fetch_optional(&mut **tx).await;
    row.and_then(|row| row.as_ref().map(pair).transpose()).map_err(Error::sql(READ))
}

/// All rows of a statement that gives `id` and `owner`.
pub(crate) async fn all(
    tx: &mut Transaction<'static, Any>,
    statement: &'static str,
) -> Result<Vec<(String, String)>, Error> {
    let rows = sqlx::query(statement).fetch_all(&mut **tx).await;
    rows.and_then(|rows| rows.iter().map(pair).collect()).map_err(Error::sql(READ))
}

/// `id` and `owner` of what has that id.
pub(crate) async fn home(
    tx: &mut Transaction<'static, Any>,
    statement: &'static str,
    id: &str,
) -> Result<Option<(String, String)>, Error> {
    let row = sqlx::query(statement).bind(id).fetch_optional(&mut **tx).await;
    row.and_then(|row| row.as_ref().map(pair).transpose()).map_err(Error::sql(READ))
}

/// The next attempts in the order of their ids, at most 1000.
pub(crate) async fn attempts_after(
    tx: &mut Transaction<'static, Any>,
    id: &str,
) -> Result<Vec<Attempt>, Error> {
    let rows = sqlx::query(include_str!("sql/attempts_after.sql")).bind(id).fetch_all(&mut **tx).await;
    let read = |row: &sqlx::any::AnyRow| -> Result<Attempt, sqlx::Error> {
        Ok(Attempt {
            id: row.try_get("id")?,
            project: row.try_get("project")?,
            key: row.try_get("key_id")?,
            detail: row.try_get("detail")?,
        })
    };
    rows.and_then(|rows| rows.iter().map(read).collect()).map_err(Error::sql(READ))
}

fn pair(row: &sqlx::any::AnyRow) -> Result<(String, String), sqlx::Error> {
    Ok((row.try_get("id")?, row.try_get("owner")?))
}
