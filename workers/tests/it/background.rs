//! Background responses: whatever dies, one answer, and every call on the books once.

use std::time::Duration;

use proto::ctl::{Cancel, CancelReason};
use proto::dialect::openai_responses::{event_number, in_progress, queued, response_id};
use proto::envelope::Kept;
use proto::event::{CloseReason, Ending, Event};
use proto::id::{RequestId, Token};
use proto::nats::{Found, Replaces, Replays, Tail};
use proto::stored::{About, Key, Status, Stored};
use proto::subject;

use crate::responses::{RESPONSE, events, keeps, native};
use crate::stack::{PATIENCE, Stack, settings, until};
use crate::upstream::{self, Act};
use crate::{outcome, whole};

const ASK: &str = r#"{"model":"fast","input":"hello","background":true}"#;
const ASK_STREAM: &str = r#"{"model":"fast","input":"hello","background":true,"stream":true}"#;
const OTHER: Token = Token(7);

/// Keeps a record as the ingress does, changed, and stores the request.
async fn ask(stack: &Stack, body: &str, change: impl FnOnce(&mut Stored)) -> RequestId {
    let mut change = Some(change);
    let kept = Kept { store: true, background: true, previous: None };
    let envelope = |envelope: &mut proto::envelope::Envelope| keeps(kept)(envelope);
    let request = RequestId::new();
    let id = response_id(request);
    let mut stored = Stored {
        about: About {
            request,
            project: "acme".into(),
            id: id.clone(),
            status: Status::Queued,
            model: "fast".into(),
            created_ms: 1,
            background: true,
            stream: body == ASK_STREAM,
            token: None,
        },
        input: r#"{"input":"hello"}"#.into(),
        response: queued(&id, body.as_bytes(), 1).to_string().into(),
        end: bytes::Bytes::new(),
    };
    if let Some(change) = change.take() {
        change(&mut stored);
    }
    let (results, ring) = (stack.results(), stack.ring());
    let key = Key::new("acme", &id);
    results.write(&key, ring, stored, Replaces::Nothing, "queued", PATIENCE).await.unwrap();
    if body == ASK_STREAM {
        replays(stack).append(request, ring, b"data: {}\n\n", None, Tail::default(), PATIENCE).await.unwrap();
    }
    stack
        .request_with(body, |e| {
            envelope(e);
            e.request = request;
        })
        .await
}

fn replays(stack: &Stack) -> Replays {
    Replays::new(stack.link.clone())
}

/// A record that a delivery which is no more has begun.
fn begun(stored: &mut Stored) {
    stored.about.status = Status::InProgress;
    stored.about.token = Some(OTHER);
    stored.response = in_progress(stored.object()).to_string().into();
}

async fn kept(stack: &Stack, request: RequestId) -> Found {
    stack.kept(&response_id(request)).await.expect("the record")
}

/// Waits until the response is in a state.
async fn is(stack: &Stack, request: RequestId, status: Status) -> Found {
    for _ in 0..300 {
        let found = kept(stack, request).await;
        if found.stored.about.status == status {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {status:?}: {:?}", kept(stack, request).await.stored.about);
}

/// Changes the record as somebody else would.
async fn change(stack: &Stack, request: RequestId, change: impl FnOnce(&mut Stored)) {
    let found = kept(stack, request).await;
    let mut next = found.stored.clone();
    change(&mut next);
    let key = Key::new("acme", response_id(request));
    let replaces = Replaces::Exactly(&found);
    stack.results().write(&key, stack.ring(), next, replaces, "other", PATIENCE).await.unwrap();
}

async fn cancel(stack: &Stack, request: RequestId) {
    let cancel = Cancel { request, token: None, why: CancelReason::Asked };
    let said = serde_json::to_vec(&cancel).unwrap();
    stack.link.client.publish(subject::CTL_CANCEL, said.into()).await.unwrap();
}

#[tokio::test]
async fn an_answer_is_kept_with_its_event_and_no_frame_is_sent() {
    let (url, seen) = upstream::start(vec![whole(200, "", RESPONSE)]).await;
    let mut stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    let request = ask(&stack, ASK, |_| {}).await;
    let found = is(&stack, request, Status::Completed).await;
    let response = found.stored.object();
    assert_eq!((&response["id"], &response["background"]), (&response_id(request).into(), &true.into()));
    let booked = stack.settled(2).await;
    assert_eq!(serde_json::to_vec(&booked[1]).unwrap(), found.stored.end);
    let outcome = outcome(&booked[1]);
    assert_eq!((outcome.ending, outcome.bound, outcome.last), (Ending::Success, true, true));
    assert_eq!(seen.bodies.lock().unwrap()[0]["background"], false);
    assert!(stack.no_frame(), "nobody waits");
    assert_eq!(stack.claims(), 0);
}

#[tokio::test]
async fn a_refusal_fails_the_response() {
    let refusal = r#"{"error":{"message":"No.","type":"invalid_request_error","code":"bad"}}"#;
    let (url, _) = upstream::start(vec![whole(400, "", refusal)]).await;
    let stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    let request = ask(&stack, ASK, |_| {}).await;
    let response = is(&stack, request, Status::Failed).await.stored.object();
    assert_eq!((&response["status"], &response["error"]["code"]), (&"failed".into(), &"bad".into()));
    assert_eq!(outcome(&stack.settled(2).await[1]).ending, Ending::Failed);
}

#[tokio::test]
async fn a_response_that_a_lost_worker_had_begun_is_made_anew() {
    let (url, seen) = upstream::start(vec![whole(200, "", RESPONSE)]).await;
    let stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    let request = ask(&stack, ASK, begun).await;
    is(&stack, request, Status::Completed).await;
    let booked = stack.settled(3).await;
    assert!(matches!(booked[0], Event::Takeover(_)), "{booked:?}");
    assert!(outcome(&booked[2]).bound);
    assert_eq!(seen.hits(), 1);
}

#[tokio::test]
async fn a_response_that_is_over_is_booked_from_its_record_without_a_call() {
    let (url, seen) = upstream::start(vec![whole(200, "", RESPONSE)]).await;
    let stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    // What a worker would have published, had it lived a little longer.
    ask(&stack, ASK, |_| {}).await;
    let Event::Usage(mut usage) = stack.settled(2).await.remove(1) else { panic!("an outcome") };
    let request = ask(&stack, ASK, |stored| {
        begun(stored);
        usage.attempt.request = stored.about.request;
        stored.about.status = Status::Completed;
        stored.end = serde_json::to_vec(&Event::Usage(usage.clone())).unwrap().into();
    })
    .await;
    let booked = stack.settled(4).await;
    let settled = outcome(&booked[3]);
    assert_eq!((settled.attempt.request, settled.from_tombstone, settled.bound), (request, true, true));
    assert_eq!(seen.hits(), 1);
}

#[tokio::test]
async fn whoever_is_fenced_stops_and_its_call_is_the_platforms_loss() {
    let (url, seen) = upstream::start(vec![Act::StreamAndHang(events()[..2].to_vec())]).await;
    let stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    let request = ask(&stack, ASK_STREAM, |_| {}).await;
    until("the provider is called", || seen.hits() == 1).await;
    is(&stack, request, Status::InProgress).await;
    change(&stack, request, |stored| stored.about.token = Some(OTHER)).await;
    let booked = stack.settled(2).await;
    let lost = outcome(&booked[1]);
    assert_eq!((lost.ending, lost.bound), (Ending::Cancelled, false));
    let found = kept(&stack, request).await.stored.about;
    assert_eq!((found.status, found.token), (Status::InProgress, Some(OTHER)), "the other's to end");
    until("the connection is dropped", || seen.left.lock().unwrap().is_some()).await;
}

#[tokio::test]
async fn a_cancelled_response_is_not_begun_and_a_running_one_is_dropped_and_paid_for() {
    let (url, seen) = upstream::start(vec![Act::StreamAndHang(events()[..2].to_vec())]).await;
    let stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    ask(&stack, ASK, |stored| stored.about.status = Status::Cancelled).await;
    let booked = stack.settled(1).await;
    assert!(matches!(&booked[0], Event::Closed(closed) if closed.reason == CloseReason::Unwanted));
    assert_eq!(seen.hits(), 0);
    let request = ask(&stack, ASK_STREAM, |_| {}).await;
    until("the provider is called", || seen.hits() == 1).await;
    is(&stack, request, Status::InProgress).await;
    change(&stack, request, |stored| stored.about.status = Status::Cancelled).await;
    cancel(&stack, request).await;
    let booked = stack.settled(3).await;
    let used = outcome(&booked[2]);
    assert_eq!((used.ending, used.bound, used.last), (Ending::Cancelled, true, true));
    let found = kept(&stack, request).await.stored;
    assert_eq!(
        (found.about.status, found.object()["status"].as_str()),
        (Status::Cancelled, Some("cancelled"))
    );
    assert_eq!(found.end, serde_json::to_vec(&booked[2]).unwrap(), "a successor would book the same");
}

#[tokio::test]
async fn a_response_without_a_record_is_closed() {
    let (url, seen) = upstream::start(vec![whole(200, "", RESPONSE)]).await;
    let stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    stack.request_with(ASK, keeps(Kept { store: true, background: true, previous: None })).await;
    assert!(matches!(&stack.settled(1).await[0], Event::Closed(_)));
    assert_eq!(seen.hits(), 0);
}

#[tokio::test]
async fn events_are_kept_in_order_and_not_told_twice() {
    let (url, seen) = upstream::start(vec![Act::Stream(events())]).await;
    let stack = Stack::start(&native(&url)).await;
    stack.worker(settings()).await;
    let request = ask(&stack, ASK_STREAM, |_| {}).await;
    let found = is(&stack, request, Status::Completed).await;
    assert_eq!(found.stored.object()["id"], response_id(request).as_str());
    let mut reader = replays(&stack).read(request).await.unwrap();
    let mut text = Vec::new();
    while let Some(events) = reader.next(stack.ring()).await.unwrap().events {
        text.extend_from_slice(&events);
    }
    let text = String::from_utf8(text).unwrap();
    let numbers: Vec<_> = text.split_inclusive("\n\n").filter_map(|b| event_number(b.as_bytes())).collect();
    assert_eq!(numbers, [1, 2, 3], "the ingress's own is 0, and the last is made from the record: {text}");
    assert!(text.contains(&response_id(request)) && !text.contains("resp_up"));
    stack.settled(2).await;
    // Another response, of which a lost worker had said nothing yet: it is made anew.
    let lost = ask(&stack, ASK_STREAM, begun).await;
    let told = is(&stack, lost, Status::Completed).await;
    assert_eq!(told.stored.about.token.map(|token| token == OTHER), Some(false));
    assert_eq!(seen.hits(), 2);
}

#[tokio::test]
async fn once_events_of_a_lost_worker_can_be_read_the_response_fails() {
    let (url, seen) = upstream::start(vec![Act::Stream(events())]).await;
    let stack = Stack::start(&native(&url)).await;
    let request = ask(&stack, ASK_STREAM, begun).await;
    let (replays, ring) = (replays(&stack), stack.ring());
    let tail = replays.tail(request, PATIENCE).await.unwrap();
    replays
        .append(request, ring, b"data: {\"sequence_number\":1}\n\n", Some(OTHER), tail, PATIENCE)
        .await
        .unwrap();
    stack.worker(settings()).await;
    let response = is(&stack, request, Status::Failed).await.stored.object();
    assert_eq!(response["error"]["code"], "server_error");
    let booked = stack.settled(2).await;
    let Event::Closed(closed) = &booked[1] else { panic!("{booked:?}") };
    assert_eq!((closed.reason, closed.bound), (CloseReason::BrokenOff, Some(OTHER)));
    assert_eq!(seen.hits(), 0);
    // The one that was thought lost finds out when it goes on.
    let late = replays.append(request, ring, b"x", Some(OTHER), tail, PATIENCE).await;
    assert!(late.is_err());
}
