//! Virtual keys: which rows a publication leaves, and what that means for the bucket.

use std::collections::{BTreeMap, BTreeSet};

use ledger::Db;
use proto::config::KeyRecord;
use proto::id::Token;
use proto::secret::{Secret, random_secret};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::outbox::Work;
use super::publish::GeneratedKey;
use super::{Source, stored};
use crate::Secrets;
use crate::error::Error;
use crate::file::DraftKey;

/// What generated secrets begin with.
const PREFIX: &str = "fb_sk_";

/// A stored key.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

impl KeyRow {
    /// The key as the ingress sees it.
    pub(crate) fn record(&self) -> KeyRecord {
        KeyRecord {
            id: self.id.clone(),
            project: self.project.clone(),
            name: self.name.clone(),
            revoked: self.revoked,
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
            let hash = match (&key.secret, row) {
                (Some(secret), _) => secrets.pepper.hash(secret.expose()),
                (None, Some(row)) if !row.revoked => row.hash.clone(),
                (None, _) => {
                    let secret = Secret::new(random_secret(PREFIX).map_err(|_| Error::Random)?);
                    let hash = secrets.pepper.hash(secret.expose());
                    generated.push(GeneratedKey {
                        project: key.project.clone(),
                        name: key.name.clone(),
                        secret,
                    });
                    hash
                }
            };
            let id = row.map_or_else(|| format!("key_{}", Token::random()), |row| row.id.clone());
            let created_ms = row.map_or(now_ms, |row| row.created_ms);
            let (project, name_) = name.clone();
            let origin = source.as_str().to_owned();
            target
                .insert(name, KeyRow { id, project, name: name_, hash, revoked: false, origin, created_ms });
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
            sqlx::query(include_str!("sql/insert_key.sql"))
                .bind(&row.id)
                .bind(&row.project)
                .bind(&row.name)
                .bind(&row.hash)
                .bind(i64::from(row.revoked))
                .bind(&row.origin)
                .bind(stored(row.created_ms))
                .execute(&mut **tx)
                .await
                .map_err(Error::sql("store a key"))?;
        }
        Ok(())
    }

    /// What the bucket must learn: hashes that are gone, then the new records.
    pub(super) fn outbox(&self) -> Result<Vec<(Work, String, String)>, Error> {
        let kept: BTreeSet<&str> = self.put.iter().map(|row| row.hash.as_str()).collect();
        let gone = self.old.iter().filter(|row| !kept.contains(row.hash.as_str()));
        let mut rows: Vec<_> = gone.map(|row| (Work::DeleteKey, target(&row.hash), String::new())).collect();
        for row in &self.put {
            rows.push((Work::PutKey, target(&row.hash), serde_json::to_string(&row.record())?));
        }
        Ok(rows)
    }
}

fn target(hash: &str) -> String {
    format!("{}/{hash}", proto::subject::KEYS_BUCKET)
}

fn secret_taken(row: &KeyRow) -> Error {
    Error::SecretTaken { project: row.project.clone(), name: row.name.clone() }
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
pub(crate) async fn after(db: &Db, hash: &str) -> Result<Vec<KeyRow>, Error> {
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

fn read(row: &AnyRow) -> Result<KeyRow, sqlx::Error> {
    Ok(KeyRow {
        id: row.try_get("id")?,
        project: row.try_get("project")?,
        name: row.try_get("name")?,
        hash: row.try_get("hash")?,
        revoked: row.try_get::<i64, _>("revoked")? != 0,
        origin: row.try_get("origin")?,
        created_ms: u64::try_from(row.try_get::<i64, _>("created_ms")?).unwrap_or_default(),
    })
}
