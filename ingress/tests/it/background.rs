//! Background responses: accepted at once, polled, cancelled, and followed from any event on.

use proto::dialect::openai_responses::{Mark, marked};
use proto::id::Token;
use proto::nats::{Found, Replaces, Replays, Results};
use proto::stored::{Key, Status};
use serde_json::{Value, json};

use crate::harness::{Job, PATIENCE, Stack, piece, whole};
use crate::responses::{about, bare, create, keep, said};

const BODY: &str = r#"{"model":"fast","input":"x","background":true}"#;
const BODY_STREAM: &str = r#"{"model":"fast","input":"x","background":true,"stream":true}"#;

async fn found(stack: &Stack, id: &str) -> Found {
    let results = Results::new(stack.link.clone());
    results.read(&Key::new("acme", id), &stack.ring(), PATIENCE).await.unwrap().unwrap()
}

/// Ends a response as a worker does.
async fn complete(stack: &Stack, id: &str) {
    let found = found(stack, id).await;
    let mut next = found.stored.clone();
    next.about.status = Status::Completed;
    next.about.token = Some(Token(1));
    let response = r#"{"id":"up","status":"completed","output":[]}"#.into();
    next.response = marked(&response, &Mark { id: Some(id.to_owned()), ..Mark::default() });
    let (results, key) = (Results::new(stack.link.clone()), Key::new("acme", id));
    results.write(&key, &stack.ring(), next, Replaces::Exactly(&found), "done", PATIENCE).await.unwrap();
}

/// Keeps events as a worker does.
async fn tell(stack: &Stack, job: &Job, numbers: std::ops::Range<u64>) {
    let replays = Replays::new(stack.link.clone());
    let tail = replays.tail(job.envelope.request, PATIENCE).await.unwrap();
    let events: String =
        numbers.map(|n| format!("event: x\ndata: {{\"type\":\"x\",\"sequence_number\":{n}}}\n\n")).collect();
    let (ring, token) = (stack.ring(), Some(Token(1)));
    let request = job.envelope.request;
    replays.append(request, &ring, events.as_bytes(), token, tail, PATIENCE).await.unwrap();
}

fn numbers(text: &str) -> Vec<u64> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str::<Value>(data).unwrap()["sequence_number"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_background_response_is_accepted_polled_and_done() {
    let mut stack = Stack::start().await;
    let mut request = create(BODY);
    request.headers_mut().insert("x-stainless-read-timeout", "30".parse().unwrap());
    let (status, queued) = said(&stack, request).await;
    assert_eq!((status, &queued["status"], &queued["background"]), (200, &json!("queued"), &json!(true)));
    let id = queued["id"].as_str().unwrap().to_owned();
    let job = stack.job().await;
    let kept = job.envelope.kept.clone().unwrap();
    assert!(kept.background && kept.store);
    assert_eq!(job.envelope.budget_ms, 3_600_000, "nobody's library waits");
    let path = format!("/v1/responses/{id}");
    assert_eq!(said(&stack, bare("GET", &path)).await.1, queued);
    let (status, refused) = said(&stack, bare("DELETE", &path)).await;
    assert_eq!(
        (status, &refused["error"]["param"]),
        (400, &json!("response_id")),
        "not while it is worked on"
    );
    let (status, _) = said(&stack, bare("GET", &format!("{path}?stream=true"))).await;
    assert_eq!(status, 400, "its events are not kept");
    complete(&stack, &id).await;
    assert_eq!(said(&stack, bare("GET", &path)).await.1["status"], "completed");
    let (status, after) = said(&stack, bare("POST", &format!("{path}/cancel"))).await;
    assert_eq!((status, &after["status"]), (200, &json!("completed")), "what is over stays what it is");
    assert_eq!(said(&stack, bare("DELETE", &path)).await.0, 200);
}

#[tokio::test]
async fn a_cancelled_response_stays_cancelled() {
    let mut stack = Stack::start().await;
    let id = said(&stack, create(BODY)).await.1["id"].as_str().unwrap().to_owned();
    let mut cancels = stack.link.client.subscribe(proto::subject::CTL_CANCEL).await.unwrap();
    stack.link.client.flush().await.unwrap();
    let path = format!("/v1/responses/{id}/cancel");
    for _ in 0..2 {
        let (status, body) = said(&stack, bare("POST", &path)).await;
        assert_eq!((status, &body["status"]), (200, &json!("cancelled")));
    }
    let told =
        tokio::time::timeout(PATIENCE, futures_util::StreamExt::next(&mut cancels)).await.unwrap().unwrap();
    let told: Value = serde_json::from_slice(&told.payload).unwrap();
    let job = stack.job().await;
    assert_eq!(told, json!({ "request": job.envelope.request, "why": "asked" }));
    assert_eq!(found(&stack, &id).await.stored.about.status, Status::Cancelled);
    keep(&stack, about("acme", "resp_sync", Status::Completed)).await;
    for (id, expected) in [("resp_sync", 400), ("resp_none", 404)] {
        assert_eq!(said(&stack, bare("POST", &format!("/v1/responses/{id}/cancel"))).await.0, expected);
    }
}

#[tokio::test]
async fn what_cannot_be_gone_on_from_is_said_at_once() {
    let stack = Stack::start().await;
    keep(&stack, about("acme", "resp_failed", Status::Failed)).await;
    keep(&stack, about("other", "resp_other", Status::Completed)).await;
    for (id, code) in [
        ("resp_none", "previous_response_not_found"),
        ("resp_other", "previous_response_not_found"),
        ("resp_failed", "invalid_request"),
    ] {
        let body = BODY.replace('}', &format!(r#","previous_response_id":"{id}"}}"#));
        let (status, said) = said(&stack, create(&body)).await;
        assert_eq!((status, &said["error"]["code"]), (400, &json!(code)), "{said}");
        assert_eq!(said["error"]["param"], "previous_response_id");
    }
    assert_eq!(stack.stored().await, 0);
}

#[tokio::test]
async fn events_are_followed_to_the_end_and_again_from_any_place() {
    let mut stack = Stack::start().await;
    let mut live = stack.open(create(BODY_STREAM)).await;
    assert_eq!(live.headers()["content-type"], "text/event-stream; charset=utf-8");
    let first = piece(&mut live).await.unwrap();
    assert!(first.starts_with("event: response.queued\n"), "{first}");
    let job = stack.job().await;
    let id = proto::dialect::openai_responses::response_id(job.envelope.request);
    assert!(first.contains(&id));
    tell(&stack, &job, 1..3).await;
    let mut text = piece(&mut live).await.unwrap();
    tell(&stack, &job, 3..5).await;
    // The worker dies before it can wake anybody: the end is found all the same.
    complete(&stack, &id).await;
    while let Some(more) = piece(&mut live).await {
        text.push_str(&more);
    }
    assert_eq!(numbers(&text), [1, 2, 3, 4, 5]);
    assert!(text.contains("event: response.completed\n"));
    for (after, expected) in
        [("", 0..6), ("&starting_after=2", 3..6), ("&starting_after=4", 5..6), ("&starting_after=9", 6..6)]
    {
        let (status, _, text) =
            whole(stack.open(bare("GET", &format!("/v1/responses/{id}?stream=true{after}"))).await).await;
        assert_eq!((status, numbers(&text)), (200, expected.collect::<Vec<_>>()), "{after}");
    }
    let (status, _) =
        said(&stack, bare("GET", &format!("/v1/responses/{id}?stream=true&starting_after=x"))).await;
    assert_eq!(status, 400);
    assert_eq!(said(&stack, bare("DELETE", &format!("/v1/responses/{id}"))).await.0, 200);
    let tail = Replays::new(stack.link.clone()).tail(job.envelope.request, PATIENCE).await.unwrap();
    assert_eq!(tail.seq, 0, "nothing is left of it");
}

#[tokio::test]
async fn a_cancel_ends_what_is_followed() {
    let mut stack = Stack::start().await;
    let mut live = stack.open(create(BODY_STREAM)).await;
    piece(&mut live).await.unwrap();
    let job = stack.job().await;
    let id = proto::dialect::openai_responses::response_id(job.envelope.request);
    said(&stack, bare("POST", &format!("/v1/responses/{id}/cancel"))).await;
    let end = piece(&mut live).await.unwrap();
    assert!(end.starts_with("event: response.cancelled\n") && numbers(&end) == [1], "{end}");
    assert_eq!(piece(&mut live).await, None);
}
