//! Whether what belongs to a tenant belongs to the right one: every check by name, read-only, in one snapshot.
//!
//! The first eight are those of the hosted contract; an app is a project, a usage event an attempt, a wallet an
//! account. The others cover what that leaves out.

mod attempts;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use ledger::Db;
use proto::config::Config;
use serde::Serialize;
use sqlx::{Any, Transaction};

use crate::error::Error;
use crate::store::isolation as store;

/// What was checked, as far as it went.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Checks that hold, in their order.
    pub passed: Vec<&'static str>,
    /// Checks of what this release does not keep, each with the reason.
    pub skipped: Vec<Skipped>,
    /// The first that does not hold; nothing after it was checked.
    pub failed: Option<Failed>,
}

/// A check that there is nothing for.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// Its name.
    pub name: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// A check that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Its name.
    pub name: &'static str,
    /// What is wrong, by ids. No secrets.
    pub detail: String,
}

/// The checks of the hosted contract, then the others.
pub const CHECKS: [&str; 17] = [
    USAGE_DEVELOPER,
    USAGE_END_USER,
    "session_end_user_belongs_to_app",
    "developer_credential_has_developer",
    "developer_token_has_developer",
    "end_user_credential_has_end_user",
    "developer_wallet_has_developer",
    "end_user_wallet_has_end_user",
    "app_has_developer",
    "key_has_app",
    "session_has_app",
    "end_user_has_app",
    "app_secret_has_app",
    USAGE_SESSION,
    USAGE_KEY,
    "account_has_owner",
    "transfer_belongs_to_usage_of_its_app",
];

const USAGE_DEVELOPER: &str = "usage_developer_matches_app";
const USAGE_END_USER: &str = "usage_end_user_belongs_to_app";
const USAGE_SESSION: &str = "usage_session_matches_app_and_end_user";
const USAGE_KEY: &str = "usage_key_belongs_to_app";

/// Runs every check up to the first that does not hold.
pub async fn check(db: &Db) -> Result<Report, Error> {
    let mut tx = store::begin_read_only(db).await?;
    let mut report = Report::default();
    let checked = all(&mut tx, &mut report).await;
    store::end(db, tx).await?;
    checked?;
    Ok(report)
}

async fn all(tx: &mut Transaction<'static, Any>, report: &mut Report) -> Result<(), Error> {
    let apps = Apps::newest(tx).await?;
    // Attempts are many: one pass over them serves four checks.
    let attempts = attempts::mismatches(tx).await?;
    for name in CHECKS {
        let found = match attempts.get(name) {
            Some(detail) => Some(detail.clone()),
            None => rows::mismatch(tx, name, &apps).await?,
        };
        if let Some(detail) = found {
            report.failed = Some(Failed { name, detail });
            return Ok(());
        }
        report.passed.push(name);
    }
    report.skipped.push(Skipped {
        name: "hold_belongs_to_account_of_its_app",
        reason: "holds are not kept in the database yet",
    });
    Ok(())
}

/// The projects of one version, each with its developer.
#[derive(Debug, Clone, Default)]
struct Apps(HashMap<String, Option<String>>);

impl Apps {
    async fn newest(tx: &mut Transaction<'static, Any>) -> Result<Self, Error> {
        Ok(store::newest_document(tx)
            .await?
            .map(|document| Self::of(&document))
            .transpose()?
            .unwrap_or_default())
    }

    fn of(document: &str) -> Result<Self, Error> {
        let config: Config = serde_json::from_str(document)?;
        Ok(Self(config.projects.into_iter().map(|project| (project.name, project.developer)).collect()))
    }
}
