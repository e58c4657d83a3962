//! Keys: made, limited, replaced and revoked, and seen by every process with the answer.

use proto::subject::{KEYS_BUCKET, SWITCHES_BUCKET};
use serde_json::{Value, json};

use super::admin::entry;
use crate::http::testing::Served;
use crate::testing::secrets;

const PATH: &str = "/admin/v1/keys";

pub(super) async fn life(served: &Served) {
    let hash = |secret: &Value| secrets('m').pepper.hash(secret.as_str().unwrap());
    let body = json!({
        "project": "shop", "name": "ci", "models": ["m"], "route_modes": ["platform", "byok"],
        "networks": ["192.0.2.0/24", "2001:db8::/32"], "direct": true, "expires_at": "2099-01-01T00:00:00Z",
    });
    let made = served.admin("POST", PATH, body.clone()).await.expect(201).json;
    served.admin("POST", PATH, body).await.expect(409);
    let record = entry(served, KEYS_BUCKET, &hash(&made["secret"])).await.unwrap();
    assert_eq!((&record["models"], &record["networks"][0]), (&json!(["m"]), &json!("192.0.2.0/24")));
    assert!(made["secret"].as_str().unwrap().starts_with(made["prefix"].as_str().unwrap()));
    let one = format!("{PATH}/{}", made["id"].as_str().unwrap());
    let shown = served.admin("GET", &one, Value::Null).await.expect(200);
    assert!(!shown.text.contains(made["secret"].as_str().unwrap()), "a secret is shown once");
    for (change, param) in [
        (json!({ "networks": ["everywhere"] }), "networks"),
        (json!({ "route_modes": ["free"] }), "route_modes"),
        (json!({ "models": [] }), "models"),
        (json!({ "expires_at": "2020-01-01T00:00:00Z" }), "expires_at"),
        (json!({ "rpm": 5 }), "rpm"),
    ] {
        let answer = served.admin("PATCH", &one, change.clone()).await.expect(400);
        assert_eq!(answer.json["error"]["param"], param, "{change}");
    }
    let change = json!({ "networks": null, "direct": false, "status": "disabled" });
    let changed = served.admin("PATCH", &one, change).await.expect(200).json;
    assert_eq!((&changed["networks"], &changed["status"]), (&Value::Null, &json!("suspended_by_operator")));
    let record = entry(served, KEYS_BUCKET, &hash(&made["secret"])).await.unwrap();
    assert!(record.get("networks").is_none() && record.get("direct").is_none(), "{record}");
    served.admin("PATCH", &one, json!({ "status": "active" })).await.expect(200);

    let rotated = served.admin("POST", &format!("{one}/rotate"), json!({ "overlap_seconds": 60 })).await;
    let rotated = rotated.expect(201).json;
    assert_eq!((&rotated["name"], &rotated["rotated_from"]), (&json!("ci"), &made["id"]));
    assert_eq!(rotated["models"], json!(["m"]), "limits go over");
    assert!(entry(served, KEYS_BUCKET, &hash(&rotated["secret"])).await.is_some());
    let old = entry(served, KEYS_BUCKET, &hash(&made["secret"])).await.unwrap();
    let left = old["expires_ms"].as_u64().unwrap() - proto::clock::now_ms();
    assert!(
        (1..=60_000).contains(&left) && old.get("revoked").is_none(),
        "the old secret goes on for a while"
    );

    assert_eq!(served.admin("DELETE", &one, Value::Null).await.expect(200).json["status"], "revoked");
    assert_eq!(entry(served, KEYS_BUCKET, &hash(&made["secret"])).await.unwrap()["revoked"], true);
    let switch = format!("key.{}", made["id"].as_str().unwrap());
    assert!(entry(served, SWITCHES_BUCKET, &switch).await.is_some(), "what waits is stopped as well");
    served.admin("PATCH", &one, json!({ "direct": true })).await.expect(409);
    served.admin("POST", &format!("{one}/rotate"), json!({})).await.expect(409);
    let listed =
        served.admin("GET", "/admin/v1/keys?project=shop&name=ci", Value::Null).await.expect(200).json;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let unknown = json!({ "project": "none", "name": "x" });
    assert_eq!(served.admin("POST", PATH, unknown).await.expect(400).json["error"]["param"], "project");
}
