//! Signatures, right and wrong.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use serde_json::{Value, json};

use super::{PATH, base};
use crate::fake::test::send;
use crate::fake::{ACCESS_KEY, Fake, Kind, REGION, SECRET_KEY};

/// Signed headers for a POST to a URL, and what may be wrong about it.
fn signed(
    url: &str,
    body: &Value,
    secret: &str,
    region: &str,
    service: &str,
    at: SystemTime,
) -> Vec<(&'static str, String)> {
    let identity: Identity = Credentials::new(ACCESS_KEY, secret, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(at)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let body = body.to_string();
    let headers = [("content-type", "application/json")].into_iter();
    let request = SignableRequest::new("POST", url, headers, SignableBody::Bytes(body.as_bytes())).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut all = vec![("content-type", "application/json".to_owned()), ("host", host.to_owned())];
    for (name, value) in instructions.headers() {
        let name = ["authorization", "x-amz-date"].into_iter().find(|known| *known == name).unwrap();
        all.push((name, value.to_owned()));
    }
    all
}

#[tokio::test]
async fn signatures() {
    let fake = Fake::start(Kind::Bedrock).await.unwrap();
    let url = format!("{}{PATH}", fake.url());
    let now = UNIX_EPOCH + Duration::from_millis(proto::clock::now_ms());
    let right = signed(&url, &base(), SECRET_KEY, REGION, "bedrock", now);
    assert_eq!(send(&fake, PATH, &right, &base()).await.status, 200);
    let raw = url.replace("%3A", ":");
    let old = now - Duration::from_secs(3600);
    for (wrong, why) in [
        (signed(&url, &base(), "other", REGION, "bedrock", now), "does not match"),
        (signed(&url, &base(), SECRET_KEY, "eu-west-1", "bedrock", now), "valid region"),
        (signed(&url, &base(), SECRET_KEY, REGION, "bedrock-runtime", now), "correct service"),
        (signed(&url, &base(), SECRET_KEY, REGION, "bedrock", old), "expired"),
        (signed(&raw, &base(), SECRET_KEY, REGION, "bedrock", now), "does not match"),
        (signed(&url, &json!({}), SECRET_KEY, REGION, "bedrock", now), "does not match"),
        (vec![("content-type", "application/json".to_owned())], "Missing Authentication Token"),
        (vec![("authorization", "Bearer no".to_owned())], "API Key is valid"),
    ] {
        let reply = send(&fake, PATH, &wrong, &base()).await;
        assert_eq!(reply.status, 403, "{why}");
        assert!(reply.json()["message"].as_str().unwrap().contains(why), "{why}: {}", reply.text());
        assert!(reply.headers.contains_key("x-amzn-errortype"));
    }
    assert_eq!(fake.refusals().len(), 8);
    assert_eq!(fake.calls()[0].header("authorization"), Some("[present]"));
}
