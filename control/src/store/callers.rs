//! Credentials of the control plane's callers, by the keyed hash of each.

use ledger::Db;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::stored;
use crate::error::Error;

/// A use is written down at most once in this time.
const USE_NOTED_EVERY_MS: u64 = 60_000;

/// How long a credential counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) expires_ms: Option<u64>,
    pub(crate) revoked: bool,
}

/// An administrator's token.
#[derive(Debug)]
pub(crate) struct AdminToken {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) life: Life,
    pub(crate) last_used_ms: Option<u64>,
}

/// A developer's token.
#[derive(Debug)]
pub(crate) struct DeveloperToken {
    pub(crate) id: String,
    pub(crate) developer: String,
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) life: Life,
    pub(crate) last_used_ms: Option<u64>,
}

/// A session.
#[derive(Debug)]
pub(crate) struct SessionToken {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) end_user: String,
    pub(crate) feature: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) life: Life,
}

/// A project's secret.
#[derive(Debug)]
pub(crate) struct ProjectSecret {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) life: Life,
}

impl Life {
    /// Whether it counts at this time.
    pub(crate) fn is_live(self, now_ms: u64) -> bool {
        !self.revoked && self.expires_ms.is_none_or(|end| now_ms < end)
    }

    /// From the columns `expires_ms` and `revoked_ms`.
    pub(crate) fn of(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let revoked = row.try_get::<Option<i64>, _>("revoked_ms")?.is_some();
        Ok(Self { expires_ms: number(row, "expires_ms")?, revoked })
    }
}

/// A number that may be absent.
pub(crate) fn number(row: &AnyRow, column: &str) -> Result<Option<u64>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(|number| u64::try_from(number).unwrap_or_default()))
}

/// A list of names as it is stored: a JSON array.
pub(crate) fn names(row: &AnyRow, column: &str) -> Result<Vec<String>, sqlx::Error> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

async fn by_hash<T>(
    db: &Db,
    statement: &'static str,
    hash: &str,
    read: fn(&AnyRow) -> Result<T, sqlx::Error>,
) -> Result<Option<T>, Error> {
    let row = sqlx::query(statement).bind(hash).fetch_optional(db.pool()).await;
    let found = row.and_then(|row| row.as_ref().map(read).transpose());
    found.map_err(Error::sql("read a credential"))
}

/// The administrator's token with that hash.
pub(crate) async fn admin_token(db: &Db, hash: &str) -> Result<Option<AdminToken>, Error> {
    by_hash(db, include_str!("sql/admin_token_by_hash.sql"), hash, |row| {
        Ok(AdminToken {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            role: row.try_get("role")?,
            life: Life::of(row)?,
            last_used_ms: number(row, "last_used_ms")?,
        })
    })
    .await
}

/// The developer's token with that hash.
pub(crate) async fn developer_token(db: &Db, hash: &str) -> Result<Option<DeveloperToken>, Error> {
    by_hash(db, include_str!("sql/developer_token_by_hash.sql"), hash, |row| {
        Ok(DeveloperToken {
            id: row.try_get("id")?,
            developer: row.try_get("developer")?,
            name: row.try_get("name")?,
            scopes: names(row, "scopes")?,
            life: Life::of(row)?,
            last_used_ms: number(row, "last_used_ms")?,
        })
    })
    .await
}

/// The session with that hash.
pub(crate) async fn session(db: &Db, hash: &str) -> Result<Option<SessionToken>, Error> {
    by_hash(db, include_str!("sql/session_by_hash.sql"), hash, |row| {
        Ok(SessionToken {
            id: row.try_get("id")?,
            project: row.try_get("project")?,
            end_user: row.try_get("end_user")?,
            feature: row.try_get("feature")?,
            scopes: names(row, "scopes")?,
            life: Life::of(row)?,
        })
    })
    .await
}

/// The project's secret with that hash.
pub(crate) async fn project_secret(db: &Db, hash: &str) -> Result<Option<ProjectSecret>, Error> {
    by_hash(db, include_str!("sql/project_secret_by_hash.sql"), hash, |row| {
        Ok(ProjectSecret { id: row.try_get("id")?, project: row.try_get("project")?, life: Life::of(row)? })
    })
    .await
}

/// Notes that an administrator's token was used.
pub(crate) async fn touch_admin(db: &Db, id: &str, last_ms: Option<u64>, now_ms: u64) -> Result<(), Error> {
    touch(db, include_str!("sql/touch_admin_token.sql"), id, last_ms, now_ms).await
}

/// Notes that a developer's token was used.
pub(crate) async fn touch_developer(
    db: &Db,
    id: &str,
    last_ms: Option<u64>,
    now_ms: u64,
) -> Result<(), Error> {
    touch(db, include_str!("sql/touch_developer_token.sql"), id, last_ms, now_ms).await
}

async fn touch(
    db: &Db,
    statement: &'static str,
    id: &str,
    last_ms: Option<u64>,
    now_ms: u64,
) -> Result<(), Error> {
    if last_ms.is_some_and(|last| now_ms < last.saturating_add(USE_NOTED_EVERY_MS)) {
        return Ok(());
    }
    let noted = sqlx::query(statement).bind(stored(now_ms)).bind(id).execute(db.pool()).await;
    noted.map(drop).map_err(Error::sql("note the use of a credential"))
}
