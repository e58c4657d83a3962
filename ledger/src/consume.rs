//! Puts EVENTS on the books, batch after batch: read in order, apply, write in one transaction that moves the
//! cursor. The cursor alone says where to go on; nothing is acknowledged and nothing has to be.
//!
//! Any number of ledgers may run. The one that moves the cursor is active; one that finds it moved by another
//! stands by, and takes over when the cursor stands still although events wait.

use std::time::{Duration, Instant};

use proto::clock::now_ms;
use proto::event::Event;
use proto::nats::Link;
use tokio_util::sync::CancellationToken;

use crate::book::changes::{Changes, IncidentKind};
use crate::book::{At, Books};
use crate::checkpoint::{Checkpoint, new_day};
use crate::config::Config;
use crate::error::Error;
use crate::outcome::Outcome;
use crate::store::{self, Batch, Db, Written};
use crate::stream::{Reader, Record, bounds};
use crate::{metrics, sweep};

/// How long to wait before anything that failed is tried again.
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// How often a hole in the stream is looked at again before it is taken for one.
const GAP_RETRIES: u32 = 5;

/// Why the active ledger stopped.
enum Stopped {
    /// It was told to.
    Shutdown,
    /// Another one moves the cursor.
    Overtaken,
}

/// What goes on from one try to the next.
#[derive(Default)]
struct Doubts {
    /// Up to this sequence nothing is taken for new, because a write contradicted the working set.
    distrust_to: u64,
    /// The hole that was last seen, and how often.
    gap: Option<(u64, u32)>,
}

/// Consumes until `shutdown`; returns only then.
pub(crate) async fn run(config: &Config, link: &Link, db: &Db, shutdown: &CancellationToken) {
    let mut doubts = Doubts::default();
    while !shutdown.is_cancelled() {
        let ended = match active(config, link, db, &mut doubts, shutdown).await {
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
                let seen = doubts.gap.filter(|(seq, _)| *seq == expected).map_or(0, |(_, n)| n);
                doubts.gap = Some((expected, seen + 1));
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

/// The active ledger: its books, where they stand, and where they are read from.
struct Active<'a> {
    config: &'a Config,
    link: &'a Link,
    db: &'a Db,
    books: Books,
    cursor: At,
    reader: Reader,
}

async fn active(
    config: &Config,
    link: &Link,
    db: &Db,
    doubts: &mut Doubts,
    shutdown: &CancellationToken,
) -> Result<Stopped, Error> {
    let cursor = store::cursor(db).await?;
    let cursor = match step_over_loss(link, db, cursor, doubts).await? {
        Some(cursor) => cursor,
        None => return Ok(Stopped::Overtaken),
    };
    let books = load(db, cursor).await?;
    let reader = Reader::open(link, cursor.seq + 1).await?;
    config.health.well(true, cursor.seq, reader.pending, Duration::ZERO);
    tracing::info!(cursor = cursor.seq, waiting = reader.pending, "the ledger is active");
    let mut active = Active { config, link, db, books, cursor, reader };
    let stopped = active.consume(doubts, shutdown).await?;
    if matches!(stopped, Stopped::Shutdown) {
        let drained = tokio::time::timeout(config.drain, active.drain(doubts)).await;
        tracing::info!(cursor = active.cursor.seq, drained = drained.is_ok(), "the ledger stops");
    }
    Ok(stopped)
}

/// The working set as of `cursor`.
async fn load(db: &Db, cursor: At) -> Result<Books, Error> {
    let mut books = Books::since(cursor.ms);
    let open: Vec<_> = store::open_requests(db).await?.into_iter().collect();
    let mut connection = db.pool().acquire().await.map_err(Error::Connect)?;
    for page in open.chunks(500) {
        for (id, request) in store::requests(&mut connection, db.engine(), page).await? {
            books.adopt(id, request);
        }
    }
    if let Some(config) = store::newest_config(&mut connection).await? {
        books.adopt_config(config);
    }
    Ok(books)
}

/// Where to go on if events are gone from the stream that are not on the books: that is noted, and they are
/// stepped over. `None` if another ledger was first to do so.
async fn step_over_loss(
    link: &Link,
    db: &Db,
    cursor: At,
    doubts: &mut Doubts,
) -> Result<Option<At>, Error> {
    let bounds = bounds(link).await?;
    if bounds.last < cursor.seq {
        return Err(Error::AnotherStream { last: bounds.last, cursor: cursor.seq });
    }
    let next = cursor.seq + 1;
    let first = match doubts.gap {
        // The hole was there each time: it is one.
        Some((seq, n)) if seq == next && n >= GAP_RETRIES => first_after(link, next).await?,
        _ => bounds.first,
    };
    if first <= next {
        return Ok(Some(cursor));
    }
    let to = At { seq: first - 1, ms: cursor.ms };
    let mut changes = Changes::default();
    let note = format!("events {next} to {} are gone from the stream and were never on the books", to.seq);
    tracing::error!(from = next, to = to.seq, "events are lost");
    changes.incident(IncidentKind::EventsLost, to, "EVENTS".to_owned(), note);
    // Whoever derives the books again cannot come across the hole: it starts behind it.
    let books = load(db, cursor).await?;
    let mut connection = db.pool().acquire().await.map_err(Error::Connect)?;
    let accounts = store::accounts(&mut connection).await?;
    drop(connection);
    let checkpoint = Checkpoint::of(to, accounts, &books)?;
    let batch =
        Batch { from: cursor.seq, to, checkpoint: Some(&checkpoint), books: &books, changes: &changes };
    doubts.gap = None;
    let written = store::write_batch(db, &batch).await?;
    metrics::committed(&changes, 0, Duration::ZERO);
    Ok((written == Written::Done).then_some(to))
}

/// The first sequence at or after `next` that the stream gives.
async fn first_after(link: &Link, next: u64) -> Result<u64, Error> {
    let mut reader = Reader::open(link, next).await?;
    match reader.wait(Duration::from_secs(1), &mut Vec::new()).await {
        Err(Error::Gap { got, .. }) => Ok(got),
        other => other.map(|()| next),
    }
}

impl Active<'_> {
    /// Consumes until `shutdown`, or until another ledger is first.
    async fn consume(&mut self, doubts: &mut Doubts, shutdown: &CancellationToken) -> Result<Stopped, Error> {
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
                    if store::cursor(self.db).await?.seq != self.cursor.seq {
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
            if !self.apply(records, doubts).await? {
                return Ok(Stopped::Overtaken);
            }
            if swept.elapsed() >= self.config.sweep_every {
                swept = Instant::now();
                self.sweep().await;
            }
            if shutdown.is_cancelled() {
                return Ok(Stopped::Shutdown);
            }
        }
    }

    /// Goes on with what is stored already.
    async fn drain(&mut self, doubts: &mut Doubts) -> Result<(), Error> {
        // A pull may be under way; what it brings would be missing here.
        self.reader = Reader::open(self.link, self.cursor.seq + 1).await?;
        loop {
            let mut records = Vec::new();
            self.reader.fetch(self.config.batch_events_max, self.config.batch_bytes_max, &mut records).await?;
            if records.is_empty() || !self.apply(records, doubts).await? {
                return Ok(());
            }
        }
    }

    /// Applies records, one transaction for each day in them. `false` if another ledger was first.
    async fn apply(&mut self, mut records: Vec<Record>, doubts: &mut Doubts) -> Result<bool, Error> {
        while let Some(first) = records.first() {
            let day = first.at.ms;
            let end = records.iter().position(|r| new_day(day, r.at.ms)).unwrap_or(records.len());
            let rest = records.split_off(end);
            if !self.apply_day(std::mem::replace(&mut records, rest), doubts).await? {
                return Ok(false);
            }
        }
        let behind = if self.reader.pending == 0 { 0 } else { now_ms().saturating_sub(self.cursor.ms) };
        let behind = Duration::from_millis(behind);
        self.config.health.well(true, self.cursor.seq, self.reader.pending, behind);
        Ok(true)
    }

    async fn apply_day(&mut self, records: Vec<Record>, doubts: &mut Doubts) -> Result<bool, Error> {
        let (Some(first), Some(last)) = (records.first().map(|r| r.at), records.last().map(|r| r.at)) else {
            return Ok(true);
        };
        let started = Instant::now();
        let events = records.len();
        self.books.distrust = first.seq <= doubts.distrust_to;
        let checkpoint = self.checkpoint(first).await?;
        let mut changes = self.book(records).await?;
        if self.books.distrust {
            self.drop_existing(&mut changes, last).await?;
        }
        let batch = Batch {
            from: self.cursor.seq,
            to: last,
            checkpoint: checkpoint.as_ref(),
            books: &self.books,
            changes: &changes,
        };
        match store::write_batch(self.db, &batch).await? {
            Written::Done => {}
            Written::CursorMoved => return Ok(false),
            Written::Contradicted(what) if self.books.distrust => return Err(Error::Contradicted(what)),
            Written::Contradicted(what) => {
                // Everything is read again, and this time nothing is taken for new.
                doubts.distrust_to = last.seq;
                metrics::retried("contradicted");
                return Err(Error::Contradicted(what));
            }
        }
        for incident in &changes.incidents {
            let kind = incident.kind.as_str();
            tracing::error!(kind, subject = incident.subject, seq = incident.at.seq, note = incident.note, "incident");
        }
        metrics::committed(&changes, events, started.elapsed());
        self.books.committed(&changes, last.ms);
        self.cursor = last;
        doubts.gap = None;
        Ok(true)
    }

    /// The state before `first`, if a day begins with it.
    async fn checkpoint(&self, first: At) -> Result<Option<Checkpoint>, Error> {
        if self.cursor.seq == 0 || !new_day(self.cursor.ms, first.ms) {
            return Ok(None);
        }
        // Nobody changes accounts without moving the cursor, and then this batch is not written either.
        let mut connection = self.db.pool().acquire().await.map_err(Error::Connect)?;
        let accounts = store::accounts(&mut connection).await?;
        tracing::info!(seq = self.cursor.seq, "a day begins, making a checkpoint");
        Checkpoint::of(self.cursor, accounts, &self.books).map(Some)
    }

    /// Applies records to the books.
    async fn book(&mut self, records: Vec<Record>) -> Result<Changes, Error> {
        let events = records.iter().filter_map(|r| r.event.as_deref().ok());
        fill(self.db, &mut self.books, events).await?;
        Ok(apply_all(&mut self.books, records))
    }

    /// Takes out of `changes` what the database has already.
    async fn drop_existing(&self, changes: &mut Changes, at: At) -> Result<(), Error> {
        let ids: Vec<_> = changes.transfers.iter().map(|t| t.id.as_str()).collect();
        let mut connection = self.db.pool().acquire().await.map_err(Error::Connect)?;
        let there = store::transfers_by_id(&mut connection, self.db.engine(), &ids).await?;
        for there in there {
            let Some(position) = changes.transfers.iter().position(|t| t.id == there.id) else { continue };
            let ours = changes.transfers.swap_remove(position);
            if let Outcome::ExistsWithDifferent(field) = ours.against(&there) {
                let note = format!("the transfer exists with another {field}; the first one stands");
                changes.incident(IncidentKind::ExistsWithDifferent, at, ours.id, note);
            }
        }
        Ok(())
    }

    /// Brings to an end what nobody speaks of any more.
    async fn sweep(&mut self) {
        let now = if self.reader.pending == 0 { now_ms() } else { self.cursor.ms };
        self.books.put_idle_aside(now);
        metrics::open_attempts(self.books.open_attempts());
        let due = sweep::due(&self.books, now, self.config.sweep_grace);
        if !due.is_empty() {
            sweep::publish(self.link, due).await;
        }
    }
}

/// Loads what the books must know before they can apply `events`.
pub(crate) async fn fill<'a>(
    db: &Db,
    books: &mut Books,
    events: impl IntoIterator<Item = &'a Event>,
) -> Result<(), Error> {
    let mut missing = books.missing(events);
    if missing.requests.is_empty() && missing.configs.is_empty() {
        return Ok(());
    }
    let mut connection = db.pool().acquire().await.map_err(Error::Connect)?;
    for (id, request) in store::requests(&mut connection, db.engine(), &missing.requests).await? {
        missing.configs.extend(books.unseen_configs(&request));
        books.adopt(id, request);
    }
    for version in missing.configs {
        if let Some(config) = store::config(&mut connection, version, u64::MAX).await? {
            books.adopt_config(config);
        }
    }
    Ok(())
}

/// Applies records in order; what is no event is noted.
pub(crate) fn apply_all(books: &mut Books, records: Vec<Record>) -> Changes {
    let mut changes = Changes::default();
    for record in records {
        match record.event {
            Ok(event) => books.apply(record.at, *event, &mut changes),
            Err(malformed) => {
                changes.incident(IncidentKind::Malformed, record.at, malformed.subject, malformed.note);
            }
        }
    }
    changes
}
