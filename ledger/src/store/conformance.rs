//! What the store promises, run against SQLite and PostgreSQL alike.

use proto::event::{CloseReason, Event};
use proto::id::RequestId;
use proto::money::NanoUsd;
use sqlx::Executor;

use super::{Batch, Db, Written};
use crate::account::{Account, Totals};
use crate::apply::fill;
use crate::book::changes::{Changes, IncidentKind};
use crate::book::{At, Books};
use crate::checkpoint::Checkpoint;
use crate::fixtures::{self, NOON, Story, placed};
use crate::replay;
use crate::store;

/// Books and the place where they stand.
pub(crate) struct Pen<'a> {
    pub(crate) db: &'a Db,
    pub(crate) books: Books,
    pub(crate) cursor: u64,
}

impl<'a> Pen<'a> {
    pub(crate) fn new(db: &'a Db) -> Self {
        Self { db, books: Books::default(), cursor: 0 }
    }

    /// A ledger that was started again.
    pub(crate) async fn again(db: &'a Db) -> Self {
        let cursor = store::cursor(db).await.unwrap();
        let mut books = Books::since(cursor.ms);
        let open = store::open_requests(db).await.unwrap();
        let mut connection = db.pool().acquire().await.unwrap();
        for (id, request) in store::requests(&mut connection, db.engine(), &open).await.unwrap() {
            books.adopt(id, request);
        }
        Self { db, books, cursor: cursor.seq }
    }

    /// Puts events on the books, numbered from the cursor on.
    pub(crate) async fn write(&mut self, events: Vec<Event>) -> Written {
        let placed = placed(self.cursor + 1, events);
        fill(self.db, &mut self.books, placed.iter().map(|(_, e)| e)).await.unwrap();
        let mut changes = Changes::default();
        let to = placed.last().unwrap().0;
        for (at, event) in placed {
            self.books.apply(at, event, &mut changes);
        }
        self.put(&changes, to).await
    }

    async fn put(&mut self, changes: &Changes, to: At) -> Written {
        let batch = Batch { from: self.cursor, to, checkpoint: None, books: &self.books, changes };
        let written = store::write_batch(self.db, &batch).await.unwrap();
        if written == Written::Done {
            self.books.committed(changes, to.ms);
            self.cursor = to.seq;
        }
        written
    }
}

async fn balance(db: &Db, account: &Account) -> i64 {
    let mut connection = db.pool().acquire().await.unwrap();
    let accounts = store::accounts(&mut connection).await.unwrap();
    accounts.get(account).map_or(0, |t| t.debits.0 - t.credits.0)
}

fn acme() -> Account {
    Account::Project("acme".to_owned())
}

fn primary() -> Account {
    Account::Provider("primary".to_owned())
}

/// Every case, each on a database of its own.
pub(crate) const CASES: usize = 9;

pub(crate) async fn case(n: usize, db: &Db) {
    match n {
        0 => what_is_written_is_read_back(db).await,
        1 => the_cursor_lets_one_batch_through(db).await,
        2 => an_outcome_in_a_later_batch_updates_the_row(db).await,
        3 => a_restart_goes_on_with_open_attempts(db).await,
        4 => a_contradiction_writes_nothing(db).await,
        5 => transfers_are_immutable(db).await,
        6 => requests_are_listed(db).await,
        7 => rare_rows_are_kept(db).await,
        _ => migrations_are_safe_from_many_places(db).await,
    }
}

async fn what_is_written_is_read_back(db: &Db) {
    let mut pen = Pen::new(db);
    let (paid, lost) = (Story::new("acme", NOON), Story::new("acme", NOON));
    let events = vec![
        Event::Config(fixtures::config(1)),
        paid.announced(1, 1),
        lost.announced(1, 1),
        paid.used(1, 1, 10),
        lost.takeover(2),
        lost.closed(2, CloseReason::BrokenOff, Some(1)),
    ];
    let mut model = Books::default();
    for (at, event) in placed(1, events.clone()) {
        model.apply(at, event, &mut Changes::default());
    }
    assert_eq!(pen.write(events).await, Written::Done);
    let mut connection = db.pool().acquire().await.unwrap();
    let loaded = store::requests(&mut connection, db.engine(), &[paid.request, lost.request]).await.unwrap();
    for (id, loaded) in &loaded {
        let expected = model.request(*id).unwrap();
        assert_eq!(loaded.attempts.len(), 1);
        for (a, b) in loaded.attempts.iter().zip(&expected.attempts) {
            assert_eq!((&a.subject, &a.call, &a.announced), (&b.subject, &b.call, &b.announced));
            assert_eq!((&a.given_up, &a.settled), (&b.given_up, &b.settled));
            assert_eq!((a.payer, a.pricing, a.cost), (b.payer, b.pricing, b.cost));
        }
        assert_eq!((&loaded.takeovers, &loaded.closings), (&expected.takeovers, &expected.closings));
    }
    assert_eq!(store::config(&mut connection, 1, 1).await.unwrap().unwrap().as_ref(), &fixtures::config(1));
    assert!(store::config(&mut connection, 1, 0).await.unwrap().is_none());
    let accounts = store::accounts(&mut connection).await.unwrap();
    assert_eq!(accounts[&acme()], Totals::debit(NanoUsd(1500)));
    assert_eq!(accounts[&Account::Loss], Totals::debit(NanoUsd(750)));
    assert_eq!(accounts[&primary()], Totals::credit(NanoUsd(2250)));
    let life = replay::request(db, lost.request).await.unwrap().unwrap();
    assert_eq!((life.view.status.as_str(), life.transfers.len()), ("broken_off", 1));
    assert_eq!(life.transfers[0].id, format!("{}:unknown/cost", lost.attempt(1, 1)));
}

async fn the_cursor_lets_one_batch_through(db: &Db) {
    let story = Story::new("acme", NOON);
    let (mut one, mut other) = (Pen::new(db), Pen::new(db));
    let events = vec![Event::Config(fixtures::config(1)), story.announced(1, 1), story.used(1, 1, 10)];
    assert_eq!(one.write(events.clone()).await, Written::Done);
    assert_eq!(other.write(events).await, Written::CursorMoved);
    assert_eq!(balance(db, &acme()).await, 1500);
    assert_eq!(store::cursor(db).await.unwrap(), At { seq: 3, ms: NOON + 3 });
}

async fn an_outcome_in_a_later_batch_updates_the_row(db: &Db) {
    let mut pen = Pen::new(db);
    let story = Story::new("acme", NOON);
    pen.write(vec![Event::Config(fixtures::config(1)), story.announced(1, 1)]).await;
    assert_eq!(store::open_requests(db).await.unwrap().len(), 1);
    assert_eq!(pen.write(vec![story.used(1, 1, 10)]).await, Written::Done);
    assert!(store::open_requests(db).await.unwrap().is_empty());
    let life = replay::request(db, story.request).await.unwrap().unwrap();
    assert_eq!((life.view.status.as_str(), life.view.cost_usd.as_deref()), ("success", Some("0.0000015")));
}

async fn a_restart_goes_on_with_open_attempts(db: &Db) {
    let mut pen = Pen::new(db);
    let story = Story::new("acme", NOON);
    pen.write(vec![Event::Config(fixtures::config(1)), story.announced(1, 1)]).await;
    let mut pen = Pen::again(db).await;
    assert_eq!(pen.write(vec![story.takeover(2)]).await, Written::Done);
    assert_eq!(balance(db, &Account::Loss).await, 750);
    // Nothing of it is at hand now: the late outcome must find what is stored.
    let mut pen = Pen::again(db).await;
    assert_eq!(pen.write(vec![story.used(1, 1, 10), story.used(1, 1, 10)]).await, Written::Done);
    assert_eq!(
        balance(db, &Account::Loss).await,
        1500,
        "the estimate is taken back, the true cost is booked"
    );
    assert_eq!(balance(db, &acme()).await, 0, "another delivery had taken the request over");
    let life = replay::request(db, story.request).await.unwrap().unwrap();
    let codes: Vec<_> = life.transfers.iter().map(|t| t.code).collect();
    assert_eq!(codes, ["unknown", "loss", "unknown_reversal"]);
}

async fn a_contradiction_writes_nothing(db: &Db) {
    let mut pen = Pen::new(db);
    let story = Story::new("acme", NOON);
    let events = vec![Event::Config(fixtures::config(1)), story.announced(1, 1), story.used(1, 1, 10)];
    pen.write(events).await;
    // Books that believe that nothing is stored, and a clock that lets them.
    let mut blind = Pen { db, books: Books::default(), cursor: pen.cursor };
    let again = vec![story.announced(1, 1), story.used(1, 1, 10)];
    assert!(matches!(blind.write(again.clone()).await, Written::Contradicted(_)));
    assert_eq!((balance(db, &acme()).await, store::cursor(db).await.unwrap().seq), (1500, 3));
    let mut wary = Pen::again(db).await;
    wary.books.distrust = true;
    assert_eq!(wary.write(again).await, Written::Done);
    assert_eq!((balance(db, &acme()).await, store::cursor(db).await.unwrap().seq), (1500, 5));
}

async fn transfers_are_immutable(db: &Db) {
    let mut pen = Pen::new(db);
    let story = Story::new("acme", NOON);
    pen.write(vec![Event::Config(fixtures::config(1)), story.announced(1, 1), story.used(1, 1, 10)]).await;
    for forbidden in ["UPDATE transfers SET amount = 1", "DELETE FROM transfers"] {
        let error = db.pool().execute(forbidden).await.unwrap_err().to_string();
        assert!(error.contains("immutable"), "{error}");
    }
}

async fn requests_are_listed(db: &Db) {
    let mut pen = Pen::new(db);
    let now = proto::clock::now_ms();
    let stories: Vec<_> =
        (0..5).map(|n| Story::new(if n % 2 == 0 { "acme" } else { "other" }, now + n)).collect();
    let mut events = vec![Event::Config(fixtures::config(1))];
    events.extend(stories[..4].iter().flat_map(|s| [s.announced(1, 1), s.used(1, 1, 1)]));
    events.push(stories[4].closed(1, CloseReason::Refused, None));
    pen.write(events).await;
    let all = replay::Query { from_ms: now, limit: 3, ..replay::Query::default() };
    let page = replay::list(db, &all).await.unwrap();
    let ids = |page: &replay::Page| page.requests.iter().map(|r| r.id).collect::<Vec<_>>();
    let expected: Vec<RequestId> = stories.iter().map(|s| s.request).collect();
    assert_eq!(ids(&page), expected[..3]);
    let rest = replay::list(db, &replay::Query { after: page.next, ..all.clone() }).await.unwrap();
    assert_eq!((ids(&rest), rest.next), (expected[3..].to_vec(), None));
    let acme = replay::Query { project: Some("acme".into()), status: Some("refused".into()), ..all.clone() };
    assert_eq!(ids(&replay::list(db, &acme).await.unwrap()), expected[4..]);
    let early = replay::Query { to_ms: Some(now + 1), ..all };
    assert_eq!(ids(&replay::list(db, &early).await.unwrap()), expected[..1]);
    let name = stories[0].subject.client_request_id.clone().unwrap();
    let found = replay::by_client_request_id(db, &name, Some("acme")).await.unwrap();
    assert_eq!(found, expected[..1]);
    assert!(replay::by_client_request_id(db, &name, Some("other")).await.unwrap().is_empty());
}

async fn rare_rows_are_kept(db: &Db) {
    let at = At { seq: 1, ms: NOON };
    let mut changes = Changes::default();
    changes.incident(IncidentKind::Malformed, at, "fb.evt.usage.acme".into(), "one".into());
    changes.incident(IncidentKind::Malformed, at, "fb.evt.usage.acme".into(), "two".into());
    let books = Books::default();
    let checkpoint = Checkpoint::of(At { seq: 0, ms: 0 }, Default::default(), &books).unwrap();
    let batch = Batch { from: 0, to: at, checkpoint: Some(&checkpoint), books: &books, changes: &changes };
    assert_eq!(store::write_batch(db, &batch).await.unwrap(), Written::Done);
    let count = |sql: &'static str| async move {
        sqlx::query_scalar::<_, i64>(sql).fetch_one(db.pool()).await.unwrap()
    };
    assert_eq!(count("SELECT COUNT(*) FROM incidents WHERE resolved = 0").await, 2);
    assert_eq!(count("SELECT COUNT(*) FROM checkpoints").await, 1);
}

async fn migrations_are_safe_from_many_places(db: &Db) {
    let (a, b, c) = tokio::join!(db.migrate(), db.migrate(), db.migrate());
    a.and(b).and(c).unwrap();
    db.check_schema().await.unwrap();
    db.pool().execute("DELETE FROM _sqlx_migrations WHERE version = 4").await.unwrap();
    let error = db.check_schema().await.unwrap_err().to_string();
    assert!(error.contains("migration 4 is missing"), "{error}");
}

#[tokio::test]
async fn sqlite_conforms() {
    for n in 0..CASES {
        case(n, &fixtures::sqlite().await.db).await;
    }
}

#[tokio::test]
async fn postgres_conforms() {
    let cluster = fixtures::postgres::Postgres::start();
    for n in 0..CASES {
        case(n, &cluster.database(&format!("case_{n}")).await).await;
    }
}

/// Many processes migrating an empty database at once.
async fn migrate_at_once(url: &str) {
    let one = |url: String| async move { Db::connect(&url).await?.migrate().await };
    let (a, b, c, d) =
        tokio::join!(one(url.to_owned()), one(url.to_owned()), one(url.to_owned()), one(url.to_owned()));
    for done in [a, b, c, d] {
        done.unwrap();
    }
}

#[tokio::test]
async fn an_empty_sqlite_database_may_be_migrated_from_many_places() {
    let directory = tempfile::tempdir().unwrap();
    migrate_at_once(&format!("sqlite://{}/new.db?mode=rwc", directory.path().display())).await;
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_refused_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/new.db?mode=rwc", directory.path().display());
    let error = Db::connect(&url).await.unwrap().check_schema().await.unwrap_err().to_string();
    assert!(error.contains("run `forebay migrate`"), "{error}");
    assert!(Db::connect("mysql://x").await.unwrap_err().to_string().contains("sqlite:"));
}
