//! Every admin resource from its beginning to its end, on SQLite and on PostgreSQL.

use proto::subject::{CREDENTIALS_BUCKET, SWITCHES_BUCKET};
use serde_json::{Value, json};

use super::{keys, objects};
use crate::http::testing::Served;

/// What a bucket holds under a key, at this moment.
pub(super) async fn entry(served: &Served, bucket: &str, key: &str) -> Option<Value> {
    let store = served.nats.bare().await.js.get_key_value(bucket).await.unwrap();
    let value = store.get(key).await.unwrap()?;
    Some(serde_json::from_slice(&value).unwrap())
}

/// The ids of a whole list, two at a time.
pub(super) async fn ids(served: &Served, path: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page =
            served.admin("GET", &format!("{path}?limit=2{cursor}"), Value::Null).await.expect(200).json;
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 2);
        all.extend(data.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

async fn developers(served: &Served) {
    let path = "/admin/v1/developers";
    let body = |n: u32| json!({ "name": format!("Dev {n}"), "email": format!("dev{n}@example.com") });
    let mut made = Vec::new();
    for n in 0..5 {
        let answer = served.admin("POST", path, body(n)).await.expect(201).json;
        made.push(answer["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids(served, path).await, made, "in the order in which they were made");
    assert_eq!(served.admin("POST", path, body(1)).await.expect(409).code(), "conflict");
    let wrong = json!({ "name": "x", "email": "not an address" });
    assert_eq!(served.admin("POST", path, wrong).await.expect(400).json["error"]["param"], "email");
    let one = format!("{path}/{}", made[0]);
    let changed =
        served.admin("PATCH", &one, json!({ "name": "Other", "status": "disabled" })).await.expect(200);
    assert_eq!(changed.json["status"], "suspended_by_operator");
    assert_eq!(changed.json["name"], "Other");
    let switch = format!("developer.{}", made[0]);
    assert!(entry(served, SWITCHES_BUCKET, &switch).await.is_some(), "known everywhere with the answer");
    served.admin("PATCH", &one, json!({ "status": "active" })).await.expect(200);
    assert!(entry(served, SWITCHES_BUCKET, &switch).await.is_none());
    served.admin("DELETE", &one, Value::Null).await.expect(200);
    let shown = served.admin("GET", &one, Value::Null).await.expect(200).json;
    assert_eq!(shown["status"], "suspended_by_operator");
    let found =
        served.admin("GET", "/admin/v1/developers?email=dev3@example.com", Value::Null).await.expect(200);
    assert_eq!(found.json["data"][0]["id"], made[3].as_str());
    served.admin("GET", "/admin/v1/developers/dev_none", Value::Null).await.expect(404);
}

async fn credentials(served: &Served) {
    let path = "/admin/v1/credentials";
    const CANARY: &str = "sk-canary-of-credentials-0123456789abcd";
    let body = json!({ "provider": "p", "api_key": CANARY, "priority": 5, "models_allowed": ["x"] });
    let made = served.admin("POST", path, body).await.expect(201);
    assert!(!made.text.contains("canary"), "{}", made.text);
    assert_eq!(made.json["masked_secret"], "sk-…abcd");
    let id = made.json["id"].as_str().unwrap().to_owned();
    let record = entry(served, CREDENTIALS_BUCKET, &id).await.unwrap();
    let record: proto::credential::CredentialRecord = serde_json::from_value(record).unwrap();
    let master = proto::secret::MasterKey::new("m".repeat(32)).unwrap();
    let (_, opening) = proto::hpke::pair(&master.credential_key_material());
    let opened = opening.open(&record.sealed.parse().unwrap(), &record.about()).unwrap();
    assert_eq!(opened.expose(), CANARY, "workers can open it");
    let wrong = json!({ "provider": "p", "api_key": "not-of-openai-at-all" });
    assert_eq!(served.admin("POST", path, wrong).await.expect(400).code(), "secret_validation_failed");
    let wrong = json!({ "provider": "nobody", "api_key": CANARY });
    assert_eq!(served.admin("POST", path, wrong).await.expect(400).json["error"]["param"], "provider");

    let one = format!("{path}/{id}");
    let changed = served.admin("PATCH", &one, json!({ "priority": 7, "weight": 3 })).await.expect(200).json;
    assert_eq!((changed["priority"].as_u64(), changed["weight"].as_u64()), (Some(7), Some(3)));
    assert_eq!(entry(served, CREDENTIALS_BUCKET, &id).await.unwrap()["priority"], 7);
    served.admin("PATCH", &one, json!({ "fallback_to_platform": true })).await.expect(400);
    let reference = json!({ "api_key": format!("credential:{id}") });
    served.admin("PATCH", "/admin/v1/providers/p", reference).await.expect(200);

    let new = json!({ "api_key": "sk-canary-of-rotation-0123456789efgh" });
    let rotated = served.admin("POST", &format!("{one}/rotate"), new).await.expect(201).json;
    assert_eq!(rotated["rotated_from_id"], id.as_str());
    let new_id = rotated["id"].as_str().unwrap();
    let provider = served.admin("GET", "/admin/v1/providers/p", Value::Null).await.expect(200).json;
    assert_eq!(provider["api_key"], format!("credential:{new_id}"));
    let old = served.admin("GET", &one, Value::Null).await.expect(200).json;
    assert_eq!(old["status"], "suspended_by_operator");
    assert!(entry(served, SWITCHES_BUCKET, &format!("credential.{id}")).await.is_some());
    let listed =
        served.admin("GET", "/admin/v1/credentials?owner_scope=platform", Value::Null).await.expect(200);
    assert_eq!(listed.json["data"].as_array().unwrap().len(), 2);
    let none =
        served.admin("GET", "/admin/v1/credentials?owner_scope=end_user", Value::Null).await.expect(200);
    assert!(none.json["data"].as_array().unwrap().is_empty());
}

async fn sessions(served: &Served) {
    for statement in [
        "INSERT INTO end_users (id, project, external_hash, metadata, created_ms) VALUES ('eu_1', 'a', 'h', '{}', 1)",
        "INSERT INTO sessions (id, project, end_user, hash, scopes, created_ms, expires_ms) \
         VALUES ('ses_1', 'a', 'eu_1', 'cafe', '[\"chat\"]', 1, 9000000000000)",
    ] {
        sqlx::query(statement).execute(served.db.pool()).await.unwrap();
    }
    let path = "/admin/v1/sessions";
    let listed =
        served.admin("GET", "/admin/v1/sessions?project=a&end_user=eu_1", Value::Null).await.expect(200);
    assert_eq!(listed.json["data"][0]["status"], "active");
    assert!(!listed.text.contains("cafe"), "no hash is shown");
    let one = format!("{path}/ses_1");
    assert_eq!(served.admin("DELETE", &one, Value::Null).await.expect(200).json["status"], "revoked");
    assert_eq!(entry(served, "keys", "cafe").await.unwrap()["revoked"], true);
    assert!(entry(served, SWITCHES_BUCKET, "session.ses_1").await.is_some());
    served.admin("DELETE", &one, Value::Null).await.expect(200);
    served.admin("GET", "/admin/v1/sessions/ses_2", Value::Null).await.expect(404);
}

async fn tokens(served: &Served) {
    let path = "/admin/v1/tokens";
    let viewer = json!({ "name": "watcher", "role": "viewer" });
    let made = served.admin("POST", path, viewer.clone()).await.expect(201).json;
    served.admin("POST", path, viewer).await.expect(409);
    let token = made["token"].as_str().unwrap().to_owned();
    let id = made["id"].as_str().unwrap().to_owned();
    let reads = served.call("GET", path, &token, None).await.expect(200);
    assert!(!reads.text.contains(&token));
    let provider = served.call("GET", "/admin/v1/providers/p", &token, None).await.expect(200).json;
    assert_eq!(provider["api_key"], "[redacted]");
    let document = served.call("GET", "/openapi.json", "", None).await.expect(200).json;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|method| *method != "get") {
            if path.starts_with("/admin/") || path.starts_with("/v1/admin/") {
                let answer = served.call(&method.to_uppercase(), path, &token, Some(json!({ "x": 1 }))).await;
                assert_eq!((answer.status.as_u16(), answer.code()), (403, "forbidden"), "{method} {path}");
            }
        }
    }
    let one = format!("{path}/{id}");
    assert!(!served.admin("GET", &one, Value::Null).await.expect(200).json["last_used_at"].is_null());
    assert_eq!(served.admin("DELETE", &one, Value::Null).await.expect(200).json["status"], "revoked");
    served.call("GET", path, &token, None).await.expect(401);
    let past = json!({ "name": "late", "role": "admin", "expires_at": "2020-01-01T00:00:00Z" });
    assert_eq!(served.admin("POST", path, past).await.expect(400).json["error"]["param"], "expires_at");
}

async fn books(served: &Served) {
    let statement = "INSERT INTO accounts (id, debits, credits) VALUES ('project:a', 1500000000, 500000000)";
    sqlx::query(statement).execute(served.db.pool()).await.unwrap();
    let wallet = served.admin("GET", "/admin/v1/wallets/project:a", Value::Null).await.expect(200).json;
    assert_eq!(wallet["balance_usd"], "-1");
    assert_eq!(ids(served, "/admin/v1/wallets").await, ["project:a"]);
    served.admin("GET", "/admin/v1/wallets/project:b", Value::Null).await.expect(404);
    let query =
        "project=a&key=k&provider=p&model=m&state=success&from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z";
    let usage = served.admin("GET", &format!("/admin/v1/usage?{query}"), Value::Null).await.expect(200).json;
    assert_eq!(usage, json!({ "data": [], "next_cursor": null }));
    served.admin("GET", "/admin/v1/usage/x", Value::Null).await.expect(404);
    served.admin("GET", "/admin/v1/usage?from=yesterday", Value::Null).await.expect(400);
    for query in ["", "?status=success&project=a", "?client_request_id=mine"] {
        let page =
            served.admin("GET", &format!("/admin/v1/requests{query}"), Value::Null).await.expect(200).json;
        assert_eq!(page, json!({ "data": [], "next_cursor": null }), "{query}");
    }
    for id in ["x", "req_00000000000000000000000000000001"] {
        served.admin("GET", &format!("/admin/v1/requests/{id}"), Value::Null).await.expect(404);
    }
}

async fn audit(served: &Served) {
    let page = served.admin("GET", "/admin/v1/audit?limit=200", Value::Null).await.expect(200);
    assert!(!page.text.contains("canary"), "a secret is in the audit log");
    let records = page.json["data"].as_array().unwrap();
    let acts: Vec<&str> = records.iter().map(|record| record["action"].as_str().unwrap()).collect();
    for act in [
        "developer.create",
        "developer.disable",
        "developer.enable",
        "credential.create",
        "credential.rotate",
        "credential.disable",
        "session.revoke",
        "admin_token.create",
        "admin_token.revoke",
        "provider.create",
        "model.update",
        "project.create",
        "feature.delete",
        "key.create",
        "key.rotate",
        "key.revoke",
    ] {
        assert!(acts.contains(&act), "{act} is not in {acts:?}");
    }
    for record in records {
        assert_eq!(record["actor"], json!({ "scope": "admin", "name": "bootstrap" }));
        assert!(record["request_id"].as_str().unwrap().starts_with("req_"));
    }
    let seq = records[0]["seq"].as_u64().unwrap();
    let one = served.admin("GET", &format!("/admin/v1/audit/{seq}"), Value::Null).await.expect(200).json;
    assert_eq!(&one, &records[0]);
    served.admin("GET", "/admin/v1/audit/0", Value::Null).await.expect(404);
    let revoked =
        served.admin("GET", "/admin/v1/audit?action=key.revoke", Value::Null).await.expect(200).json;
    assert!(!revoked["data"].as_array().unwrap().is_empty());
    let next = served.admin("GET", "/admin/v1/audit?limit=1", Value::Null).await.expect(200).json;
    let path = format!("/admin/v1/audit?limit=1&cursor={}", next["next_cursor"].as_str().unwrap());
    let second = served.admin("GET", &path, Value::Null).await.expect(200).json;
    assert_eq!(second["data"][0], records[1], "newest first, one after the other");
    assert!(crate::audit::verify(&served.db, Some(&served.nats.bare().await)).await.is_ok());
}

async fn every_resource(served: Served) {
    developers(&served).await;
    objects::providers(&served).await;
    objects::models(&served).await;
    objects::projects(&served).await;
    objects::features(&served).await;
    keys::life(&served).await;
    credentials(&served).await;
    sessions(&served).await;
    tokens(&served).await;
    books(&served).await;
    audit(&served).await;
}

#[tokio::test]
async fn every_resource_lives_on_sqlite() {
    every_resource(Served::sqlite().await).await;
}

#[tokio::test]
async fn every_resource_lives_on_postgres() {
    every_resource(Served::postgres().await).await;
}

#[tokio::test]
async fn bodies_and_queries_are_strict() {
    let served = Served::sqlite().await;
    let path = "/admin/v1/developers";
    let body = json!({ "name": "x", "email": "a@b", "emial": "typo" });
    let answer = served.admin("POST", path, body).await.expect(400);
    assert_eq!((answer.code(), &answer.json["error"]["param"]), ("invalid_request", &json!("emial")));
    assert_eq!(answer.json["error"]["type"], "invalid_request_error");
    let answer = served.admin("POST", path, json!({ "name": "x" })).await.expect(400);
    assert_eq!(answer.json["error"]["param"], "email");
    for (text, status) in [("{", 400), ("[]", 400), ("{} {}", 400), ("", 400)] {
        let request = served.request(reqwest::Method::POST, path).bearer_auth(crate::testing::ADMIN_TOKEN);
        let request = request.header("content-type", "application/json").body(text);
        served.send(request).await.expect(status);
    }
    let request = served.request(reqwest::Method::POST, path).bearer_auth(crate::testing::ADMIN_TOKEN);
    served.send(request.body("{}")).await.expect(415);
    let request = served.request(reqwest::Method::POST, path).bearer_auth(crate::testing::ADMIN_TOKEN);
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(2 << 20));
    let answer =
        served.send(request.header("content-type", "application/json").body(large)).await.expect(413);
    assert_eq!(answer.code(), "request_too_large");
    for query in ["limit=0", "limit=201", "limit=x", "cursor=!", "limt=2", "email=%00"] {
        let answer = served.admin("GET", &format!("{path}?{query}"), Value::Null).await.expect(400);
        assert_eq!(answer.code(), "invalid_request", "{query}");
    }
    let answer = served.admin("PUT", path, json!({})).await.expect(405);
    assert_eq!(answer.code(), "method_not_allowed");
    assert!(answer.headers.contains_key("allow"));
}
