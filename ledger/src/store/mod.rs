//! The only SQL of the ledger: one store over SQLite and PostgreSQL, every statement in a file of its own. Where
//! the engines differ, a second text stands beside the first.

mod audit;
mod list;
mod read;
mod rows;
mod schema;
mod write;

#[cfg(test)]
pub(crate) mod conformance;

pub(crate) use audit::{
    OwnCheck, Snapshot, book_totals, checkpoint, checkpoint_seqs, first_open_requests, own_check, rows_since,
    unknown_attempts,
};
pub(crate) use list::{ListFilter, by_client_request_id, list_requests};
pub(crate) use read::{
    accounts, config, cursor, cursor_within, newest_config, open_requests, requests, transfers_by_id,
    transfers_of_request, unended_requests,
};
pub(crate) use rows::int;
pub(crate) use write::{Batch, Written, write_batch};

use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Executor};

use crate::error::Error;

/// How long to wait for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// One writes; the others read.
const SQLITE_CONNECTIONS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 8;

/// What every SQLite connection is set to: a commit is on disk before it counts, readers do not block the
/// writer, and a second writer waits instead of failing.
const SQLITE_SETTINGS: &str = include_str!("sql/settings.sqlite.sql");
/// What every PostgreSQL connection is set to: a frozen ledger must not hold its peer.
const POSTGRES_SETTINGS: &str = include_str!("sql/settings.postgres.sql");

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One file, one ledger process.
    Sqlite,
    /// Any number of processes.
    Postgres,
}

impl Engine {
    /// The engine's name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    pool: AnyPool,
    engine: Engine,
}

impl Db {
    /// Connects to `sqlite://path?mode=rwc` or `postgres://…`. Fails if the URL is neither, or nothing answers.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let (engine, settings, connections) = match url.split_once(':') {
            Some(("sqlite", _)) => (Engine::Sqlite, SQLITE_SETTINGS, SQLITE_CONNECTIONS),
            Some(("postgres" | "postgresql", _)) => {
                (Engine::Postgres, POSTGRES_SETTINGS, POSTGRES_CONNECTIONS)
            }
            _ => return Err(Error::DatabaseUrl),
        };
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(settings).await.map(drop) })
            })
            .connect(url)
            .await
            .map_err(Error::Connect)?;
        Ok(Self { pool, engine })
    }

    /// The connections.
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Which database it is.
    pub fn engine(&self) -> Engine {
        self.engine
    }
}

/// One statement, in each engine's words.
#[derive(Debug, Clone, Copy)]
struct Sql {
    sqlite: &'static str,
    postgres: &'static str,
}

impl Sql {
    fn of(self, engine: Engine) -> &'static str {
        match engine {
            Engine::Sqlite => self.sqlite,
            Engine::Postgres => self.postgres,
        }
    }
}

/// The two texts of a statement whose engines differ.
macro_rules! per_engine {
    ($stem:literal) => {
        $crate::store::Sql {
            sqlite: include_str!(concat!("sql/", $stem, ".sqlite.sql")),
            postgres: include_str!(concat!("sql/", $stem, ".postgres.sql")),
        }
    };
}
pub(super) use per_engine;
