//! Provider credentials: sealed, with what may be done with each.

use ledger::Db;
use proto::credential::CredentialRecord;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, Row as _, Transaction};

use super::callers::number;
use super::records::credential_record;
use super::stored;
use crate::error::Error;

const FAILED: &str = "keep credentials";

/// A credential. Whether it is in use stands among the switches.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CredentialRow {
    /// What the workers see.
    #[serde(flatten)]
    pub(crate) record: CredentialRecord,
    /// Id of the key it is sealed to.
    pub(crate) sealed_with: String,
    /// What is shown of it.
    pub(crate) masked: String,
    /// In nano-USD.
    pub(crate) budget_limit: Option<i64>,
    pub(crate) created_by: String,
    pub(crate) rotated_from: Option<String>,
    pub(crate) last_validated_ms: Option<u64>,
    pub(crate) last_used_ms: Option<u64>,
}

/// Which credentials; empty = all.
#[derive(Debug, Default)]
pub(crate) struct CredentialFilter {
    /// platform, developer or end_user.
    pub(crate) owner_scope: String,
    pub(crate) owner: String,
    pub(crate) provider: String,
}

/// A page in the order of ids.
pub(crate) async fn page(
    db: &Db,
    after: &str,
    filter: &CredentialFilter,
    limit: i64,
) -> Result<Vec<CredentialRow>, Error> {
    let query = sqlx::query(include_str!("sql/credentials_page.sql")).bind(after).bind(&filter.owner_scope);
    let query = query.bind(&filter.owner).bind(&filter.provider).bind(limit);
    let rows = query.fetch_all(db.pool()).await;
    rows.and_then(|rows| rows.iter().map(read).collect()).map_err(Error::sql(FAILED))
}

/// The one of that id.
pub(crate) async fn get(db: &Db, id: &str) -> Result<Option<CredentialRow>, Error> {
    let row = sqlx::query(include_str!("sql/credential_by_id.sql")).bind(id).fetch_optional(db.pool()).await;
    row.and_then(|row| row.as_ref().map(read).transpose()).map_err(Error::sql(FAILED))
}

/// Stores a new one.
pub(crate) async fn insert(tx: &mut Transaction<'static, Any>, row: &CredentialRow) -> Result<(), Error> {
    let record = &row.record;
    sqlx::query(include_str!("sql/insert_credential.sql"))
        .bind(&record.id)
        .bind(record.owner.scope())
        .bind(record.owner.id())
        .bind(&record.provider)
        .bind(record.kind.as_str())
        .bind(record.base_url.clone())
        .bind(&record.sealed)
        .bind(&row.sealed_with)
        .bind(&row.masked)
        .bind(serde_json::to_string(&record.models_allowed)?)
        .bind(i64::from(record.priority))
        .bind(i64::from(record.weight))
        .bind(row.budget_limit)
        .bind(i64::from(record.fallback_to_platform))
        .bind(&row.created_by)
        .bind(row.rotated_from.clone())
        .bind(stored(record.created_ms))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(Error::sql(FAILED))
}

/// Changes what may change: never the secret, its owner or its provider.
pub(crate) async fn update(tx: &mut Transaction<'static, Any>, row: &CredentialRow) -> Result<(), Error> {
    let record = &row.record;
    sqlx::query(include_str!("sql/update_credential.sql"))
        .bind(&record.id)
        .bind(serde_json::to_string(&record.models_allowed)?)
        .bind(i64::from(record.priority))
        .bind(i64::from(record.weight))
        .bind(row.budget_limit)
        .bind(i64::from(record.fallback_to_platform))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(Error::sql(FAILED))
}

fn read(row: &AnyRow) -> Result<CredentialRow, sqlx::Error> {
    Ok(CredentialRow {
        record: credential_record(row)?,
        sealed_with: row.try_get("sealed_with")?,
        masked: row.try_get("masked")?,
        budget_limit: row.try_get("budget_limit")?,
        created_by: row.try_get("created_by")?,
        rotated_from: row.try_get("rotated_from")?,
        last_validated_ms: number(row, "last_validated_ms")?,
        last_used_ms: number(row, "last_used_ms")?,
    })
}
