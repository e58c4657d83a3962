//! How versions came into force, or why they did not.
//!
//! A version is staged with its own transaction. Whether the processes can run with it is decided once: of several
//! controls one moves it on, and the others follow what that one wrote.

use ledger::Db;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::keys::{self, KeyRow};
use super::{Version, begin, stored, version};
use crate::error::Error;

/// So many versions can be looked at and returned to.
const HISTORY: u64 = 256;

/// What kind of publication it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of a file, the environment or a draft.
    Publish,
    /// Of one change over an API.
    Edit,
    /// Of an older version, again.
    Rollback,
}

impl Kind {
    /// The kind as a column.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Edit => "edit",
            Self::Rollback => "rollback",
        }
    }
}

/// Who publishes, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By<'a> {
    pub(crate) kind: Kind,
    /// By name, with the scope before it.
    pub(crate) actor: &'a str,
    pub(crate) note: Option<&'a str>,
    /// What a rollback goes back to.
    pub(crate) of_version: Option<u64>,
}

/// A publication as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Publication {
    /// The version it made.
    pub version: u64,
    /// `publish`, `edit` or `rollback`.
    pub kind: String,
    /// `staged`, `observed`, `active`, `superseded` or `failed`.
    pub status: String,
    /// Where the document came from: `file`, `default`, `demo` or `api`.
    pub source: String,
    /// Who published.
    pub actor: String,
    /// Why, as they wrote.
    pub note: Option<String>,
    /// The version that a rollback went back to.
    pub of_version: Option<u64>,
    /// Why it did not come into force.
    pub error: Option<String>,
    /// What each process said of it.
    #[schema(value_type = Option<Vec<Object>>)]
    pub observed: Option<serde_json::Value>,
    /// When it was published, in milliseconds since the Unix epoch.
    pub staged_ms: u64,
    /// When it came into force or failed.
    pub ended_ms: Option<u64>,
}

impl Publication {
    /// Whether it is decided what becomes of it.
    pub fn is_over(&self) -> bool {
        !matches!(self.status.as_str(), "staged" | "observed")
    }
}

/// What a version did to the stored keys, kept until it is decided whether it comes into force.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct KeysBefore {
    pub(super) old: Vec<KeyRow>,
    pub(super) put: Vec<KeyRow>,
}

/// Records that a version is staged.
pub(super) async fn insert(
    tx: &mut Transaction<'static, Any>,
    version: u64,
    by: By<'_>,
    now_ms: u64,
) -> Result<(), Error> {
    let query = sqlx::query(include_str!("sql/insert_publication.sql"))
        .bind(stored(version))
        .bind(by.kind.as_str())
        .bind(by.actor.to_owned())
        .bind(by.note.map(ToOwned::to_owned))
        .bind(by.of_version.map(stored))
        .bind(stored(now_ms));
    query.execute(&mut **tx).await.map(drop).map_err(Error::sql("store a publication"))
}

/// Whether a version is staged and nobody has decided yet what becomes of it.
pub(crate) async fn is_staged(db: &Db, version: u64) -> Result<bool, Error> {
    let query = sqlx::query(include_str!("sql/publication_status.sql")).bind(stored(version));
    let row = query.fetch_optional(db.pool()).await;
    let status = row.and_then(|row| row.map(|row| row.try_get::<String, _>("status")).transpose());
    Ok(status.map_err(Error::sql("read a publication"))?.is_some_and(|status| status == "staged"))
}

/// Every process can run with it. False if another control has decided before.
pub(crate) async fn observed(db: &Db, version: u64, observed: &str) -> Result<bool, Error> {
    let query = sqlx::query(include_str!("sql/observe_publication.sql")).bind(stored(version)).bind(observed);
    let done = query.execute(db.pool()).await.map_err(Error::sql("move a publication on"))?;
    Ok(done.rows_affected() > 0)
}

/// It does not come into force: what of it was still to be projected is not, and the keys are what they were, unless
/// a later version was made from it. False if another control has decided before.
pub(crate) async fn fail(
    db: &Db,
    version: u64,
    error: &str,
    observed: &str,
    before: &str,
    now_ms: u64,
) -> Result<bool, Error> {
    let failed = "end a publication";
    let mut tx = begin(db).await?;
    let query = sqlx::query(include_str!("sql/fail_publication.sql"))
        .bind(stored(version))
        .bind(error)
        .bind(observed)
        .bind(stored(now_ms));
    if query.execute(&mut *tx).await.map_err(Error::sql(failed))?.rows_affected() == 0 {
        tx.rollback().await.map_err(Error::sql(failed))?;
        return Ok(false);
    }
    let later = sqlx::query(include_str!("sql/later_version.sql")).bind(stored(version));
    let later = later.fetch_optional(&mut *tx).await.map_err(Error::sql(failed))?.is_some();
    let skip = if later {
        include_str!("sql/skip_rows_but_keys.sql")
    } else {
        keys::bring_back(&mut tx, &serde_json::from_str(before)?).await?;
        include_str!("sql/skip_rows.sql")
    };
    sqlx::query(skip).bind(stored(version)).execute(&mut *tx).await.map_err(Error::sql(failed))?;
    tx.commit().await.map_err(Error::sql(failed))?;
    Ok(true)
}

/// It is in force now, and what was before is not. Very old versions are forgotten.
pub(crate) async fn activate(db: &Db, version: u64, now_ms: u64) -> Result<(), Error> {
    let failed = "end a publication";
    let mut tx = begin(db).await?;
    let query =
        sqlx::query(include_str!("sql/activate_publication.sql")).bind(stored(version)).bind(stored(now_ms));
    if query.execute(&mut *tx).await.map_err(Error::sql(failed))?.rows_affected() > 0 {
        let query = sqlx::query(include_str!("sql/supersede_publications.sql")).bind(stored(version));
        query.execute(&mut *tx).await.map_err(Error::sql(failed))?;
        let before = stored(version.saturating_sub(HISTORY));
        let query = sqlx::query(include_str!("sql/prune_versions.sql")).bind(before);
        query.execute(&mut *tx).await.map_err(Error::sql(failed))?;
        let query = sqlx::query(include_str!("sql/prune_publications.sql"));
        query.execute(&mut *tx).await.map_err(Error::sql(failed))?;
    }
    tx.commit().await.map_err(Error::sql(failed))
}

/// Publications before a version, the newest first.
pub async fn publications(db: &Db, before: u64, limit: i64) -> Result<Vec<Publication>, Error> {
    let query = sqlx::query(include_str!("sql/list_publications.sql")).bind(stored(before)).bind(limit);
    let rows = query.fetch_all(db.pool()).await.map_err(Error::sql("read the publications"))?;
    rows.iter().map(|row| read(row).map_err(Error::sql("read the publications"))).collect()
}

/// The publication of a version.
pub async fn publication(db: &Db, version: u64) -> Result<Option<Publication>, Error> {
    let found = publications(db, version.saturating_add(1), 1).await?;
    Ok(found.into_iter().find(|publication| publication.version == version))
}

/// The version in force, if one is.
pub(crate) async fn in_force(db: &Db) -> Result<Option<Version>, Error> {
    let row = sqlx::query(include_str!("sql/version_in_force.sql")).fetch_optional(db.pool()).await;
    row.map_err(Error::sql("read the version in force"))?.map(|row| version(&row)).transpose()
}

/// The version of that number.
pub(crate) async fn by_number(db: &Db, number: u64) -> Result<Option<Version>, Error> {
    let query = sqlx::query(include_str!("sql/version_by_number.sql")).bind(stored(number));
    let row = query.fetch_optional(db.pool()).await.map_err(Error::sql("read a version"))?;
    row.map(|row| version(&row)).transpose()
}

fn read(row: &AnyRow) -> Result<Publication, sqlx::Error> {
    let number = |name| -> Result<Option<u64>, sqlx::Error> {
        Ok(row.try_get::<Option<i64>, _>(name)?.and_then(|value| u64::try_from(value).ok()))
    };
    let observed: Option<String> = row.try_get("observed")?;
    Ok(Publication {
        version: number("version")?.unwrap_or_default(),
        kind: row.try_get("kind")?,
        status: row.try_get("status")?,
        source: row.try_get("source")?,
        actor: row.try_get("actor")?,
        note: row.try_get("note")?,
        of_version: number("of_version")?,
        error: row.try_get("error")?,
        observed: observed.and_then(|text| serde_json::from_str(&text).ok()),
        staged_ms: number("staged_ms")?.unwrap_or_default(),
        ended_ms: number("ended_ms")?,
    })
}
