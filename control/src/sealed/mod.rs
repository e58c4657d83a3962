//! Sealed credentials as the operator's commands see them: a masked list, and sealing them anew with a newer key.

mod rotate;
#[cfg(test)]
mod tests;

use ledger::Db;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

pub use rotate::{Failure, Rotation, rotate};

use crate::error::Error;

/// A credential, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Masked {
    /// Its id.
    pub id: String,
    /// Whose it is: platform, developer or end_user.
    pub owner_scope: String,
    /// Empty for the platform, else a project's name or an end user's id.
    pub owner: String,
    /// What it opens.
    pub provider: String,
    /// What that speaks.
    pub kind: String,
    /// The secret's beginning and end.
    pub masked: String,
    /// Id of the key that it is sealed to.
    pub sealed_with: String,
    /// Whether it is in use.
    pub active: bool,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
}

/// Credentials after the one with id `after`, in the order of their ids, at most 200.
pub async fn list(db: &Db, after: &str) -> Result<Vec<Masked>, Error> {
    let rows = sqlx::query(include_str!("../store/sql/masked_credentials.sql")).bind(after);
    let rows = rows.fetch_all(db.pool()).await.map_err(Error::sql("list the credentials"))?;
    rows.iter().map(masked).collect::<Result<_, _>>().map_err(Error::sql("list the credentials"))
}

fn masked(row: &AnyRow) -> Result<Masked, sqlx::Error> {
    Ok(Masked {
        id: row.try_get("id")?,
        owner_scope: row.try_get("owner_scope")?,
        owner: row.try_get("owner")?,
        provider: row.try_get("provider")?,
        kind: row.try_get("kind")?,
        masked: row.try_get("masked")?,
        sealed_with: row.try_get("sealed_with")?,
        active: row.try_get::<Option<i64>, _>("off_since_ms")?.is_none(),
        created_ms: row.try_get("created_ms")?,
    })
}
