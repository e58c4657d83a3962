//! A case for every rule of Azure's own; bodies are OpenAI's and tested there.

use serde_json::{Value, json};

use crate::fake::test::{incoming, route, send};
use crate::fake::{ENTRA_TOKEN, Fake, Kind};

const DATED: &str = "/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21";

fn body() -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}]})
}

#[test]
fn paths_and_versions() {
    let status =
        |path: &str| match route(Kind::Azure, path, &json!({"model": "m", "messages": body()["messages"]})) {
            Ok(_) => 200,
            Err(refusal) => refusal.status,
        };
    assert_eq!(status(DATED), 200);
    assert_eq!(status("/openai/v1/chat/completions"), 200);
    assert_eq!(status("/openai/v1/chat/completions?api-version=preview"), 200);
    for path in [
        "/openai/deployments/d/chat/completions",
        "/openai/deployments/d/chat/completions?api-version=2024-10-22",
        "/openai/deployments/d/chat/completions?api-version=latest",
        "/openai/v1/chat/completions?api-version=2024-10-21",
        "/openai/deployments/d/responses?api-version=2025-04-01-preview",
        "/openai/responses?api-version=2024-10-21",
        "/openai/deployments/missing/chat/completions?api-version=2024-10-21",
        "/v1/chat/completions",
    ] {
        assert_eq!(status(path), 404, "{path}");
    }
    let refusal =
        route(Kind::Azure, "/openai/deployments/missing/embeddings?api-version=2024-10-21", &body());
    assert_eq!(refusal.unwrap_err().body["error"]["code"], "DeploymentNotFound");
}

#[test]
fn words_of_its_own() {
    let mut wrong = body();
    wrong["foo"] = json!(1);
    let refusal = route(Kind::Azure, DATED, &wrong).unwrap_err();
    assert_eq!(refusal.body["error"]["message"], "Unrecognized request argument supplied: foo");
    let mut early = body();
    early["stream"] = json!(true);
    early["stream_options"] = json!({"include_usage": true});
    assert!(route(Kind::Azure, DATED, &early).is_ok());
    let path = "/openai/deployments/d/chat/completions?api-version=2024-06-01";
    assert_eq!(route(Kind::Azure, path, &early).unwrap_err().status, 400);
}

#[test]
fn keys() {
    let ctx = crate::fake::test::ctx(Kind::Azure);
    let status = |path: &str, name: &'static str, value: String| {
        let headers = [("content-type", "application/json".to_owned()), (name, value)];
        let body = json!({"model": "m", "messages": body()["messages"]});
        crate::azure::route(&ctx, &incoming(path, &headers, &body))
            .err()
            .map_or(200, |refusal| refusal.status)
    };
    let key = Kind::Azure.key();
    assert_eq!(status(DATED, "api-key", key.to_owned()), 200);
    assert_eq!(status(DATED, "api-key", "other".to_owned()), 401);
    assert_eq!(status(DATED, "x-api-key", key.to_owned()), 401);
    assert_eq!(status(DATED, "authorization", format!("Bearer {ENTRA_TOKEN}")), 200);
    assert_eq!(status(DATED, "authorization", format!("Bearer {key}")), 401);
    assert_eq!(status("/openai/v1/chat/completions", "authorization", format!("Bearer {key}")), 200);
}

#[tokio::test]
async fn filters() {
    let fake = Fake::start(Kind::Azure).await.unwrap();
    let headers = crate::fake::test::headers(Kind::Azure);
    let ask = |script: &str| json!({"stream": true, "messages": [{"role": "user", "content": format!("[[{script}]]")}]});
    let blocked = send(&fake, DATED, &headers, &ask("prompt_block")).await;
    assert_eq!((blocked.status, &blocked.json()["error"]["code"]), (400, &json!("content_filter")));
    let streamed = send(&fake, DATED, &headers, &ask("text")).await;
    let first = streamed.text().lines().next().unwrap();
    let first: Value = serde_json::from_str(first.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((&first["id"], &first["model"], &first["choices"]), (&json!(""), &json!(""), &json!([])));
    assert!(first["prompt_filter_results"].is_array());
    let limited = send(&fake, DATED, &headers, &ask("e429")).await;
    assert_eq!((limited.status, &limited.json()["error"]["code"]), (429, &json!("429")));
    assert_eq!(limited.headers["retry-after-ms"], "1000");
}
