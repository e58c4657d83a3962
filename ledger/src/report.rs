//! Pages of accounts and attempts, for whoever shows them to operators.

use proto::event::RouteMode;
use proto::money::NanoUsd;

use crate::error::Error;
use crate::store::{self, Db};

/// An account with what has moved through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLine {
    /// See [`crate::account::Account`].
    pub id: String,
    /// Sum of all that was taken from it.
    pub debits: NanoUsd,
    /// Sum of all that was put into it.
    pub credits: NanoUsd,
}

/// Which attempts; empty and absent = all.
#[derive(Debug, Clone, Default)]
pub struct AttemptFilter {
    /// Of this project.
    pub project: String,
    /// With this key or session.
    pub key: String,
    /// At this provider.
    pub provider: String,
    /// For this requested model.
    pub requested_model: String,
    /// In this state.
    pub state: String,
    /// Accepted at or after this time, in milliseconds since the Unix epoch.
    pub from_ms: Option<u64>,
    /// Accepted before this time.
    pub to_ms: Option<u64>,
}

/// An attempt in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptLine {
    /// See [`proto::id::AttemptId`].
    pub id: String,
    /// Its project.
    pub project: String,
    /// Id of its key or session.
    pub key: String,
    /// The model asked for.
    pub requested_model: String,
    /// The provider called.
    pub provider: String,
    /// The model there.
    pub model: String,
    /// How it was routed.
    pub route_mode: RouteMode,
    /// The project's feature that it was for.
    pub feature: Option<String>,
    /// Id of the sealed credential it was made with.
    pub credential: Option<String>,
    /// `open`, `success`, `failed`, `cancelled` or `unknown`.
    pub state: String,
    /// `customer`, `platform` or `none`.
    pub payer: String,
    /// `pending`, `priced`, `unpriced` or `free`.
    pub pricing: String,
    /// What went in, cached tokens included.
    pub input_tokens: Option<u64>,
    /// What came out.
    pub output_tokens: Option<u64>,
    /// What it cost, while that is known.
    pub cost: Option<NanoUsd>,
    /// The configuration version that admitted the request.
    pub config: u64,
    /// When the request was accepted, in milliseconds since the Unix epoch.
    pub accepted_ms: u64,
}

impl AccountLine {
    /// Credits less debits: below zero is owed.
    pub fn balance(&self) -> NanoUsd {
        NanoUsd(self.credits.0.saturating_sub(self.debits.0))
    }
}

/// Accounts in the order of their ids, after that one. Fails if the database cannot be read.
pub async fn accounts(db: &Db, after: &str, limit: i64) -> Result<Vec<AccountLine>, Error> {
    store::account_lines(db, after, limit).await
}

/// The account of that id. Fails if the database cannot be read.
pub async fn account(db: &Db, id: &str) -> Result<Option<AccountLine>, Error> {
    store::account_line(db, id).await
}

/// Attempts in the order of time, after that one. Fails if the database cannot be read.
pub async fn attempts(
    db: &Db,
    after: &str,
    filter: &AttemptFilter,
    limit: i64,
) -> Result<Vec<AttemptLine>, Error> {
    store::attempt_lines(db, after, filter, limit).await
}

/// The attempt of that id. Fails if the database cannot be read.
pub async fn attempt(db: &Db, id: &str) -> Result<Option<AttemptLine>, Error> {
    store::attempt_line(db, id).await
}
