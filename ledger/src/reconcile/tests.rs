//! Reconciling finds what it is for: each kind of difference, made by hand.

use proto::event::{CloseReason, Event};
use sqlx::Executor;

use super::{Start, reconcile, reconcile_from};
use crate::fixtures::nats::{Nats, publish};
use crate::fixtures::{self, Story};
use crate::store::Db;
use crate::store::conformance::Pen;

/// Stores events on the stream and puts the same ones on the books.
async fn told(db: &Db, nats: &Nats, events: Vec<Event>) -> proto::nats::Link {
    let link = nats.link().await;
    publish(&link, events).await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    let last = crate::stream::bounds(&link).await.unwrap().last;
    let run = crate::run(crate::Config::default(), link.clone(), db.clone(), shutdown.clone());
    let watch = async {
        while crate::store::cursor(db).await.unwrap().seq < last {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        shutdown.cancel();
    };
    let (done, ()) = tokio::join!(run, watch);
    done.unwrap();
    link
}

fn events() -> Vec<Event> {
    let now = proto::clock::now_ms();
    let (paid, lost) = (Story::new("acme", now), Story::new("acme", now));
    vec![
        Event::Config(fixtures::config(1)),
        paid.announced(1, 1),
        lost.announced(1, 1),
        paid.used(1, 1, 10),
        lost.takeover(2),
        lost.closed(2, CloseReason::Unwanted, None),
    ]
}

#[tokio::test]
async fn what_was_touched_by_hand_is_found() {
    let nats = Nats::start();
    let test = fixtures::sqlite().await;
    let db = &test.db;
    let link = told(db, &nats, events()).await;
    let clean = reconcile(&link, db).await.unwrap();
    assert_eq!((clean.mismatches, clean.attempts, clean.transfers, clean.unknown), (0, 2, 2, 1));
    assert_eq!((clean.checked_through, clean.from_checkpoint), (6, 0));
    for (touch, undo, kinds) in [
        (
            "UPDATE accounts SET debits = debits + 1 WHERE id = 'project:acme'",
            "UPDATE accounts SET debits = debits - 1 WHERE id = 'project:acme'",
            vec!["account", "sum", "account_sum", "unknown"],
        ),
        (
            "UPDATE attempts SET cost = cost + 1 WHERE payer = 'customer'",
            "UPDATE attempts SET cost = cost - 1 WHERE payer = 'customer'",
            vec!["attempt", "unpaid", "unknown"],
        ),
        (
            "UPDATE attempts SET id = replace(id, '.1', '.7') WHERE state = 'unknown'",
            "UPDATE attempts SET id = replace(id, '.7', '.1') WHERE state = 'unknown'",
            vec!["attempt", "attempt", "unpaid", "orphan", "unknown"],
        ),
        (
            "INSERT INTO incidents (id, kind, subject, note, seq, at_ms) VALUES ('x', 'malformed', 's', 'n', 1, 1)",
            "UPDATE incidents SET resolved = 1",
            vec!["incident", "unknown"],
        ),
    ] {
        db.pool().execute(touch).await.unwrap();
        let report = reconcile(&link, db).await.unwrap();
        let found: Vec<_> = report.items.iter().map(|item| item.kind).collect();
        assert_eq!(found, kinds, "{touch}: {:#?}", report.items);
        assert_eq!(report.mismatches, kinds.len() as u64 - 1, "{touch}");
        db.pool().execute(undo).await.unwrap();
        assert_eq!(reconcile(&link, db).await.unwrap(), clean, "{undo}");
    }
}

#[tokio::test]
async fn a_later_checkpoint_is_compared_on_the_way_and_a_broken_one_is_passed_over() {
    let nats = Nats::start();
    let test = fixtures::sqlite().await;
    let db = &test.db;
    let link = told(db, &nats, events()).await;
    let snapshot = "INSERT INTO checkpoints (seq, at_ms, hash, document) VALUES (3, 1, 'no such hash', '{}')";
    db.pool().execute(snapshot).await.unwrap();
    let report = reconcile(&link, db).await.unwrap();
    assert_eq!((report.mismatches, report.from_checkpoint), (1, 0), "{:#?}", report.items);
    assert_eq!(report.items[0].kind, "checkpoint");
    assert_eq!(reconcile_from(&link, db, Start::Oldest).await.unwrap().mismatches, 0);
}

#[tokio::test]
async fn books_of_another_stream_are_refused_with_a_sentence() {
    let nats = Nats::start();
    let test = fixtures::sqlite().await;
    Pen::new(&test.db).write(events()).await;
    let link = nats.link().await;
    let error = reconcile(&link, &test.db).await.unwrap_err().to_string();
    assert!(error.contains("belongs to another stream"), "{error}");
}
