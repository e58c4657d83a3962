//! Health for operators, over real sockets, NATS and databases; the worker is the test.

use futures_util::StreamExt;
use proto::health::{BreakerRecord, BreakerState, FailureClass, HealthAnswer, HealthAsk, ProbeResult};
use proto::id::WorkerId;
use proto::nats::Link;
use proto::subject::{CTL_PROBE, HEALTH_BUCKET, PRESENCE_BUCKET};
use serde_json::{Value, json};

use crate::http::testing::Served;

fn record() -> BreakerRecord {
    BreakerRecord {
        provider: "p".into(),
        credential: None,
        model: "m".into(),
        state: BreakerState::Open,
        class: FailureClass::Quota,
        reason: Some("upstream_account_error".into()),
        status: Some(402),
        openings: 1,
        version: 3,
        since_ms: 1_795_000_000_000,
        until_ms: 1_795_003_600_000,
        by: WorkerId(7),
    }
}

/// A worker that answers so, and hands back what it is asked.
async fn worker(link: &Link, answer: HealthAnswer) -> tokio::sync::mpsc::UnboundedReceiver<HealthAsk> {
    let mut asked = link.client.queue_subscribe(CTL_PROBE, "workers".to_owned()).await.unwrap();
    link.client.flush().await.unwrap();
    let (client, (sender, heard)) = (link.client.clone(), tokio::sync::mpsc::unbounded_channel());
    tokio::spawn(async move {
        while let Some(message) = asked.next().await {
            sender.send(serde_json::from_slice(&message.payload).unwrap()).ok();
            let payload = serde_json::to_vec(&answer).unwrap();
            client.publish(message.reply.unwrap(), payload.into()).await.unwrap();
        }
    });
    heard
}

async fn put(link: &Link, bucket: &str, key: &str, value: Value) {
    let store = link.js.get_key_value(bucket).await.unwrap();
    store.put(key, serde_json::to_vec(&value).unwrap().into()).await.unwrap();
}

#[tokio::test]
async fn breakers_are_shown_and_reset_by_a_worker_and_that_is_remembered() {
    let served = Served::sqlite().await;
    let link = served.nats.link().await;
    assert_eq!(
        served.admin("GET", "/admin/v1/health", Value::Null).await.expect(200).json,
        json!({"data": []})
    );
    put(&link, HEALTH_BUCKET, &record().entry(), serde_json::to_value(record()).unwrap()).await;
    put(&link, HEALTH_BUCKET, "_probed/p", json!("0000000000000007")).await;
    let shown = served.admin("GET", "/admin/v1/health", Value::Null).await.expect(200).json;
    assert_eq!(shown["data"].as_array().unwrap().len(), 1, "{shown}");
    let one = &shown["data"][0];
    assert_eq!(
        (&one["state"], &one["class"], &one["status"]),
        (&json!("open"), &json!("quota"), &json!(402))
    );
    assert_eq!((&one["until"], &one["by"]), (&json!("2026-11-18T12:06:40Z"), &json!("0000000000000007")));
    let none = served.admin("POST", "/admin/v1/health/reset", json!({})).await.expect(503);
    assert_eq!(none.code(), "service_unavailable", "no worker is there");
    let mut heard = worker(&link, HealthAnswer::Reset { closed: 2 }).await;
    let reset = served.admin("POST", "/admin/v1/health/reset", json!({"provider": "p"})).await.expect(200);
    assert_eq!(reset.json, json!({"closed": 2}));
    let asked = HealthAsk::Reset { provider: Some("p".into()), credential: None, model: None };
    assert_eq!(heard.recv().await, Some(asked));
    served.admin("POST", "/admin/v1/health/reset", json!({"provder": "p"})).await.expect(400);
    let filter = crate::audit::Filter { action: Some("health.reset".into()), ..Default::default() };
    let audited = crate::audit::list(&served.db, &filter, None, 10).await.unwrap();
    assert_eq!(audited.len(), 1);
    assert_eq!(audited[0].record.after.as_ref().unwrap()["closed"], 2);
}

#[tokio::test]
async fn a_probe_is_a_workers_call() {
    let served = Served::sqlite().await;
    let link = served.nats.link().await;
    let document = crate::store::newest(&served.db).await.unwrap().unwrap().config;
    let provider = document.providers[0].name.clone();
    let result = ProbeResult {
        diagnostic: "model".into(),
        status_code: Some(429),
        latency_ms: 12,
        healthy: false,
        error: Some("rate".into()),
        response_excerpt: "slow down".into(),
        probed_ms: 1_795_000_000_000,
    };
    let mut heard = worker(&link, HealthAnswer::Probed(result)).await;
    let wish = json!({"provider": provider, "model": "m"});
    let seen = served.admin("POST", "/admin/v1/probe/model", wish).await.expect(200).json;
    assert_eq!(
        (&seen["healthy"], &seen["status_code"], &seen["error"]),
        (&json!(false), &json!(429), &json!("rate"))
    );
    assert_eq!(seen["probed_at"], "2026-11-18T11:06:40Z");
    let Some(HealthAsk::Model { prompt, timeout_ms, .. }) = heard.recv().await else { panic!("a model") };
    assert_eq!((prompt.as_str(), timeout_ms), ("Reply with exactly ok.", 10_000));
    for (path, body, status) in [
        ("model", json!({"provider": provider, "model": "m", "timeout_ms": 5}), 400),
        ("model", json!({"provider": provider, "model": "m", "prompt": ""}), 400),
        ("model", json!({"provider": provider, "model": ""}), 400),
        ("model", json!({"provider": provider}), 400),
        ("model", json!({"provider": "nobody", "model": "m"}), 404),
        ("provider", json!({"provider": "nobody"}), 404),
        ("provider", json!({"provider": provider}), 200),
    ] {
        served.admin("POST", &format!("/admin/v1/probe/{path}"), body).await.expect(status);
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_told() {
    let served = Served::sqlite().await;
    let link = served.nats.link().await;
    let name = crate::store::newest(&served.db).await.unwrap().unwrap().config.providers[0].name.clone();
    let _heard = worker(&link, HealthAnswer::Refused { message: "Nothing cheap there.".into() }).await;
    let answer =
        served.admin("POST", "/admin/v1/probe/provider", json!({"provider": name})).await.expect(409);
    assert_eq!(answer.json["error"]["message"], "Nothing cheap there.");
}

#[tokio::test]
async fn the_bundle_holds_no_secret() {
    let served = Served::postgres().await;
    let link = served.nats.link().await;
    put(&link, HEALTH_BUCKET, &record().entry(), serde_json::to_value(record()).unwrap()).await;
    let said = json!({"role": "workers", "id": "w", "config": 1, "api_key": "sk-canary-0123456789abcdef"});
    put(&link, PRESENCE_BUCKET, "workers.w", said).await;
    let answer = served.admin("GET", "/admin/v1/diagnostics", Value::Null).await.expect(200);
    assert!(!answer.text.contains("canary") && !answer.text.contains("secret-a-"), "{}", answer.text);
    let bundle = answer.json;
    assert_eq!((&bundle["redacted"], &bundle["status"]["config"]), (&json!(true), &json!(1)));
    assert_eq!(bundle["runtime"]["breakers"][0]["class"], "quota");
    let workers =
        bundle["runtime"]["processes"].as_array().unwrap().iter().filter(|p| p["role"] == "workers");
    assert_eq!(workers.count(), 1);
    assert_eq!(bundle["audit_tail"][0]["action"], "diagnostics.generate", "{bundle}");
}
