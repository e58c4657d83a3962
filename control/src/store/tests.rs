//! What publishing means, the same on both engines.

use ledger::Db;

use super::*;
use crate::demo;
use crate::file::Draft;
use crate::testing::{Postgres, draft, migrated, secrets, sqlite};

const SECRET_A: &str = "secret-a-0123456789";
const SECRET_B: &str = "secret-b-0123456789";

async fn put(db: &Db, draft: &Draft) -> Published {
    put_from(db, draft, Source::File).await
}

async fn put_from(db: &Db, draft: &Draft, source: Source) -> Published {
    publish(db, draft, source, &secrets('m'), 0, 1000).await.unwrap()
}

fn hash(secret: &str) -> String {
    secrets('m').pepper.hash(secret)
}

async fn row(db: &Db, secret: &str) -> Option<keys::KeyRow> {
    key_by_hash(db, &hash(secret)).await.unwrap()
}

/// The outbox as `work target`, with hashes named, and everything marked done.
async fn take_outbox(db: &Db) -> Vec<String> {
    let rows = waiting(db).await.unwrap();
    for row in &rows {
        assert!(is_waiting(db, &row.id).await.unwrap());
        mark_done(db, &row.id).await.unwrap();
        assert!(!is_waiting(db, &row.id).await.unwrap());
    }
    let name = |target: &str| target.replace(&hash(SECRET_A), "A").replace(&hash(SECRET_B), "B");
    rows.iter().map(|row| format!("{} {}", row.work.unwrap().as_str(), name(&row.target))).collect()
}

async fn publishing_twice_changes_nothing(db: Db) {
    let first = put(&db, &draft("m", &[("k", Some(SECRET_A))])).await;
    assert_eq!((first.version, first.unchanged), (1, false));
    let tail = ["mark_keys keys/_projected", "event fb.evt.config", "put_config config/current"];
    let expected: Vec<&str> = ["put_key keys/A"].into_iter().chain(tail).collect();
    assert_eq!(take_outbox(&db).await, expected);
    let again = put(&db, &draft("m", &[("k", Some(SECRET_A))])).await;
    assert_eq!((again.version, again.unchanged), (1, true));
    assert!(waiting(&db).await.unwrap().is_empty());

    let changed = put(&db, &draft("n", &[("k", Some(SECRET_A))])).await;
    assert_eq!((changed.version, changed.unchanged), (2, false));
    assert_eq!(take_outbox(&db).await, tail, "an unchanged key is not projected again");
    let newest = newest(&db).await.unwrap().unwrap();
    assert_eq!((newest.version, newest.config.version, newest.config.published_ms), (2, 2, 1000));
    assert_eq!(newest.config.models[0].alias, "n");
}

async fn a_generated_secret_is_told_once_and_kept(db: Db) {
    let first = put(&db, &draft("m", &[("k", None)])).await;
    let [made] = first.generated.as_slice() else { panic!("one key was to be made") };
    assert!(made.secret.expose().starts_with("fb_sk_"));
    let stored = row(&db, made.secret.expose()).await.unwrap();
    assert_eq!((stored.project.as_str(), stored.name.as_str(), stored.revoked), ("a", "k", false));
    assert!(put(&db, &draft("m", &[("k", None)])).await.generated.is_empty());
    assert!(put(&db, &draft("n", &[("k", None)])).await.generated.is_empty());
    assert_eq!(row(&db, made.secret.expose()).await, Some(stored));
}

async fn another_secret_is_a_rotation(db: Db) {
    put(&db, &draft("m", &[("k", Some(SECRET_A))])).await;
    let id = row(&db, SECRET_A).await.unwrap().id;
    take_outbox(&db).await;
    let rotated = put(&db, &draft("m", &[("k", Some(SECRET_B))])).await;
    assert_eq!(rotated.version, 2);
    assert_eq!(take_outbox(&db).await[..2], ["delete_key keys/A", "put_key keys/B"]);
    assert_eq!(row(&db, SECRET_B).await.unwrap().id, id, "it is the same key");
    assert!(row(&db, SECRET_A).await.is_none());
}

async fn a_key_that_vanishes_is_revoked_and_comes_back_with_another_secret(db: Db) {
    let made = put(&db, &draft("m", &[("k", None), ("l", Some(SECRET_A))])).await.generated;
    put(&db, &draft("m", &[])).await;
    assert!(row(&db, made[0].secret.expose()).await.unwrap().revoked);
    assert!(row(&db, SECRET_A).await.unwrap().revoked);
    take_outbox(&db).await;
    let back = put(&db, &draft("m", &[("k", None), ("l", Some(SECRET_A))])).await;
    assert_eq!(back.generated.len(), 1);
    assert!(row(&db, made[0].secret.expose()).await.is_none(), "the old secret may have leaked");
    assert!(!row(&db, SECRET_A).await.unwrap().revoked, "a secret that is given counts");
    assert_eq!(take_outbox(&db).await.iter().filter(|row| row.starts_with("put_key")).count(), 2);
}

async fn secrets_may_change_places_and_names(db: Db) {
    put(&db, &draft("m", &[("k", Some(SECRET_A)), ("l", Some(SECRET_B))])).await;
    put(&db, &draft("m", &[("k", Some(SECRET_B)), ("l", Some(SECRET_A))])).await;
    assert_eq!(row(&db, SECRET_A).await.unwrap().name, "l");
    assert_eq!(row(&db, SECRET_B).await.unwrap().name, "k");
    take_outbox(&db).await;
    put(&db, &draft("m", &[("k", Some(SECRET_B)), ("renamed", Some(SECRET_A))])).await;
    assert_eq!(row(&db, SECRET_A).await.unwrap().name, "renamed");
    assert_eq!(take_outbox(&db).await[0], "put_key keys/A");
}

async fn another_master_secret_is_refused(db: Db) {
    put(&db, &draft("m", &[])).await;
    let refused = publish(&db, &draft("n", &[]), Source::File, &secrets('x'), 0, 1).await.unwrap_err();
    assert!(matches!(refused, Error::OtherSecret), "{refused}");
    assert_eq!(newest(&db).await.unwrap().unwrap().version, 1);
}

async fn the_example_project_survives_the_file(db: Db) {
    let base = draft("m", &[("k", Some(SECRET_A))]);
    put(&db, &base).await;
    let demo_ = demo::ensure(&db, &secrets('m'), None).await.unwrap();
    assert_eq!((demo_.version, demo_.generated.len()), (2, 1));
    let again = demo::ensure(&db, &secrets('m'), None).await.unwrap();
    assert_eq!((again.version, again.unchanged), (2, true));
    assert!(put(&db, &base).await.unchanged, "the same file does not undo an edit");
    put(&db, &draft("n", &[("k", Some(SECRET_A))])).await;
    let newest = newest(&db).await.unwrap().unwrap();
    assert_eq!((newest.version, newest.config.models[0].alias.as_str()), (3, "n"));
    assert!(newest.config.project("demo").is_some());
    assert!(!row(&db, demo_.generated[0].secret.expose()).await.unwrap().revoked);
    // Its secret cannot become another key's, and a refused publication leaves nothing behind.
    let stolen = draft("o", &[("k", Some(demo_.generated[0].secret.expose()))]);
    let refused = publish(&db, &stolen, Source::File, &secrets('m'), 0, 1).await.unwrap_err();
    assert!(matches!(refused, Error::SecretTaken { .. }), "{refused}");
    assert_eq!(super::newest(&db).await.unwrap().unwrap().version, 3);
}

async fn the_example_project_needs_nothing_before_it(db: Db) {
    let made = demo::ensure(&db, &secrets('m'), None).await.unwrap();
    assert_eq!((made.version, made.generated.len()), (2, 1));
    assert!(newest(&db).await.unwrap().unwrap().config.project("default").is_some());
}

async fn going_back_to_the_environment_is_a_change(db: Db) {
    put_from(&db, &draft("m", &[]), Source::Default).await;
    put_from(&db, &draft("n", &[]), Source::File).await;
    let back = put_from(&db, &draft("m", &[]), Source::Default).await;
    assert_eq!((back.version, back.unchanged), (3, false));
}

async fn a_new_version_is_above_the_floor(db: Db) {
    let draft_ = draft("m", &[]);
    let first = publish(&db, &draft_, Source::File, &secrets('m'), 7, 1).await.unwrap();
    assert_eq!(first.version, 8);
    assert!(publish(&db, &draft_, Source::File, &secrets('m'), 8, 1).await.unwrap().unchanged);
    let again = publish(&db, &draft_, Source::File, &secrets('m'), 9, 1).await.unwrap();
    assert_eq!((again.version, again.unchanged), (10, false));
    let same = publish_change(&db, &Change::Again, Source::File, &secrets('m'), 12, 1).await.unwrap();
    assert_eq!(same.version, 13);
    assert_eq!(newest(&db).await.unwrap().unwrap().source, "file");
}

/// Two publishers, each with its own pool and its own drafts: every version is somebody's, whole and in order.
async fn publishers_at_once_do_not_collide(one: Db, two: Db) {
    const ROUNDS: usize = 12;
    let publisher = async |db: Db, who: &str, secret: &str| {
        for round in 0..ROUNDS {
            let draft_ = draft(&format!("{who}-{round}"), &[(who, Some(secret))]);
            put(&db, &draft_).await;
        }
    };
    tokio::join!(publisher(one.clone(), "one", SECRET_A), publisher(two, "two", SECRET_B));
    let last = newest(&one).await.unwrap().unwrap();
    assert_eq!(last.version, 2 * ROUNDS as u64);
    let alive = [row(&one, SECRET_A).await.unwrap(), row(&one, SECRET_B).await.unwrap()];
    let alive: Vec<&str> = alive.iter().filter(|row| !row.revoked).map(|row| row.name.as_str()).collect();
    assert_eq!(
        alive,
        [last.config.models[0].alias.split('-').next().unwrap()],
        "keys belong to the last version"
    );
    let mut positions = Vec::new();
    loop {
        let rows = waiting(&one).await.unwrap();
        if rows.is_empty() {
            break;
        }
        for row in rows {
            positions.push(row.position);
            mark_done(&one, &row.id).await.unwrap();
        }
    }
    assert!(positions.is_sorted_by(|a, b| a < b));
}

/// Runs every case on a database of its own.
macro_rules! conformance {
    ($fresh:expr; $($case:ident),+ $(,)?) => {
        $( { let (db, _kept) = $fresh(stringify!($case)).await; $case(db).await; } )+
    };
}

macro_rules! every_case {
    ($fresh:expr) => {
        conformance!($fresh;
            publishing_twice_changes_nothing,
            a_generated_secret_is_told_once_and_kept,
            another_secret_is_a_rotation,
            a_key_that_vanishes_is_revoked_and_comes_back_with_another_secret,
            secrets_may_change_places_and_names,
            another_master_secret_is_refused,
            the_example_project_survives_the_file,
            the_example_project_needs_nothing_before_it,
            going_back_to_the_environment_is_a_change,
            a_new_version_is_above_the_floor,
        );
    };
}

#[tokio::test]
async fn on_sqlite() {
    every_case!(async |_: &str| sqlite().await);
    let (one, dir) = sqlite().await;
    let two = migrated(&format!("sqlite://{}?mode=rwc", dir.path().join("t.db").display())).await;
    publishers_at_once_do_not_collide(one, two).await;
}

#[tokio::test]
async fn on_postgres() {
    let postgres = Postgres::start();
    every_case!(async |case: &str| postgres.database(case).await);
    let (one, url) = postgres.database("two_publishers").await;
    publishers_at_once_do_not_collide(one, migrated(&url).await).await;
}
