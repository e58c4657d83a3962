//! What the buckets hold, as the database has it: keys and sessions by hash, switches, credentials. What was lost is
//! put back from here, a page at a time.

use ledger::Db;
use proto::clock::now_ms;
use proto::config::{KeyRecord, ProviderKind, SessionRecord};
use proto::credential::{CredentialRecord, Owner};
use proto::switch::SwitchedOff;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{keys, stored};
use crate::error::Error;

/// A session that has a place in the bucket of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) end_user: String,
    pub(crate) hash: String,
    pub(crate) feature: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_ms: u64,
    pub(crate) revoked: bool,
}

impl SessionRow {
    /// The session as the ingress sees it.
    pub(crate) fn record(&self) -> KeyRecord {
        KeyRecord {
            id: self.id.clone(),
            project: self.project.clone(),
            name: self.id.clone(),
            revoked: self.revoked,
            expires_ms: Some(self.expires_ms),
            session: Some(SessionRecord {
                end_user: self.end_user.clone(),
                feature: self.feature.clone(),
                scopes: self.scopes.clone(),
            }),
            ..KeyRecord::default()
        }
    }
}

/// The key or session with that hash; `None` if there is neither, or if the session is over.
pub(crate) async fn key(db: &Db, hash: &str) -> Result<Option<KeyRecord>, Error> {
    if let Some(row) = keys::by_hash(db, hash).await? {
        return Ok(Some(row.record()));
    }
    let row = sqlx::query(include_str!("sql/session_record.sql")).bind(hash).fetch_optional(db.pool()).await;
    let read = row.and_then(|row| row.as_ref().map(session).transpose());
    let session = read.map_err(Error::sql("read a session"))?;
    Ok(session.filter(|session| session.expires_ms > now_ms()).map(|session| session.record()))
}

/// A page of the hashes of all keys after `hash`.
pub(crate) async fn keys_after(db: &Db, hash: &str) -> Result<Vec<String>, Error> {
    Ok(keys::after(db, hash).await?.into_iter().map(|row| row.hash).collect())
}

/// A page of the hashes of all sessions that are not over, after `hash`.
pub(crate) async fn sessions_after(db: &Db, hash: &str) -> Result<Vec<String>, Error> {
    let query = sqlx::query(include_str!("sql/session_records_after.sql")).bind(hash).bind(stored(now_ms()));
    let rows = query.fetch_all(db.pool()).await.map_err(Error::sql("read the sessions"))?;
    let read = rows.iter().map(|row| session(row).map(|session| session.hash));
    read.collect::<Result<_, _>>().map_err(Error::sql("read the sessions"))
}

fn session(row: &AnyRow) -> Result<SessionRow, sqlx::Error> {
    Ok(SessionRow {
        id: row.try_get("id")?,
        project: row.try_get("project")?,
        end_user: row.try_get("end_user")?,
        hash: row.try_get("hash")?,
        feature: row.try_get("feature")?,
        scopes: json(row, "scopes")?,
        expires_ms: number(row, "expires_ms")?,
        revoked: row.try_get::<Option<i64>, _>("revoked_ms")?.is_some(),
    })
}

/// What is switched off by that name of an entry, if anything is.
pub(crate) async fn switch(db: &Db, kind: &str, id: &str) -> Result<Option<SwitchedOff>, Error> {
    let query = sqlx::query(include_str!("sql/switch_record.sql")).bind(kind).bind(id);
    let row = query.fetch_optional(db.pool()).await.map_err(Error::sql("read a switch"))?;
    let read = row.map(|row| number(&row, "since_ms").map(|since_ms| SwitchedOff { since_ms })).transpose();
    read.map_err(Error::sql("read a switch"))
}

/// A page of what is switched off, kind and id, after that one.
pub(crate) async fn switches_after(
    db: &Db,
    after: &(String, String),
) -> Result<Vec<(String, String)>, Error> {
    let query = sqlx::query(include_str!("sql/switch_records_after.sql")).bind(&after.0).bind(&after.1);
    let rows = query.fetch_all(db.pool()).await.map_err(Error::sql("read the switches"))?;
    let read = rows.iter().map(|row| Ok((row.try_get("kind")?, row.try_get("id")?)));
    read.collect::<Result<_, _>>().map_err(Error::sql("read the switches"))
}

/// The credential of that id.
pub(crate) async fn credential(db: &Db, id: &str) -> Result<Option<CredentialRecord>, Error> {
    let query = sqlx::query(include_str!("sql/credential_record.sql")).bind(id);
    let row = query.fetch_optional(db.pool()).await;
    let read = row.and_then(|row| row.as_ref().map(credential_record).transpose());
    read.map_err(Error::sql("read a credential"))
}

/// A page of the ids of all credentials after `id`.
pub(crate) async fn credentials_after(db: &Db, id: &str) -> Result<Vec<String>, Error> {
    let query = sqlx::query(include_str!("sql/credential_records_after.sql")).bind(id);
    let rows = query.fetch_all(db.pool()).await.map_err(Error::sql("read the credentials"))?;
    let read = rows.iter().map(|row| row.try_get("id"));
    read.collect::<Result<_, _>>().map_err(Error::sql("read the credentials"))
}

/// A row of `credentials` as the workers see it.
pub(crate) fn credential_record(row: &AnyRow) -> Result<CredentialRecord, sqlx::Error> {
    let owner: String = row.try_get("owner")?;
    let owner = match row.try_get::<String, _>("owner_scope")?.as_str() {
        "developer" => Owner::Project(owner),
        "end_user" => Owner::EndUser(owner),
        _ => Owner::Platform,
    };
    let kind: String = row.try_get("kind")?;
    Ok(CredentialRecord {
        id: row.try_get("id")?,
        owner,
        provider: row.try_get("provider")?,
        kind: parsed::<ProviderKind>(&format!("\"{kind}\""), "kind")?,
        base_url: row.try_get("base_url")?,
        sealed: row.try_get("sealed")?,
        models_allowed: json(row, "models_allowed")?,
        priority: u32::try_from(number(row, "priority")?).unwrap_or(u32::MAX),
        weight: u32::try_from(number(row, "weight")?).unwrap_or(u32::MAX),
        fallback_to_platform: number(row, "fallback_to_platform")? != 0,
        created_ms: number(row, "created_ms")?,
    })
}

fn number(row: &AnyRow, name: &str) -> Result<u64, sqlx::Error> {
    Ok(u64::try_from(row.try_get::<i64, _>(name)?).unwrap_or_default())
}

fn json<T: serde::de::DeserializeOwned>(row: &AnyRow, name: &str) -> Result<T, sqlx::Error> {
    parsed(&row.try_get::<String, _>(name)?, name)
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str, name: &str) -> Result<T, sqlx::Error> {
    let read = serde_json::from_str(text);
    read.map_err(|error| sqlx::Error::ColumnDecode { index: name.to_owned(), source: Box::new(error) })
}
