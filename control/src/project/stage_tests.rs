//! A version on its way into force, with controls that die or race in the middle.

use std::time::Duration;

use proto::nats::Projection;
use proto::nats::presence::Speaker;

use super::tests::open;
use super::*;
use crate::store::publications::{in_force, publication};
use crate::store::{Source, publish};
use crate::testing::{Nats, draft, secrets, sqlite};

const SECRET: &str = "secret-a-0123456789";

async fn put(db: &Db, draft: &crate::file::Draft) -> u64 {
    publish(db, draft, Source::File, &secrets('m'), 0, 1000).await.unwrap().version
}

async fn status(db: &Db, version: u64) -> String {
    publication(db, version).await.unwrap().unwrap().status
}

/// A process that answers as it is told.
async fn process(nats: &Nats, fine: bool) -> tokio::task::JoinSet<()> {
    let (link, projection) = (nats.link().await, Projection::new());
    let mut tasks = tokio::task::JoinSet::new();
    let (seen, bucket) = (projection.clone(), link.clone());
    tasks.spawn(async move { seen.run_config(bucket).await });
    let judge = move |_, _| std::future::ready(if fine { Ok(()) } else { Err("no".to_owned()) });
    tasks.spawn(async move { Speaker::new(link, "workers", fine).run(&projection, judge).await });
    tasks
}

async fn heard(projector: &Projector, wanted: usize) {
    while projector.roster.all().map(|all| all.len()) != Some(wanted) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Drains until nothing is waited for any more.
async fn drain(projector: &Projector) {
    while projector.drain().await.unwrap().pending {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_next_control_goes_on_where_one_died() {
    let nats = Nats::start();
    let (db, _dir) = sqlite().await;
    put(&db, &draft("m", &[])).await;
    let dying = open(&db, &nats).await;
    dying.drain().await.unwrap();
    assert_eq!(status(&db, 1).await, "active", "the first one asks nobody");
    let _process = process(&nats, true).await;
    heard(&dying, 1).await;
    put(&db, &draft("n", &[])).await;
    let row = store::waiting(&db, 0).await.unwrap().remove(0);
    // It shows the version, and is gone before anybody has answered.
    dying.stage(&row).await.unwrap();
    drop(dying);
    let (one, two) = (open(&db, &nats).await, open(&db, &nats).await);
    tokio::join!(drain(&one), drain(&two));
    assert_eq!((status(&db, 2).await.as_str(), status(&db, 1).await.as_str()), ("active", "superseded"));
    assert_eq!(in_force(&db).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn a_refused_version_leaves_keys_documents_and_files_as_they_were() {
    let nats = Nats::start();
    let (db, _dir) = sqlite().await;
    let projector = open(&db, &nats).await;
    put(&db, &draft("m", &[("k", Some(SECRET))])).await;
    projector.drain().await.unwrap();
    let refusing = process(&nats, false).await;
    heard(&projector, 1).await;
    let other = draft("n", &[("l", None)]);
    assert_eq!(put(&db, &other).await, 2);
    drain(&projector).await;
    let failed = publication(&db, 2).await.unwrap().unwrap();
    assert_eq!(failed.status, "failed");
    assert!(failed.error.unwrap().contains("refuses it: no"));
    let hash = secrets('m').pepper.hash(SECRET);
    let key = store::records::key(&db, &hash).await.unwrap().unwrap();
    assert_eq!((key.name.as_str(), key.revoked), ("k", false));
    assert!(!store::has_live_key(&db, "a", "l").await.unwrap());
    let shown = bucket::read(&projector.config, subject::CONFIG_STAGED).await.unwrap();
    assert_eq!(shown, None, "it is taken back");
    assert!(store::waiting(&db, 0).await.unwrap().is_empty());
    assert!(!projector.restore().await.unwrap(), "what is in force is there");
    // The next change begins with what is in force, and the same file is tried again.
    drop(refusing);
    let _fine = process(&nats, true).await;
    heard(&projector, 2).await;
    assert_eq!(put(&db, &other).await, 3);
    drain(&projector).await;
    assert_eq!((status(&db, 3).await.as_str(), status(&db, 2).await.as_str()), ("active", "failed"));
    assert!(store::has_live_key(&db, "a", "l").await.unwrap());
}
