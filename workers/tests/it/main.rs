//! The worker on a real nats-server, with a provider that does what the test says.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod background;
mod responses;
mod stack;
mod upstream;

use std::time::{Duration, Instant};

use proto::ctl::{Answer, Cancel, CancelReason};
use proto::envelope::{Body, OnDisconnect};
use proto::event::{CloseReason, Ending, Event, Outcome, RouteMode};
use proto::fault::FaultCode;
use proto::id::Token;
use proto::reply::{Frame, Section};
use proto::subject;
use proto::usage::UsageSource;

use stack::{Stack, config, data, settings, until};
use upstream::{ANSWER, Act, chunk, ending};

const ASK: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hello"}]}"#;
const ASK_STREAM: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hello"}],"stream":true}"#;

fn outcome(event: &Event) -> &Outcome {
    match event {
        Event::Usage(outcome) => outcome,
        other => panic!("expected an outcome: {other:?}"),
    }
}

fn whole(status: u16, retry_after: &'static str, body: &'static str) -> Act {
    Act::Whole(status, retry_after, body)
}

#[tokio::test]
async fn a_whole_answer_is_one_frame_and_two_events() {
    let (url, seen) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    let worker = stack.worker(settings()).await;
    let request = stack.request(ASK).await;
    let frames = stack.frames().await;
    let [Frame { sections, .. }] = &frames[..] else { panic!("one frame: {frames:?}") };
    let [Section::Head(head), Section::Data(body), Section::End(end)] = &sections[..] else {
        panic!("head, data, end: {sections:?}")
    };
    assert_eq!(body, ANSWER.as_bytes(), "byte for byte");
    assert_eq!((head.status, head.provider.as_str(), head.model.as_str()), (200, "p0", "up-0"));
    assert_eq!((head.route_mode.as_str(), head.attempts, head.config), ("platform", 1, 1));
    stack.settled(2).await;
    let events = stack.events().await;
    let Event::Attempt(announced) = &events[0].0 else { panic!("announced first") };
    assert_eq!((announced.attempt.request, announced.attempt.k), (request, 1));
    assert_eq!(events[1].1, end, "the event is what the last frame carried");
    let outcome = outcome(&events[1].0);
    assert_eq!((outcome.ending, outcome.bound, outcome.last), (Ending::Success, true, true));
    assert_eq!((outcome.used.usage.input_tokens, outcome.used.usage.output_tokens), (2, 3));
    assert_eq!(outcome.used.source, UsageSource::Provider);
    assert_eq!(outcome.attempt, announced.attempt);
    assert_eq!(seen.bodies.lock().unwrap()[0]["model"], "up-0");
    assert!(seen.headers.lock().unwrap()[0]["traceparent"].to_str().unwrap().starts_with("00-0af7"));
    assert_eq!(stack.claims(), 0, "a fresh delivery asks nobody");
    stack.shutdown.cancel();
    worker.await.unwrap();
    assert!(stack.health.check().is_err());
}

#[tokio::test]
async fn a_rate_limited_primary_is_replaced() {
    let refusal = r#"{"error":{"message":"demo quota exceeded","type":"rate_limit","code":null}}"#;
    let (primary, first) = upstream::start(vec![whole(429, "", refusal)]).await;
    let (spare, second) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&primary, &spare])).await;
    stack.worker(settings()).await;
    stack.request(ASK).await;
    let frames = stack.frames().await;
    assert_eq!(data(&frames), ANSWER);
    let Section::Head(head) = &frames[0].sections[0] else { panic!("head first") };
    assert_eq!(
        (head.route_mode.as_str(), head.provider.as_str(), head.attempts),
        ("model_fallback", "p1", 2)
    );
    let events = stack.settled(4).await;
    let failed = outcome(&events[1]);
    assert_eq!((failed.ending, failed.status, failed.last), (Ending::Failed, Some(429), false));
    assert_eq!(failed.used.usage.input_tokens, 0, "a refused call costs nothing");
    let served = outcome(&events[3]);
    assert_eq!((served.ending, served.route_mode), (Ending::Success, RouteMode::ModelFallback));
    assert_eq!((first.hits(), second.hits()), (1, 1));
    assert_eq!(second.bodies.lock().unwrap()[0]["model"], "up-1");
}

#[tokio::test]
async fn the_callers_mistake_is_the_answer_and_a_server_error_is_tried_again() {
    let mistake = r#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    let acts = vec![whole(500, "", "{}"), whole(400, "", mistake)];
    let (url, seen) = upstream::start(acts).await;
    let (spare, other) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url, &spare])).await;
    stack.worker(settings()).await;
    stack.request(ASK).await;
    let frames = stack.frames().await;
    let [Section::Head(head), Section::Fault(fault), Section::End(_)] = &frames[0].sections[..] else {
        panic!("{frames:?}")
    };
    assert_eq!((head.status, head.provider.as_str(), head.attempts), (400, "p0", 2));
    assert_eq!((fault.code, fault.upstream_status), (FaultCode::UpstreamRefused, Some(400)));
    let events = stack.settled(4).await;
    assert_eq!(outcome(&events[1]).fault, Some(FaultCode::UpstreamError));
    assert!(outcome(&events[3]).last);
    assert_eq!((seen.hits(), other.hits()), (2, 0));
}

#[tokio::test]
async fn a_stream_is_passed_on_in_numbered_frames() {
    let mut script: Vec<(Duration, String)> =
        (0..10).map(|n| (Duration::from_millis(8), chunk(&format!("w{n} ")))).collect();
    script.extend(ending());
    let (url, _) = upstream::start(vec![Act::Stream(script)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(settings()).await;
    stack.request(ASK_STREAM).await;
    let frames = stack.frames().await;
    assert!(matches!(&frames[0].sections[..], [Section::Head(_), Section::Data(_)]), "{:?}", frames[0]);
    assert!(frames.len() > 2 && frames.len() < 12, "coalesced, not collected: {}", frames.len());
    let text = data(&frames);
    for n in 0..10 {
        assert!(text.contains(&format!("w{n} ")));
    }
    assert!(text.ends_with("data: [DONE]\n\n"));
    assert!(!text.contains("\"usage\":{"), "the caller did not ask for usage");
    let events = stack.settled(2).await;
    let outcome = outcome(&events[1]);
    assert_eq!((outcome.ending, outcome.used.usage.output_tokens), (Ending::Success, 3));
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_a_fault_and_is_not_tried_again() {
    let script = vec![(Duration::ZERO, chunk("only this"))];
    let (url, seen) = upstream::start(vec![Act::Stream(script)]).await;
    let (spare, other) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url, &spare])).await;
    stack.worker(settings()).await;
    stack.request(ASK_STREAM).await;
    let frames = stack.frames().await;
    assert!(data(&frames).contains("only this"));
    let last = frames.last().unwrap();
    assert!(
        last.sections.iter().any(|s| matches!(s, Section::Fault(f) if f.code == FaultCode::UpstreamError))
    );
    let events = stack.settled(2).await;
    let outcome = outcome(&events[1]);
    assert_eq!((outcome.ending, outcome.bound, outcome.last), (Ending::Failed, true, true));
    assert_eq!(outcome.used.source, UsageSource::Estimated);
    assert!(outcome.used.usage.output_tokens >= 2);
    assert_eq!((seen.hits(), other.hits()), (1, 0));
}

async fn cancelled(why: CancelReason, on_disconnect: OnDisconnect) -> (Stack, Outcome) {
    let script = vec![(Duration::ZERO, chunk("a beginning"))];
    let (url, seen) = upstream::start(vec![Act::StreamAndHang(script)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(settings()).await;
    let request = stack.request_with(ASK_STREAM, |envelope| envelope.on_disconnect = on_disconnect).await;
    let first = stack.frame().await;
    assert_eq!(first.seq, 0);
    let cancel = Cancel { request, token: None, why };
    let payload = serde_json::to_vec(&cancel).unwrap().into();
    let said = Instant::now();
    stack.link.client.publish(subject::CTL_CANCEL, payload).await.unwrap();
    until("the upstream connection is dropped", || seen.left.lock().unwrap().is_some()).await;
    let left = seen.left.lock().unwrap().unwrap();
    assert!(left.duration_since(said) < Duration::from_millis(100), "{:?}", left.duration_since(said));
    let events = stack.settled(2).await;
    let outcome = outcome(&events[1]).clone();
    assert_eq!((outcome.ending, outcome.last), (Ending::Cancelled, true));
    assert_eq!(outcome.used.source, UsageSource::Estimated);
    (stack, outcome)
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_call_and_pays_for_what_came() {
    let (mut stack, outcome) = cancelled(CancelReason::Disconnected, OnDisconnect::Cancel).await;
    assert!(outcome.bound);
    assert!(stack.frame().await.is_last(), "the ingress keeps the event");
}

#[tokio::test]
async fn a_fenced_call_is_ended_under_every_policy_and_is_not_the_callers() {
    let (_stack, outcome) = cancelled(CancelReason::Fenced, OnDisconnect::Drain).await;
    assert!(!outcome.bound);
}

/// Takes the request's first delivery and says nothing more, as a worker does that is killed.
async fn die_with_it(stack: &Stack) {
    use async_nats::jetstream::consumer::{AckPolicy, pull};
    use futures_util::StreamExt;
    let stream = stack.link.js.get_stream(subject::REQUESTS_STREAM).await.unwrap();
    let consumer = stream
        .create_consumer(pull::Config {
            durable_name: Some("workers-interactive-main".into()),
            filter_subject: "fb.req.interactive.main.*".into(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(1),
            max_deliver: -1,
            max_waiting: 4096,
            ..pull::Config::default()
        })
        .await
        .unwrap();
    let mut messages = consumer.fetch().max_messages(1).messages().await.unwrap();
    messages.next().await.unwrap().unwrap();
}

async fn taken_over(answer: Answer) -> (Stack, usize) {
    let (url, seen) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let stack = Stack::start(&config(&[&url])).await;
    *stack.answer.lock().unwrap() = answer;
    stack.request(ASK).await;
    die_with_it(&stack).await;
    stack.worker(settings()).await;
    until("the claim is made", || stack.claims() > 0).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    (stack, seen.hits())
}

#[tokio::test]
async fn a_killed_workers_request_is_taken_over_and_served_once_claimed() {
    let (mut stack, hits) = taken_over(Answer::Granted).await;
    assert_eq!(data(&stack.frames().await), ANSWER);
    assert_eq!(hits, 1);
    let events = stack.settled(3).await;
    assert!(matches!(&events[0], Event::Takeover(_)), "before anything else: {events:?}");
    assert_eq!(outcome(&events[2]).ending, Ending::Success);
}

#[tokio::test]
async fn a_stream_that_was_broken_off_is_closed() {
    let bound = Token(7);
    let (stack, hits) = taken_over(Answer::BrokenOff { bound }).await;
    assert_eq!(hits, 0);
    let events = stack.settled(2).await;
    let Event::Closed(closed) = &events[1] else { panic!("{events:?}") };
    assert_eq!((closed.reason, closed.bound), (CloseReason::BrokenOff, Some(bound)));
}

#[tokio::test]
async fn an_answer_that_was_complete_is_booked_and_not_made_again() {
    let (url, seen) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let stack = Stack::start(&config(&[&url])).await;
    let request = stack.request(ASK).await;
    die_with_it(&stack).await;
    // Another worker's last frame carried this event.
    let (other_url, _) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let mut other = Stack::start(&config(&[&other_url])).await;
    other.worker(settings()).await;
    other.request(ASK).await;
    let frames = other.frames().await;
    let Some(Section::End(end)) = frames[0].sections.last() else { panic!("end last") };
    let mut event: Event = serde_json::from_slice(end).unwrap();
    if let Event::Usage(outcome) = &mut event {
        outcome.attempt.request = request;
    }
    *stack.answer.lock().unwrap() = Answer::Done { event: Box::new(event.clone()) };
    stack.worker(settings()).await;
    let events = stack.settled(2).await;
    assert!(outcome(&events[1]).from_tombstone);
    assert_eq!(events[1].id(), event.id());
    assert_eq!(seen.hits(), 0);
    stack.shutdown.cancel();
    other.shutdown.cancel();
}

#[tokio::test]
async fn a_large_body_comes_out_of_the_object_store() {
    let (url, seen) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(settings()).await;
    let text = "x".repeat(3 << 20);
    let body = format!(r#"{{"model":"fast","messages":[{{"role":"user","content":"{text}"}}]}}"#);
    stack.request_with(&body, |envelope| envelope.body = Body::Object("body-1".into())).await;
    assert_eq!(data(&stack.frames().await), ANSWER);
    assert_eq!(seen.bodies.lock().unwrap()[0]["messages"][0]["content"].as_str().unwrap().len(), text.len());
}

#[tokio::test]
async fn what_runs_at_a_shutdown_is_finished() {
    let script = vec![(Duration::ZERO, chunk("a ")), (Duration::from_millis(800), chunk("b "))];
    let script = script.into_iter().chain(ending()).collect();
    let (url, _) = upstream::start(vec![Act::Stream(script)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    let worker = stack.worker(settings()).await;
    stack.request(ASK_STREAM).await;
    let first = stack.frame().await;
    stack.shutdown.cancel();
    worker.await.unwrap();
    let mut rest = data(&[first]);
    loop {
        let frame = stack.frame().await;
        rest.push_str(&data(std::slice::from_ref(&frame)));
        if frame.is_last() {
            break;
        }
    }
    assert!(rest.contains("b ") && rest.ends_with("data: [DONE]\n\n"));
    assert_eq!(outcome(&stack.settled(2).await[1]).ending, Ending::Success);
}

#[tokio::test]
async fn an_unknown_model_and_a_silent_provider_are_definite_errors() {
    let (url, _) = upstream::start(vec![Act::Hang]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    let settings = workers::Config { first_byte_timeout: Duration::from_millis(300), ..settings() };
    stack.worker(settings).await;
    stack.request_with(ASK, |envelope| envelope.model = "slow".into()).await;
    let frames = stack.frames().await;
    assert!(matches!(&frames[0].sections[0], Section::Fault(f) if f.code == FaultCode::ModelNotFound));
    stack.request(ASK).await;
    let frames = stack.frames().await;
    assert!(matches!(&frames[0].sections[1], Section::Fault(f) if f.code == FaultCode::UpstreamTimeout));
    let events = stack.settled(3).await;
    assert!(matches!(&events[0], Event::Closed(c) if c.reason == CloseReason::Refused));
    let silent = outcome(&events[2]);
    assert!(silent.used.usage.input_tokens > 0 && silent.used.usage.output_tokens == 0);
    assert_eq!((silent.used.source, silent.bound), (UsageSource::Estimated, false));
}

#[tokio::test]
async fn a_call_whose_ingress_is_gone_is_cancelled_and_booked() {
    let script = vec![(Duration::ZERO, chunk("a beginning"))];
    let (url, seen) = upstream::start(vec![Act::StreamAndHang(script)]).await;
    let stack = Stack::start(&config(&[&url])).await;
    stack.worker(settings()).await;
    // Nobody has ever listened at this one.
    let nobody = proto::id::IngressId::random();
    stack.request_with(ASK_STREAM, |envelope| envelope.ingress = nobody).await;
    until("the upstream connection is dropped", || seen.left.lock().unwrap().is_some()).await;
    let events = stack.settled(2).await;
    assert_eq!(outcome(&events[1]).ending, Ending::Cancelled);
}

#[tokio::test]
async fn a_drained_call_runs_to_its_end_for_the_books() {
    let script = vec![(Duration::ZERO, chunk("a ")), (Duration::from_millis(700), chunk("b "))];
    let script = script.into_iter().chain(ending()).collect();
    let (url, _) = upstream::start(vec![Act::Stream(script)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(settings()).await;
    let drain = |envelope: &mut proto::envelope::Envelope| envelope.on_disconnect = OnDisconnect::Drain;
    let request = stack.request_with(ASK_STREAM, drain).await;
    stack.frame().await;
    *stack.answer.lock().unwrap() = Answer::Disconnected;
    let cancel = Cancel { request, token: None, why: CancelReason::Disconnected };
    let payload = serde_json::to_vec(&cancel).unwrap().into();
    stack.link.client.publish(subject::CTL_CANCEL, payload).await.unwrap();
    let last = stack.frame().await;
    assert!(last.is_last() && last.seq == 1, "nothing but the end is sent any more");
    let events = stack.settled(2).await;
    assert_eq!((outcome(&events[1]).ending, outcome(&events[1]).bound), (Ending::Success, true));
}

#[tokio::test]
async fn an_event_larger_than_a_frame_is_cut() {
    let text = "y".repeat(1_300_000);
    let script = [(Duration::ZERO, chunk(&text))].into_iter().chain(ending()).collect();
    let (url, _) = upstream::start(vec![Act::Stream(script)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(settings()).await;
    stack.request(ASK_STREAM).await;
    let frames = stack.frames().await;
    assert!(data(&frames).contains(&text));
    stack.settled(2).await;
}

#[tokio::test]
async fn a_killed_server_costs_no_second_call_and_service_returns_by_itself() {
    let slow = vec![(Duration::from_millis(2500), chunk("late"))];
    let slow = slow.into_iter().chain(ending()).collect();
    let (url, seen) = upstream::start(vec![Act::Stream(slow), whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(settings()).await;
    stack.request(ASK_STREAM).await;
    until("the call is made", || seen.hits() == 1).await;
    stack.restart_server().await;
    // Its signs of life were lost for longer than the stream waits, so it is delivered again, to where it runs.
    let frames = stack.frames().await;
    assert!(data(&frames).contains("late"));
    let events = stack.settled(2).await;
    assert_eq!(outcome(&events[1]).ending, Ending::Success);
    assert_eq!(seen.hits(), 1);
    stack.request(ASK).await;
    assert_eq!(data(&stack.frames().await), ANSWER);
    assert!(stack.claims() > 0, "after a break every delivery is claimed");
    stack.settled(4).await;
}
