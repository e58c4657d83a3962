//! Virtual keys: which rows a publication leaves, and what that means for the bucket.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use ledger::Db;
use proto::config::KeyRecord;
use proto::event::RouteMode;
use proto::id::Token;
use proto::secret::{Secret, random_secret};
use proto::subject::KEYS_BUCKET;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::outbox::NewRow;
use super::publications::KeysBefore;
use super::publish::GeneratedKey;
use super::{Source, stored};
use crate::Secrets;
use crate::error::Error;
use crate::file::DraftKey;

/// What generated secrets begin with.
const PREFIX: &str = "fb_sk_";
/// How much of such a secret is shown afterwards, and how long it must be for that.
const SHOWN_CHARS: usize = 10;
const SHOWN_OF_MIN: usize = 40;

/// A stored key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) name: String,
    /// The keyed hash of its secret.
    pub(crate) hash: String,
    pub(crate) revoked: bool,
    /// The [`Source`] it came from.
    pub(crate) origin: String,
    pub(crate) created_ms: u64,
    /// What it may do.
    pub(crate) limits: KeyLimits,
    /// The bcrypt hash of an imported key's secret; `hash` is [`proto::config::imported_entry`] then.
    pub(crate) bcrypt: Option<String>,
}

/// What a key may do beyond its project, and how it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyLimits {
    /// The beginning of its secret, to know it by; empty where none of it may be shown.
    pub prefix: String,
    /// The only models it may ask for; `None` = all.
    pub models: Option<Vec<String>>,
    /// The only ways its requests may be paid for; `None` = whatever the project's policy says.
    pub route_modes: Option<Vec<RouteMode>>,
    /// The only networks it may be used from; `None` = all.
    pub networks: Option<Vec<IpNet>>,
    /// Whether it may name a target as `provider/model`.
    pub direct: bool,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
    /// The key that it replaces.
    pub rotated_from: Option<String>,
}

impl KeyRow {
    /// The key as the ingress sees it.
    pub(crate) fn record(&self) -> KeyRecord {
        KeyRecord {
            id: self.id.clone(),
            project: self.project.clone(),
            name: self.name.clone(),
            revoked: self.revoked,
            expires_ms: self.limits.expires_ms,
            models: self.limits.models.clone(),
            route_modes: self.limits.route_modes.clone(),
            networks: self.limits.networks.clone(),
            direct: self.limits.direct,
            session: None,
            bcrypt: self.bcrypt.clone(),
        }
    }
}

/// What a publication does to the keys.
pub(super) struct Plan {
    /// Rows that change: each is deleted, and comes back in `put` unless its hash is gone.
    old: Vec<KeyRow>,
    /// Rows as they shall be.
    put: Vec<KeyRow>,
    /// Secrets made for keys that had none.
    pub(super) generated: Vec<GeneratedKey>,
}

impl Plan {
    /// The rows that change, from those that stand (`existing`: all of a base configuration, and whatever has the
    /// name or hash of a wanted one) and those that are wanted. A key without a secret keeps the one it has. Of a
    /// whole configuration (`source` is a base), keys that are not wanted any more are revoked; a revoked key
    /// that comes back without a secret gets a new one, because it may have been revoked for a leak.
    pub(super) fn new(
        existing: Vec<KeyRow>,
        wanted: &[DraftKey],
        source: Source,
        secrets: &Secrets,
        now_ms: u64,
    ) -> Result<Self, Error> {
        let by_name: BTreeMap<(String, String), KeyRow> =
            existing.into_iter().map(|row| ((row.project.clone(), row.name.clone()), row)).collect();
        let mut generated = Vec::new();
        let mut target: BTreeMap<(String, String), KeyRow> = BTreeMap::new();
        for key in wanted {
            let name = (key.project.clone(), key.name.clone());
            let row = by_name.get(&name);
            let (hash, prefix, bcrypt) = match (&key.secret, row) {
                (Some(secret), _) => (secrets.pepper.hash(secret.expose()), shown(secret.expose()), None),
                (None, Some(row)) if !row.revoked => {
                    (row.hash.clone(), row.limits.prefix.clone(), row.bcrypt.clone())
                }
                (None, _) => {
                    let secret = Secret::new(random_secret(PREFIX).map_err(|_| Error::Random)?);
                    let (hash, prefix) = (secrets.pepper.hash(secret.expose()), shown(secret.expose()));
                    let (project, name) = (key.project.clone(), key.name.clone());
                    generated.push(GeneratedKey { project, name, secret });
                    (hash, prefix, None)
                }
            };
            let rotated_from = row.and_then(|row| row.limits.rotated_from.clone());
            let new = KeyRow {
                id: row.map_or_else(|| format!("key_{}", Token::random()), |row| row.id.clone()),
                project: key.project.clone(),
                name: key.name.clone(),
                hash,
                revoked: false,
                origin: source.as_str().to_owned(),
                created_ms: row.map_or(now_ms, |row| row.created_ms),
                limits: KeyLimits { prefix, rotated_from, ..key.limits.clone() },
                bcrypt,
            };
            target.insert(name, new);
        }
        let taken: BTreeSet<String> = target.values().map(|row| row.hash.clone()).collect();
        let mut plan = Self { old: Vec::new(), put: Vec::new(), generated };
        for (name, row) in by_name {
            match target.remove(&name) {
                Some(new) if new == row => {}
                Some(new) => {
                    plan.old.push(row);
                    plan.put.push(new);
                }
                // Its secret has another name now.
                None if taken.contains(&row.hash) && Source::is_base_name(&row.origin) => plan.old.push(row),
                None if taken.contains(&row.hash) => return Err(secret_taken(&row)),
                None if source.is_base() && Source::is_base_name(&row.origin) && !row.revoked => {
                    plan.put.push(KeyRow { revoked: true, ..row.clone() });
                    plan.old.push(row);
                }
                None => {}
            }
        }
        plan.put.extend(target.into_values());
        Ok(plan)
    }

    /// Changes the rows. All that change are deleted before any comes back, so that names and secrets can be
    /// exchanged between keys.
    pub(super) async fn apply(&self, tx: &mut Transaction<'static, Any>) -> Result<(), Error> {
        for row in &self.old {
            let query = sqlx::query(include_str!("sql/delete_key.sql")).bind(&row.id);
            query.execute(&mut **tx).await.map_err(Error::sql("replace a key"))?;
        }
        for row in &self.put {
            insert(tx, row).await?;
        }
        Ok(())
    }

    /// What the keys were and are, to go back to if need be.
    pub(super) fn before(&self) -> KeysBefore {
        KeysBefore { old: self.old.clone(), put: self.put.clone() }
    }

    /// What the bucket must learn: hashes that are gone, then the new records.
    pub(super) fn outbox(&self) -> Result<Vec<NewRow>, Error> {
        let kept: BTreeSet<&str> = self.put.iter().map(|row| row.hash.as_str()).collect();
        let gone = self.old.iter().filter(|row| !kept.contains(row.hash.as_str()));
        let mut rows: Vec<_> = gone.map(|row| NewRow::delete(KEYS_BUCKET, &row.hash)).collect();
        for row in &self.put {
            rows.push(NewRow::put(KEYS_BUCKET, &row.hash, &row.record())?);
        }
        Ok(rows)
    }
}

/// How a secret begins that was made here; of others nothing is shown, because they may be short.
fn shown(secret: &str) -> String {
    let made_here = secret.starts_with(PREFIX) && secret.len() >= SHOWN_OF_MIN;
    secret.get(..SHOWN_CHARS).filter(|_| made_here).unwrap_or_default().to_owned()
}

fn secret_taken(row: &KeyRow) -> Error {
    Error::SecretTaken { project: row.project.clone(), name: row.name.clone() }
}

/// Adds a key.
pub(crate) async fn insert(tx: &mut Transaction<'static, Any>, row: &KeyRow) -> Result<(), Error> {
    insert_by(tx, include_str!("sql/insert_key.sql"), row).await
}

/// Makes the keys what they were before a version that does not come into force. What was changed since stays.
pub(super) async fn bring_back(tx: &mut Transaction<'static, Any>, before: &KeysBefore) -> Result<(), Error> {
    for row in &before.put {
        let query = sqlx::query(include_str!("sql/delete_key_if.sql")).bind(&row.id).bind(&row.hash);
        let query = query.bind(i64::from(row.revoked));
        query.execute(&mut **tx).await.map_err(Error::sql("bring the keys back"))?;
    }
    for row in &before.old {
        insert_by(tx, include_str!("sql/bring_back_key.sql"), row).await?;
    }
    Ok(())
}

async fn insert_by(
    tx: &mut Transaction<'static, Any>,
    statement: &'static str,
    row: &KeyRow,
) -> Result<(), Error> {
    let limits = &row.limits;
    let list = |list: Option<serde_json::Result<String>>| list.transpose();
    sqlx::query(statement)
        .bind(&row.id)
        .bind(&row.project)
        .bind(&row.name)
        .bind(&row.hash)
        .bind(i64::from(row.revoked))
        .bind(&row.origin)
        .bind(stored(row.created_ms))
        .bind(&limits.prefix)
        .bind(list(limits.models.as_ref().map(serde_json::to_string))?)
        .bind(list(limits.route_modes.as_ref().map(serde_json::to_string))?)
        .bind(list(limits.networks.as_ref().map(serde_json::to_string))?)
        .bind(i64::from(limits.direct))
        .bind(limits.expires_ms.map(stored))
        .bind(&limits.rotated_from)
        .bind(&row.bcrypt)
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(Error::sql("store a key"))
}

/// The rows that a plan for `wanted` must know of.
pub(super) async fn existing(
    tx: &mut Transaction<'static, Any>,
    wanted: &[DraftKey],
    secrets: &Secrets,
) -> Result<Vec<KeyRow>, Error> {
    let failed = "read the keys";
    let base = sqlx::query(include_str!("sql/base_keys.sql")).fetch_all(&mut **tx).await;
    let mut found: BTreeMap<String, KeyRow> = BTreeMap::new();
    let mut take = |rows: &[AnyRow]| -> Result<(), Error> {
        for row in rows {
            let row = read(row).map_err(Error::sql(failed))?;
            found.insert(row.id.clone(), row);
        }
        Ok(())
    };
    take(&base.map_err(Error::sql(failed))?)?;
    for key in wanted {
        let by_name = sqlx::query(include_str!("sql/key_by_name.sql")).bind(&key.project).bind(&key.name);
        take(&by_name.fetch_all(&mut **tx).await.map_err(Error::sql(failed))?)?;
        if let Some(secret) = &key.secret {
            let by_hash =
                sqlx::query(include_str!("sql/key_by_hash.sql")).bind(secrets.pepper.hash(secret.expose()));
            take(&by_hash.fetch_all(&mut **tx).await.map_err(Error::sql(failed))?)?;
        }
    }
    Ok(found.into_values().collect())
}

/// A page of all keys in the order of their hashes, after `hash`; at most 500.
pub(super) async fn after(db: &Db, hash: &str) -> Result<Vec<KeyRow>, Error> {
    let rows = sqlx::query(include_str!("sql/keys_after.sql")).bind(hash).fetch_all(db.pool()).await;
    let rows = rows.map_err(Error::sql("read the keys"))?;
    rows.iter().map(|row| read(row).map_err(Error::sql("read the keys"))).collect()
}

/// Whether there is a key of that name that is not revoked.
pub(crate) async fn has_live(db: &Db, project: &str, name: &str) -> Result<bool, Error> {
    let query = sqlx::query(include_str!("sql/key_by_name.sql")).bind(project).bind(name);
    let row = query.fetch_optional(db.pool()).await.and_then(|row| row.as_ref().map(read).transpose());
    Ok(row.map_err(Error::sql("read a key"))?.is_some_and(|row| !row.revoked))
}

/// The key with that hash.
pub(crate) async fn by_hash(db: &Db, hash: &str) -> Result<Option<KeyRow>, Error> {
    let row = sqlx::query(include_str!("sql/key_by_hash.sql")).bind(hash).fetch_optional(db.pool()).await;
    let read = row.and_then(|row| row.as_ref().map(read).transpose());
    read.map_err(Error::sql("read a key"))
}

pub(crate) fn read(row: &AnyRow) -> Result<KeyRow, sqlx::Error> {
    let number = |name| -> Result<Option<u64>, sqlx::Error> {
        Ok(row.try_get::<Option<i64>, _>(name)?.and_then(|value| u64::try_from(value).ok()))
    };
    Ok(KeyRow {
        id: row.try_get("id")?,
        project: row.try_get("project")?,
        name: row.try_get("name")?,
        hash: row.try_get("hash")?,
        revoked: row.try_get::<i64, _>("revoked")? != 0,
        origin: row.try_get("origin")?,
        created_ms: number("created_ms")?.unwrap_or_default(),
        limits: KeyLimits {
            prefix: row.try_get("prefix")?,
            models: list(row, "models")?,
            route_modes: list(row, "route_modes")?,
            networks: list(row, "networks")?,
            direct: row.try_get::<i64, _>("direct")? != 0,
            expires_ms: number("expires_ms")?,
            rotated_from: row.try_get("rotated_from")?,
        },
        bcrypt: row.try_get("bcrypt")?,
    })
}

/// A column that holds a JSON array, or nothing.
fn list<T: DeserializeOwned>(row: &AnyRow, name: &str) -> Result<Option<Vec<T>>, sqlx::Error> {
    let text: Option<String> = row.try_get(name)?;
    let read = text.map(|text| serde_json::from_str(&text)).transpose();
    read.map_err(|error| sqlx::Error::ColumnDecode { index: name.to_owned(), source: error.into() })
}
