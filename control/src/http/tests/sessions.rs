//! Sessions of end users: who may open and end them, and what they are bound to.

use jsonwebtoken::{EncodingKey, Header, encode};
use proto::config::KeyRecord;
use proto::switch::{SwitchKind, entry};
use serde_json::{Value, json};
use sqlx::Row as _;

use super::tenants::Tenant;
use crate::http::testing::{Answer, Served};
use crate::testing::secrets;

const USER: &str = "raw-user-id-canary";

async fn open(served: &Served, credential: &str, app: &str, more: Value) -> Answer {
    let mut body = json!({ "public_app_id": app, "external_user_id": USER });
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    served.call("POST", "/v1/sessions", credential, Some(body)).await
}

/// An assertion signed with a tenant's secret.
fn assertion(tenant: &Tenant, more: Value) -> String {
    let now = proto::clock::now_ms() / 1000;
    let mut claims = json!({ "sub": USER, "iat": now, "exp": now + 60 });
    claims.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let header = Header { kid: Some(tenant.secret_id.clone()), ..Header::default() };
    encode(&header, &claims, &EncodingKey::from_secret(tenant.secret.as_bytes())).unwrap()
}

/// What the ingress knows of a session.
async fn known(served: &Served, token: &str) -> Option<KeyRecord> {
    let link = served.nats.bare().await;
    let bucket = link.js.get_key_value("keys").await.unwrap();
    let value = bucket.get(secrets('m').pepper.hash(token)).await.unwrap();
    value.map(|value| serde_json::from_slice(&value).unwrap())
}

async fn a_whole_life(served: Served) {
    let tenant = Tenant::new(&served, "ann").await;
    let feature = json!({ "feature_key": "write", "display_name": "W", "policy": { "route_preference": "byok_first" } });
    tenant.call(&served, "POST", &tenant.path("/features"), feature).await.expect(201);
    let more = json!({ "feature_key": "write", "metadata": { "plan": "pro" } });
    let opened = open(&served, &tenant.secret, &tenant.app, more).await.expect(201).json;
    let token = opened["session_token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("mf_sess_") && opened["expires_in"] == 3600);
    assert_eq!(
        (opened["wallet_balance_usd"].as_str(), &opened["available_modes"][0]),
        (Some("0"), &json!("byok"))
    );
    // The answer means that the ingress can know.
    let record = known(&served, &token).await.unwrap();
    let session = record.session.unwrap();
    assert_eq!(
        (record.id.as_str(), session.feature.as_deref()),
        (opened["session_id"].as_str().unwrap(), Some("write"))
    );
    assert_eq!(session.scopes.len(), 5);

    let wallet = served.call("GET", "/v1/user/wallet", &token, None).await.expect(200).json;
    assert_eq!(
        (wallet["owner_id"].as_str(), wallet["balance_usd"].as_str()),
        (Some(session.end_user.as_str()), Some("0"))
    );
    let again =
        open(&served, &tenant.secret, &tenant.app, json!({ "metadata": { "age": 3 }, "scopes": ["chat"] }))
            .await;
    let again = again.expect(201).json["session_token"].as_str().unwrap().to_owned();
    assert_eq!(
        known(&served, &again).await.unwrap().session.unwrap().end_user,
        session.end_user,
        "the same user"
    );
    let lacks = served.call("GET", "/v1/user/wallet", &again, None).await.expect(403);
    assert_eq!(lacks.json["error"]["details"]["scope"], "wallet:read");
    let row = sqlx::query("SELECT external_hash, metadata FROM end_users")
        .fetch_all(served.db.pool())
        .await
        .unwrap();
    assert_eq!(row.len(), 1);
    let (hash, metadata): (String, String) = (row[0].get("external_hash"), row[0].get("metadata"));
    assert_eq!((hash.len(), metadata.as_str()), (64, r#"{"plan":"pro","age":3}"#));
    assert!(!hash.contains(USER));

    let path = format!("/v1/sessions/{}", opened["session_id"].as_str().unwrap());
    served.call("DELETE", &path, "", None).await.expect(401);
    served.call("DELETE", &path, &assertion(&tenant, Value::Null), None).await.expect(403);
    assert_eq!(
        served.call("DELETE", &path, &tenant.secret, None).await.expect(200).json["status"],
        "revoked"
    );
    served.call("DELETE", &path, &tenant.secret, None).await.expect(200);
    assert!(known(&served, &token).await.is_none_or(|record| record.revoked));
    let switches = served.nats.bare().await.js.get_key_value("switches").await.unwrap();
    let name = entry(SwitchKind::Session, opened["session_id"].as_str().unwrap());
    assert!(switches.get(name).await.unwrap().is_some(), "what is queued is stopped as well");
    assert_eq!(
        served.call("GET", "/v1/user/wallet", &token, None).await.expect(401).code(),
        "invalid_session"
    );
    sqlx::query("UPDATE sessions SET expires_ms = 1").execute(served.db.pool()).await.unwrap();
    assert_eq!(
        served.call("GET", "/v1/user/wallet", &again, None).await.expect(401).code(),
        "expired_session"
    );
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
async fn only_who_may_opens_one() {
    let served = Served::sqlite().await;
    let (ann, bob) = (Tenant::new(&served, "ann").await, Tenant::new(&served, "bob").await);
    let nothing = Value::Null;
    for stranger in ["", "mf_dev_x", "fb_app_0000", "a.b.c"] {
        assert_eq!(
            open(&served, stranger, &ann.app, nothing.clone()).await.expect(401).code(),
            "invalid_session"
        );
        assert_eq!(
            open(&served, stranger, "no-such-app", nothing.clone()).await.expect(401).code(),
            "invalid_session"
        );
        served.call("POST", "/v1/sessions", stranger, Some(json!({ "x": 1 }))).await.expect(401);
    }
    assert_eq!(open(&served, &ann.token, &ann.app, nothing.clone()).await.expect(403).code(), "forbidden");
    assert_eq!(
        open(&served, &ann.secret, "no-such-app", nothing.clone()).await.expect(404).code(),
        "invalid_app"
    );
    let unknown = open(&served, &ann.secret, &ann.app, json!({ "feature_key": "none" })).await;
    assert_eq!(unknown.expect(404).code(), "feature_not_found");
    for bad in [
        json!({ "external_user_id": "" }),
        json!({ "external_user_id": "u".repeat(513) }),
        json!({ "metadata": [] }),
        json!({ "metadata": { "m": "m".repeat(9000) } }),
        json!({ "scopes": ["everything"] }),
        json!({ "wallet": 1 }),
    ] {
        open(&served, &ann.secret, &ann.app, bad).await.expect(400);
    }
    // Signed by the app's server, for one user and no more.
    let signed = assertion(&ann, json!({ "scopes": ["chat", "wallet:read"] }));
    let opened = open(&served, &signed, &ann.app, nothing.clone()).await.expect(201).json;
    assert_eq!(opened["scopes"], json!(["chat", "wallet:read"]));
    open(&served, &signed, &ann.app, json!({ "scopes": ["byok:write"] })).await.expect(403);
    open(&served, &signed, &ann.app, json!({ "external_user_id": "somebody-else" })).await.expect(403);
    open(&served, &signed, &bob.app, nothing.clone()).await.expect(403);
    let forged = Tenant { secret: bob.secret.clone(), ..Tenant::new(&served, "eve").await };
    let forged = Tenant { secret_id: ann.secret_id.clone(), ..forged };
    open(&served, &assertion(&forged, nothing.clone()), &ann.app, nothing.clone()).await.expect(401);
    // A secret that is revoked opens nothing, whether sent or signed with; the one in its place does.
    let other = ann.call(&served, "POST", &ann.path("/secrets"), nothing.clone()).await.expect(201).json;
    let revoked = ann.path(&format!("/secrets/{}", ann.secret_id));
    ann.call(&served, "DELETE", &revoked, nothing.clone()).await.expect(200);
    open(&served, &ann.secret, &ann.app, nothing.clone()).await.expect(401);
    open(&served, &assertion(&ann, nothing.clone()), &ann.app, nothing.clone()).await.expect(401);
    open(&served, other["app_secret"].as_str().unwrap(), &ann.app, nothing.clone()).await.expect(201);
    // Anybody, where the app says so; but not to what is the user's own.
    ann.call(&served, "PATCH", &ann.path(""), json!({ "open_sessions": true })).await.expect(200);
    let opened = open(&served, "", &ann.app, nothing.clone()).await.expect(201).json;
    assert_eq!(opened["scopes"], json!(["chat"]));
    open(&served, "", &ann.app, json!({ "scopes": ["wallet:read"] })).await.expect(403);
    open(&served, "", &bob.app, nothing).await.expect(401);
}
