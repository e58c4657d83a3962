//! Puts EVENTS on the books, batch after batch: read in order, apply, write in one transaction that moves the
//! cursor. The cursor alone says where to go on; nothing is acknowledged and nothing has to be.
//!
//! Any number of ledgers may run. The one that moves the cursor is active; one that finds it moved by another
//! stands by, and takes over when the cursor stands still although events wait.

use std::time::{Duration, Instant};

use proto::clock::now_ms;
use proto::nats::Link;
use tokio_util::sync::CancellationToken;

use crate::apply::{self, Clerk};
use crate::config::Config;
use crate::error::Error;
use crate::loss::{self, Hole};
use crate::store::{self, Db};
use crate::stream::{Reader, bounds};
use crate::{metrics, sweep};

/// How long to wait before anything that failed is tried again.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Why the active ledger stopped.
enum Stopped {
    /// It was told to.
    Shutdown,
    /// Another one moves the cursor.
    Overtaken,
}

/// Consumes until `shutdown`; returns only then.
pub(crate) async fn run(config: &Config, link: &Link, db: &Db, shutdown: &CancellationToken) {
    let (mut hole, mut distrust_to) = (Hole::default(), 0);
    while !shutdown.is_cancelled() {
        let ended = match active(config, link, db, hole, &mut distrust_to, shutdown).await {
            Ok(Stopped::Shutdown) => return,
            Ok(Stopped::Overtaken) => {
                metrics::retried("overtaken");
                tracing::info!("another ledger is active, standing by");
                standby(config, link, db, shutdown).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            if let Error::Gap { expected, .. } = error {
                hole.see(expected);
            }
            config.health.trouble(&error);
            metrics::retried("failed");
            pause(RETRY_DELAY, shutdown).await;
        }
    }
}

async fn pause(time: Duration, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

/// Watches the cursor until it stands still although events wait, or until `shutdown`.
async fn standby(config: &Config, link: &Link, db: &Db, shutdown: &CancellationToken) -> Result<(), Error> {
    let mut seen = (store::cursor(db).await?, Instant::now());
    while !shutdown.is_cancelled() {
        pause(config.standby_every, shutdown).await;
        let cursor = store::cursor(db).await?;
        let lag = bounds(link).await?.last.saturating_sub(cursor.seq);
        config.health.well(false, cursor.seq, lag, Duration::ZERO);
        if cursor.seq != seen.0.seq || lag == 0 {
            seen = (cursor, Instant::now());
        } else if seen.1.elapsed() >= config.standby_patience {
            tracing::info!(cursor = cursor.seq, lag, "the cursor stands still, taking over");
            return Ok(());
        }
    }
    Ok(())
}

/// The active ledger.
struct Active<'a> {
    config: &'a Config,
    link: &'a Link,
    clerk: Clerk,
    reader: Reader,
}

async fn active(
    config: &Config,
    link: &Link,
    db: &Db,
    hole: Hole,
    distrust_to: &mut u64,
    shutdown: &CancellationToken,
) -> Result<Stopped, Error> {
    let cursor = store::cursor(db).await?;
    let Some(cursor) = loss::step_over(link, db, cursor, hole).await? else { return Ok(Stopped::Overtaken) };
    let books = apply::load(db, cursor).await?;
    let clerk = Clerk { db: db.clone(), books, cursor, distrust_to: *distrust_to };
    let reader = Reader::open(link, cursor.seq + 1).await?;
    tracing::info!(cursor = cursor.seq, waiting = reader.pending, "the ledger is active");
    let mut active = Active { config, link, clerk, reader };
    active.well();
    let stopped = active.consume(shutdown).await;
    *distrust_to = active.clerk.distrust_to;
    if matches!(stopped, Ok(Stopped::Shutdown)) {
        let drained = tokio::time::timeout(config.drain, active.drain()).await;
        tracing::info!(cursor = active.clerk.cursor.seq, drained = drained.is_ok(), "the ledger stops");
    }
    stopped
}

impl Active<'_> {
    /// Consumes until `shutdown`, or until another ledger is first.
    async fn consume(&mut self, shutdown: &CancellationToken) -> Result<Stopped, Error> {
        let mut swept = Instant::now();
        let mut full = false;
        loop {
            let mut records = Vec::new();
            if !full {
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(Stopped::Shutdown),
                    waited = self.reader.wait(self.config.idle, &mut records) => waited?,
                }
                if records.is_empty() {
                    self.reader.check().await?;
                    if store::cursor(&self.clerk.db).await?.seq != self.clerk.cursor.seq {
                        return Ok(Stopped::Overtaken);
                    }
                } else {
                    tokio::time::sleep(self.config.linger).await;
                }
            }
            if full || !records.is_empty() {
                let room = self.config.batch_events_max.saturating_sub(records.len());
                self.reader.fetch(room, self.config.batch_bytes_max, &mut records).await?;
            }
            full = records.len() >= self.config.batch_events_max;
            if !self.clerk.apply(records).await? {
                return Ok(Stopped::Overtaken);
            }
            self.well();
            if swept.elapsed() >= self.config.sweep_every {
                swept = Instant::now();
                self.sweep().await;
            }
            if shutdown.is_cancelled() {
                return Ok(Stopped::Shutdown);
            }
        }
    }

    /// Says where the books stand.
    fn well(&self) {
        let waiting = self.reader.pending > 0;
        let behind_ms = if waiting { now_ms().saturating_sub(self.clerk.cursor.ms) } else { 0 };
        let behind = Duration::from_millis(behind_ms);
        self.config.health.well(true, self.clerk.cursor.seq, self.reader.pending, behind);
    }

    /// Goes on with what is stored already.
    async fn drain(&mut self) -> Result<(), Error> {
        // A pull may be under way; what it brings would be missing here.
        self.reader = Reader::open(self.link, self.clerk.cursor.seq + 1).await?;
        loop {
            let mut records = Vec::new();
            self.reader
                .fetch(self.config.batch_events_max, self.config.batch_bytes_max, &mut records)
                .await?;
            if records.is_empty() || !self.clerk.apply(records).await? {
                return Ok(());
            }
        }
    }

    /// Brings to an end what nobody speaks of any more.
    async fn sweep(&mut self) {
        let now = if self.reader.pending == 0 { now_ms() } else { self.clerk.cursor.ms };
        self.clerk.books.put_idle_aside(now);
        metrics::open_attempts(self.clerk.books.open_attempts());
        let due = sweep::due(&self.clerk.books, now, self.config.sweep_grace);
        if !due.is_empty() {
            sweep::publish(self.link, due).await;
        }
    }
}
