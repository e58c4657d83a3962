//! Callers that leave, workers that change, servers that go.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use proto::ctl::{Answer, Cancel, CancelReason, Question};
use proto::id::Token;
use proto::subject;

use crate::harness::{ASK_FAST, KEY, PATIENCE, STREAM_FAST, Stack, chat, data, head, open, piece, whole};

const ONE: Token = Token(1);
const TWO: Token = Token(2);

#[tokio::test]
async fn a_caller_that_leaves_is_noticed_at_once() {
    let mut stack = Stack::start().await;
    let mut cancels = stack.link.client.subscribe(subject::CTL_CANCEL).await.unwrap();
    // Answered after the subscription was taken in: both travel in order on one connection.
    stack.stored().await;
    for body in [ASK_FAST, STREAM_FAST] {
        let address = stack.address;
        let sent = tokio::spawn(async move {
            let mut response = open(address, chat(body)).await;
            piece(&mut response).await;
            std::future::pending::<()>().await;
        });
        let job = stack.job().await;
        if job.envelope.stream {
            job.frame(ONE, 0, vec![head(), data("data: 1\n\n")]).await;
            assert_eq!(job.ask(Question::Wanted, ONE, 1).await, Answer::Granted);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        sent.abort();
        let left = Instant::now();
        let message = tokio::time::timeout(PATIENCE, cancels.next()).await.unwrap().unwrap();
        assert!(left.elapsed() < Duration::from_millis(500));
        let cancel: Cancel = serde_json::from_slice(&message.payload).unwrap();
        let request = job.envelope.request;
        assert_eq!(cancel, Cancel { request, token: None, why: CancelReason::Disconnected });
        assert_eq!(job.ask(Question::Wanted, ONE, 1).await, Answer::Disconnected);
    }
}

#[tokio::test]
async fn another_worker_takes_over_until_the_first_byte_and_not_after() {
    let mut stack = Stack::start().await;
    let address = stack.address;
    let sent = tokio::spawn(async move { whole(open(address, chat(ASK_FAST)).await).await });
    let job = stack.job().await;
    job.frame(ONE, 0, vec![head(), data("{\"half\":")]).await;
    assert_eq!(job.ask(Question::Claim, TWO, 0).await, Answer::Granted);
    job.frame(ONE, 1, vec![data("1}"), job.end()]).await;
    job.frame(TWO, 0, vec![head(), data("{\"whole\":1}"), job.end()]).await;
    assert_eq!(sent.await.unwrap().2, "{\"whole\":1}");

    let sent = tokio::spawn(async move { open(address, chat(STREAM_FAST)).await });
    let job = stack.job().await;
    job.frame(ONE, 0, vec![head(), data("data: 1\n\n")]).await;
    let mut response = sent.await.unwrap();
    assert_eq!(piece(&mut response).await.as_deref(), Some("data: 1\n\n"));
    assert_eq!(job.ask(Question::Claim, TWO, 0).await, Answer::BrokenOff { bound: ONE });
    let last = piece(&mut response).await.unwrap();
    assert!(last.starts_with("data: {\"error\":") && last.contains("upstream_error"), "{last}");
    assert_eq!(piece(&mut response).await, None);
}

#[tokio::test]
async fn nobody_waits_longer_than_the_caller_said() {
    let mut stack = Stack::start().await;
    let mut request = chat(ASK_FAST);
    request.headers_mut().insert("x-stainless-read-timeout", "0.2".parse().unwrap());
    let began = Instant::now();
    let address = stack.address;
    let sent = tokio::spawn(async move { whole(open(address, request).await).await });
    let job = stack.job().await;
    let (status, headers, _) = sent.await.unwrap();
    // Its budget, a second of grace for the worker's own word, and a sweep.
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(status, 504);
    assert!(!headers.contains_key("x-should-retry"));
    assert_eq!(job.ask(Question::Wanted, ONE, 0).await, Answer::Gone { bound: None });
}

#[tokio::test]
async fn without_nats_everything_is_refused_at_once_and_service_returns() {
    let mut stack = Stack::start().await;
    assert_eq!(stack.get("/v1/models", Some(KEY)).await.0, 200);
    stack.nats.kill().await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let began = Instant::now();
    let (status, headers, _) = stack.send(chat(ASK_FAST)).await;
    assert_eq!(status, 503);
    assert!(headers.contains_key("retry-after") && headers["x-should-retry"] == "true");
    // A key that is not in the cache is not called wrong because nobody can look it up.
    assert_eq!(stack.get("/v1/models", Some("another-key")).await.0, 503);
    let (status, _, body) = stack.get("/ready", None).await;
    assert!(status == 503 && body.contains("The connection to NATS is down."), "{body}");
    assert!(began.elapsed() < Duration::from_millis(500));
    stack.nats.restart();
    let began = Instant::now();
    loop {
        let address = stack.address;
        let sent = tokio::spawn(async move { whole(open(address, chat(ASK_FAST)).await).await });
        let job = stack.job();
        if let Ok(job) = tokio::time::timeout(Duration::from_secs(1), job).await {
            job.frame(ONE, 0, vec![head(), data("{}"), job.end()]).await;
            assert_eq!(sent.await.unwrap().0, 200);
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        sent.abort();
    }
}

#[tokio::test]
async fn a_shutdown_lets_what_is_in_flight_finish() {
    let mut stack = Stack::start().await;
    let address = stack.address;
    let sent = tokio::spawn(async move { whole(open(address, chat(ASK_FAST)).await).await });
    let job = stack.job().await;
    stack.shutdown.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!stack.ingress.is_finished());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    job.frame(ONE, 0, vec![head(), data("{}"), job.end()]).await;
    assert_eq!(sent.await.unwrap().0, 200);
    tokio::time::timeout(Duration::from_secs(3), &mut stack.ingress).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_shutdown_that_takes_too_long_ends_in_words() {
    let settings = ingress::Config { drain: Duration::from_millis(200), ..ingress::Config::default() };
    let mut stack = Stack::start_with(crate::harness::config(), settings).await;
    let address = stack.address;
    let sent = tokio::spawn(async move { open(address, chat(STREAM_FAST)).await });
    let job = stack.job().await;
    job.frame(ONE, 0, vec![head(), data("data: 1\n\n")]).await;
    let mut response = sent.await.unwrap();
    assert_eq!(piece(&mut response).await.as_deref(), Some("data: 1\n\n"));
    stack.shutdown.cancel();
    let last = piece(&mut response).await.unwrap();
    assert!(last.contains("service_unavailable"), "{last}");
    tokio::time::timeout(Duration::from_secs(3), &mut stack.ingress).await.unwrap().unwrap().unwrap();
}
