//! Requests that are turned away: each in words, none of them stored.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use proto::config::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{ASK_FAST, KEY, STREAM_FAST, Stack, chat, config};

fn request(method: &str, path: &str, key: Option<&str>) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "forebay");
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    request.body(Full::from(ASK_FAST)).unwrap()
}

#[tokio::test]
async fn every_mistake_of_a_caller_is_a_clear_4xx() {
    let stack = Stack::start().await;
    let (good, bad) = (Some(KEY), Some("not-a-key"));
    for (method, path, key, expected) in [
        ("POST", "/v1/chat/completions", None, 401),
        ("POST", "/v1/chat/completions", bad, 401),
        ("POST", "/v1/nothing", bad, 401),
        ("GET", "/v1/chat/completions", None, 401),
        ("POST", "/v1/nothing", good, 404),
        ("GET", "/nothing", None, 404),
        ("GET", "/v1/chat/completions", good, 405),
        ("POST", "/v1/models", good, 405),
    ] {
        let (status, headers, body) = stack.send(request(method, path, key)).await;
        assert_eq!(status, expected, "{method} {path} {key:?}");
        let error: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(error["error"]["type"], "invalid_request_error", "{body}");
        assert_eq!(error["error"]["request_id"], headers["request-id"].to_str().unwrap());
        assert_eq!(headers["x-should-retry"], "false");
        assert_eq!(headers["content-type"], "application/json");
        let allow = headers.get("allow").map(|allow| allow.to_str().unwrap());
        let expected = match (status, path) {
            (405, "/v1/models") => Some("GET,HEAD"),
            (405, _) => Some("POST"),
            // Without a key nobody learns which paths there are.
            _ => None,
        };
        assert_eq!(allow, expected, "{method} {path} {key:?}");
    }
    let nested = format!(r#"{{"model":"fast","messages":{}}}"#, "[".repeat(10_000));
    for (body, expected) in [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        (r#"{"messages":[]}"#, 400),
        (r#"{"model":7,"messages":[]}"#, 400),
        (r#"{"model":"none","messages":[{"role":"user","content":"hi"}]}"#, 404),
        (nested.as_str(), 400),
    ] {
        let (status, _, answer) = stack.send(chat(body.to_owned())).await;
        assert_eq!(status, expected, "{:.60} {answer:.200}", body);
    }
    let (status, _, _) = stack.send(chat(&b"{\"model\":\"fast\",\"messages\":\"\xff\xfe\"}"[..])).await;
    assert_eq!(status, 400);
    let long = format!("/v1/models/{}", "a".repeat(9000));
    assert_eq!(stack.get(&long, Some(KEY)).await.0, 400);
    assert_eq!(stack.stored().await, 0);
}

#[tokio::test]
async fn streaming_can_be_switched_off() {
    let stack = Stack::start_with(Config { streaming: false, ..config() }, ingress::Config::default()).await;
    let (status, _, body) = stack.send(chat(STREAM_FAST)).await;
    let error: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 400);
    assert_eq!(error["error"]["message"], "Streaming responses are not enabled in this gateway release.");
    assert_eq!(error["error"]["code"], "invalid_request");
    assert_eq!(stack.stored().await, 0);
}

#[tokio::test]
async fn too_large_and_too_slow_bodies_and_header_floods_are_refused() {
    let settings = ingress::Config {
        body_bytes_max: 1 << 20,
        body_idle: Duration::from_millis(200),
        header_read: Duration::from_millis(300),
        idle: Duration::from_millis(1500),
        ..ingress::Config::default()
    };
    let stack = Stack::start_with(config(), settings).await;
    // A client that writes all before it reads still sees the refusal.
    let (status, _, body) = stack.send(chat(vec![b' '; 30 << 20])).await;
    assert_eq!(status, 413, "{body}");
    let start = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: f\r\nx-api-key: {KEY}\r\ncontent-length: 100\r\n\r\n{{"
    );
    assert!(raw(&stack, start.as_bytes()).await.starts_with("HTTP/1.1 408"));
    let many: String = (0..200).map(|i| format!("h{i}: x\r\n")).collect();
    assert!(raw(&stack, format!("GET /health HTTP/1.1\r\n{many}\r\n").as_bytes()).await.contains(" 431 "));
    let long = "x".repeat(64 << 10);
    assert!(
        raw(&stack, format!("GET /health HTTP/1.1\r\nh: {long}\r\n\r\n").as_bytes()).await.contains(" 431 ")
    );
    let long = "x".repeat(40 << 10);
    let (status, _, body) = stack.send(header("h", &long)).await;
    assert_eq!(status, 400);
    assert!(body.contains("The headers are larger than 32 KiB."), "{body}");
    // Headers that never end, and a connection that says nothing at all.
    let began = Instant::now();
    assert_eq!(raw(&stack, b"GET /health HTTP/1.1\r\n").await, "");
    assert_eq!(raw(&stack, b"").await, "");
    assert_eq!(raw(&stack, b"PRI").await, "");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(stack.stored().await, 0);
}

fn header(name: &'static str, value: &str) -> Request<Full<Bytes>> {
    let request = Request::get("/health").header("host", "forebay").header(name, value);
    request.body(Full::default()).unwrap()
}

#[tokio::test]
async fn an_idle_connection_lives_longer_than_headers_that_do_not_come() {
    let (head, idle) = (Duration::from_millis(200), Duration::from_millis(1200));
    let settings = ingress::Config { header_read: head, idle, ..ingress::Config::default() };
    let stack = Stack::start_with(config(), settings).await;
    let get = b"GET /health HTTP/1.1\r\nhost: f\r\n\r\n";
    let mut stream = TcpStream::connect(stack.address).await.unwrap();
    let mut answer = [0; 4096];
    for _ in 0..2 {
        stream.write_all(get).await.unwrap();
        assert!(stream.read(&mut answer).await.unwrap() > 0);
        tokio::time::sleep(head * 2).await; // idle, and kept
    }
    let began = Instant::now();
    assert_eq!(stream.read(&mut answer).await.unwrap(), 0, "an idle connection is closed in the end");
    assert!(began.elapsed() > head, "{:?}", began.elapsed());
    // The second head of a connection has no more time than the first.
    let mut stream = TcpStream::connect(stack.address).await.unwrap();
    stream.write_all(get).await.unwrap();
    assert!(stream.read(&mut answer).await.unwrap() > 0);
    tokio::time::sleep(head).await;
    let began = Instant::now();
    stream.write_all(b"GET /hea").await.unwrap();
    assert_eq!(stream.read(&mut answer).await.unwrap(), 0);
    assert!(began.elapsed() < idle / 2, "{:?}", began.elapsed());
}

async fn raw(stack: &Stack, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(stack.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.unwrap();
    drop(read);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_second() {
    let mut stack = Stack::start().await;
    assert_eq!(stack.get("/v1/models", Some(KEY)).await.0, 200);
    stack.set_key(true).await;
    let began = Instant::now();
    while stack.get("/v1/models", Some(KEY)).await.0 == 200 {
        assert!(began.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stack.set_key(false).await;
    while stack.get("/v1/models", Some(KEY)).await.0 == 401 {
        assert!(began.elapsed() < Duration::from_secs(2));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stack.nats.kill().await;
}
