//! What reconciling reads: one consistent snapshot, and what of it contradicts itself.

use std::collections::{BTreeMap, BTreeSet};

use proto::id::RequestId;
use sqlx::{AnyConnection, Connection, Executor, Row};

use super::{Db, Engine, Sql, int, per_engine, read};
use crate::book::request::Request;
use crate::checkpoint::Checkpoint;
use crate::error::Error;

const BEGIN: Sql = per_engine!("begin_snapshot");
const CHECKPOINT_SEQS: &str = include_str!("sql/checkpoint_seqs.sql");
const CHECKPOINT: &str = include_str!("sql/checkpoint.sql");
const ROWS_SINCE: &str = include_str!("sql/rows_since.sql");
const BOOK_TOTALS: &str = include_str!("sql/book_totals.sql");
const UNKNOWN_ATTEMPTS: &str = include_str!("sql/unknown_attempts.sql");
const OPEN_ATTEMPTS: &str = include_str!("sql/open_attempts.sql");
const UNPAID: &str = include_str!("sql/check_unpaid.sql");
const ORPHANS: &str = include_str!("sql/check_orphans.sql");
const REVERSALS: &str = include_str!("sql/check_reversals.sql");
const PAID_TWICE: &str = include_str!("sql/check_paid_twice.sql");
const ACCOUNTS: &str = include_str!("sql/check_accounts.sql");
const INCIDENTS: &str = include_str!("sql/check_incidents.sql");

/// The most rows that one check lists.
const ROWS_MAX: u64 = 1_000;
/// Requests are loaded in pages of this many.
const PAGE: usize = 500;

/// A connection that sees the database as it stood at one moment, and changes nothing.
pub(crate) struct Snapshot {
    pub(crate) connection: AnyConnection,
    pub(crate) engine: Engine,
}

impl Snapshot {
    /// Takes one. The connection leaves the pool: it lives longer than a batch may.
    pub(crate) async fn take(db: &Db) -> Result<Self, Error> {
        let mut connection = db.pool().acquire().await.map_err(Error::Connect)?.detach();
        connection.execute(BEGIN.of(db.engine())).await.map_err(Error::Read)?;
        Ok(Self { connection, engine: db.engine() })
    }

    /// Everything about `ids`, in pages.
    pub(crate) async fn requests(
        &mut self,
        ids: &BTreeSet<RequestId>,
    ) -> Result<BTreeMap<RequestId, Request>, Error> {
        let mut requests = BTreeMap::new();
        let ids: Vec<_> = ids.iter().collect();
        for page in ids.chunks(PAGE) {
            requests.extend(read::requests(&mut self.connection, self.engine, page.iter().copied()).await?);
        }
        Ok(requests)
    }

    /// Ends it.
    pub(crate) async fn close(self) -> Result<(), Error> {
        self.connection.close().await.map_err(Error::Read)
    }
}

/// Sequences of the checkpoints from `first` to `last`, oldest first.
pub(crate) async fn checkpoint_seqs(
    connection: &mut AnyConnection,
    first: u64,
    last: u64,
) -> Result<Vec<u64>, Error> {
    let query = sqlx::query_scalar::<_, i64>(CHECKPOINT_SEQS).bind(int(first)).bind(int(last));
    let seqs = query.fetch_all(connection).await.map_err(Error::Read)?;
    Ok(seqs.into_iter().map(i64::unsigned_abs).collect())
}

/// The checkpoint after event `seq`.
pub(crate) async fn checkpoint(
    connection: &mut AnyConnection,
    seq: u64,
) -> Result<Option<Checkpoint>, Error> {
    let row = sqlx::query(CHECKPOINT).bind(int(seq)).fetch_optional(connection).await.map_err(Error::Read)?;
    row.map(|row| {
        let at_ms: i64 = row.try_get("at_ms").map_err(Error::Read)?;
        let hash = row.try_get("hash").map_err(Error::Read)?;
        let document = row.try_get("document").map_err(Error::Read)?;
        Ok(Checkpoint { seq, at_ms: at_ms.unsigned_abs(), hash, document })
    })
    .transpose()
}

/// How many rows events after some sequence caused.
pub(crate) struct RowsSince {
    pub(crate) attempts: u64,
    pub(crate) transfers: u64,
}

/// Counts the rows that events after `seq` caused.
pub(crate) async fn rows_since(connection: &mut AnyConnection, seq: u64) -> Result<RowsSince, Error> {
    let row = sqlx::query(ROWS_SINCE).bind(int(seq)).fetch_one(connection).await.map_err(Error::Read)?;
    let count = |column: &'static str| row.try_get(column).map(i64::unsigned_abs).map_err(Error::Read);
    Ok(RowsSince { attempts: count("attempts")?, transfers: count("transfers")? })
}

/// Counts and sums over everything.
pub(crate) struct BookTotals {
    pub(crate) attempts: u64,
    pub(crate) open: u64,
    pub(crate) unknown: u64,
    pub(crate) transfers: u64,
    pub(crate) amount: i64,
    pub(crate) debits: i64,
    pub(crate) credits: i64,
}

/// Counts and sums over everything.
pub(crate) async fn book_totals(connection: &mut AnyConnection) -> Result<BookTotals, Error> {
    let row = sqlx::query(BOOK_TOTALS).fetch_one(connection).await.map_err(Error::Read)?;
    let number = |column: &'static str| row.try_get::<i64, _>(column).map_err(Error::Read);
    Ok(BookTotals {
        attempts: number("attempts")?.unsigned_abs(),
        open: number("open")?.unsigned_abs(),
        unknown: number("unknown")?.unsigned_abs(),
        transfers: number("transfers")?.unsigned_abs(),
        amount: number("amount")?,
        debits: number("debits")?,
        credits: number("credits")?,
    })
}

/// Unknown attempts, oldest first.
pub(crate) async fn unknown_attempts(connection: &mut AnyConnection) -> Result<Vec<String>, Error> {
    let query = sqlx::query_scalar(UNKNOWN_ATTEMPTS).bind(int(ROWS_MAX));
    query.fetch_all(connection).await.map_err(Error::Read)
}

/// Requests of the oldest open attempts.
pub(crate) async fn first_open_requests(
    connection: &mut AnyConnection,
) -> Result<BTreeSet<RequestId>, Error> {
    let query = sqlx::query_scalar::<_, String>(OPEN_ATTEMPTS).bind("").bind(int(ROWS_MAX));
    let ids = query.fetch_all(connection).await.map_err(Error::Read)?;
    ids.iter().map(|id| read::request_of(id)).collect()
}

/// One way in which SQL may contradict itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnCheck {
    Unpaid,
    Orphans,
    Reversals,
    PaidTwice,
    Accounts,
    Incidents,
}

/// What a check found.
pub(crate) struct Contradiction {
    pub(crate) id: String,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl OwnCheck {
    pub(crate) const ALL: [Self; 6] =
        [Self::Unpaid, Self::Orphans, Self::Reversals, Self::PaidTwice, Self::Accounts, Self::Incidents];

    /// The kind of item that it makes.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::Orphans => "orphan",
            Self::Reversals => "reversal",
            Self::PaidTwice => "paid_twice",
            Self::Accounts => "account_sum",
            Self::Incidents => "incident",
        }
    }

    /// What it means.
    pub(crate) fn note(self) -> &'static str {
        match self {
            Self::Unpaid => "the attempt has a cost, and its transfer is missing or another one",
            Self::Orphans => "no attempt stands for the transfer",
            Self::Reversals => {
                "what was booked while the attempt was unknown is not taken back as it was booked"
            }
            Self::PaidTwice => "the customer pays for more than one attempt of the request",
            Self::Accounts => "the account's totals are not the sum of its transfers",
            Self::Incidents => "unresolved; see the incidents table",
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Unpaid => UNPAID,
            Self::Orphans => ORPHANS,
            Self::Reversals => REVERSALS,
            Self::PaidTwice => PAID_TWICE,
            Self::Accounts => ACCOUNTS,
            Self::Incidents => INCIDENTS,
        }
    }
}

/// Runs one check.
pub(crate) async fn own_check(snapshot: &mut Snapshot, check: OwnCheck) -> Result<Vec<Contradiction>, Error> {
    let query = sqlx::query(check.sql()).bind(int(ROWS_MAX));
    let rows = query.fetch_all(&mut snapshot.connection).await.map_err(Error::Read)?;
    rows.iter()
        .map(|row| {
            let text = |column: &'static str| row.try_get(column).map_err(Error::Read);
            Ok(Contradiction { id: text("id")?, expected: text("expected")?, found: text("found")? })
        })
        .collect()
}
