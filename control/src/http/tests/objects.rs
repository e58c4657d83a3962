//! Objects of the document: each change is a new version, and every one of them can be seen where it counts.

use proto::config::Config;
use proto::subject::{CONFIG_BUCKET, CONFIG_KEY, SWITCHES_BUCKET};
use serde_json::{Value, json};

use super::admin::{entry, ids};
use crate::http::testing::Served;

/// The document in force, as every process sees it.
async fn in_force(served: &Served) -> Config {
    serde_json::from_value(entry(served, CONFIG_BUCKET, CONFIG_KEY).await.unwrap()).unwrap()
}

pub(super) async fn providers(served: &Served) {
    let path = "/admin/v1/providers";
    let before = in_force(served).await.version;
    let body =
        json!({ "name": "spare", "kind": "openai_compatible", "base_url": "https://api.example.com/v1/" });
    let made = served.admin("POST", path, body.clone()).await.expect(201).json;
    assert_eq!((&made["id"], &made["base_url"]), (&json!("spare"), &json!("https://api.example.com/v1")));
    let document = in_force(served).await;
    assert!(document.version > before && document.provider("spare").is_some(), "in force with the answer");
    served.admin("POST", path, body).await.expect(409);
    for (change, param) in [
        (json!({ "base_url": "http://127.0.0.1/v1" }), "base_url"),
        (json!({ "base_url": "https://169.254.169.254/v1", "allow_private_network": true }), "base_url"),
        (json!({ "base_url": null }), "base_url"),
        (json!({ "region": "eu" }), "region"),
        (json!({ "api_key": "env:SECRET_ENCRYPTION_KEY" }), "api_key"),
        (json!({ "name": "other" }), "name"),
        (json!({ "kind": "scripted" }), "kind"),
        (json!({ "colour": "red" }), "colour"),
    ] {
        let answer = served.admin("PATCH", &format!("{path}/spare"), change.clone()).await.expect(400);
        assert_eq!(answer.json["error"]["param"], param, "{change}: {}", answer.text);
    }
    for wrong in ["sk-a-secret-itself", "x"] {
        let answer =
            served.admin("PATCH", &format!("{path}/spare"), json!({ "api_key": wrong })).await.expect(400);
        assert!(!answer.text.contains("secret-itself"), "{}", answer.text);
    }
    let change = json!({ "disabled": true, "api_key": "env:SPARE_KEY" });
    let changed = served.admin("PATCH", &format!("{path}/spare"), change).await.expect(200).json;
    assert_eq!((&changed["disabled"], &changed["api_key"]), (&json!(true), &json!("env:SPARE_KEY")));
    assert!(in_force(served).await.provider("spare").unwrap().disabled);
    assert_eq!(ids(served, path).await, ["p", "spare"]);
    let answer = served.admin("DELETE", &format!("{path}/p"), Value::Null).await.expect(409);
    assert!(answer.text.contains("model m"), "{}", answer.text);
    served.admin("GET", &format!("{path}/none"), Value::Null).await.expect(404);
    served.admin("DELETE", &format!("{path}/none"), Value::Null).await.expect(404);
}

pub(super) async fn models(served: &Served) {
    let path = "/admin/v1/models";
    let body = json!({
        "alias": "fast", "strategy": "load_balance",
        "targets": [{ "provider": "p", "model": "x", "weight": 5 }, { "provider": "spare", "model": "y" }],
        "price": { "input": "0.15", "output": "0.60" },
    });
    let made = served.admin("POST", path, body.clone()).await.expect(201).json;
    assert_eq!((&made["strategy"], &made["targets"][1]["weight"]), (&json!("weighted"), &json!(1)));
    served.admin("POST", path, body).await.expect(409);
    for (change, param) in [
        (json!({ "targets": [] }), "targets"),
        (json!({ "targets": [{ "provider": "none", "model": "x" }] }), "targets.provider"),
        (json!({ "targets": [{ "provider": "p", "model": "x", "weight": 0 }] }), "targets.weight"),
        (json!({ "alias": "slow" }), "alias"),
    ] {
        let answer = served.admin("PATCH", &format!("{path}/fast"), change.clone()).await.expect(400);
        assert_eq!(answer.json["error"]["param"], param, "{change}");
    }
    served.admin("PATCH", &format!("{path}/fast"), json!({ "strategy": "random" })).await.expect(400);
    served.admin("PATCH", &format!("{path}/fast"), json!({ "price": { "input": "x" } })).await.expect(400);
    let change = json!({ "disabled": true, "price": null });
    let changed = served.admin("PATCH", &format!("{path}/fast"), change).await.expect(200).json;
    assert!(changed["disabled"] == true && changed["price"].is_null());
    let of_spare = served.admin("GET", "/admin/v1/models?provider=spare", Value::Null).await.expect(200).json;
    assert_eq!(of_spare["data"].as_array().unwrap().len(), 1);
    served.admin("DELETE", "/admin/v1/providers/spare", Value::Null).await.expect(409);
    served.admin("DELETE", &format!("{path}/fast"), Value::Null).await.expect(204);
    served.admin("DELETE", "/admin/v1/providers/spare", Value::Null).await.expect(204);
    assert!(in_force(served).await.models.iter().all(|model| model.alias != "fast"));
    let slashed = json!({ "alias": "org/model", "targets": [{ "provider": "p", "model": "x" }] });
    served.admin("POST", path, slashed).await.expect(201);
    served.admin("GET", &format!("{path}/org%2Fmodel"), Value::Null).await.expect(200);
    served.admin("DELETE", &format!("{path}/org%2Fmodel"), Value::Null).await.expect(204);
}

pub(super) async fn projects(served: &Served) {
    let path = "/admin/v1/projects";
    let developer = served.admin("GET", "/admin/v1/developers?limit=1", Value::Null).await.expect(200).json;
    let developer = developer["data"][0]["id"].as_str().unwrap().to_owned();
    let body = json!({
        "name": "shop", "public_app_id": "app:shop", "developer": developer, "revenue_share_bps": 4000,
        "cors_origins": ["https://shop.example"],
    });
    let made = served.admin("POST", path, body.clone()).await.expect(201).json;
    assert_eq!((&made["status"], &made["streaming"]), (&json!("active"), &json!(true)));
    served.admin("POST", path, body).await.expect(409);
    let same_id = json!({ "name": "shop2", "public_app_id": "app:shop" });
    served.admin("POST", path, same_id).await.expect(409);
    for (change, param) in [
        (json!({ "developer": "dev_none" }), "developer"),
        (json!({ "cors_origins": ["https://shop.example/path"] }), "cors_origins"),
        (json!({ "revenue_share_bps": 10001 }), "revenue_share_bps"),
        (json!({ "on_disconnect": "explode" }), "on_disconnect"),
        (json!({ "policy": { "route_preference": "nowhere" } }), "policy"),
        (json!({ "status": "asleep" }), "status"),
        (json!({ "name": "other" }), "name"),
    ] {
        let answer = served.admin("PATCH", &format!("{path}/shop"), change.clone()).await.expect(400);
        assert_eq!(answer.json["error"]["param"], param, "{change}: {}", answer.text);
    }
    let change = json!({ "display_name": "The shop", "status": "disabled" });
    let changed = served.admin("PATCH", &format!("{path}/shop"), change).await.expect(200).json;
    assert_eq!(
        (&changed["status"], &changed["display_name"]),
        (&json!("suspended_by_operator"), &json!("The shop"))
    );
    assert!(entry(served, SWITCHES_BUCKET, "project.shop").await.is_some());
    let of_developer = format!("{path}?developer={developer}");
    let listed = served.admin("GET", &of_developer, Value::Null).await.expect(200).json;
    assert_eq!(
        (&listed["data"][0]["id"], &listed["data"][0]["status"]),
        (&json!("shop"), &changed["status"])
    );
    served.admin("PATCH", &format!("{path}/shop"), json!({ "status": "active" })).await.expect(200);
    assert!(entry(served, SWITCHES_BUCKET, "project.shop").await.is_none());
    assert_eq!(ids(served, path).await, ["a", "shop"]);
}

pub(super) async fn features(served: &Served) {
    let path = "/admin/v1/projects/shop/features";
    let body = json!({ "key": "write", "policy": { "route_preference": "byok_first" }, "pricing": {} });
    served.admin("POST", path, body.clone()).await.expect(201);
    served.admin("POST", path, body).await.expect(409);
    served.admin("POST", "/admin/v1/projects/none/features", json!({ "key": "x" })).await.expect(404);
    let one = format!("{path}/write");
    let changed = served.admin("PATCH", &one, json!({ "display_name": "Write", "status": "disabled" })).await;
    assert_eq!(changed.expect(200).json["status"], "suspended_by_operator");
    assert!(entry(served, SWITCHES_BUCKET, "feature.shop/write").await.is_some());
    let wrong = json!({ "policy": { "privacy": "unheard of" } });
    assert_eq!(served.admin("PATCH", &one, wrong).await.expect(400).json["error"]["param"], "policy");
    assert_eq!(ids(served, path).await, ["write"]);
    let project = in_force(served).await.project("shop").unwrap().clone();
    assert_eq!(project.feature("write").unwrap().display_name.as_deref(), Some("Write"));
    served.admin("DELETE", &one, Value::Null).await.expect(204);
    assert_eq!(served.admin("GET", &one, Value::Null).await.expect(404).code(), "feature_not_found");
}
