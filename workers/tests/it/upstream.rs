//! A provider that does what the test says: answers, refuses, streams, hangs, and tells when it was left.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::post;
use futures_util::stream;

/// What to do with one call.
#[derive(Debug, Clone)]
pub enum Act {
    /// A whole answer with this status and body, and this `retry-after` if not empty.
    Whole(u16, &'static str, &'static str),
    /// A stream of these events, each after its pause.
    Stream(Vec<(Duration, String)>),
    /// The same, then silence.
    StreamAndHang(Vec<(Duration, String)>),
    /// Nothing, ever.
    Hang,
}

/// What the provider saw.
#[derive(Debug, Default)]
pub struct Seen {
    acts: Mutex<VecDeque<Act>>,
    pub bodies: Mutex<Vec<serde_json::Value>>,
    pub headers: Mutex<Vec<http::HeaderMap>>,
    pub open: AtomicUsize,
    pub left: Mutex<Option<Instant>>,
}

impl Seen {
    pub fn hits(&self) -> usize {
        self.bodies.lock().unwrap().len()
    }
}

/// Counts a call as open until its answer is dropped.
struct Open(Arc<Seen>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        *self.0.left.lock().unwrap() = Some(Instant::now());
    }
}

/// Starts a provider that does `acts` one after the other and then the last one for ever. Gives its base URL.
pub async fn start(acts: Vec<Act>) -> (String, Arc<Seen>) {
    let seen = Arc::new(Seen { acts: Mutex::new(acts.into()), ..Seen::default() });
    let router = axum::Router::new()
        .route("/v1/chat/completions", post(answer))
        .route("/v1/responses", post(answer))
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::clone(&seen));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

async fn answer(State(seen): State<Arc<Seen>>, headers: http::HeaderMap, body: Bytes) -> Response {
    seen.bodies.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    seen.headers.lock().unwrap().push(headers);
    seen.open.fetch_add(1, Ordering::SeqCst);
    let open = Open(Arc::clone(&seen));
    let act = {
        let mut acts = seen.acts.lock().unwrap();
        if acts.len() > 1 { acts.pop_front() } else { acts.front().cloned() }
    };
    match act.unwrap() {
        Act::Whole(status, retry_after, body) => {
            let mut response = Response::builder().status(status).header("content-type", "application/json");
            if !retry_after.is_empty() {
                response = response.header("retry-after", retry_after);
            }
            response.body(Body::from(body)).unwrap()
        }
        Act::Hang => std::future::pending().await,
        Act::Stream(events) => streamed(open, events, false),
        Act::StreamAndHang(events) => streamed(open, events, true),
    }
}

fn streamed(open: Open, events: Vec<(Duration, String)>, hang: bool) -> Response {
    let state = (open, VecDeque::from(events));
    let body = stream::unfold(state, move |(open, mut events)| async move {
        match events.pop_front() {
            Some((pause, event)) => {
                tokio::time::sleep(pause).await;
                Some((Ok::<_, std::io::Error>(event), (open, events)))
            }
            None if hang => std::future::pending().await,
            None => None,
        }
    });
    Response::builder().header("content-type", "text/event-stream").body(Body::from_stream(body)).unwrap()
}

/// A chunk of text as an event.
pub fn chunk(text: &str) -> String {
    let chunk = serde_json::json!({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }],
    });
    format!("data: {chunk}\n\n")
}

/// How a stream ends: the finish chunk, the usage chunk, the terminator.
pub fn ending() -> Vec<(Duration, String)> {
    let finish = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let usage = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}"#;
    [finish, usage, "data: [DONE]"].map(|event| (Duration::ZERO, format!("{event}\n\n"))).into()
}

/// A whole answer.
pub const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}"#;
