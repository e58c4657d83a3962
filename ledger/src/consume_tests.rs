//! The whole ledger on a real nats-server: batches, kills, peers, loss, sweeps, look-ups.

use std::time::{Duration, Instant};

use proto::ctl::{Lookup, RequestView};
use proto::event::{CloseReason, Event};
use proto::nats::Link;
use proto::subject::{CTL_LOOKUP, EVENTS_STREAM};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixtures::nats::{Nats, publish};
use crate::fixtures::postgres::Postgres;
use crate::fixtures::{self, Story};
use crate::reconcile::{Start, reconcile, reconcile_from};
use crate::store::{self, Db};
use crate::{Config, Error, replay};

/// A ledger in a task of its own.
struct Ledger {
    health: crate::Health,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Ledger {
    fn start(link: &Link, db: &Db) -> Self {
        Self::start_with(link, db, Config::default())
    }

    fn start_with(link: &Link, db: &Db, config: Config) -> Self {
        let shutdown = CancellationToken::new();
        let health = config.health.clone();
        let run = crate::run(config, link.clone(), db.clone(), shutdown.clone());
        Self { health, shutdown, task: tokio::spawn(run) }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Dies at whatever it does.
    fn kill(self) {
        self.task.abort();
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn on_the_books(db: &Db, seq: u64) {
    until("the cursor gets there", async || store::cursor(db).await.unwrap().seq >= seq).await;
}

fn quick() -> Config {
    Config { linger: Duration::from_millis(5), batch_events_max: 40, ..Config::default() }
}

/// Announcements and outcomes of `n` requests, some failed first, some taken over.
fn traffic(n: usize) -> Vec<Event> {
    let now = proto::clock::now_ms();
    let mut events = Vec::new();
    for i in 0..n {
        let s = Story::new(["acme", "beta", "gamma"][i % 3], now);
        match i % 5 {
            0 => events.extend([s.announced(1, 1), s.failed(1, 1, 1), s.announced(1, 2), s.used(1, 2, 7)]),
            1 => events.extend([s.announced(1, 1), s.takeover(2), s.announced(2, 1), s.used(2, 1, 3)]),
            2 => events.extend([s.announced(1, 1), s.takeover(2), s.closed(2, CloseReason::Unwanted, None)]),
            _ => events.extend([s.announced(1, 1), s.used(1, 1, 5)]),
        }
    }
    events
}

async fn assert_reconciled(link: &Link, db: &Db) {
    for start in [Start::Newest, Start::Oldest] {
        let report = reconcile_from(link, db, start).await.unwrap();
        assert_eq!((report.mismatches, report.open), (0, 0), "{:#?}", report.items);
    }
}

#[tokio::test]
async fn events_are_put_on_the_books_and_answered_for() {
    let (nats, test) = (Nats::start(), fixtures::sqlite().await);
    let (link, db) = (nats.link().await, &test.db);
    let ledger = Ledger::start(&link, db);
    let story = Story::new("acme", proto::clock::now_ms());
    publish(&link, [Event::Config(fixtures::config(1)), story.announced(1, 1)]).await;
    on_the_books(db, 2).await;
    let ask = async |project: &str| -> Option<RequestView> {
        let lookup = Lookup { request: story.request, project: project.to_owned() };
        let asked =
            link.client.request(CTL_LOOKUP, serde_json::to_vec(&lookup).unwrap().into()).await.unwrap();
        serde_json::from_slice(&asked.payload).unwrap()
    };
    assert_eq!(ask("acme").await.unwrap().status, "in_progress");
    assert!(ask("other").await.is_none());
    publish(&link, [story.used(1, 1, 10)]).await;
    on_the_books(db, 3).await;
    let view = ask("acme").await.unwrap();
    assert_eq!((view.status.as_str(), view.cost_usd.as_deref()), ("success", Some("0.0000015")));
    assert_eq!(ledger.health.check(), Ok(()));
    // What is stored when it is told to stop is put on the books before it does.
    publish(&link, traffic(10)).await;
    let last = crate::stream::bounds(&link).await.unwrap().last;
    ledger.stop().await;
    assert_eq!(store::cursor(db).await.unwrap().seq, last);
    assert_reconciled(&link, db).await;
}

async fn killed_again_and_again(db: &Db) {
    let nats = Nats::start();
    let link = nats.link().await;
    publish(&link, [Event::Config(fixtures::config(1))]).await;
    let events = traffic(400);
    let feed = tokio::spawn({
        let link = link.clone();
        async move { publish(&link, events).await }
    });
    let mut kills = 0;
    while !feed.is_finished() || kills < 10 {
        let ledger = Ledger::start_with(&link, db, quick());
        tokio::time::sleep(Duration::from_millis(20 + 17 * (kills % 5))).await;
        ledger.kill();
        kills += 1;
    }
    feed.await.unwrap();
    let last = crate::stream::bounds(&link).await.unwrap().last;
    let ledger = Ledger::start_with(&link, db, quick());
    on_the_books(db, last).await;
    ledger.stop().await;
    assert_reconciled(&link, db).await;
}

#[tokio::test]
async fn a_ledger_killed_anywhere_doubles_nothing_on_sqlite() {
    killed_again_and_again(&fixtures::sqlite().await.db).await;
}

#[tokio::test]
async fn ledgers_on_postgres_double_nothing_killed_or_side_by_side() {
    let cluster = Postgres::start();
    killed_again_and_again(&cluster.database("killed").await).await;
    let (nats, db) = (Nats::start(), cluster.database("peers").await);
    let link = nats.link().await;
    let peer = Db::connect(&cluster.url("peers")).await.unwrap();
    let (one, other) =
        (Ledger::start_with(&link, &db, quick()), Ledger::start_with(&nats.link().await, &peer, quick()));
    publish(&link, [Event::Config(fixtures::config(1))]).await;
    publish(&link, traffic(300)).await;
    let last = crate::stream::bounds(&link).await.unwrap().last;
    on_the_books(&db, last).await;
    // One of them is gone; the other takes over.
    one.kill();
    publish(&link, traffic(50)).await;
    let last = crate::stream::bounds(&link).await.unwrap().last;
    on_the_books(&db, last).await;
    other.stop().await;
    assert_reconciled(&link, &db).await;
}

#[tokio::test]
async fn what_nobody_speaks_of_any_more_is_swept() {
    let (nats, test) = (Nats::start(), fixtures::sqlite().await);
    let (link, db) = (nats.link().await, &test.db);
    let long_ago = proto::clock::now_ms() - 200_000;
    let (lost, alive) = (Story::new("acme", long_ago), Story::new("acme", proto::clock::now_ms()));
    publish(&link, [Event::Config(fixtures::config(1)), lost.announced(1, 1), alive.announced(1, 1)]).await;
    let config =
        Config { idle: Duration::from_millis(200), sweep_every: Duration::from_millis(100), ..quick() };
    let ledger = Ledger::start_with(&link, db, config);
    on_the_books(db, 5).await;
    let swept = replay::request(db, lost.request).await.unwrap().unwrap();
    assert_eq!((swept.view.status.as_str(), swept.transfers.len()), ("unknown", 1));
    let open = replay::request(db, alive.request).await.unwrap().unwrap();
    assert_eq!(open.view.status, "in_progress");
    ledger.stop().await;
    let report = reconcile(&link, db).await.unwrap();
    assert_eq!((report.mismatches, report.open, report.unknown), (0, 1, 1), "{:#?}", report.items);
    let kinds: Vec<_> = report.items.iter().map(|item| item.kind).collect();
    assert_eq!(kinds, ["unknown", "open"]);
}

#[tokio::test]
async fn a_request_without_an_open_attempt_is_swept_even_by_a_ledger_that_starts_later() {
    let (nats, test) = (Nats::start(), fixtures::sqlite().await);
    let (link, db) = (nats.link().await, &test.db);
    // Its only attempt failed, another was to follow, and its message is gone: nobody will deliver it again.
    let between = Story::new("acme", proto::clock::now_ms() - 50_000);
    publish(&link, [Event::Config(fixtures::config(1)), between.announced(1, 1), between.failed(1, 1, 1)])
        .await;
    let first = Ledger::start(&link, db);
    on_the_books(db, 3).await;
    first.stop().await;
    let found = replay::request(db, between.request).await.unwrap().unwrap();
    assert_eq!(found.view.status, "in_progress");
    let config = Config {
        idle: Duration::from_millis(200),
        sweep_every: Duration::from_millis(100),
        // The fixture's deadline is ten seconds ahead.
        sweep_grace: Duration::ZERO,
        ..quick()
    };
    let later = Ledger::start_with(&link, db, config);
    on_the_books(db, 4).await;
    let swept = replay::request(db, between.request).await.unwrap().unwrap();
    assert_eq!(swept.view.status, "swept");
    later.stop().await;
    assert_eq!(reconcile(&link, db).await.unwrap().mismatches, 0);
}

#[tokio::test]
async fn lost_events_are_an_incident_and_the_books_go_on() {
    let (nats, test) = (Nats::start(), fixtures::sqlite().await);
    let (link, db) = (nats.link().await, &test.db);
    publish(&link, [Event::Config(fixtures::config(1))]).await;
    publish(&link, traffic(10)).await;
    let ledger = Ledger::start(&link, db);
    let last = crate::stream::bounds(&link).await.unwrap().last;
    on_the_books(db, last).await;
    ledger.stop().await;
    // Two more are stored while no ledger runs, and are gone before one does.
    let gone = Story::new("acme", proto::clock::now_ms());
    publish(&link, [gone.announced(1, 1), gone.used(1, 1, 10)]).await;
    let stream = link.js.get_stream(EVENTS_STREAM).await.unwrap();
    stream.purge().await.unwrap();
    let kept = Story::new("acme", proto::clock::now_ms());
    publish(&link, [kept.announced(1, 1), kept.used(1, 1, 10)]).await;
    let ledger = Ledger::start(&link, db);
    on_the_books(db, last + 4).await;
    ledger.stop().await;
    assert!(replay::request(db, gone.request).await.unwrap().is_none());
    assert_eq!(replay::request(db, kept.request).await.unwrap().unwrap().view.status, "success");
    let report = reconcile(&link, db).await.unwrap();
    assert_eq!(report.from_checkpoint, last + 2, "the derivation starts behind the hole");
    assert_eq!(report.mismatches, 1, "{:#?}", report.items);
    assert_eq!(report.items[0].kind, "incident");
}

#[tokio::test]
async fn a_message_that_is_no_event_does_not_stop_the_books() {
    let (nats, test) = (Nats::start(), fixtures::sqlite().await);
    let (link, db) = (nats.link().await, &test.db);
    let mut story = Story::new("acme", proto::clock::now_ms());
    story.subject.requested_model = "fast\0er".to_owned();
    let reflected =
        link.js.publish("fb.evt.usage.other", serde_json::to_vec(&story.used(1, 1, 1)).unwrap().into());
    reflected.await.unwrap().await.unwrap();
    publish(&link, [Event::Config(fixtures::config(1)), story.announced(1, 1), story.used(1, 1, 1)]).await;
    let ledger = Ledger::start(&link, db);
    on_the_books(db, 4).await;
    ledger.stop().await;
    let life = replay::request(db, story.request).await.unwrap().unwrap();
    assert_eq!(life.view.requested_model, "fast\u{fffd}er");
    let report = reconcile(&link, db).await.unwrap();
    assert_eq!(report.items.iter().map(|i| i.kind).collect::<Vec<_>>(), ["incident"]);
}

/// CPU time of this process so far, in microseconds (its clock ticks a hundred times a second).
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks * 10_000
}

/// Prints what an event costs. For numbers worth reading, run it alone and in release:
/// `FOREBAY_LEDGER_BENCH=100000 cargo test -p ledger --release throughput -- --nocapture`.
#[tokio::test]
async fn throughput_is_printed() {
    let requests = std::env::var("FOREBAY_LEDGER_BENCH").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let (nats, test) = (Nats::start(), fixtures::sqlite().await);
    let (link, db) = (nats.link().await, &test.db);
    publish(&link, [Event::Config(fixtures::config(1))]).await;
    let now = proto::clock::now_ms();
    for n in 0..requests {
        let story = Story::new(["acme", "beta", "gamma", "delta"][n % 4], now);
        for event in [story.announced(1, 1), story.used(1, 1, 5)] {
            let payload = serde_json::to_vec(&event).unwrap();
            let sent = link.js.publish(event.subject(), payload.into()).await.unwrap();
            if n % 500 == 499 {
                sent.await.unwrap();
            }
        }
    }
    until("all are stored", async || crate::stream::bounds(&link).await.unwrap().last > requests as u64 * 2)
        .await;
    let (started, cpu) = (Instant::now(), cpu_us());
    let ledger = Ledger::start(&link, db);
    let last = requests as u64 * 2 + 1;
    while ledger.health.cursor() < last {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(started.elapsed() < Duration::from_secs(120));
    }
    let (took, cpu) = (started.elapsed(), cpu_us() - cpu);
    ledger.stop().await;
    assert_reconciled(&link, db).await;
    let per_second = u128::from(last) * 1_000_000 / took.as_micros().max(1);
    #[expect(clippy::print_stderr, reason = "what the test is for")]
    {
        eprintln!(
            "{last} events in {took:?}: {per_second} events/s, {} ns of CPU an event",
            cpu * 1000 / last
        );
    }
}
