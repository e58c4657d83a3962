//! Drafts, previews, publications and going back, over HTTP, on both databases, with processes that judge.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::config::Config;
use proto::nats::Projection;
use proto::nats::presence::{Presence, Speaker};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::http::testing::Served;

/// A process that refuses every version with a provider called `bad`; it ends with the set.
async fn process(served: &Served, tasks: &mut JoinSet<()>, id: &str) -> Projection {
    let link = served.nats.bare().await;
    let projection = Projection::new();
    let (seen, bucket) = (projection.clone(), link.clone());
    tasks.spawn(async move { seen.run_config(bucket).await });
    let (said, speaker) = (projection.clone(), Speaker::new(link, "workers", id));
    tasks.spawn(async move {
        let judge = |staged: Arc<Config>, _: Option<Arc<Config>>| async move {
            match staged.provider("bad") {
                Some(_) => Err("provider bad cannot be used: no key".to_owned()),
                None => Ok(()),
            }
        };
        speaker.run(&said, judge).await;
    });
    projection
}

/// Waits until so many processes besides control are heard.
async fn heard(served: &Served, wanted: usize) -> Value {
    let started = Instant::now();
    loop {
        let status = served.admin("GET", "/admin/v1/config/status", Value::Null).await;
        let processes = status.json["processes"].as_array().cloned().unwrap_or_default();
        if processes.iter().filter(|one| one["role"] == "workers").count() == wanted {
            return status.json;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{}", status.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn document(served: &Served) -> (u64, Value) {
    let started = Instant::now();
    loop {
        let found = served.admin("GET", "/admin/v1/config", Value::Null).await;
        if found.status.as_u16() == 200 {
            return (found.json["version"].as_u64().unwrap(), found.json["document"].clone());
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{}", found.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn with_provider(document: &Value, name: &str) -> Value {
    let mut next = document.clone();
    let provider = json!({ "name": name, "kind": "openai", "api_key": "env:CANARY_REFERENCE" });
    next["providers"].as_array_mut().unwrap().push(provider);
    json!({ "document": next })
}

async fn a_version_lives(served: Served) {
    let mut tasks = JoinSet::new();
    let workers = [process(&served, &mut tasks, "w1").await, process(&served, &mut tasks, "w2").await];
    let (first, before) = document(&served).await;
    assert_eq!((first, heard(&served, 2).await["version"].as_u64()), (1, Some(1)));
    let post =
        async |path: &str, body: Value| served.admin("POST", &format!("/admin/v1/config/{path}"), body).await;

    // A preview and a draft change nothing.
    let preview = post("preview", with_provider(&before, "good")).await.expect(200).json;
    assert_eq!(
        (preview["valid"].as_bool(), preview["providers"].as_u64()),
        (Some(true), Some(2)),
        "{preview}"
    );
    assert_eq!(preview["changes"][0]["path"], "providers[good]");
    assert!(!preview.to_string().contains("CANARY_REFERENCE"), "{preview}");
    let dangling = json!({ "document": { "models": [{
        "alias": "x", "strategy": "simple", "targets": [{ "provider": "nobody", "model": "m" }]
    }] } });
    let invalid = post("preview", dangling).await.expect(200).json;
    assert_eq!(invalid["valid"], json!(false), "{invalid}");
    served.admin("PUT", "/admin/v1/config/draft", with_provider(&before, "bad")).await.expect(200);
    assert_eq!(document(&served).await, (1, before.clone()));
    assert_eq!(post("diff", json!({})).await.expect(200).json["changes"][0]["kind"], "added");

    // What a process refuses fails, and everybody stays where they were.
    let refused = post("publish", json!({ "note": "try it" })).await.expect(409);
    assert_eq!(refused.code(), "config_refused", "{}", refused.text);
    assert!(refused.text.contains("provider bad cannot be used"), "{}", refused.text);
    assert_eq!(document(&served).await, (1, before.clone()));
    assert!(workers.iter().all(|worker| worker.config().is_some_and(|config| config.version == 1)));

    // A better draft is in force at once, everywhere.
    served.admin("PUT", "/admin/v1/config/draft", with_provider(&before, "good")).await.expect(200);
    let started = Instant::now();
    let published = post("publish", json!({})).await.expect(200).json;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!((published["status"].as_str(), published["version"].as_u64()), (Some("active"), Some(3)));
    assert_eq!(published["actor"], "admin:bootstrap");
    assert_eq!(published["observed"].as_array().map(Vec::len), Some(3), "{published}");
    served.admin("GET", "/admin/v1/config/draft", Value::Null).await.expect(404);

    // And going back is a publication of its own.
    let back = post("rollback", json!({ "version": 1 })).await.expect(200).json;
    assert_eq!((back["kind"].as_str(), back["of_version"].as_u64()), (Some("rollback"), Some(1)), "{back}");
    let (version, document) = document(&served).await;
    assert_eq!((version, &document["providers"]), (4, &before["providers"]));
    let page = served.admin("GET", "/admin/v1/config/history?limit=2", Value::Null).await.expect(200).json;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = format!("/admin/v1/config/history?cursor={cursor}");
    let rest = served.admin("GET", &rest, Value::Null).await.expect(200).json;
    let told: Vec<String> = [&page, &rest]
        .iter()
        .flat_map(|page| page["data"].as_array().unwrap().clone())
        .map(|one| {
            format!(
                "{} {} {}",
                one["version"],
                one["kind"].as_str().unwrap(),
                one["status"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        told,
        ["4 rollback active", "3 publish superseded", "2 publish failed", "1 publish superseded"]
    );
    post("rollback", json!({ "version": 99 })).await.expect(404);
    post("rollback", json!({ "version": 4 })).await.expect(409);
}

#[tokio::test]
async fn a_version_lives_on_sqlite() {
    a_version_lives(Served::sqlite().await).await;
}

#[tokio::test]
async fn a_version_lives_on_postgres() {
    a_version_lives(Served::postgres().await).await;
}

#[tokio::test]
async fn a_frozen_process_is_waited_for_and_then_passed_over() {
    let served = Served::sqlite().await;
    let (_, before) = document(&served).await;
    let store = served.nats.bare().await.js.get_key_value("presence").await.unwrap();
    let frozen = Presence {
        role: "workers".into(),
        id: "frozen".into(),
        build: "0".into(),
        since_ms: 1,
        config: 1,
        staged: None,
    };
    store.put("workers.frozen", serde_json::to_vec(&frozen).unwrap().into()).await.unwrap();
    heard(&served, 1).await;
    served.admin("PUT", "/admin/v1/config/draft", with_provider(&before, "good")).await.expect(200);
    let started = Instant::now();
    let publish = served.admin("POST", "/admin/v1/config/publish", json!({}));
    // What belongs to no version does not wait for it.
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut tx = crate::store::begin(&served.db).await.unwrap();
        let row = crate::store::NewRow::put("switches", "key.x", &json!({ "since_ms": 1 })).unwrap();
        let rows = crate::store::append(&mut tx, &[row]).await.unwrap();
        tx.commit().await.unwrap();
        let begun = Instant::now();
        while crate::store::any_waiting(&served.db, rows).await.unwrap() {
            assert!(begun.elapsed() < Duration::from_secs(2), "it waits for the frozen process");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (published, ()) = tokio::join!(publish, meanwhile);
    let published = published.expect(200).json;
    assert_eq!(published["status"], "active", "{published}");
    assert!(published["observed"].to_string().contains("silent"), "{published}");
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    let status = heard(&served, 1).await;
    let stale = status["processes"].as_array().unwrap().iter().find(|one| one["id"] == "frozen").unwrap();
    assert_eq!(stale["current"], json!(false), "{status}");
}
