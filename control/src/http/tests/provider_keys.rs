//! Provider keys of developers and end users: sealed at once, masked ever after, nobody else's.

use proto::credential::CredentialRecord;
use serde_json::{Value, json};

use super::tenants::Tenant;
use crate::http::testing::Served;

const CANARY: &str = "sk-canary-5up3rs3cr3t-value-0042";

async fn a_whole_life(served: Served) {
    let ann = Tenant::new(&served, "ann").await;
    let keys = "/v1/developer/provider-keys";
    let body = json!({ "public_app_id": ann.app, "provider": "openai", "api_key": CANARY,
        "models_allowed": ["gpt-4o"], "priority": 7, "fallback_to_platform": true });
    let made = ann.call(&served, "POST", keys, body).await.expect(201);
    assert!(!made.text.contains("5up3rs3cr3t"));
    assert_eq!(
        (made.json["masked_secret"].as_str(), made.json["priority"].as_u64()),
        (Some("sk-…0042"), Some(7))
    );
    let id = made.json["id"].as_str().unwrap().to_owned();
    let link = served.nats.bare().await;
    let bucket = link.js.get_key_value("credentials").await.unwrap();
    let value = bucket.get(id.as_str()).await.unwrap().expect("the answer means that workers can know");
    assert!(!String::from_utf8_lossy(&value).contains("5up3rs3cr3t"));
    let record: CredentialRecord = serde_json::from_slice(&value).unwrap();
    assert_eq!((record.owner.scope(), record.fallback_to_platform), ("developer", true));

    for (more, code) in [
        (json!({ "provider": "openai", "api_key": "ak-0123456789" }), "secret_validation_failed"),
        (json!({ "provider": "openai", "api_key": "sk-1" }), "secret_validation_failed"),
        (json!({ "provider": "anthropic", "api_key": "sk-0123456789" }), "secret_validation_failed"),
        (json!({ "provider": "gemini", "api_key": " AIza0123456789" }), "secret_validation_failed"),
        (json!({ "provider": "nobody", "api_key": "sk-0123456789" }), "secret_validation_failed"),
        (json!({ "provider": "openai_compatible", "api_key": "k-0123456789" }), "invalid_request"),
        (
            json!({ "provider": "openai", "api_key": CANARY, "base_url": "http://127.0.0.1/v1" }),
            "no_available_route",
        ),
        (
            json!({ "provider": "openai", "api_key": CANARY, "base_url": "https://169.254.169.254" }),
            "no_available_route",
        ),
        (json!({ "provider": "openai", "api_key": CANARY, "budget_limit_usd": "1" }), "invalid_request"),
        (json!({ "provider": "openai", "api_key": CANARY, "priority": 0 }), "invalid_request"),
        (json!({ "provider": "openai", "api_key": CANARY, "secret": "x" }), "invalid_request"),
    ] {
        let mut body = json!({ "public_app_id": ann.app });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refused = ann.call(&served, "POST", keys, body).await.expect(400);
        assert_eq!(refused.code(), code, "{more}");
        assert!(!refused.text.contains("5up3rs3cr3t"));
    }
    let list = format!("{keys}?public_app_id={}", ann.app);
    let listed = ann.call(&served, "GET", &list, Value::Null).await.expect(200);
    assert_eq!(
        (listed.json["data"].as_array().unwrap().len(), listed.text.contains("5up3rs3cr3t")),
        (1, false)
    );
    let off = ann.call(&served, "DELETE", &format!("{keys}/{id}"), Value::Null).await.expect(200).json;
    assert_eq!(off["status"], "disabled");
    the_end_users(&served, &ann).await;
    let all = crate::audit::list(&served.db, &crate::audit::Filter::default(), None, 200).await.unwrap();
    assert!(!serde_json::to_string(&all).unwrap().contains("5up3rs3cr3t"));
    assert_eq!(crate::isolation::check(&served.db).await.unwrap().failed, None);
}

async fn the_end_users(served: &Served, ann: &Tenant) {
    let session = async |user: &str| {
        let body = json!({ "public_app_id": ann.app, "external_user_id": user });
        let opened = served.call("POST", "/v1/sessions", &ann.secret, Some(body)).await.expect(201).json;
        opened["session_token"].as_str().unwrap().to_owned()
    };
    let (one, two) = (session("one").await, session("two").await);
    let keys = "/v1/user/provider-keys";
    let body = json!({ "provider": "openrouter", "api_key": CANARY });
    let made = served.call("POST", keys, &one, Some(body)).await.expect(201);
    assert_eq!(made.json["base_url"], "https://openrouter.ai/api/v1");
    let path = format!("{keys}/{}", made.json["id"].as_str().unwrap());
    let of = async |token: &str| {
        let list = served.call("GET", keys, token, None).await.expect(200);
        assert!(!list.text.contains("5up3rs3cr3t"));
        list.json["data"].as_array().unwrap().len()
    };
    assert_eq!((of(&one).await, of(&two).await), (1, 0));
    served.call("DELETE", &path, &two, None).await.expect(404);
    ann.call(served, "DELETE", &path.replace("user", "developer"), Value::Null).await.expect(404);
    assert_eq!(served.call("DELETE", &path, &one, None).await.expect(200).json["status"], "disabled");
    let chat =
        json!({ "public_app_id": ann.app, "external_user_id": "one", "scopes": ["chat", "byok:read"] });
    let chat = served.call("POST", "/v1/sessions", &ann.secret, Some(chat)).await.expect(201).json;
    let chat = chat["session_token"].as_str().unwrap();
    assert_eq!(of(chat).await, 1, "the keys are the user's, whatever the session");
    served.call("DELETE", &path, chat, None).await.expect(403);
}

#[tokio::test]
async fn a_whole_life_on_sqlite() {
    a_whole_life(Served::sqlite().await).await;
}

#[tokio::test]
async fn a_whole_life_on_postgres() {
    a_whole_life(Served::postgres().await).await;
}
