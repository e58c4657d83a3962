//! The schema: embedded migrations, applied from anywhere at once, and the check that refuses an older one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sqlx::Executor;
use sqlx::migrate::{MigrateError, Migrator};

use super::{Db, Engine};
use crate::error::Error;

static COMMON: Migrator = sqlx::migrate!("../migrations");
static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

const VERSIONS: &str = include_str!("sql/schema_versions.sql");
/// Migrations wait for each other instead of failing after the two seconds that a batch waits.
const POSTGRES_SETTINGS: &str = include_str!("sql/settings_migrate.postgres.sql");
/// SQLite has no lock for migrations: who comes second fails on a table that exists, and tries again.
const SQLITE_PATIENCE: Duration = Duration::from_secs(30);
const SQLITE_RETRY: Duration = Duration::from_millis(100);

impl Db {
    /// Applies every migration that is missing. Safe from many places at once. Migrations that this build does
    /// not know are left alone: a newer release has run them.
    pub async fn migrate(&self) -> Result<(), Error> {
        let migrator = migrator(self.engine());
        match self.engine() {
            Engine::Postgres => {
                let mut connection = self.pool().acquire().await.map_err(Error::Connect)?.detach();
                connection.execute(POSTGRES_SETTINGS).await.map_err(Error::Connect)?;
                let done = migrator.run_direct(None, &mut connection, false).await;
                let closed = sqlx::Connection::close(connection).await;
                done.map_err(Error::Migrate)?;
                closed.map_err(Error::Connect)
            }
            Engine::Sqlite => {
                let started = Instant::now();
                loop {
                    match migrator.run(self.pool()).await {
                        Ok(()) => return Ok(()),
                        Err(error) if started.elapsed() < SQLITE_PATIENCE && contended(&error) => {
                            tokio::time::sleep(SQLITE_RETRY).await;
                        }
                        Err(error) => return Err(Error::Migrate(error)),
                    }
                }
            }
        }
    }

    /// Fails with a sentence if the schema is older than this build.
    pub async fn check_schema(&self) -> Result<(), Error> {
        let applied: BTreeSet<i64> = match sqlx::query_scalar(VERSIONS).fetch_all(self.pool()).await {
            Ok(versions) => versions.into_iter().collect(),
            Err(sqlx::Error::Database(_)) => BTreeSet::new(),
            Err(error) => return Err(Error::Connect(error)),
        };
        let missing = migrator(self.engine()).iter().map(|m| m.version).find(|v| !applied.contains(v));
        missing.map_or(Ok(()), |version| Err(Error::SchemaTooOld(version)))
    }
}

/// The migrations of both folders, in the order of their numbers.
fn migrator(engine: Engine) -> Migrator {
    let own = match engine {
        Engine::Sqlite => &SQLITE,
        Engine::Postgres => &POSTGRES,
    };
    let mut all = Migrator::with_migrations(COMMON.iter().chain(own.iter()).cloned().collect());
    all.set_ignore_missing(true);
    all
}

/// Whether another process may just be applying the same migration.
fn contended(error: &MigrateError) -> bool {
    matches!(error, MigrateError::Execute(_) | MigrateError::ExecuteMigration(..) | MigrateError::Dirty(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_have_the_same_numbers() {
        let versions = |engine| migrator(engine).iter().map(|m| m.version).collect::<Vec<_>>();
        let sqlite = versions(Engine::Sqlite);
        assert_eq!(sqlite, versions(Engine::Postgres));
        let counted: Vec<_> = (1..=sqlite.len()).map(|n| i64::try_from(n).unwrap()).collect();
        assert_eq!(sqlite, counted, "numbers are unique over all folders and have no gap");
    }
}
