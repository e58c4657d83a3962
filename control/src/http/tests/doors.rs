//! Who gets in: every described route, and what is around them.

use serde_json::{Value, json};

use crate::http::testing::Served;
use crate::testing::{ADMIN_TOKEN, DEVELOPER_ADMIN_TOKEN};

/// Every route of the document: method, path with something in its variable parts, and whether it is guarded.
async fn routes(served: &Served) -> Vec<(String, String, bool)> {
    let document = served.call("GET", "/openapi.json", "", None).await.expect(200).json;
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let concrete: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        for (method, operation) in item.as_object().unwrap() {
            let guarded = operation["security"].as_array().is_some_and(|s| s.iter().all(|s| s != &json!({})));
            all.push((method.to_uppercase(), concrete.join("/"), guarded));
        }
    }
    all
}

#[tokio::test]
async fn without_the_right_credential_nothing_else_is_looked_at() {
    let served = Served::sqlite().await;
    let garbage = || Some(Value::String("not what is asked for".to_owned()));
    for (method, path, guarded) in routes(&served).await {
        if !guarded {
            continue;
        }
        let path = format!("{path}?limit=nonsense&unknown=1");
        for token in ["", "wrong", "fb_adm_wrong", "mf_dev_wrong", "mf_sess_wrong", "fb_app_wrong"] {
            let answer = served.call(&method, &path, token, garbage()).await;
            assert_eq!(answer.status, 401, "{method} {path} {token:?}: {}", answer.text);
            assert_eq!(answer.code(), "invalid_session", "{method} {path}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
        if path.starts_with("/v1/apps") {
            // Administrators and developers both may.
            continue;
        }
        let wrong_kind = if path.contains("admin") || path.starts_with("/v1/developers") {
            DEVELOPER_ADMIN_TOKEN
        } else {
            ADMIN_TOKEN
        };
        let answer = served.call(&method, &path, wrong_kind, garbage()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "forbidden"), "{method} {path}");
    }
}

#[tokio::test]
async fn paths_that_are_not_there_are_guarded_too() {
    let served = Served::sqlite().await;
    for (path, token) in
        [("/admin/v1/nothing", ADMIN_TOKEN), ("/v1/developer/nothing", DEVELOPER_ADMIN_TOKEN)]
    {
        assert_eq!(served.call("GET", path, "", None).await.status, 401, "{path}");
        let answer = served.call("GET", path, token, None).await.expect(404);
        assert_eq!(answer.code(), "not_found");
        assert_eq!(answer.json["error"]["request_id"], answer.headers["request-id"].to_str().unwrap());
    }
    for (authorization, path) in
        [("Basic eA==", "/admin/v1/x"), ("Bearer", "/admin/v1/x"), ("x", "/v1/sessions")]
    {
        let request = served.request(reqwest::Method::GET, path).header("authorization", authorization);
        assert_eq!(served.send(request).await.status, 401, "{authorization}");
    }
    served.call("GET", "/health", "", None).await.expect(200);
    served.call("GET", "/nothing", "", None).await.expect(404);
}

#[tokio::test]
async fn ids_and_origins_are_answered() {
    let served = Served::sqlite().await;
    let ask = |origin: &'static str| {
        let request =
            served.request(reqwest::Method::OPTIONS, "/admin/v1/providers").header("origin", origin);
        served.send(request.header("access-control-request-method", "GET"))
    };
    let known = ask("https://console.example").await;
    assert_eq!(known.headers["access-control-allow-origin"], "https://console.example");
    let unknown = ask("https://elsewhere.example").await;
    assert!(!unknown.headers.contains_key("access-control-allow-origin"));
    let request =
        served.request(reqwest::Method::GET, "/admin/v1/providers").header("x-request-id", "mine-1");
    let answer = served.send(request.header("origin", "https://console.example")).await.expect(401);
    assert_eq!(answer.headers["x-request-id"], "mine-1");
    assert!(answer.headers["request-id"].to_str().unwrap().starts_with("req_"));
    assert_eq!(answer.headers["access-control-allow-origin"], "https://console.example");
}
