//! The one draft of the document.

use ledger::Db;
use proto::config::Config;
use sqlx::Row;

use super::stored;
use crate::error::Error;

/// A document that is being worked on.
#[derive(Debug, Clone)]
pub(crate) struct StoredDraft {
    /// The version it was begun from; 0 = none.
    pub(crate) base: u64,
    pub(crate) document: Config,
    pub(crate) edited_by: String,
    pub(crate) edited_ms: u64,
}

/// The draft, if there is one.
pub(crate) async fn get(db: &Db) -> Result<Option<StoredDraft>, Error> {
    let failed = "read the draft";
    let row = sqlx::query(include_str!("sql/draft.sql")).fetch_optional(db.pool()).await;
    let Some(row) = row.map_err(Error::sql(failed))? else { return Ok(None) };
    let number = |name| -> Result<u64, Error> {
        let value: i64 = row.try_get(name).map_err(Error::sql(failed))?;
        Ok(u64::try_from(value).unwrap_or_default())
    };
    let text = |name| row.try_get::<String, _>(name).map_err(Error::sql(failed));
    Ok(Some(StoredDraft {
        base: number("base")?,
        document: serde_json::from_str(&text("document")?)?,
        edited_by: text("edited_by")?,
        edited_ms: number("edited_ms")?,
    }))
}

/// Writes the draft, whatever was there.
pub(crate) async fn put(db: &Db, draft: &StoredDraft) -> Result<(), Error> {
    let query = sqlx::query(include_str!("sql/put_draft.sql"))
        .bind(stored(draft.base))
        .bind(serde_json::to_string(&draft.document)?)
        .bind(&draft.edited_by)
        .bind(stored(draft.edited_ms));
    query.execute(db.pool()).await.map(drop).map_err(Error::sql("write the draft"))
}

/// Throws the draft away. False if there was none.
pub(crate) async fn delete(db: &Db) -> Result<bool, Error> {
    let done = sqlx::query(include_str!("sql/delete_draft.sql")).execute(db.pool()).await;
    Ok(done.map_err(Error::sql("throw the draft away"))?.rows_affected() > 0)
}
