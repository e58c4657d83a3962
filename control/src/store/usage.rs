//! What the ledger's tables say about an app: read here, written there alone.

use ledger::Db;
use serde::Deserialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::callers::number;
use crate::error::Error;

const FAILED: &str = "read usage";

/// Sums over an app's attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) calls: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    /// In nano-USD.
    pub(crate) charged: i64,
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) accepted_ms: u64,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) requested_model: String,
    pub(crate) state: String,
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
    /// In nano-USD.
    pub(crate) charged: i64,
    detail: String,
}

impl Row {
    /// Feature and route mode.
    pub(crate) fn particulars(&self) -> (Option<String>, Option<String>) {
        #[derive(Default, Deserialize)]
        struct Detail {
            #[serde(default)]
            who: Option<Who>,
            #[serde(default)]
            route_mode: Option<String>,
        }
        #[derive(Deserialize)]
        struct Who {
            #[serde(default)]
            feature: Option<String>,
        }
        let detail: Detail = serde_json::from_str(&self.detail).unwrap_or_default();
        (detail.who.and_then(|who| who.feature), detail.route_mode)
    }
}

/// Sums over all attempts of a project.
pub(crate) async fn totals(db: &Db, project: &str) -> Result<Totals, Error> {
    let row = sqlx::query(include_str!("sql/usage_totals.sql")).bind(project).fetch_one(db.pool()).await;
    let read = |row: AnyRow| -> Result<Totals, sqlx::Error> {
        Ok(Totals {
            calls: number(&row, "calls")?.unwrap_or_default(),
            input_tokens: number(&row, "input_tokens")?.unwrap_or_default(),
            output_tokens: number(&row, "output_tokens")?.unwrap_or_default(),
            charged: row.try_get("charged")?,
        })
    };
    row.and_then(read).map_err(Error::sql(FAILED))
}

/// The newest 100 attempts of a project.
pub(crate) async fn newest(db: &Db, project: &str) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query(include_str!("sql/usage_newest.sql")).bind(project).fetch_all(db.pool()).await;
    let read = |row: &AnyRow| -> Result<Row, sqlx::Error> {
        Ok(Row {
            id: row.try_get("id")?,
            accepted_ms: number(row, "accepted_ms")?.unwrap_or_default(),
            provider: row.try_get("provider")?,
            model: row.try_get("model")?,
            requested_model: row.try_get("requested_model")?,
            state: row.try_get("state")?,
            input_tokens: number(row, "input_tokens")?,
            output_tokens: number(row, "output_tokens")?,
            charged: row.try_get("charged")?,
            detail: row.try_get("detail")?,
        })
    };
    rows.and_then(|rows| rows.iter().map(read).collect()).map_err(Error::sql(FAILED))
}

/// What is in an account, in nano-USD; 0 if there is none.
pub(crate) async fn balance(db: &Db, account: &str) -> Result<i64, Error> {
    let row =
        sqlx::query(include_str!("sql/account_balance.sql")).bind(account).fetch_optional(db.pool()).await;
    let read = row.and_then(|row| row.map(|row| row.try_get("balance")).transpose());
    Ok(read.map_err(Error::sql(FAILED))?.unwrap_or_default())
}
