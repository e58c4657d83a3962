//! Accounts and attempts in lines, a page at a time.

use proto::money::NanoUsd;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Db, int, rows};
use crate::error::Error;
use crate::report::{AccountLine, AttemptFilter, AttemptLine};

/// A page of accounts.
pub(crate) async fn account_lines(db: &Db, after: &str, limit: i64) -> Result<Vec<AccountLine>, Error> {
    let query = sqlx::query(include_str!("sql/account_lines.sql")).bind(after).bind(limit);
    let rows = query.fetch_all(db.pool()).await.map_err(Error::Read)?;
    rows.iter().map(account).collect::<Result<_, _>>().map_err(Error::Read)
}

/// One account.
pub(crate) async fn account_line(db: &Db, id: &str) -> Result<Option<AccountLine>, Error> {
    let row = sqlx::query(include_str!("sql/account_line.sql")).bind(id).fetch_optional(db.pool()).await;
    row.and_then(|row| row.as_ref().map(account).transpose()).map_err(Error::Read)
}

/// A page of attempts.
pub(crate) async fn attempt_lines(
    db: &Db,
    after: &str,
    filter: &AttemptFilter,
    limit: i64,
) -> Result<Vec<AttemptLine>, Error> {
    let query = sqlx::query(include_str!("sql/attempt_lines.sql"))
        .bind(after)
        .bind(&filter.project)
        .bind(&filter.key)
        .bind(&filter.provider)
        .bind(&filter.requested_model)
        .bind(&filter.state)
        .bind(int(filter.from_ms.unwrap_or_default()))
        .bind(filter.to_ms.map_or(i64::MAX, int))
        .bind(limit);
    let rows = query.fetch_all(db.pool()).await.map_err(Error::Read)?;
    rows.iter().map(attempt).collect()
}

/// One attempt.
pub(crate) async fn attempt_line(db: &Db, id: &str) -> Result<Option<AttemptLine>, Error> {
    let row = sqlx::query(include_str!("sql/attempt_line.sql")).bind(id).fetch_optional(db.pool()).await;
    row.map_err(Error::Read)?.as_ref().map(attempt).transpose()
}

fn account(row: &AnyRow) -> Result<AccountLine, sqlx::Error> {
    Ok(AccountLine {
        id: row.try_get("id")?,
        debits: NanoUsd(row.try_get("debits")?),
        credits: NanoUsd(row.try_get("credits")?),
    })
}

fn attempt(row: &AnyRow) -> Result<AttemptLine, Error> {
    let read = rows::attempt(row)?;
    let tokens = |name| -> Result<Option<u64>, Error> {
        let stored: Option<i64> = row.try_get(name).map_err(Error::Read)?;
        Ok(stored.map(|stored| u64::try_from(stored).unwrap_or_default()))
    };
    Ok(AttemptLine {
        id: read.id.to_string(),
        state: read.state().as_str().to_owned(),
        payer: read.payer.as_str().to_owned(),
        pricing: read.pricing.as_str().to_owned(),
        input_tokens: tokens("input_tokens")?,
        output_tokens: tokens("output_tokens")?,
        cost: read.cost,
        config: read.subject.config,
        accepted_ms: read.subject.origin.accepted_ms,
        feature: read.subject.who.as_ref().and_then(|who| who.feature.clone()),
        project: read.subject.project,
        key: read.subject.key,
        requested_model: read.subject.requested_model,
        provider: read.call.provider,
        model: read.call.model,
        route_mode: read.call.route_mode,
        credential: read.call.credential,
    })
}
