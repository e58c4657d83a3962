//! What operators and rows of the configuration ask of a provider's health.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use proto::config::{Config, ProviderHealth};
use proto::ctl::WorkerBeat;
use proto::event::{Ending, Event};
use proto::health::{BreakerRecord, BreakerState, FailureClass, HealthAnswer, HealthAsk, ProbeResult};
use proto::id::WorkerId;
use proto::subject::{self, PROBE_PROJECT};

use crate::stack::{Stack, config, settings, until};
use crate::upstream::{self, ANSWER, Act};
use crate::whole;

fn open(class: FailureClass) -> BreakerRecord {
    BreakerRecord {
        provider: "p0".into(),
        credential: None,
        model: "up-0".into(),
        state: BreakerState::Open,
        class,
        reason: None,
        status: Some(503),
        openings: 1,
        version: 7,
        since_ms: 1000,
        until_ms: 2000,
        by: WorkerId(1),
    }
}

async fn put(stack: &Stack, record: &BreakerRecord) {
    let bucket = stack.link.js.get_key_value(subject::HEALTH_BUCKET).await.unwrap();
    bucket.put(record.entry(), serde_json::to_vec(record).unwrap().into()).await.unwrap();
}

async fn state(stack: &Stack, record: &BreakerRecord) -> BreakerState {
    let bucket = stack.link.js.get_key_value(subject::HEALTH_BUCKET).await.unwrap();
    let value = bucket.get(record.entry()).await.unwrap().unwrap();
    serde_json::from_slice::<BreakerRecord>(&value).unwrap().state
}

fn probed(url: &str) -> Config {
    let mut config = config(&[url]);
    config.providers[0].health = Some(ProviderHealth { probe_seconds: 60 });
    config
}

async fn ask(stack: &Stack, ask: &HealthAsk) -> HealthAnswer {
    let payload = serde_json::to_vec(ask).unwrap();
    let answer = stack.link.client.request(subject::CTL_PROBE, payload.into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

fn result(answer: HealthAnswer) -> ProbeResult {
    match answer {
        HealthAnswer::Probed(result) => result,
        other => panic!("{other:?}"),
    }
}

/// The next beat that shows a probe.
async fn beat(stack: &Stack) -> WorkerBeat {
    let mut beats = stack.link.client.subscribe(subject::CTL_LOAD).await.unwrap();
    let found = async {
        loop {
            let beat: WorkerBeat = serde_json::from_slice(&beats.next().await.unwrap().payload).unwrap();
            if !beat.probes.is_empty() {
                return beat;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), found).await.expect("a beat with a probe")
}

#[tokio::test]
async fn a_probe_closes_what_it_refutes_and_one_worker_makes_it() {
    let (url, seen) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let stack = Stack::start(&probed(&url)).await;
    let (outage, limit) =
        (open(FailureClass::Server), BreakerRecord { model: "n".into(), ..open(FailureClass::Rate) });
    put(&stack, &outage).await;
    put(&stack, &limit).await;
    stack.worker(settings()).await;
    stack.another(settings()).await;
    for _ in 0..500 {
        if state(&stack, &outage).await == BreakerState::Closed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(state(&stack, &outage).await, BreakerState::Closed);
    assert_eq!(state(&stack, &limit).await, BreakerState::Open, "a list says nothing about a limit");
    assert!(beat(&stack).await.probes[0].ok);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(seen.lists.load(Ordering::SeqCst), 1, "one of the fleet");
    assert_eq!(seen.hits(), 0);
}

#[tokio::test]
async fn what_a_probe_finds_wrong_opens_nothing() {
    let (url, seen) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    seen.list_status.store(401, Ordering::SeqCst);
    let mut stack = Stack::start(&probed(&url)).await;
    stack.worker(settings()).await;
    let beat = beat(&stack).await;
    assert_eq!((beat.probes[0].ok, beat.probes[0].error.as_deref()), (false, Some("account")));
    assert!(beat.breakers.is_empty() && beat.providers.is_empty(), "counted apart");
    for _ in 0..10 {
        let result = result(ask(&stack, &HealthAsk::Provider { provider: "p0".into() }).await);
        assert!(!result.healthy);
    }
    stack.request(crate::ASK).await;
    assert_eq!(crate::data(&stack.frames().await), ANSWER);
}

#[tokio::test]
async fn an_operator_asks_a_provider_and_a_model() {
    let (url, seen) = upstream::start(vec![whole(200, "", ANSWER), whole(429, "1", "{}"), Act::Hang]).await;
    let stack = Stack::start(&config(&[&url])).await;
    let closed = BreakerRecord {
        until_ms: u64::MAX / 2,
        since_ms: u64::MAX / 2 - 9_999_999,
        ..open(FailureClass::Server)
    };
    put(&stack, &closed).await;
    stack.worker(settings()).await;
    let list = result(ask(&stack, &HealthAsk::Provider { provider: "p0".into() }).await);
    assert_eq!((list.status_code, list.healthy, list.diagnostic.as_str()), (Some(200), true, "provider"));
    assert!(!list.response_excerpt.contains("canary"), "{}", list.response_excerpt);
    let model = |timeout_ms| HealthAsk::Model {
        provider: "p0".into(),
        model: "up-0".into(),
        prompt: "Reply with exactly ok.".into(),
        timeout_ms,
    };
    let well = result(ask(&stack, &model(5000)).await);
    assert!(well.healthy && well.response_excerpt.contains("Hi"), "{well:?}");
    until("its breaker is closed", || true).await;
    let limited = result(ask(&stack, &model(5000)).await);
    assert_eq!((limited.healthy, limited.error.as_deref()), (false, Some("rate")));
    let slow = result(ask(&stack, &model(300)).await);
    assert_eq!((slow.healthy, slow.error.as_deref(), slow.status_code), (false, Some("timeout"), None));
    let events = stack.events().await;
    assert_eq!(events.len(), 6, "announced, with one outcome each");
    let Event::Usage(outcome) = &events[1].0 else { panic!("{events:?}") };
    assert_eq!((outcome.subject.project.as_str(), outcome.bound, outcome.last), (PROBE_PROJECT, false, true));
    assert_eq!((outcome.ending, outcome.used.usage.output_tokens), (Ending::Success, 3));
    assert_eq!(seen.bodies.lock().unwrap()[0]["messages"][0]["content"], "Reply with exactly ok.");
    assert!(matches!(
        ask(&stack, &HealthAsk::Provider { provider: "?".into() }).await,
        HealthAnswer::Refused { .. }
    ));
}

#[tokio::test]
async fn an_operator_closes_breakers_for_the_whole_fleet() {
    let (url, _) = upstream::start(vec![whole(429, "60", "{}"), whole(200, "", ANSWER)]).await;
    let mut stack = Stack::start(&config(&[&url])).await;
    stack.worker(settings()).await;
    stack.another(workers::Config { pool: "b".into(), ..settings() }).await;
    stack.request(crate::ASK).await;
    stack.frames().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let reset = HealthAsk::Reset { provider: Some("p0".into()), credential: None, model: None };
    assert_eq!(ask(&stack, &reset).await, HealthAnswer::Reset { closed: 1 });
    tokio::time::sleep(Duration::from_millis(100)).await;
    for pool in ["main", "b"] {
        stack.request_in(pool, crate::ASK, |_| {}).await;
        assert_eq!(crate::data(&stack.frames().await), ANSWER, "{pool}");
    }
    assert_eq!(ask(&stack, &reset).await, HealthAnswer::Reset { closed: 0 });
}
