//! Keys and sessions: who is let in, for how long, and what switches do to them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use proto::config::{Config, Feature, KeyRecord, Project, SessionRecord};
use proto::event::RouteMode;
use proto::id::Token;
use proto::switch::SwitchKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{ASK_FAST, KEY, PATIENCE, Stack, chat, chat_as, config, data, head, open, whole};

const SESSION: &str = "mf_sess_of-a-test-0000000000001";

fn tenants() -> Config {
    let feature = |key: &str| Feature { key: key.into(), display_name: None, policy: None, pricing: None };
    let project = Project {
        developer: Some("dev_1".into()),
        features: vec![feature("write"), feature("read")],
        ..Project::new("acme")
    };
    Config { projects: vec![project], ..config() }
}

fn key(change: impl FnOnce(&mut KeyRecord)) -> KeyRecord {
    let mut record =
        KeyRecord { id: "key_2".into(), project: "acme".into(), name: "two".into(), ..KeyRecord::default() };
    change(&mut record);
    record
}

fn session(change: impl FnOnce(&mut KeyRecord)) -> KeyRecord {
    key(|record| {
        record.id = "sess_1".into();
        record.expires_ms = Some(proto::clock::now_ms() + 3_600_000);
        record.session = Some(SessionRecord {
            end_user: "eu_1".into(),
            feature: Some("write".into()),
            scopes: vec!["chat".into()],
        });
        change(record);
    })
}

fn code(body: &str) -> String {
    let error: serde_json::Value = serde_json::from_str(body).unwrap();
    error["error"]["code"].as_str().unwrap().to_owned()
}

async fn tenant_stack() -> Stack {
    Stack::start_with(tenants(), ingress::Config::default()).await
}

#[tokio::test]
async fn keys_and_sessions_end_and_say_so() {
    let stack = tenant_stack().await;
    for (name, record) in [
        ("a-session-that-is-over", session(|record| record.expires_ms = Some(1))),
        ("a-session-that-was-ended", session(|record| record.revoked = true)),
        ("a-key-that-is-over", key(|record| record.expires_ms = Some(1))),
        ("a-key-that-was-revoked", key(|record| record.revoked = true)),
        ("a-key-that-counts", key(|record| record.expires_ms = Some(u64::MAX))),
        ("a-session-without-a-scope", session(|record| record.session.as_mut().unwrap().scopes.clear())),
        (SESSION, session(|_| ())),
    ] {
        stack.put_key(name, &record).await;
    }
    for (secret, status, said) in [
        ("a-session-that-is-over", 401, "expired_session"),
        ("a-session-that-was-ended", 401, "invalid_session"),
        ("mf_sess_nobody-has-this-one", 401, "invalid_session"),
        ("a-key-that-is-over", 401, "invalid_api_key"),
        ("a-key-that-was-revoked", 401, "invalid_api_key"),
        ("nobody-has-this-key", 401, "invalid_api_key"),
        ("a-session-without-a-scope", 403, "forbidden"),
    ] {
        // What is wrong with the request is not looked at.
        let body = if status == 401 { "nonsense" } else { ASK_FAST };
        let (found, _, answer) = stack.send(chat_as(secret, body)).await;
        assert_eq!((found, code(&answer).as_str()), (status, said), "{secret}");
        let unknown = stack.get("/v1/nothing", Some(secret)).await.0;
        assert_eq!(unknown, if status == 401 { 401 } else { 404 }, "{secret}");
    }
    for secret in ["a-key-that-counts", "a-session-without-a-scope", SESSION] {
        assert_eq!(stack.get("/v1/models", Some(secret)).await.0, 200, "{secret}");
    }
    // A caller without a key learns nothing about a path that is too long, nor one about headers that are too large.
    let long = format!("/v1/models/{}", "a".repeat(9000));
    assert_eq!((stack.get(&long, None).await.0, stack.get(&long, Some(SESSION)).await.0), (401, 400));
    assert_eq!(stack.stored().await, 0);
}

#[tokio::test]
async fn every_switch_stops_new_requests_within_a_second() {
    let stack = tenant_stack().await;
    stack.put_key(SESSION, &session(|_| ())).await;
    let by_key = || {
        let mut request = chat(ASK_FAST);
        request.headers_mut().insert("x-forebay-feature", "write".parse().unwrap());
        request
    };
    let by_session = || chat_as(SESSION, ASK_FAST);
    type Make<'a> = &'a dyn Fn() -> Request<Full<Bytes>>;
    let cases: [(SwitchKind, &str, Make<'_>, u16, &str); 7] = [
        (SwitchKind::Key, "key_1", &by_key, 401, "invalid_api_key"),
        (SwitchKind::Session, "sess_1", &by_session, 401, "invalid_session"),
        (SwitchKind::EndUser, "eu_1", &by_session, 401, "invalid_session"),
        (SwitchKind::Project, "acme", &by_key, 403, "forbidden"),
        (SwitchKind::Developer, "dev_1", &by_session, 403, "forbidden"),
        (SwitchKind::Feature, "acme/write", &by_session, 403, "forbidden"),
        (SwitchKind::Feature, "acme/write", &by_key, 403, "forbidden"),
    ];
    for (kind, id, make, status, said) in cases {
        stack.switch(kind, id, true).await;
        let thrown = Instant::now();
        let body = loop {
            // Nobody answers what is let in.
            let sent = tokio::time::timeout(Duration::from_millis(200), stack.send(make())).await;
            match sent {
                Ok((found, _, body)) if found == status => break body,
                _ => assert!(thrown.elapsed() < PATIENCE, "{kind:?}: {sent:?}"),
            }
        };
        assert_eq!(code(&body), said, "{kind:?}");
        assert!(thrown.elapsed() < Duration::from_secs(1), "{kind:?}: {:?}", thrown.elapsed());
        if matches!(kind, SwitchKind::Project | SwitchKind::Developer) {
            assert_eq!(stack.get("/v1/nothing", Some(KEY)).await.0, 403);
        }
        stack.switch(kind, id, false).await;
        while tokio::time::timeout(Duration::from_millis(100), stack.send(make())).await.is_ok() {
            assert!(thrown.elapsed() < PATIENCE, "{kind:?} is not on again");
        }
    }
}

/// Sends a request's head and half of its body, lets `meanwhile` happen, then sends the rest.
async fn interrupted(stack: &Stack, meanwhile: impl AsyncFnOnce()) -> String {
    let (first, second) = ASK_FAST.split_at(10);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: f\r\nx-api-key: {SESSION}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{first}",
        ASK_FAST.len()
    );
    let mut stream = TcpStream::connect(stack.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    meanwhile().await;
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn what_happens_while_a_body_is_sent_counts() {
    let stack = tenant_stack().await;
    let models = || {
        let get = Request::get("/v1/models").header("host", "f").header("x-api-key", SESSION);
        get.body(Full::default()).unwrap()
    };
    stack.put_key(SESSION, &session(|_| ())).await;
    let answer = interrupted(&stack, async || {
        stack.switch(SwitchKind::Project, "acme", true).await;
        stack.until(403, models).await;
    });
    assert!(answer.await.starts_with("HTTP/1.1 403"));
    stack.switch(SwitchKind::Project, "acme", false).await;
    stack.until(200, models).await;
    let answer = interrupted(&stack, async || {
        stack.put_key(SESSION, &session(|record| record.revoked = true)).await;
        stack.until(401, models).await;
    });
    let answer = answer.await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("invalid_session"), "{answer}");
    assert_eq!(stack.stored().await, 0);
}

#[tokio::test]
async fn wishes_travel_beside_the_body() {
    let mut stack = tenant_stack().await;
    stack.put_key(SESSION, &session(|_| ())).await;
    let body = r#"{"model":"fast","metadata":{"route_mode":"byok","route_preference":"byok_first","mine":"1"},
        "messages":[{"role":"user","content":"hi"}]}"#;
    let (address, request) = (stack.address, chat_as(SESSION, body));
    let sent = tokio::spawn(async move { whole(open(address, request).await).await });
    let job = stack.job().await;
    let who = job.envelope.who.as_deref().unwrap();
    assert_eq!((who.session.as_deref(), who.end_user.as_deref()), (Some("sess_1"), Some("eu_1")));
    assert_eq!((who.feature.as_deref(), who.developer.as_deref()), (Some("write"), Some("dev_1")));
    let route = job.envelope.route.as_deref().unwrap();
    assert_eq!((route.only, route.first), (Some(RouteMode::Byok), Some(RouteMode::Byok)));
    let stored: serde_json::Value = serde_json::from_slice(&job.body).unwrap();
    assert_eq!(stored["metadata"], serde_json::json!({"mine": "1"}));
    assert_eq!(job.envelope.body_bytes, u64::try_from(job.body.len()).unwrap());
    job.frame(Token(1), 0, vec![head(), data("{}"), job.end()]).await;
    assert_eq!(sent.await.unwrap().0, 200);
    for (metadata, status, said) in [
        (r#"{"feature_key":"read"}"#, 403, "forbidden"),
        (r#"{"route_mode":"free"}"#, 400, "invalid_request"),
    ] {
        let body = ASK_FAST.replacen('{', &format!(r#"{{"metadata":{metadata},"#), 1);
        let (found, _, answer) = stack.send(chat_as(SESSION, body)).await;
        assert_eq!((found, code(&answer).as_str()), (status, said), "{metadata}");
    }
    let body = ASK_FAST.replacen('{', r#"{"metadata":{"feature_key":"none"},"#, 1);
    let (status, _, answer) = stack.send(chat(body)).await;
    assert_eq!((status, code(&answer).as_str()), (404, "feature_not_found"));
    assert_eq!(stack.stored().await, 1);
}

#[tokio::test]
async fn an_imported_key_is_known_by_its_bcrypt_hash() {
    let mut stack = tenant_stack().await;
    let secret = "sk-old-0123456789-abcdefghij";
    let hash = bcrypt::hash(secret, 6).unwrap();
    let record = key(|record| record.bcrypt = Some(hash));
    stack.import_key("sk-old-0123", &record).await;
    let models = |secret: &str| {
        let get = Request::get("/v1/models").header("host", "f").header("x-api-key", secret);
        get.body(Full::default()).unwrap()
    };
    stack.until(200, || models(secret)).await;
    for wrong in ["sk-old-0123456789-abcdefghiX", "sk-old-0123", "sk-new-0123456789-abcdefghij"] {
        assert_eq!(stack.send(models(wrong)).await.0, 401, "{wrong}");
    }
    // A flood of guesses is refused, or told to come back; whoever is known already does not notice.
    let address = stack.address;
    let guesses: Vec<_> = (0..40)
        .map(|n| {
            let guess = models(&format!("sk-old-0123-guess-{n}"));
            tokio::spawn(async move { whole(open(address, guess).await).await.0 })
        })
        .collect();
    assert_eq!(stack.send(models(secret)).await.0, 200);
    for guess in guesses {
        let status = guess.await.unwrap();
        assert!(status == 401 || status == 503, "{status}");
    }
    stack.import_key("sk-old-0123", &KeyRecord { revoked: true, ..record }).await;
    stack.until(401, || models(secret)).await;
    stack.nats.kill().await;
}
