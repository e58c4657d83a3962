//! Sealing anew, on both engines: everything that opens, once, however often it is stopped; what does not open stays.

use proto::audit::{Actor, ActorScope};
use proto::credential::{Owner, about};
use proto::hpke::{OpeningKeys, Sealed, SealingKey, pair};
use proto::secret::Secret;
use sqlx::Row as _;

use super::*;
use crate::testing::{Postgres, sqlite};

fn keys(byte: u8) -> (SealingKey, OpeningKeys) {
    pair(&Secret::new([byte; 32]))
}

fn actor() -> Actor {
    Actor { scope: ActorScope::Operator, name: "test".into() }
}

async fn plant(db: &Db, id: &str, sealing: &SealingKey, owner: &Owner) {
    let sealed =
        sealing.seal(&Secret::new(format!("sk-CANARY-{id}")), &about(id, owner)).unwrap().to_string();
    let text = format!(
        "INSERT INTO credentials (id, owner_scope, owner, provider, kind, sealed, sealed_with, masked, models_allowed, \
         priority, weight, fallback_to_platform, created_by, created_ms) VALUES ('{id}', '{}', '{}', 'openai', \
         'openai', '{sealed}', '{}', 'sk-…{id}', '[]', 100, 1, 0, 'admin:ops', 5)",
        owner.scope(),
        owner.id(),
        sealing.id(),
    );
    sqlx::query(sqlx::AssertSqlSafe(text)).execute(db.pool()).await.unwrap();
}

async fn sealed(db: &Db, id: &str) -> Sealed {
    let row = sqlx::query("SELECT sealed FROM credentials WHERE id = $1").bind(id).fetch_one(db.pool()).await;
    row.unwrap().try_get::<String, _>("sealed").unwrap().parse().unwrap()
}

async fn count(db: &Db, text: &'static str) -> i64 {
    sqlx::query(text).fetch_one(db.pool()).await.unwrap().try_get("n").unwrap()
}

async fn every_credential_is_sealed_anew_once(db: Db) {
    let ((old, old_opening), (new, new_opening), (lost, _)) = (keys(1), keys(2), keys(3));
    let owners = [Owner::Platform, Owner::Project("acme".into()), Owner::EndUser("eu_1".into())];
    for n in 0..230 {
        plant(&db, &format!("cred_{n:03}"), &old, &owners[n % 3]).await;
    }
    plant(&db, "cred_new", &new, &Owner::Platform).await;
    plant(&db, "cred_lost", &lost, &Owner::Platform).await;
    let ring = new_opening.clone().and(old_opening);
    let rotation = rotate(&db, &ring, &new, &actor()).await.unwrap();
    assert_eq!((rotation.resealed, rotation.changed, rotation.failed.len()), (230, 0, 1));
    assert_eq!(rotation.failed[0].id, "cred_lost");
    // The new key alone opens them, as the same credential of the same owner.
    for (n, owner) in [(0, &owners[0]), (1, &owners[1]), (229, &owners[1])] {
        let id = format!("cred_{n:03}");
        let opened = new_opening.open(&sealed(&db, &id).await, &about(&id, owner)).unwrap();
        assert_eq!(*opened.expose(), format!("sk-CANARY-{id}"));
    }
    // Workers are told of each, the log says so, and neither holds a secret.
    assert_eq!(count(&db, "SELECT COUNT(*) AS n FROM outbox WHERE target LIKE 'credentials/%'").await, 230);
    assert_eq!(
        count(&db, "SELECT COUNT(*) AS n FROM audit_log WHERE action = 'credential.reseal'").await,
        230
    );
    assert_eq!(count(&db, "SELECT COUNT(*) AS n FROM audit_log WHERE document LIKE '%CANARY%'").await, 0);
    assert_eq!(count(&db, "SELECT COUNT(*) AS n FROM outbox WHERE payload LIKE '%CANARY%'").await, 0);
    // Again: there is nothing left but what does not open.
    let again = rotate(&db, &ring, &new, &actor()).await.unwrap();
    assert_eq!((again.resealed, again.failed.len()), (0, 1));
    let first = list(&db, "").await.unwrap();
    assert_eq!(
        (first.len(), first[0].id.as_str(), first[0].sealed_with.as_str()),
        (200, "cred_000", new.id())
    );
    assert!(first[0].active && first[0].masked == "sk-…cred_000");
    assert_eq!(list(&db, &first[199].id).await.unwrap().len(), 32);
}

#[tokio::test]
async fn credentials_are_sealed_anew_on_sqlite() {
    let (db, _dir) = sqlite().await;
    every_credential_is_sealed_anew_once(db).await;
}

#[tokio::test]
async fn credentials_are_sealed_anew_on_postgres() {
    let server = Postgres::start();
    every_credential_is_sealed_anew_once(server.database("sealed").await.0).await;
}
