//! The other endpoints of the data plane.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{self, chat};
use tests::setup::{OTHER_KEY, Setup};
use tests::stack::Stack;

async fn models_are_listed(stack: &Stack) -> Result<()> {
    let list = stack.client.get("/v1/models").await?;
    assert_eq!(list.status, 200);
    let list = list.json()?;
    assert_eq!(list["object"], "list");
    let ids: Vec<&str> =
        list["data"].as_array().into_iter().flatten().filter_map(|m| m["id"].as_str()).collect();
    assert!(ids.contains(&"renamed") && !ids.contains(&"*"), "{ids:?}");
    assert!(list["data"].as_array().into_iter().flatten().all(|m| m["object"] == "model"));
    assert_eq!(stack.client.with_key("sk-no-such-key-at-all").get("/v1/models").await?.status, 401);
    Ok(())
}

async fn requests_are_shown_to_their_project_alone(stack: &Stack) -> Result<()> {
    let id = stack.client.chat(&chat("ok")).await?.request_id()?;
    let view = stack.ended(&id).await?;
    assert_eq!((&view["id"], &view["object"]), (&json!(id), &json!("request")));
    let path = format!("/v1/requests/{id}");
    let other = stack.client.with_key(OTHER_KEY).get(&path).await?;
    assert_eq!((other.status, other.code()?.as_str()), (404, "not_found"));
    for unknown in ["req_00000000000000000000000000000000", "nonsense", "req_%2e%2e", "*"] {
        let answer = stack.client.get(&format!("/v1/requests/{unknown}")).await?;
        assert_eq!(answer.status, 404, "{unknown}: {}", answer.text());
    }
    Ok(())
}

async fn any_usual_header_carries_the_key(stack: &Stack) -> Result<()> {
    for name in ["x-api-key", "api-key"] {
        let url = format!("{}/v1/models", stack.client.base);
        let request = stack.client.http.get(url).header(name, &stack.client.key);
        assert_eq!(stack.client.send(request).await?.status, 200, "{name}");
    }
    Ok(())
}

async fn health_and_metrics_are_open(stack: &Stack) -> Result<()> {
    let base = &stack.client.base;
    assert_eq!(client::get(&format!("{base}/health")).await?.json()?["ok"], true);
    let ready = client::get(&format!("{base}/ready")).await?.json()?;
    assert_eq!((&ready["ok"], &ready["service"]), (&json!(true), &json!("ingress")));
    for check in ["nats", "configuration", "keys", "payload_keys", "workers", "ledger"] {
        assert_eq!(ready["checks"][check], "ok", "{ready}");
    }
    let providers = client::get(&format!("{base}/health/providers")).await?.json()?;
    let list = providers["providers"].as_array().cloned().unwrap_or_default();
    let named = |name: &str| list.iter().find(|p| p["provider"] == name).cloned().unwrap_or(Value::Null);
    assert_eq!(named("primary")["ok"], true, "{providers}");
    assert!(named("primary")["latencyMs"].is_number(), "{providers}");
    let metrics = client::get(&format!("{base}/metrics")).await?;
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("# TYPE forebay_"), "{}", metrics.text());
    Ok(())
}

async fn unknown_places_are_refused_in_the_dialect(stack: &Stack) -> Result<()> {
    for (method, path, status, code) in [
        (Method::GET, "/v1/nothing", 404, "not_found"),
        (Method::POST, "/", 404, "not_found"),
        (Method::GET, "/v1/chat/completions", 405, "method_not_allowed"),
        (Method::DELETE, "/v1/models", 405, "method_not_allowed"),
    ] {
        let url = format!("{}{path}", stack.client.base);
        let request = stack.client.http.request(method, url).bearer_auth(&stack.client.key);
        let answer = stack.client.send(request).await?;
        assert_eq!((answer.status, answer.code()?.as_str()), (status, code), "{path}");
        assert!(answer.json()?["error"]["request_id"].is_string());
    }
    Ok(())
}

#[tokio::test]
async fn the_other_endpoints_answer_as_documented() -> Result<()> {
    let stack = Stack::up(Setup::default()).await?;
    models_are_listed(&stack).await?;
    requests_are_shown_to_their_project_alone(&stack).await?;
    any_usual_header_carries_the_key(&stack).await?;
    health_and_metrics_are_open(&stack).await?;
    unknown_places_are_refused_in_the_dialect(&stack).await
}
