//! Several workers, one view of who is out of order.

use std::time::{Duration, Instant};

use proto::event::{CloseReason, Event};
use proto::fault::FaultCode;
use proto::health::{BreakerRecord, BreakerState, FailureClass};
use proto::reply::{Frame, Section};
use proto::subject;

use crate::stack::{Stack, config, settings, until};
use crate::upstream::{self, ANSWER, Act, chunk, ending};
use crate::{ASK, ASK_STREAM, whole};

const POOLS: [&str; 3] = ["a", "b", "c"];

fn pool(name: &str) -> workers::Config {
    workers::Config { pool: name.to_owned(), ..settings() }
}

/// What an answer is: the fault's code, or none.
fn code(frame: &Frame) -> Option<FaultCode> {
    frame.sections.iter().find_map(|section| match section {
        Section::Fault(fault) => Some(fault.code),
        Section::Head(_) | Section::Data(_) | Section::End(_) => None,
    })
}

async fn ask(stack: &mut Stack, pool: &str) -> Frame {
    stack.request_in(pool, ASK, |_| {}).await;
    stack.frame().await
}

async fn entry(stack: &Stack) -> Option<BreakerRecord> {
    let bucket = stack.link.js.get_key_value(subject::HEALTH_BUCKET).await.ok()?;
    let value = bucket.get("p0.-.up-0").await.ok()??;
    serde_json::from_slice(&value).ok()
}

async fn written(stack: &Stack, state: BreakerState) -> BreakerRecord {
    for _ in 0..500 {
        if let Some(record) = entry(stack).await.filter(|record| record.state == state) {
            return record;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in the bucket as {state:?}: {:?}", entry(stack).await);
}

#[tokio::test]
async fn a_limit_that_one_worker_meets_spares_the_others_within_a_tenth_of_a_second() {
    let (url, seen) = upstream::start(vec![whole(429, "30", "{}"), whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(pool("a")).await;
    stack.another(pool("b")).await;
    let refused = ask(&mut stack, "a").await;
    assert_eq!(code(&refused), Some(FaultCode::UpstreamRateLimited));
    let answered = Instant::now();
    let mut frame = ask(&mut stack, "b").await;
    while code(&frame) != Some(FaultCode::NoHealthyRoute) {
        assert!(answered.elapsed() < Duration::from_secs(5), "the other worker never hears of it");
        frame = ask(&mut stack, "b").await;
    }
    let took = answered.elapsed();
    assert!(took < Duration::from_millis(100), "{took:?}");
    let Some(Section::Fault(fault)) = frame.sections.first() else { panic!("{frame:?}") };
    let after = fault.retry_after_ms.unwrap();
    assert!((25_000..=30_000).contains(&after), "{after}");
    let hits = seen.hits();
    for _ in 0..20 {
        assert_eq!(code(&ask(&mut stack, "b").await), Some(FaultCode::NoHealthyRoute));
    }
    assert_eq!(seen.hits(), hits, "nobody calls");
    let record = written(&stack, BreakerState::Open).await;
    assert_eq!((record.class, record.status), (FailureClass::Rate, Some(429)));
    let events = stack.events().await;
    let classes: Vec<_> = events
        .iter()
        .filter_map(|(event, _)| match event {
            Event::Usage(outcome) => outcome.class,
            _ => None,
        })
        .collect();
    assert_eq!(classes, [FailureClass::Rate], "the class stands on the attempt");
    let Some((Event::Closed(closed), _)) = events.last() else { panic!("closed without a call") };
    assert_eq!((closed.reason, closed.fault), (CloseReason::Refused, Some(FaultCode::NoHealthyRoute)));
}

#[tokio::test]
async fn one_call_of_the_whole_fleet_finds_out() {
    let mut slow = vec![(Duration::from_millis(600), chunk("well"))];
    slow.extend(ending());
    let (url, seen) = upstream::start(vec![whole(429, "1", "{}"), Act::Stream(slow)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(workers::Config { retries_max: 0, ..pool(POOLS[0]) }).await;
    stack.another(pool(POOLS[1])).await;
    stack.another(pool(POOLS[2])).await;
    ask(&mut stack, "a").await;
    let first = written(&stack, BreakerState::Open).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for pool in POOLS {
        for _ in 0..3 {
            stack.request_in(pool, ASK_STREAM, |_| {}).await;
        }
    }
    let (mut ended, mut refused) = (0, 0);
    while ended < 9 {
        let frame = stack.frame().await;
        ended += usize::from(frame.is_last());
        refused += usize::from(code(&frame) == Some(FaultCode::NoHealthyRoute));
    }
    assert_eq!((seen.hits(), refused), (2, 8), "one probe, and eight that were told to wait");
    let closed = written(&stack, BreakerState::Closed).await;
    assert!(closed.version > first.version);
    until("the others know", || true).await;
    stack.request_in("b", ASK_STREAM, |_| {}).await;
    assert_eq!(code(stack.frames().await.last().unwrap()), None, "well again for everybody");
}

#[tokio::test]
async fn a_worker_that_starts_knows_what_was_found_out_before() {
    let (url, seen) = upstream::start(vec![whole(429, "30", "{}"), whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    let worker = stack.worker(pool("a")).await;
    ask(&mut stack, "a").await;
    written(&stack, BreakerState::Open).await;
    stack.shutdown.cancel();
    worker.await.unwrap();
    stack.another(pool("a")).await;
    assert_eq!(code(&ask(&mut stack, "a").await), Some(FaultCode::NoHealthyRoute));
    assert_eq!(seen.hits(), 1);
}

#[tokio::test]
async fn without_the_bucket_workers_still_tell_each_other_and_write_it_when_it_is_back() {
    let (url, seen) = upstream::start(vec![whole(429, "30", "{}"), whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(pool("a")).await;
    stack.another(pool("b")).await;
    stack.link.js.delete_key_value(subject::HEALTH_BUCKET).await.unwrap();
    ask(&mut stack, "a").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(code(&ask(&mut stack, "b").await), Some(FaultCode::NoHealthyRoute), "told without it");
    stack.declare().await;
    let record = written(&stack, BreakerState::Open).await;
    assert_eq!(record.class, FailureClass::Rate);
    stack.another(pool("c")).await;
    assert_eq!(code(&ask(&mut stack, "c").await), Some(FaultCode::NoHealthyRoute));
    assert_eq!(seen.hits(), 1);
}

#[tokio::test]
async fn without_the_bucket_each_worker_finds_out_for_itself() {
    let (url, seen) = upstream::start(vec![whole(429, "1", "{}"), whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(workers::Config { retries_max: 0, ..pool("a") }).await;
    ask(&mut stack, "a").await;
    written(&stack, BreakerState::Open).await;
    stack.link.js.delete_key_value(subject::HEALTH_BUCKET).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(code(&ask(&mut stack, "a").await), None, "availability before agreement");
    assert_eq!(seen.hits(), 2);
}

#[tokio::test]
async fn an_outage_opens_after_several_failures_and_the_other_target_gets_everything() {
    let (primary, first) = upstream::start(vec![whole(503, "", "{}")]).await;
    let (spare, second) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&primary, &spare])).await;
    stack.worker(workers::Config { retries_max: 0, ..pool("a") }).await;
    for _ in 0..20 {
        assert_eq!(code(&ask(&mut stack, "a").await), None);
    }
    assert_eq!((first.hits(), second.hits()), (5, 20), "five failures in a row, then none is asked for");
    assert_eq!(written(&stack, BreakerState::Open).await.class, FailureClass::Server);
}

#[tokio::test]
async fn a_retry_that_the_provider_asked_for_waits_for_the_breaker() {
    let (url, seen) = upstream::start(vec![whole(429, "1", "{}"), whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(pool("a")).await;
    let asked = Instant::now();
    assert_eq!(code(&ask(&mut stack, "a").await), None);
    assert!(asked.elapsed() >= Duration::from_secs(1));
    assert_eq!(seen.hits(), 2);
    written(&stack, BreakerState::Closed).await;
}
