//! Requests that go well.

use proto::clock::now_ms;
use proto::ctl::{Answer, Question};
use proto::envelope::Body;
use proto::fault::{Fault, FaultCode};
use proto::id::Token;
use proto::reply::Section;

use crate::harness::{ASK_FAST, KEY, STREAM_FAST, Stack, chat, data, head, piece, whole};

const ONE: Token = Token(1);

#[tokio::test]
async fn a_request_travels_unchanged_and_its_answer_carries_every_header() {
    let mut stack = Stack::start().await;
    let body = " {\"unknown\":[1.0e3, \"\\u00e9\"],\n \"model\":\"fast\",\"messages\":[{\"role\":\"user\",\"content\":\"é\"}]} ";
    let mut request = chat(body);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.headers_mut().insert("x-request-id", "mine-1".parse().unwrap());
    request.headers_mut().insert("traceparent", trace.parse().unwrap());
    request.headers_mut().insert("x-stainless-read-timeout", "30".parse().unwrap());
    let address = stack.address;
    let sent = tokio::spawn(async move { whole(crate::harness::open(address, request).await).await });
    let job = stack.job().await;
    assert_eq!(job.body, body);
    let e = &job.envelope;
    assert_eq!((e.project.as_str(), e.key.as_str(), e.model.as_str()), ("acme", "key_1", "fast"));
    assert_eq!((e.budget_ms, e.config, e.stream, &e.body), (30_000, 1, false, &Body::Inline));
    assert_eq!((e.client_request_id.as_deref(), e.traceparent.as_deref()), (Some("mine-1"), Some(trace)));
    assert!(!String::from_utf8_lossy(&job.message.payload).contains("model"));
    job.frame(ONE, 0, vec![head(), data("{\"ok\":"), data("1}"), job.end()]).await;
    let (status, headers, answer) = sent.await.unwrap();
    assert_eq!((status, answer.as_str()), (200, "{\"ok\":1}"));
    let id = e.request.to_string();
    for (name, expected) in [
        ("content-type", "application/json"),
        ("request-id", id.as_str()),
        ("x-request-id", "mine-1"),
        ("x-forebay-route-mode", "platform"),
        ("x-forebay-provider", "primary"),
        ("x-forebay-model", "up"),
        ("x-forebay-attempts", "1"),
        ("x-forebay-config", "1"),
        ("x-forebay-queue-ms", "3"),
        ("x-forebay-cost-usd", "0.0000125"),
        ("content-length", "8"),
    ] {
        assert_eq!(headers.get(name).map(|v| v.to_str().unwrap()), Some(expected), "{name}");
    }
    assert!(headers["x-forebay-overhead-ms"].to_str().unwrap().parse::<u64>().is_ok());
    let done = Answer::Done { event: Box::new(job.event()) };
    assert_eq!(job.ask(Question::Claim, Token(2), 0).await, done);
}

#[tokio::test]
async fn a_stream_begins_with_its_first_frame_and_ends_with_its_last() {
    let mut stack = Stack::start().await;
    let address = stack.address;
    let sent = tokio::spawn(async move { crate::harness::open(address, chat(STREAM_FAST)).await });
    let job = stack.job().await;
    assert!(job.envelope.stream);
    job.frame(ONE, 0, vec![head(), data("data: 1\n\n")]).await;
    let mut response = sent.await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/event-stream; charset=utf-8");
    assert_eq!((header("cache-control"), header("x-accel-buffering")), ("no-cache".into(), "no".into()));
    assert_eq!(header("request-id"), job.envelope.request.to_string());
    assert!(response.headers().get("x-forebay-cost-usd").is_none());
    assert_eq!(piece(&mut response).await.as_deref(), Some("data: 1\n\n"));
    job.frame(ONE, 1, vec![data("data: 2\n\n")]).await;
    assert_eq!(piece(&mut response).await.as_deref(), Some("data: 2\n\n"));
    job.frame(ONE, 2, vec![data("data: [DONE]\n\n"), job.end()]).await;
    assert_eq!(piece(&mut response).await.as_deref(), Some("data: [DONE]\n\n"));
    assert_eq!(piece(&mut response).await, None);
}

#[tokio::test]
async fn a_body_of_20_mib_travels_through_the_object_store_and_back() {
    let mut stack = Stack::start().await;
    let content = "x".repeat(20 << 20);
    let body = format!(r#"{{"model":"fast","messages":[{{"role":"user","content":"{content}"}}]}}"#);
    let (address, request) = (stack.address, chat(body.clone()));
    let sent = tokio::spawn(async move { whole(crate::harness::open(address, request).await).await });
    let job = stack.job().await;
    assert_eq!(job.envelope.body, Body::Object(job.envelope.request.to_string()));
    assert_eq!(job.envelope.body_bytes, body.len() as u64);
    assert!(job.body == body.as_bytes());
    let chunk = Section::Data(vec![b'y'; 512 << 10].into());
    job.frame(ONE, 0, vec![head(), chunk.clone()]).await;
    for seq in 1..10 {
        job.frame(ONE, seq, vec![chunk.clone()]).await;
    }
    job.frame(ONE, 10, vec![job.end()]).await;
    let (status, headers, answer) = sent.await.unwrap();
    assert_eq!((status, answer.len()), (200, 10 * (512 << 10)));
    assert_eq!(headers["content-length"], answer.len().to_string());
}

#[tokio::test]
async fn a_workers_fault_is_the_answer_with_its_advice() {
    let mut stack = Stack::start().await;
    let address = stack.address;
    let sent = tokio::spawn(async move { whole(crate::harness::open(address, chat(ASK_FAST)).await).await });
    let job = stack.job().await;
    let mut fault = Fault::new(FaultCode::UpstreamRateLimited, "All providers are busy.").retry_after(1500);
    fault.upstream_status = Some(429);
    job.frame(ONE, 0, vec![head(), Section::Fault(fault), job.end()]).await;
    let (status, headers, body) = sent.await.unwrap();
    let header = |name: &str| headers[name].to_str().unwrap();
    assert_eq!(status, 429);
    assert_eq!((header("retry-after"), header("retry-after-ms")), ("2", "1500"));
    assert_eq!((header("x-should-retry"), header("x-forebay-upstream-status")), ("true", "429"));
    assert_eq!((header("x-forebay-provider"), header("x-forebay-attempts")), ("primary", "1"));
    assert!(body.contains("upstream_rate_limited") && body.contains(header("request-id")), "{body}");
}

#[tokio::test]
async fn models_are_listed_and_health_is_told() {
    let stack = Stack::start().await;
    let (status, headers, body) = stack.get("/v1/models", Some(KEY)).await;
    assert_eq!(status, 200);
    assert!(headers.contains_key("request-id"));
    assert!(body.contains(r#""fast""#) && body.contains(r#""org/slow""#), "{body}");
    let (status, _, body) = stack.get("/v1/models/org/slow", Some(KEY)).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(stack.get("/v1/models/none", Some(KEY)).await.0, 404);
    let (status, _, body) = stack.get("/health", None).await;
    assert_eq!((status, body.as_str()), (200, r#"{"ok":true,"service":"ingress"}"#));
    let (_, _, body) = stack.get("/health/providers", None).await;
    let expected = r#"{"ok":false,"providers":[{"ok":false,"provider":"primary","statusCode":503,"latencyMs":12,"error":"upstream_overloaded","observedMs":7}]}"#;
    assert_eq!(body, expected);
    let (status, _, body) = stack.get("/metrics", None).await;
    assert_eq!((status, body.as_str()), (200, "forebay_up 1\n"));
    assert!(now_ms() > 0);
}
