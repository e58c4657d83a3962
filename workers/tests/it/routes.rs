//! Strategies, tenants' credentials, the platform's pools, and what is switched off while requests wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::config::{Config, Provider, SecretRef, Strategy};
use proto::credential::{CredentialRecord, Owner};
use proto::envelope::{Envelope, RouteWish, Who};
use proto::event::{CloseReason, Ending, Event, RouteMode};
use proto::fault::{Fault, FaultCode};
use proto::reply::{Frame, Head, Section};
use proto::switch::SwitchKind;
use serde_json::{Value, json};

use crate::stack::{Stack, config, credential, data, settings, until};
use crate::upstream::{self, ANSWER, Act, Seen};
use crate::{ASK, outcome, whole};

fn head(frames: &[Frame]) -> &Head {
    match &frames[0].sections[0] {
        Section::Head(head) => head,
        other => panic!("head first: {other:?}"),
    }
}

fn fault(frames: &[Frame]) -> &Fault {
    let sections = frames.iter().flat_map(|frame| &frame.sections);
    let mut faults = sections.filter_map(|section| match section {
        Section::Fault(fault) => Some(fault),
        Section::Head(_) | Section::Data(_) | Section::End(_) => None,
    });
    faults.next().expect("a fault")
}

/// What `seen` was called with, of every call.
fn secrets(seen: &Seen) -> Vec<String> {
    let headers = seen.headers.lock().unwrap();
    headers.iter().map(|headers| headers["authorization"].to_str().unwrap().to_owned()).collect()
}

fn by_end_user(envelope: &mut Envelope) {
    envelope.who = Some(Box::new(Who { end_user: Some("eu_1".into()), ..Who::default() }));
}

#[tokio::test]
async fn five_to_one_is_500_to_100_and_none_healthy_is_a_503() {
    let limited = r#"{"error":{"message":"slow down","type":"rate_limit","code":null}}"#;
    let acts = |count: usize| {
        let answers = std::iter::repeat_n(whole(200, "", ANSWER), count);
        answers.chain([whole(429, "60", limited)]).collect()
    };
    let ((five, first), (one, second)) = (upstream::start(acts(500)).await, upstream::start(acts(110)).await);
    let mut config = config(&[&five, &one]);
    config.models[0].strategy = Strategy::Weighted;
    config.models[0].targets[0].weight = 5;
    config.models[0].targets.iter_mut().for_each(|target| target.model = "m".into());
    let mut stack = Stack::start(&config).await;
    stack.worker(settings()).await;
    for _ in 0..600 {
        stack.request(ASK).await;
        assert_eq!(head(&stack.frames().await).route_mode, "platform");
    }
    assert_eq!((first.hits(), second.hits()), (500, 100));
    // The first one is rate limited from here on: asked once more, it leaves everything to the other.
    for _ in 0..10 {
        stack.request(ASK).await;
        assert_eq!(data(&stack.frames().await), ANSWER);
    }
    assert_eq!((first.hits(), second.hits()), (501, 110));
    for _ in 0..3 {
        stack.request(ASK).await;
        let frames = stack.frames().await;
        let fault = fault(&frames);
        if second.hits() > 110 && fault.code == FaultCode::UpstreamRateLimited {
            continue;
        }
        assert_eq!((fault.code, fault.status()), (FaultCode::NoHealthyRoute, 503));
        assert!(fault.retry_after_ms.is_some_and(|ms| ms > 1000), "{fault:?}");
    }
    assert_eq!((first.hits(), second.hits()), (501, 111), "nothing is sent to what is out of order");
}

/// A project with that policy, an end user with a credential that `act` happens to, and a platform that answers.
struct Tenant {
    stack: Stack,
    platform: Arc<Seen>,
    theirs: Arc<Seen>,
}

impl Tenant {
    async fn new(policy: Value, own_opt_in: bool, act: Act) -> Self {
        let (platform_url, platform) = upstream::start(vec![whole(200, "", ANSWER)]).await;
        let (url, theirs) = upstream::start(vec![act]).await;
        let record = credential("cred_eu", Owner::EndUser("eu_1".into()), "openai_compatible", Some(&url));
        let record = CredentialRecord { fallback_to_platform: own_opt_in, ..record };
        let mut config = config(&[&platform_url]);
        config.projects[0].policy = Some(policy);
        let stack = Box::pin(Stack::start(&config)).await;
        stack.credentials(&[record]).await;
        let settings = workers::Config { tenants_on_private_network: true, retries_max: 0, ..settings() };
        stack.worker(settings).await;
        Self { stack, platform, theirs }
    }

    async fn ask(&mut self) -> Vec<Frame> {
        self.stack.request_with(ASK, by_end_user).await;
        self.stack.frames().await
    }
}

#[tokio::test]
async fn an_end_users_own_credential_serves_and_is_on_the_record() {
    let byok = json!({"byok": "byok_first"});
    let mut tenant = Tenant::new(byok, false, whole(200, "", ANSWER)).await;
    let frames = tenant.ask().await;
    assert_eq!(data(&frames), ANSWER);
    assert_eq!(
        (head(&frames).route_mode.as_str(), head(&frames).provider.as_str()),
        ("byok", "openai_compatible")
    );
    assert_eq!(head(&frames).cost.unwrap().0, 0);
    assert_eq!(secrets(&tenant.theirs), ["Bearer sk-cred_eu"]);
    assert_eq!(
        tenant.theirs.bodies.lock().unwrap()[0]["model"],
        "up-0",
        "the alias's model of the same kind"
    );
    // A request of a virtual key has no end user, and so no such credential.
    tenant.stack.request(ASK).await;
    assert_eq!(head(&tenant.stack.frames().await).route_mode, "platform");
    let events = tenant.stack.settled(4).await;
    let (first, second) = (outcome(&events[1]), outcome(&events[3]));
    assert_eq!((first.route_mode, first.credential.as_deref()), (RouteMode::Byok, Some("cred_eu")));
    assert_eq!((second.route_mode, second.credential.as_deref()), (RouteMode::Platform, None));
    assert_eq!((tenant.theirs.hits(), tenant.platform.hits()), (1, 1));
}

#[tokio::test]
async fn the_platform_steps_in_by_each_of_the_three_opt_ins_and_by_nothing_else() {
    let listed = || json!({"byok": "byok_first"});
    let mut none = Tenant::new(listed(), false, whole(500, "", "{}")).await;
    let frames = none.ask().await;
    assert_eq!((fault(&frames).code, fault(&frames).status()), (FaultCode::UpstreamError, 502));
    assert_eq!((none.theirs.hits(), none.platform.hits()), (1, 0));
    for (policy, own) in [
        (listed(), true),
        (json!({"byok": "byok_first", "fallback_to_platform": true}), false),
        (json!({"byok": "byok_first", "provider_fallback": "platform"}), false),
        (json!({"route_preference": ["end_user_byok"], "provider_fallback": "platform_pool"}), false),
    ] {
        let mut tenant = Tenant::new(policy.clone(), own, whole(500, "", "{}")).await;
        let frames = tenant.ask().await;
        assert_eq!(data(&frames), ANSWER, "{policy}");
        assert_eq!((head(&frames).route_mode.as_str(), head(&frames).attempts), ("platform", 2));
        assert_eq!(head(&frames).fallback.as_deref(), Some("byok"));
        let events = tenant.stack.settled(4).await;
        let (failed, served) = (outcome(&events[1]), outcome(&events[3]));
        assert_eq!((failed.route_mode, failed.ending), (RouteMode::Byok, Ending::Failed));
        assert_eq!((served.route_mode, served.credential.as_deref()), (RouteMode::Platform, None));
        let fallback = served.fallback.as_ref().unwrap();
        assert_eq!(
            (fallback.from_route_mode, fallback.from_provider.as_str()),
            (RouteMode::Byok, "openai_compatible")
        );
        assert_eq!(fallback.provider_credential_id, "cred_eu");
        assert_eq!(fallback.reason, FaultCode::UpstreamError);
        tenant.stack.shutdown.cancel();
    }
}

#[tokio::test]
async fn what_is_not_the_providers_failure_is_never_moved_to_the_platform() {
    let opted_in = || json!({"byok": "byok_first", "fallback_to_platform": true});
    let exhausted = r#"{"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    for (act, status) in [
        (whole(400, "", "{}"), 400),
        (whole(401, "", "{}"), 502),
        (whole(403, "", "{}"), 502),
        (whole(429, "", exhausted), 502),
        (whole(302, "", ""), 502),
    ] {
        let mut tenant = Tenant::new(opted_in(), true, act.clone()).await;
        let frames = tenant.ask().await;
        assert_eq!(fault(&frames).status(), status, "{act:?}");
        assert!(!fault(&frames).message.contains("gateway's account"), "{act:?}");
        assert_eq!((tenant.theirs.hits(), tenant.platform.hits()), (1, 0), "{act:?}");
        tenant.stack.shutdown.cancel();
    }
}

#[tokio::test]
async fn neither_guard_nor_policy_is_got_around() {
    let (url, platform) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let mut config = config(&[&url]);
    config.projects[0].policy = Some(json!({"byok": "byok_first", "fallback_to_platform": true}));
    let mut stack = Stack::start(&config).await;
    let theirs = credential(
        "cred_eu",
        Owner::EndUser("eu_1".into()),
        "openai_compatible",
        Some("https://10.0.0.1/v1"),
    );
    stack.credentials(&[CredentialRecord { fallback_to_platform: true, ..theirs }]).await;
    stack.worker(settings()).await;
    stack.request_with(ASK, by_end_user).await;
    let frames = stack.frames().await;
    assert_eq!((fault(&frames).code, fault(&frames).status()), (FaultCode::NoAvailableRoute, 400));
    let wish = RouteWish { only: Some(RouteMode::DeveloperKey), ..RouteWish::default() };
    stack.request_with(ASK, |envelope| envelope.route = Some(Box::new(wish))).await;
    let frames = stack.frames().await;
    assert_eq!(fault(&frames).code, FaultCode::NoAvailableRoute);
    assert_eq!(platform.hits(), 0);
    let events = stack.settled(2).await;
    assert!(events.iter().all(|event| matches!(event, Event::Closed(c) if c.reason == CloseReason::Refused)));
}

fn pooled(url: &str) -> (Config, [CredentialRecord; 2]) {
    let mut config = config(&[url]);
    let named = Some(SecretRef::Credential("cred_a".into()));
    config.providers[0] = Provider { api_key: named, ..config.providers[0].clone() };
    let a = credential("cred_a", Owner::Platform, "p0", None);
    let b = CredentialRecord { priority: 200, ..credential("cred_b", Owner::Platform, "p0", None) };
    (config, [a, b])
}

#[tokio::test]
async fn a_pool_goes_on_to_the_next_credential_and_leaves_a_refused_one_out() {
    let refusals = std::iter::repeat_n([whole(401, "", "{}"), whole(200, "", ANSWER)], 3).flatten();
    let (url, seen) = upstream::start(refusals.chain([whole(200, "", ANSWER)]).collect()).await;
    let (config, records) = pooled(&url);
    let mut stack = Stack::start(&config).await;
    stack.credentials(&records).await;
    stack.worker(settings()).await;
    stack.request(ASK).await;
    let frames = stack.frames().await;
    assert_eq!((head(&frames).route_mode.as_str(), head(&frames).attempts), ("platform_pool", 2));
    assert_eq!(secrets(&seen), ["Bearer sk-cred_a", "Bearer sk-cred_b"]);
    for _ in 0..6 {
        stack.request(ASK).await;
        assert_eq!(data(&stack.frames().await), ANSWER);
    }
    let refused = secrets(&seen).iter().filter(|secret| secret.ends_with("cred_a")).count();
    assert!(refused <= 3, "it is left out");
    let events = stack.settled(seen.hits() * 2).await;
    assert_eq!(outcome(&events[3]).credential.as_deref(), Some("cred_b"));
}

#[tokio::test]
async fn a_credential_that_is_changed_or_switched_off_is_so_within_a_second() {
    let (url, seen) = upstream::start(vec![whole(200, "", ANSWER)]).await;
    let (config, records) = pooled(&url);
    let mut stack = Stack::start(&config).await;
    stack.credentials(&records).await;
    stack.worker(settings()).await;
    let last = async |stack: &mut Stack| {
        stack.request(ASK).await;
        assert_eq!(data(&stack.frames().await), ANSWER);
        secrets(&seen).last().unwrap().clone()
    };
    assert_eq!(last(&mut stack).await, "Bearer sk-cred_a");
    let started = Instant::now();
    stack.switch_off(SwitchKind::Credential, "cred_a").await;
    while last(&mut stack).await.ends_with("cred_a") {}
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    let [_, b] = records;
    let started = Instant::now();
    let other = credential("cred_c", Owner::Platform, "p0", None);
    stack.credentials(&[other, CredentialRecord { models_allowed: vec!["other".into()], ..b }]).await;
    while last(&mut stack).await.ends_with("cred_b") {}
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(last(&mut stack).await, "Bearer sk-cred_c");
}

#[tokio::test]
async fn what_waited_when_it_was_switched_off_does_not_run() {
    for (kind, id, code) in [
        (SwitchKind::Key, "key_1", FaultCode::InvalidApiKey),
        (SwitchKind::Project, "acme", FaultCode::Forbidden),
        (SwitchKind::Feature, "acme/write", FaultCode::Forbidden),
        (SwitchKind::Developer, "dev_1", FaultCode::Forbidden),
        (SwitchKind::Session, "ses_1", FaultCode::InvalidSession),
    ] {
        let slow = vec![(Duration::from_millis(600), upstream::chunk("slow"))];
        let slow = slow.into_iter().chain(upstream::ending()).collect();
        let (url, seen) = upstream::start(vec![Act::Stream(slow), whole(200, "", ANSWER)]).await;
        let mut stack = Stack::start(&config(&[&url])).await;
        stack.worker(workers::Config { in_flight_max: Some(1), ..settings() }).await;
        stack.request_with(crate::ASK_STREAM, |envelope| envelope.key = "key_other".into()).await;
        until("the first call is made", || seen.hits() == 1).await;
        let who = Who {
            developer: Some("dev_1".into()),
            feature: Some("write".into()),
            session: Some("ses_1".into()),
            end_user: None,
        };
        let waiting = stack.request_with(ASK, |envelope| envelope.who = Some(Box::new(who))).await;
        // It waits for the place of the first call while the switch is thrown.
        stack.switch_off(kind, id).await;
        let mut told = None;
        while told.is_none() {
            let frame = stack.frame().await;
            told = frame.sections.into_iter().find_map(|section| match section {
                Section::Fault(fault) => Some(fault.code),
                Section::Head(_) | Section::Data(_) | Section::End(_) => None,
            });
        }
        assert_eq!(told, Some(code), "{kind:?}");
        let events = stack.settled(3).await;
        let closed = events.iter().find_map(|event| match event {
            Event::Closed(closed) if closed.request == waiting => Some(closed),
            _ => None,
        });
        assert_eq!(closed.map(|closed| closed.reason), Some(CloseReason::Refused));
        assert_eq!(seen.hits(), 1, "{kind:?}");
        stack.shutdown.cancel();
    }
}
