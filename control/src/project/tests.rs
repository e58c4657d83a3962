//! The projector against a real nats-server: its order, its crashes, its rivals, and a NATS that lost everything.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use ledger::Db;
use proto::config::KeyRecord;

use super::*;
use crate::file::Draft;
use crate::store::{Published, Source, publish};
use crate::testing::{Nats, draft, secrets, sqlite};

const SECRET_A: &str = "secret-a-0123456789";
const SECRET_B: &str = "secret-b-0123456789";

async fn put(db: &Db, draft: &Draft) -> Published {
    publish(db, draft, Source::File, &secrets('m'), 0, 1000).await.unwrap()
}

/// What NATS holds: version in force, mark, configuration events in order, keys by hash.
#[derive(Debug, PartialEq)]
struct Seen {
    current: u64,
    mark: u64,
    events: Vec<u64>,
    keys: BTreeMap<String, KeyRecord>,
}

async fn seen(projector: &Projector) -> Seen {
    let current = version_of(bucket::read(&projector.config, "current").await.unwrap().as_deref());
    let mark = number(bucket::read(&projector.keys, "_projected").await.unwrap().as_deref());
    let mut stream = projector.link.js.get_stream("EVENTS").await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut events = Vec::new();
    for seq in 1..=last {
        let message = stream.get_raw_message(seq).await.unwrap();
        if let Event::Config(config) = serde_json::from_slice(&message.payload).unwrap() {
            events.push(config.version);
        }
    }
    let mut keys = BTreeMap::new();
    let names: Vec<String> = projector.keys.keys().await.unwrap().try_collect().await.unwrap();
    for name in names.into_iter().filter(|name| name != "_projected") {
        let record = bucket::read(&projector.keys, &name).await.unwrap().unwrap();
        keys.insert(name, serde_json::from_slice(&record).unwrap());
    }
    Seen { current, mark, events, keys }
}

fn hash(secret: &str) -> String {
    secrets('m').pepper.hash(secret)
}

/// What must hold at every moment: nobody sees a version before its event is stored, nor an event before its keys.
fn assert_order(seen: &Seen) {
    let event = seen.events.last().copied().unwrap_or_default();
    assert!(seen.current <= event && event <= seen.mark, "{seen:?}");
    assert!(seen.events.is_sorted_by(|a, b| a < b), "{seen:?}");
    if seen.mark == 1 && seen.current == 0 {
        assert!(seen.keys.contains_key(&hash(SECRET_A)), "{seen:?}");
    }
}

#[tokio::test]
async fn killed_between_any_two_steps_it_ends_the_same() {
    let nats = Nats::start();
    let (db, _dir) = sqlite().await;
    put(&db, &draft("m", &[("k", Some(SECRET_A)), ("l", None)])).await;
    put(&db, &draft("n", &[("k", Some(SECRET_B)), ("l", None)])).await;
    let mut steps = 0;
    loop {
        // Each step is done by a new process: once up to the write, once more up to the mark.
        let dying = Projector::open(db.clone(), nats.link().await).await.unwrap();
        let Some(row) = store::waiting(&db).await.unwrap().into_iter().next() else { break };
        dying.perform(row.work.unwrap(), &row).await.unwrap();
        assert_order(&seen(&dying).await);
        let next = Projector::open(db.clone(), nats.link().await).await.unwrap();
        next.step(&row).await.unwrap();
        assert_order(&seen(&next).await);
        steps += 1;
    }
    assert_eq!(steps, 10);
    let projector = Projector::open(db, nats.link().await).await.unwrap();
    let end = seen(&projector).await;
    assert_eq!((end.current, end.mark, end.events.as_slice()), (2, 2, [1, 2].as_slice()));
    assert_eq!(end.keys.len(), 2);
    assert!(!end.keys.contains_key(&hash(SECRET_A)), "the rotated secret is gone");
    assert!(!end.keys[&hash(SECRET_B)].revoked);
    assert!(!projector.restore().await.unwrap(), "nothing is missing");
}

#[tokio::test]
async fn a_frozen_control_puts_nothing_back() {
    let nats = Nats::start();
    let (db, _dir) = sqlite().await;
    put(&db, &draft("m", &[("k", Some(SECRET_A))])).await;
    let frozen = Projector::open(db.clone(), nats.link().await).await.unwrap();
    let held = store::waiting(&db).await.unwrap();
    let rival = Projector::open(db.clone(), nats.link().await).await.unwrap();
    rival.drain().await.unwrap();
    put(&db, &draft("m", &[])).await;
    rival.drain().await.unwrap();
    let before = seen(&rival).await;
    assert!(before.keys[&hash(SECRET_A)].revoked);
    for row in &held {
        assert!(!frozen.perform(row.work.unwrap(), row).await.unwrap(), "{row:?}");
    }
    assert_eq!(seen(&rival).await, before);
}

#[tokio::test]
async fn rivals_at_once_do_everything_once() {
    let nats = Nats::start();
    let (db, _dir) = sqlite().await;
    for round in 0..5 {
        put(&db, &draft(&format!("m{round}"), &[("k", Some(&format!("secret-{round}-0123456789")))])).await;
    }
    let one = Projector::open(db.clone(), nats.link().await).await.unwrap();
    let two = Projector::open(db.clone(), nats.link().await).await.unwrap();
    let (a, b) = tokio::join!(one.drain(), two.drain());
    a.unwrap();
    b.unwrap();
    let end = seen(&one).await;
    assert_eq!((end.current, end.mark, end.events.as_slice()), (5, 5, [1, 2, 3, 4, 5].as_slice()));
    assert_eq!(end.keys.keys().collect::<Vec<_>>(), [&hash("secret-4-0123456789")]);
}

#[tokio::test]
async fn a_new_nats_is_given_everything_again() {
    let (db, _dir) = sqlite().await;
    let old = {
        let nats = Nats::start();
        let projector = Projector::open(db.clone(), nats.link().await).await.unwrap();
        put(&db, &draft("m", &[("k", Some(SECRET_A)), ("l", Some(SECRET_B))])).await;
        put(&db, &draft("m", &[("k", Some(SECRET_A))])).await;
        projector.drain().await.unwrap();
        seen(&projector).await
    };
    let nats = Nats::start();
    let projector = Projector::open(db, nats.link().await).await.unwrap();
    assert_eq!(projector.drain().await.unwrap(), 0);
    assert!(projector.restore().await.unwrap());
    let new = seen(&projector).await;
    assert_eq!((new.current, new.mark, new.events.as_slice()), (2, 2, [2].as_slice()));
    assert_eq!(new.keys, old.keys);
    assert!(new.keys[&hash(SECRET_B)].revoked);
    assert!(!projector.restore().await.unwrap());
}

#[tokio::test]
async fn keys_that_the_database_does_not_know_are_forgotten() {
    let nats = Nats::start();
    let (old, _dir) = sqlite().await;
    put(&old, &draft("m", &[("k", Some(SECRET_A))])).await;
    put(&old, &draft("n", &[("k", Some(SECRET_A))])).await;
    Projector::open(old, nats.link().await).await.unwrap().drain().await.unwrap();

    let (new, _dir) = sqlite().await;
    let projector = Projector::open(new.clone(), nats.link().await).await.unwrap();
    let floor = projector.floor().await.unwrap();
    assert_eq!(floor, 2);
    assert_eq!(projector.forget_unknown_keys().await.unwrap(), 1);
    let draft_ = draft("o", &[("k", Some(SECRET_B))]);
    publish(&new, &draft_, Source::File, &secrets('m'), floor, 1).await.unwrap();
    projector.drain().await.unwrap();
    let end = seen(&projector).await;
    assert_eq!((end.current, end.mark, end.events.as_slice()), (3, 3, [1, 2, 3].as_slice()));
    assert_eq!(end.keys.keys().collect::<Vec<_>>(), [&hash(SECRET_B)]);
}
