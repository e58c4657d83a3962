//! Developers over their own routes: whole lives, the nine scopes, and two tenants that never meet.

use serde_json::{Value, json};

use crate::http::auth::Scope;
use crate::http::testing::{Answer, Served};
use crate::testing::{ADMIN_TOKEN, DEVELOPER_ADMIN_TOKEN};

/// A developer with a token of every scope and an app.
pub(super) struct Tenant {
    pub(super) id: String,
    pub(super) token: String,
    pub(super) app: String,
    pub(super) secret: String,
    pub(super) secret_id: String,
}

impl Tenant {
    /// Takes a developer in, as an operator does.
    pub(super) async fn new(served: &Served, name: &str) -> Self {
        let body = json!({ "name": name, "email": format!("{name}@example.com") });
        let developer = served.call("POST", "/v1/developers", ADMIN_TOKEN, Some(body)).await.expect(201).json;
        let id = developer["id"].as_str().unwrap().to_owned();
        let body = json!({ "developer_id": id, "name": "first" });
        let made = served.call("POST", "/v1/developer/tokens", DEVELOPER_ADMIN_TOKEN, Some(body)).await;
        let token = made.expect(201).json["token"].as_str().unwrap().to_owned();
        let app = format!("{name}:app");
        let body = json!({ "public_app_id": app, "name": "App", "cors_origins": ["https://app.example"] });
        let made = served.call("POST", "/v1/developer/apps", &token, Some(body)).await.expect(201).json;
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        assert_eq!(
            (made["developer_id"].as_str(), made["status"].as_str()),
            (Some(id.as_str()), Some("active"))
        );
        Self { secret: text("app_secret"), secret_id: text("app_secret_id"), id, token, app }
    }

    pub(super) async fn call(&self, served: &Served, method: &str, path: &str, body: Value) -> Answer {
        served.call(method, path, &self.token, (!body.is_null()).then_some(body)).await
    }

    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v1/developer/apps/{}{rest}", self.app)
    }
}

/// The actions of the audit log, oldest first.
async fn acts(served: &Served) -> Vec<String> {
    let all = crate::audit::list(&served.db, &crate::audit::Filter::default(), None, 200).await.unwrap();
    all.into_iter().rev().map(|entry| entry.record.action).collect()
}

/// What may become of an app, and what may not.
async fn the_app(served: &Served, tenant: &Tenant) {
    let app = tenant.path("");
    let changed = json!({ "name": "Renamed", "default_revenue_share_bps": 5000, "open_sessions": true });
    let changed = tenant.call(served, "PATCH", &app, changed).await.expect(200).json;
    assert_eq!(
        (changed["name"].as_str(), changed["default_revenue_share_bps"].as_u64()),
        (Some("Renamed"), Some(5000))
    );
    for bad in [
        json!({ "default_revenue_share_bps": 10_001 }),
        json!({ "cors_origins": ["*"] }),
        json!({ "cors_origins": ["https://a.example/"] }),
        json!({ "developer_id": "dev_x" }),
    ] {
        tenant.call(served, "PATCH", &app, bad).await.expect(400);
    }
    assert_eq!(tenant.call(served, "DELETE", &app, Value::Null).await.expect(200).json["status"], "disabled");
    let on = tenant.call(served, "PATCH", &app, json!({ "status": "active" })).await.expect(200);
    assert_eq!(on.json["status"], "active");
}

async fn a_whole_life(served: Served) {
    let tenant = Tenant::new(&served, "ann").await;
    let features = tenant.path("/features");
    let body = json!({ "feature_key": "write", "display_name": "Write",
        "policy": { "route_preference": "byok_first" }, "pricing": { "markup_percent": 30 } });
    let made = tenant.call(&served, "POST", &features, body.clone()).await.expect(201).json;
    assert_eq!((made["feature_key"].as_str(), made["status"].as_str()), (Some("write"), Some("active")));
    assert_eq!(tenant.call(&served, "POST", &features, body).await.expect(409).code(), "conflict");
    for (bad, param) in [
        (json!({ "feature_key": "x y", "display_name": "X" }), "feature_key"),
        (json!({ "feature_key": "x", "display_name": "" }), "display_name"),
        (
            json!({ "feature_key": "x", "display_name": "X", "policy": { "route_preference": "nobody" } }),
            "policy",
        ),
        (json!({ "feature_key": "x", "display_name": "X", "pricing": { "markup_percent": -3 } }), "pricing"),
        (json!({ "feature_key": "x", "display_name": "X", "price": 1 }), "price"),
    ] {
        let refused = tenant.call(&served, "POST", &features, bad).await.expect(400);
        assert_eq!(
            (refused.code(), refused.json["error"]["param"].as_str()),
            ("invalid_request", Some(param))
        );
    }
    let one = tenant.path("/features/write");
    let changed = tenant.call(&served, "PATCH", &one, json!({ "display_name": "W", "pricing": null })).await;
    assert_eq!(changed.expect(200).json["display_name"], "W");
    let off = tenant.call(&served, "PATCH", &one, json!({ "status": "disabled" })).await.expect(200);
    assert_eq!(off.json["status"], "disabled");
    assert_eq!(
        tenant.call(&served, "GET", &features, Value::Null).await.expect(200).json["data"][0]["status"],
        "disabled"
    );
    tenant.call(&served, "DELETE", &one, Value::Null).await.expect(200);
    assert_eq!(tenant.call(&served, "GET", &one, Value::Null).await.expect(404).code(), "feature_not_found");

    the_app(&served, &tenant).await;
    let usage = served.call("GET", &format!("/v1/apps/{}/usage", tenant.app), &tenant.token, None).await;
    assert_eq!(usage.expect(200).json["totals"]["calls"], 0);
    served.call("GET", &format!("/v1/apps/{}/usage", tenant.app), ADMIN_TOKEN, None).await.expect(200);
    let operations =
        tenant.call(&served, "GET", "/v1/developer/operations", Value::Null).await.expect(200).json;
    assert_eq!(operations["audit_logs"][0]["actor_id"], "first");
    assert_eq!(operations["wallets"][0]["balance_usd"], "0");
    let acts = acts(&served).await;
    for expected in [
        "developer.create",
        "developer_token.create",
        "app.create",
        "app_secret.create",
        "feature.create",
        "feature.update",
        "feature.delete",
        "app.update",
        "project.disable",
        "project.enable",
    ] {
        assert!(acts.iter().any(|act| act == expected), "{expected} is not in {acts:?}");
    }
    assert_eq!(crate::audit::verify(&served.db, None).await.unwrap().finding, None);
    assert_eq!(crate::isolation::check(&served.db).await.unwrap().failed, None);
}

#[tokio::test]
async fn a_whole_life_on_sqlite() {
    a_whole_life(Served::sqlite().await).await;
}

#[tokio::test]
async fn a_whole_life_on_postgres() {
    a_whole_life(Served::postgres().await).await;
}

#[tokio::test]
async fn tokens_end_and_grant_no_more_than_they_have() {
    let served = Served::sqlite().await;
    let tenant = Tenant::new(&served, "ann").await;
    let make =
        async |token: &str, body: Value| served.call("POST", "/v1/developer/tokens", token, Some(body)).await;
    let narrow = json!({ "name": "n", "scopes": ["developer:tokens:write", "developer:apps:read"] });
    let narrow = make(&tenant.token, narrow).await.expect(201).json;
    let token = narrow["token"].as_str().unwrap().to_owned();
    assert!(
        token.starts_with("mf_dev_") && narrow["token_prefix"].as_str().is_some_and(|p| token.starts_with(p))
    );
    let wide = json!({ "name": "w", "scopes": ["developer:apps:write"] });
    let refused = make(&token, wide).await.expect(403);
    assert_eq!(
        (refused.code(), refused.json["error"]["details"]["scope"].as_str()),
        ("forbidden", Some("developer:apps:write"))
    );
    let same = make(&token, json!({ "name": "s" })).await.expect(201).json;
    assert_eq!(same["scopes"], narrow["scopes"], "without a wish it is as wide as its maker");
    for bad in [
        json!({ "name": "" }),
        json!({ "name": "n", "scopes": [] }),
        json!({ "name": "n", "scopes": ["developer:everything"] }),
        json!({ "name": "n", "expires_at": "2020-01-01T00:00:00Z" }),
        json!({ "name": "n", "expires_at": "soon" }),
        json!({ "name": "n\u{0}" }),
    ] {
        make(&tenant.token, bad).await.expect(400);
    }
    let ahead = json!({ "name": "e", "expires_at": "2099-01-01T00:00:00Z" });
    let short = make(&tenant.token, ahead).await.expect(201).json;
    let list = tenant.call(&served, "GET", "/v1/developer/tokens?limit=200", Value::Null).await.expect(200);
    assert!(list.json["data"].as_array().unwrap().len() >= 4 && !list.text.contains(&token));
    let ended = sqlx::query("UPDATE developer_tokens SET expires_ms = 1 WHERE id = $1");
    ended.bind(short["id"].as_str().unwrap().to_owned()).execute(served.db.pool()).await.unwrap();
    let over = served.call("GET", "/v1/developer/apps", short["token"].as_str().unwrap(), None).await;
    assert_eq!(over.expect(401).code(), "invalid_session");
    served.call("GET", "/v1/developer/apps", &token, None).await.expect(200);
    let one = format!("/v1/developer/tokens/{}", narrow["id"].as_str().unwrap());
    assert_eq!(tenant.call(&served, "DELETE", &one, Value::Null).await.expect(200).json["status"], "revoked");
    served.call("GET", "/v1/developer/apps", &token, None).await.expect(401);
}

#[tokio::test]
async fn every_route_asks_for_its_scope() {
    let served = Served::sqlite().await;
    let tenant = Tenant::new(&served, "ann").await;
    let app = tenant.path("");
    let routes = [
        ("GET", "/v1/developer/apps".to_owned(), Scope::AppsRead),
        ("GET", app.clone(), Scope::AppsRead),
        ("PATCH", app, Scope::AppsWrite),
        ("POST", "/v1/developer/apps".to_owned(), Scope::AppsWrite),
        ("GET", tenant.path("/features"), Scope::FeaturesRead),
        ("POST", tenant.path("/features"), Scope::FeaturesWrite),
        ("GET", "/v1/developer/provider-keys".to_owned(), Scope::ProviderKeysRead),
        ("POST", "/v1/developer/provider-keys".to_owned(), Scope::ProviderKeysWrite),
        ("GET", "/v1/developer/tokens".to_owned(), Scope::TokensRead),
        ("POST", "/v1/developer/tokens".to_owned(), Scope::TokensWrite),
        ("GET", "/v1/developer/operations".to_owned(), Scope::OperationsRead),
        ("GET", format!("/v1/apps/{}/usage", tenant.app), Scope::OperationsRead),
    ];
    for scope in Scope::ALL {
        let body = json!({ "name": "one", "scopes": [scope.as_str()] });
        let made = tenant.call(&served, "POST", "/v1/developer/tokens", body).await.expect(201);
        let token = made.json["token"].as_str().unwrap();
        for (method, path, needed) in &routes {
            // A body that nothing takes: who may, gets as far as that.
            let body = (*method != "GET").then(|| json!({ "nothing": 1 }));
            let answer = served.call(method, path, token, body).await;
            if scope == *needed {
                assert!(
                    [200, 400, 404].contains(&answer.status.as_u16()),
                    "{method} {path}: {}",
                    answer.text
                );
            } else {
                assert_eq!(
                    (answer.status.as_u16(), answer.code()),
                    (403, "forbidden"),
                    "{scope:?} {method} {path}"
                );
                assert_eq!(answer.json["error"]["details"]["scope"], needed.as_str());
            }
        }
    }
}

async fn lists_hold_ones_own_alone(served: &Served, ann: &Tenant, bob: &Tenant) {
    for list in ["/v1/developer/apps", "/v1/developer/tokens", "/v1/developer/operations"] {
        let answer = ann.call(served, "GET", list, Value::Null).await.expect(200);
        assert!(!answer.text.contains(&bob.id) && !answer.text.contains(&bob.app), "{list}: {}", answer.text);
        let all = served.call("GET", list, DEVELOPER_ADMIN_TOKEN, None).await.expect(200);
        assert!(all.text.contains(&bob.id), "the operator sees every tenant: {list}");
    }
}

#[tokio::test]
async fn tenants_never_meet() {
    let served = Served::sqlite().await;
    let (ann, bob) = (Tenant::new(&served, "ann").await, Tenant::new(&served, "bob").await);
    let feature = json!({ "feature_key": "private", "display_name": "Private" });
    bob.call(&served, "POST", &bob.path("/features"), feature.clone()).await.expect(201);
    let tokens = bob.call(&served, "GET", "/v1/developer/tokens", Value::Null).await.expect(200).json;
    let token = format!("/v1/developer/tokens/{}", tokens["data"][0]["id"].as_str().unwrap());
    let opened = json!({ "public_app_id": bob.app, "external_user_id": "u1" });
    let session =
        served.call("POST", "/v1/sessions", &bob.secret, Some(opened.clone())).await.expect(201).json;
    let session = format!("/v1/sessions/{}", session["session_id"].as_str().unwrap());
    let key = json!({ "public_app_id": bob.app, "provider": "openai", "api_key": "sk-0123456789" });
    let key = bob.call(&served, "POST", "/v1/developer/provider-keys", key).await.expect(201).json;
    let key = format!("/v1/developer/provider-keys/{}", key["id"].as_str().unwrap());
    let app = |name: &str, developer: &str| json!({ "public_app_id": name, "name": "N", "developer_id": developer });
    let tries = [
        ("GET", bob.path(""), Value::Null, 404),
        ("PATCH", bob.path(""), json!({ "name": "mine" }), 404),
        ("DELETE", bob.path(""), Value::Null, 404),
        ("GET", bob.path("/features"), Value::Null, 404),
        ("POST", bob.path("/features"), feature, 404),
        ("GET", bob.path("/features/private"), Value::Null, 404),
        ("PATCH", bob.path("/features/private"), json!({ "display_name": "mine" }), 404),
        ("DELETE", bob.path("/features/private"), Value::Null, 404),
        ("GET", bob.path("/secrets"), Value::Null, 404),
        ("POST", bob.path("/secrets"), Value::Null, 404),
        ("DELETE", bob.path(&format!("/secrets/{}", bob.secret_id)), Value::Null, 404),
        ("DELETE", ann.path(&format!("/secrets/{}", bob.secret_id)), Value::Null, 404),
        ("GET", format!("/v1/apps/{}/usage", bob.app), Value::Null, 404),
        ("DELETE", token, Value::Null, 404),
        ("DELETE", session.clone(), Value::Null, 404),
        ("POST", "/v1/developer/apps".to_owned(), app("new", &bob.id), 403),
        ("POST", "/v1/developer/apps".to_owned(), app(&bob.app, &ann.id), 409),
        ("POST", "/v1/developer/tokens".to_owned(), json!({ "name": "n", "developer_id": bob.id }), 403),
        (
            "POST",
            "/v1/developer/tokens".to_owned(),
            json!({ "name": "n", "developer_email": "bob@example.com" }),
            403,
        ),
        (
            "POST",
            "/v1/developer/tokens".to_owned(),
            json!({ "name": "n", "developer_email": "no@example.com" }),
            403,
        ),
        (
            "POST",
            "/v1/developer/provider-keys".to_owned(),
            json!({ "public_app_id": bob.app, "provider": "openai", "api_key": "sk-0123456789" }),
            404,
        ),
        ("GET", format!("/v1/developer/provider-keys?public_app_id={}", bob.app), Value::Null, 404),
        ("DELETE", key, Value::Null, 404),
        // The operator's own project is nobody's to see.
        ("GET", "/v1/developer/apps/a".to_owned(), Value::Null, 404),
    ];
    for (method, path, body, status) in tries {
        let answer = ann.call(&served, method, &path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.text);
        assert!(!answer.text.contains("Private") && !answer.text.contains(&bob.id), "{}", answer.text);
    }
    lists_hold_ones_own_alone(&served, &ann, &bob).await;
    served.call("DELETE", &session, &ann.secret, None).await.expect(404);
    assert_eq!(
        served.call("POST", "/v1/sessions", &ann.secret, Some(opened)).await.expect(403).code(),
        "forbidden"
    );
    served.call("DELETE", &session, &bob.token, None).await.expect(200);
}

#[tokio::test]
async fn what_the_operator_suspends_stays_so() {
    let served = Served::sqlite().await;
    let ann = Tenant::new(&served, "ann").await;
    let operator = async |method: &str, body: Option<Value>| {
        served.call(method, &ann.path(""), DEVELOPER_ADMIN_TOKEN, body).await.expect(200).json["status"]
            .clone()
    };
    assert_eq!(operator("DELETE", None).await, "suspended_by_operator");
    let lifted = ann.call(&served, "PATCH", &ann.path(""), json!({ "status": "active", "name": "X" })).await;
    assert_eq!(lifted.expect(403).code(), "forbidden");
    let shown = ann.call(&served, "GET", &ann.path(""), Value::Null).await.expect(200).json;
    assert_eq!(
        (shown["status"].as_str(), shown["name"].as_str()),
        (Some("suspended_by_operator"), Some("App"))
    );
    ann.call(&served, "DELETE", &ann.path(""), Value::Null).await.expect(200);
    ann.call(&served, "PATCH", &ann.path(""), json!({ "status": "active" })).await.expect(403);
    let opened = json!({ "public_app_id": ann.app, "external_user_id": "u1" });
    assert_eq!(
        served.call("POST", "/v1/sessions", &ann.secret, Some(opened)).await.expect(403).code(),
        "forbidden"
    );
    assert_eq!(operator("PATCH", Some(json!({ "status": "active" }))).await, "active");
}
