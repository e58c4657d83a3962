//! Virtual keys, as operators see and change them one at a time.

use ledger::Db;
use sqlx::{Any, Transaction};

use super::keys::{self, KeyRow};
use super::stored;
use crate::error::Error;

const FAILED: &str = "keep the keys";

/// Which keys; empty = all.
#[derive(Debug, Default)]
pub(crate) struct KeyFilter {
    pub(crate) project: String,
    pub(crate) name: String,
}

/// A page in the order of ids.
pub(crate) async fn page(db: &Db, after: &str, filter: &KeyFilter, limit: i64) -> Result<Vec<KeyRow>, Error> {
    let query = sqlx::query(include_str!("sql/keys_page.sql")).bind(after).bind(&filter.project);
    let rows = query.bind(&filter.name).bind(limit).fetch_all(db.pool()).await;
    rows.and_then(|rows| rows.iter().map(keys::read).collect()).map_err(Error::sql(FAILED))
}

/// The one of that id.
pub(crate) async fn get(db: &Db, id: &str) -> Result<Option<KeyRow>, Error> {
    let row = sqlx::query(include_str!("sql/key_by_id.sql")).bind(id).fetch_optional(db.pool()).await;
    row.and_then(|row| row.as_ref().map(keys::read).transpose()).map_err(Error::sql(FAILED))
}

/// Changes what may change: name, limits, whether it is revoked.
pub(crate) async fn update(tx: &mut Transaction<'static, Any>, row: &KeyRow) -> Result<(), Error> {
    let limits = &row.limits;
    let list = |list: Option<serde_json::Result<String>>| list.transpose();
    sqlx::query(include_str!("sql/update_key.sql"))
        .bind(&row.id)
        .bind(&row.name)
        .bind(i64::from(row.revoked))
        .bind(list(limits.models.as_ref().map(serde_json::to_string))?)
        .bind(list(limits.route_modes.as_ref().map(serde_json::to_string))?)
        .bind(list(limits.networks.as_ref().map(serde_json::to_string))?)
        .bind(i64::from(limits.direct))
        .bind(limits.expires_ms.map(stored))
        .execute(&mut **tx)
        .await
        .map(drop)
        .map_err(Error::sql(FAILED))
}
