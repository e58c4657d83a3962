//! One batch on the books: load what they must know, apply, write. And what a ledger begins with.

use std::time::Instant;

use proto::event::Event;

use crate::book::changes::{Changes, IncidentKind};
use crate::book::request::{DEADLINE_MAX_MS, Request};
use crate::book::{At, Books};
use crate::checkpoint::{Checkpoint, new_day};
use crate::error::Error;
use crate::metrics;
use crate::outcome::Outcome;
use crate::store::{self, Batch, Db, Written};
use crate::stream::Record;

/// How long a request may go on: the longest deadline, the sweep's grace, and clocks that disagree, in milliseconds.
const UNENDED_MS: u64 = DEADLINE_MAX_MS + 600_000;

/// The books and where they stand; all that moves the cursor.
pub(crate) struct Clerk {
    pub(crate) db: Db,
    pub(crate) books: Books,
    pub(crate) cursor: At,
    /// Up to this sequence nothing is taken for new, because a write contradicted the working set.
    pub(crate) distrust_to: u64,
}

/// The working set as of `cursor`.
pub(crate) async fn load(db: &Db, cursor: At) -> Result<Books, Error> {
    let mut books = Books::since(cursor.ms);
    let mut open = store::open_requests(db).await?;
    // What has no open attempt, and nobody has ended, is left to the sweep.
    open.extend(store::unended_requests(db, cursor.ms.saturating_sub(UNENDED_MS)).await?);
    let open: Vec<_> = open.into_iter().collect();
    let mut connection = db.pool().acquire().await.map_err(Error::Connect)?;
    for page in open.chunks(500) {
        for (id, request) in store::requests(&mut connection, db.engine(), page).await? {
            if request.open() || !request.ended() {
                books.adopt(id, request);
            }
        }
    }
    if let Some(config) = store::newest_config(&mut connection).await? {
        books.adopt_config(config);
    }
    Ok(books)
}

impl Clerk {
    /// Applies records, one transaction for each day in them. `false` if another ledger was first.
    pub(crate) async fn apply(&mut self, mut records: Vec<Record>) -> Result<bool, Error> {
        while let Some(first) = records.first() {
            let day = first.at.ms;
            let end = records.iter().position(|r| new_day(day, r.at.ms)).unwrap_or(records.len());
            let rest = records.split_off(end);
            if !self.apply_day(std::mem::replace(&mut records, rest)).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn apply_day(&mut self, records: Vec<Record>) -> Result<bool, Error> {
        let (Some(first), Some(last)) = (records.first().map(|r| r.at), records.last().map(|r| r.at)) else {
            return Ok(true);
        };
        let started = Instant::now();
        let events = records.len();
        self.books.distrust = first.seq <= self.distrust_to;
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
        match store::write_batch(&self.db, &batch).await? {
            Written::Done => {}
            Written::CursorMoved => return Ok(false),
            Written::Contradicted(what) if self.books.distrust => return Err(Error::Contradicted(what)),
            Written::Contradicted(what) => {
                // Everything is read again, and this time nothing is taken for new.
                self.distrust_to = last.seq;
                metrics::retried("contradicted");
                return Err(Error::Contradicted(what));
            }
        }
        say(&self.books, &changes, first.seq);
        metrics::committed(&changes, events, started.elapsed());
        self.books.committed(&changes, last.ms);
        self.cursor = last;
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
        fill(&self.db, &mut self.books, events).await?;
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
                let attempt = ours.attempt;
                let subject = self.books.request(attempt.request).and_then(Request::subject);
                let traceparent = subject.and_then(|subject| subject.traceparent.as_deref());
                let incident = changes.incident(IncidentKind::ExistsWithDifferent, at, ours.id, note);
                incident.about(attempt.request, traceparent);
            }
        }
        Ok(())
    }
}

/// Logs what a batch that begins with event `first` noted, and which upstream calls it gave up.
fn say(books: &Books, changes: &Changes, first: u64) {
    for incident in &changes.incidents {
        tracing::error!(
            request_id = incident.request.map(tracing::field::display),
            traceparent = incident.traceparent,
            kind = incident.kind.as_str(),
            subject = incident.subject,
            seq = incident.at.seq,
            note = incident.note,
            "incident"
        );
    }
    if changes.counts.unknown == 0 {
        return;
    }
    for id in &changes.attempts {
        let attempt = books.request(id.request).and_then(|request| request.attempt(*id));
        let Some(attempt) = attempt else { continue };
        if let Some(given_up) = attempt.given_up.as_ref().filter(|given_up| given_up.seq >= first) {
            tracing::warn!(
                request_id = %id.request,
                traceparent = attempt.subject.traceparent,
                attempt = %id,
                provider = attempt.call.provider,
                seq = given_up.seq,
                "an upstream call is given up: nobody knows its outcome"
            );
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::fixtures::{self, NOON, Story};

    fn records(first: u64, ms: u64, events: Vec<Event>) -> Vec<Record> {
        let at = |n: usize| At { seq: first + n as u64, ms };
        let record = |(n, event)| Record { at: at(n), event: Ok(Box::new(event)) };
        events.into_iter().enumerate().map(record).collect()
    }

    async fn clerk(db: &Db) -> Clerk {
        let cursor = store::cursor(db).await.unwrap();
        Clerk { db: db.clone(), books: load(db, cursor).await.unwrap(), cursor, distrust_to: 0 }
    }

    #[tokio::test]
    async fn a_batch_over_midnight_makes_a_checkpoint_of_the_day_before() {
        const NEXT_NOON: u64 = NOON + 86_400_000;
        let test = fixtures::sqlite().await;
        let mut clerk = clerk(&test.db).await;
        let (paid, open) = (Story::new("acme", NOON), Story::new("acme", NOON));
        let today = vec![
            Event::Config(fixtures::config(1)),
            paid.announced(1, 1),
            open.announced(1, 1),
            paid.used(1, 1, 10),
        ];
        let mut all = records(1, NOON, today);
        all.extend(records(5, NEXT_NOON, vec![open.used(1, 1, 10)]));
        assert!(clerk.apply(all).await.unwrap());
        let mut connection = test.db.pool().acquire().await.unwrap();
        assert_eq!(store::checkpoint_seqs(&mut connection, 0, 9).await.unwrap(), [4]);
        let state = store::checkpoint(&mut connection, 4).await.unwrap().unwrap().open().unwrap();
        assert_eq!((state.seq, state.at_ms, state.config), (4, NOON, Some(fixtures::config(1))));
        assert_eq!(state.open.keys().collect::<Vec<_>>(), [&open.request]);
        let debits: Vec<_> = state.accounts.values().map(|t| t.debits.0).collect();
        assert_eq!(debits, [1500, 0], "the second outcome belongs to the next day");
    }

    /// What was logged while it lives, one JSON object a line.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_is_logged_of_a_request_names_it_and_its_trace() {
        let (log, test) = (Log::default(), fixtures::sqlite().await);
        let writer = log.clone();
        let json = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
        let logging = tracing::subscriber::set_default(json.finish());
        let mut clerk = clerk(&test.db).await;
        let mut story = Story::new("acme", NOON);
        story.subject.traceparent = Some("00-trace-span-01".to_owned());
        let told = vec![
            Event::Config(fixtures::config(1)),
            story.announced(1, 1),
            story.takeover(2),
            story.used(2, 1, 10),
            story.used(2, 1, 11),
        ];
        assert!(clerk.apply(records(1, NOON, told)).await.unwrap());
        drop(logging);
        let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        for message in ["incident", "an upstream call is given up: nobody knows its outcome"] {
            let line = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let said: Vec<_> = line.filter(|line| line["message"] == message).collect();
            assert_eq!(said.len(), 1, "{message}: {lines}");
            assert_eq!(said[0]["request_id"], story.request.to_string());
            assert_eq!(said[0]["traceparent"], "00-trace-span-01");
        }
    }

    #[tokio::test]
    async fn a_write_that_contradicts_the_working_set_is_done_again_with_open_eyes() {
        let test = fixtures::sqlite().await;
        let mut first = clerk(&test.db).await;
        let story = Story::new("acme", NOON);
        let told = vec![Event::Config(fixtures::config(1)), story.announced(1, 1), story.used(1, 1, 10)];
        assert!(first.apply(records(1, NOON, told)).await.unwrap());
        // Books that take everything for new.
        let cursor = At { seq: 3, ms: NOON };
        let mut blind = Clerk { db: test.db.clone(), books: Books::default(), cursor, distrust_to: 0 };
        let again = || records(4, NOON, vec![story.announced(1, 1), story.used(1, 1, 11)]);
        assert!(matches!(blind.apply(again()).await, Err(Error::Contradicted(_))));
        assert_eq!(blind.distrust_to, 5);
        let mut wary = Clerk { distrust_to: blind.distrust_to, ..clerk(&test.db).await };
        assert!(wary.apply(again()).await.unwrap());
        let mut connection = test.db.pool().acquire().await.unwrap();
        let accounts = store::accounts(&mut connection).await.unwrap();
        assert_eq!(accounts.values().map(|t| t.debits.0).sum::<i64>(), 1500);
        let life = crate::replay::request(&test.db, story.request).await.unwrap().unwrap();
        assert_eq!((life.view.attempts.len(), life.transfers.len()), (1, 1));
    }
}
