//! The log on both engines and against a real stream: what is planted is found and named.

use ledger::Db;
use proto::audit::ActorScope;
use proto::nats::Link;
use proto::nats::presence::Roster;
use serde_json::json;

use super::*;
use crate::project::Projector;
use crate::testing::{Nats, Postgres, sqlite};

fn act(action: &str, id: &str) -> Act {
    let actor = Actor { scope: ActorScope::Admin, name: "ops".into() };
    Act::new(actor, action).on(id).changed(None, Some(json!({ "name": id, "secret": "hunter2hunter2" })))
}

/// A log of that many records; without a projector their copies wait.
async fn log(db: &Db, length: u64) {
    for index in 1..=length {
        let written = record(db, act("key.create", &format!("key_{index}"))).await.unwrap();
        assert_eq!(written.seq, index);
    }
}

async fn tamper(db: &Db, statement: &str) {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    assert!(sqlx::query(statement).execute(db.pool()).await.unwrap().rows_affected() > 0);
}

async fn found(db: &Db, link: Option<&Link>) -> Option<(Tampering, u64)> {
    verify(db, link).await.unwrap().finding.map(|finding| (finding.kind, finding.seq))
}

/// The document of a record with another name in it, and the hash of that.
async fn forged(db: &Db, seq: u64) -> (AuditRecord, String, String) {
    let entries = audit_log::page(db, &Filter::default(), seq - 1, 1).await.unwrap();
    let record = AuditRecord { resource_id: Some("key_x".into()), ..entries[0].record.clone() };
    let (document, hash) = (serde_json::to_string(&record).unwrap(), record.hash());
    (record, document, hash)
}

async fn overwrite(db: &Db, seq: u64, document: &str, hash: &str) {
    let text = format!(
        "UPDATE audit_log SET document = '{document}', hash = '{hash}', resource_id = 'key_x' WHERE seq = {seq}"
    );
    tamper(db, &text).await;
}

async fn a_log_that_nobody_touched(db: Db, _: Link) {
    assert_eq!(verify(&db, None).await.unwrap().verified, 0);
    log(&db, 3).await;
    let report = verify(&db, None).await.unwrap();
    assert_eq!((report.verified, report.compared, report.finding), (3, 0, None));
    let all = list(&db, &Filter::default(), None, 2).await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.record.seq).collect::<Vec<_>>(), [3, 2]);
    assert!(!serde_json::to_string(&all).unwrap().contains("hunter2"));
    let one = Filter { resource_id: Some("key_2".into()), ..Filter::default() };
    assert_eq!(list(&db, &one, None, 9).await.unwrap().len(), 1);
    let none = Filter { outcome: Some("denied".into()), ..Filter::default() };
    assert!(list(&db, &none, None, 9).await.unwrap().is_empty());
    let until = Filter { until_ms: Some(5), ..Filter::default() };
    assert!(list(&db, &until, None, 9).await.unwrap().is_empty());
    let mut lines = Vec::new();
    let all = Filter::default();
    let exported = export(&db, &all, |line| {
        lines.push(serde_json::from_str::<Value>(line)?);
        Ok(())
    });
    assert_eq!(exported.await.unwrap(), 3);
    assert_eq!(lines[1]["previous"], lines[0]["hash"]);
}

async fn a_changed_text_or_column(db: Db, _: Link) {
    log(&db, 4).await;
    tamper(&db, "UPDATE audit_log SET actor = 'admin:nobody' WHERE seq = 2").await;
    assert_eq!(found(&db, None).await, Some((Tampering::Changed, 2)));
    tamper(&db, "UPDATE audit_log SET actor = 'admin:ops' WHERE seq = 2").await;
    assert_eq!(found(&db, None).await, None);
    tamper(&db, "UPDATE audit_log SET document = replace(document, 'ops', 'you') WHERE seq = 3").await;
    assert_eq!(found(&db, None).await, Some((Tampering::Changed, 3)));
}

async fn a_change_with_its_hash(db: Db, _: Link) {
    log(&db, 3).await;
    let (_, document, hash) = forged(&db, 2).await;
    overwrite(&db, 2, &document, &hash).await;
    assert_eq!(found(&db, None).await, Some((Tampering::Changed, 2)));
}

async fn a_chain_computed_anew(db: Db, link: Link) {
    log(&db, 3).await;
    copy(&db, &link).await;
    assert_eq!(verify(&db, Some(&link)).await.unwrap().compared, 3);
    let (_, document, hash) = forged(&db, 2).await;
    overwrite(&db, 2, &document, &hash).await;
    let (last, _, _) = forged(&db, 3).await;
    let last = AuditRecord { previous: hash, ..last };
    overwrite(&db, 3, &serde_json::to_string(&last).unwrap(), &last.hash()).await;
    tamper(&db, &format!("UPDATE settings SET value = '3:{}' WHERE name = 'audit_head'", last.hash())).await;
    assert_eq!(found(&db, None).await, None, "the chain alone is whole");
    assert_eq!(found(&db, Some(&link)).await, Some((Tampering::Changed, 2)));
}

async fn a_removal_in_the_middle(db: Db, _: Link) {
    log(&db, 4).await;
    tamper(&db, "DELETE FROM audit_log WHERE seq = 2").await;
    assert_eq!(found(&db, None).await, Some((Tampering::Removed, 2)));
    for seq in [3, 4] {
        tamper(&db, &format!("UPDATE audit_log SET seq = {seq} - 1 WHERE seq = {seq}")).await;
    }
    assert_eq!(found(&db, None).await, Some((Tampering::Removed, 2)), "numbered anew");
}

async fn a_removal_at_the_end(db: Db, link: Link) {
    log(&db, 3).await;
    copy(&db, &link).await;
    let second = audit_log::page(&db, &Filter::default(), 1, 1).await.unwrap()[0].hash.clone();
    tamper(&db, "DELETE FROM audit_log WHERE seq = 3").await;
    assert_eq!(found(&db, None).await, Some((Tampering::Removed, 3)));
    tamper(&db, &format!("UPDATE settings SET value = '2:{second}' WHERE name = 'audit_head'")).await;
    assert_eq!(found(&db, None).await, None, "every trace in the database is gone");
    assert_eq!(found(&db, Some(&link)).await, Some((Tampering::Removed, 3)));
}

async fn the_first_is_removed(db: Db, _: Link) {
    log(&db, 2).await;
    tamper(&db, "DELETE FROM audit_log WHERE seq = 1").await;
    assert_eq!(found(&db, None).await, Some((Tampering::Removed, 1)));
}

async fn an_insertion_in_the_middle(db: Db, _: Link) {
    log(&db, 3).await;
    let (record, _, _) = forged(&db, 2).await;
    tamper(&db, "UPDATE audit_log SET seq = 4 WHERE seq = 3").await;
    let second = audit_log::page(&db, &Filter::default(), 1, 1).await.unwrap()[0].hash.clone();
    insert(&db, &AuditRecord { seq: 3, previous: second, ..record }).await;
    assert_eq!(found(&db, None).await, Some((Tampering::Inserted, 3)));
}

async fn an_insertion_at_the_end(db: Db, link: Link) {
    log(&db, 2).await;
    copy(&db, &link).await;
    let (record, _, _) = forged(&db, 2).await;
    insert(&db, &AuditRecord { seq: 3, ..record.clone() }).await;
    assert_eq!(found(&db, Some(&link)).await, Some((Tampering::Inserted, 3)), "it does not follow");
    tamper(&db, "DELETE FROM audit_log WHERE seq = 3").await;
    let second = audit_log::page(&db, &Filter::default(), 1, 1).await.unwrap()[0].hash.clone();
    let forged = AuditRecord { seq: 3, previous: second, ..record };
    insert(&db, &forged).await;
    assert_eq!(found(&db, None).await, Some((Tampering::Inserted, 3)));
    tamper(&db, &format!("UPDATE settings SET value = '3:{}' WHERE name = 'audit_head'", forged.hash()))
        .await;
    assert_eq!(found(&db, None).await, None, "the chain alone is whole");
    assert_eq!(found(&db, Some(&link)).await, Some((Tampering::Inserted, 3)));
}

/// Appenders at once wait for each other; what is not copied yet is not mistaken for an insertion.
async fn many_at_once(db: Db, link: Link) {
    log(&db, 1).await;
    copy(&db, &link).await;
    let appenders = (0..8).map(|index| {
        let db = db.clone();
        async move {
            for _ in 0..5 {
                record(&db, act("key.create", &format!("key_{index}"))).await.unwrap();
            }
        }
    });
    let watch = async {
        for _ in 0..5 {
            assert_eq!(found(&db, Some(&link)).await, None);
        }
    };
    tokio::join!(futures_util::future::join_all(appenders), watch);
    let report = verify(&db, Some(&link)).await.unwrap();
    assert_eq!((report.verified, report.compared, report.finding), (41, 1, None));
    copy(&db, &link).await;
    assert_eq!(verify(&db, Some(&link)).await.unwrap().compared, 41);
}

async fn copy(db: &Db, link: &Link) {
    let (nudge, roster) = (crate::Nudge::default(), Roster::default());
    Projector::open(db.clone(), link.clone(), nudge, roster).await.unwrap().drain().await.unwrap();
}

async fn insert(db: &Db, record: &AuditRecord) {
    let (document, hash) = (serde_json::to_string(record).unwrap(), record.hash());
    let id = record.resource_id.as_deref().unwrap();
    let text = format!(
        "INSERT INTO audit_log (seq, at_ms, actor, action, resource, resource_id, outcome, document, hash) \
         VALUES ({}, {}, 'admin:ops', 'key.create', 'key', '{id}', 'success', '{document}', '{hash}')",
        record.seq, record.at_ms
    );
    tamper(db, &text).await;
}

macro_rules! every_case {
    ($fresh:expr; $($case:ident),+ $(,)?) => {
        $( {
            let (db, _kept) = $fresh(stringify!($case)).await;
            let nats = Nats::start();
            $case(db, nats.link().await).await;
        } )+
    };
}

macro_rules! cases {
    ($fresh:expr) => {
        every_case!(
            $fresh;
            a_log_that_nobody_touched,
            a_changed_text_or_column,
            a_change_with_its_hash,
            a_chain_computed_anew,
            a_removal_in_the_middle,
            a_removal_at_the_end,
            the_first_is_removed,
            an_insertion_in_the_middle,
            an_insertion_at_the_end,
            many_at_once,
        );
    };
}

#[tokio::test]
async fn on_sqlite() {
    cases!(async |_: &str| sqlite().await);
}

#[tokio::test]
async fn on_postgres() {
    let postgres = Postgres::start();
    cases!(async |case: &str| postgres.database(case).await);
}
