//! What is read: the working set, accounts, transfers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proto::config::Config;
use proto::id::RequestId;
use proto::money::NanoUsd;
use proto::subject::EVENTS_STREAM;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::{Db, Engine, Sql, int, per_engine, rows};
use crate::account::{Account, Totals};
use crate::book::At;
use crate::book::request::Request;
use crate::error::Error;
use crate::transfer::Transfer;

const CURSOR: &str = include_str!("sql/cursor.sql");
const UNENDED_ATTEMPTS: &str = include_str!("sql/unended_attempts.sql");
const OPEN_ATTEMPTS: &str = include_str!("sql/open_attempts.sql");
const CONFIG: &str = include_str!("sql/config.sql");
const NEWEST_CONFIG: &str = include_str!("sql/newest_config.sql");
const ACCOUNTS: &str = include_str!("sql/accounts.sql");
const LOAD_ATTEMPTS: Sql = per_engine!("load_attempts");
const LOAD_TAKEOVERS: Sql = per_engine!("load_takeovers");
const LOAD_CLOSURES: Sql = per_engine!("load_closures");
const TRANSFERS_BY_ID: Sql = per_engine!("transfers_by_id");
const TRANSFERS_OF_REQUESTS: Sql = per_engine!("transfers_of_requests");

/// Length of `req_` and 32 digits.
const REQUEST_ID_LEN: usize = 36;
/// Open attempts are listed in pages of this many.
const PAGE: usize = 1_000;

/// How far EVENTS is on the books.
pub(crate) async fn cursor(db: &Db) -> Result<At, Error> {
    let row = sqlx::query(CURSOR).bind(EVENTS_STREAM).fetch_one(db.pool()).await.map_err(Error::Read)?;
    at(&row)
}

/// The same, within a transaction.
pub(crate) async fn cursor_within(connection: &mut AnyConnection) -> Result<At, Error> {
    let row = sqlx::query(CURSOR).bind(EVENTS_STREAM).fetch_one(connection).await.map_err(Error::Read)?;
    at(&row)
}

fn at(row: &AnyRow) -> Result<At, Error> {
    let seq: i64 = row.try_get("seq").map_err(Error::Read)?;
    let ms: i64 = row.try_get("at_ms").map_err(Error::Read)?;
    Ok(At { seq: seq.unsigned_abs(), ms: ms.unsigned_abs() })
}

/// Every request that has an attempt that is not over.
pub(crate) async fn open_requests(db: &Db) -> Result<BTreeSet<RequestId>, Error> {
    let mut open = BTreeSet::new();
    let mut after = String::new();
    loop {
        let ids: Vec<String> = sqlx::query_scalar(OPEN_ATTEMPTS)
            .bind(after)
            .bind(int(PAGE as u64))
            .fetch_all(db.pool())
            .await
            .map_err(Error::Read)?;
        for id in &ids {
            open.insert(request_of(id)?);
        }
        match ids.into_iter().nth(PAGE - 1) {
            Some(last) => after = last,
            None => return Ok(open),
        }
    }
}

/// Requests made from `since_ms` on that may not have ended although no attempt of theirs is open: each has one that
/// is unknown, or that failed and was to be followed by another. Ids begin with the time at which they were made, so
/// this reads a range of the primary key.
pub(crate) async fn unended_requests(db: &Db, since_ms: u64) -> Result<BTreeSet<RequestId>, Error> {
    let mut found = BTreeSet::new();
    let mut after = format!("req_{:012x}", since_ms & 0xffff_ffff_ffff);
    loop {
        let ids: Vec<String> = sqlx::query_scalar(UNENDED_ATTEMPTS)
            .bind(after)
            .bind("req_g") // behind every hexadecimal digit
            .bind(int(PAGE as u64))
            .fetch_all(db.pool())
            .await
            .map_err(Error::Read)?;
        for id in &ids {
            found.insert(request_of(id)?);
        }
        match ids.into_iter().nth(PAGE - 1) {
            Some(last) => after = last,
            None => return Ok(found),
        }
    }
}

/// The request in an attempt's id.
pub(super) fn request_of(attempt: &str) -> Result<RequestId, Error> {
    let request = attempt.get(..REQUEST_ID_LEN).and_then(|id| id.parse().ok());
    request.ok_or(Error::CorruptRow("attempts.id"))
}

/// Everything on the books about `ids`; a request without any row is there, and empty.
pub(crate) async fn requests(
    connection: &mut AnyConnection,
    engine: Engine,
    ids: impl IntoIterator<Item = &RequestId>,
) -> Result<BTreeMap<RequestId, Request>, Error> {
    let mut requests: BTreeMap<RequestId, Request> =
        ids.into_iter().map(|id| (*id, Request::default())).collect();
    if requests.is_empty() {
        return Ok(requests);
    }
    let wanted = serde_json::to_string(&requests.keys().collect::<Vec<_>>()).map_err(Error::Encode)?;
    for row in fetch(connection, LOAD_ATTEMPTS.of(engine), &wanted).await? {
        let attempt = rows::attempt(&row)?;
        requests.entry(attempt.id.request).or_default().attempts.push(attempt);
    }
    for row in fetch(connection, LOAD_TAKEOVERS.of(engine), &wanted).await? {
        let (id, taken) = rows::taken(&row)?;
        requests.entry(id).or_default().takeovers.push(taken);
    }
    for row in fetch(connection, LOAD_CLOSURES.of(engine), &wanted).await? {
        let (id, closing) = rows::closing(&row)?;
        requests.entry(id).or_default().closings.push(closing);
    }
    for request in requests.values_mut() {
        request.in_stream_order();
    }
    Ok(requests)
}

async fn fetch(
    connection: &mut AnyConnection,
    sql: &'static str,
    wanted: &str,
) -> Result<Vec<AnyRow>, Error> {
    sqlx::query(sql).bind(wanted.to_owned()).fetch_all(connection).await.map_err(Error::Read)
}

/// A configuration version, if it was on the stream at or before event `seq_max`.
pub(crate) async fn config(
    connection: &mut AnyConnection,
    version: u64,
    seq_max: u64,
) -> Result<Option<Arc<Config>>, Error> {
    let text =
        sqlx::query_scalar(CONFIG).bind(int(version)).bind(int(seq_max)).fetch_optional(connection).await;
    text.map_err(Error::Read)?.map(document).transpose()
}

/// The newest configuration that was on the stream.
pub(crate) async fn newest_config(connection: &mut AnyConnection) -> Result<Option<Arc<Config>>, Error> {
    let text = sqlx::query_scalar(NEWEST_CONFIG).fetch_optional(connection).await;
    text.map_err(Error::Read)?.map(document).transpose()
}

fn document(text: String) -> Result<Arc<Config>, Error> {
    serde_json::from_str(&text).map(Arc::new).map_err(|_| Error::CorruptRow("configs.document"))
}

/// Every account with its totals.
pub(crate) async fn accounts(connection: &mut AnyConnection) -> Result<BTreeMap<Account, Totals>, Error> {
    let rows = sqlx::query(ACCOUNTS).fetch_all(connection).await.map_err(Error::Read)?;
    rows.iter()
        .map(|row| {
            let id: String = row.try_get("id").map_err(Error::Read)?;
            let debits = NanoUsd(row.try_get("debits").map_err(Error::Read)?);
            let credits = NanoUsd(row.try_get("credits").map_err(Error::Read)?);
            let account = id.parse().map_err(|_| Error::CorruptRow("accounts.id"))?;
            Ok((account, Totals { debits, credits }))
        })
        .collect()
}

/// Those of the transfers `ids` that exist.
pub(crate) async fn transfers_by_id(
    connection: &mut AnyConnection,
    engine: Engine,
    ids: &[&str],
) -> Result<Vec<Transfer>, Error> {
    let wanted = serde_json::to_string(ids).map_err(Error::Encode)?;
    let rows = fetch(connection, TRANSFERS_BY_ID.of(engine), &wanted).await?;
    rows.iter().map(rows::transfer).collect()
}

/// Every transfer of a request, in the order of the stream.
pub(crate) async fn transfers_of_request(
    connection: &mut AnyConnection,
    engine: Engine,
    id: RequestId,
) -> Result<Vec<Transfer>, Error> {
    let wanted = serde_json::to_string(&[id]).map_err(Error::Encode)?;
    let rows = fetch(connection, TRANSFERS_OF_REQUESTS.of(engine), &wanted).await?;
    let mut transfers = rows.iter().map(rows::transfer).collect::<Result<Vec<_>, _>>()?;
    transfers.sort_by_key(|transfer| (transfer.seq, transfer.code));
    Ok(transfers)
}
