//! The state machine against a naive model, and the table around it.

use std::time::Duration;

use proptest::prelude::*;
use proto::fault::FaultCode;
use proto::health::{BreakerState, FailureClass};
use proto::id::WorkerId;

use super::state::{Admission, Begun, Breaker, Found, Ill, ms};
use super::*;

const LEASE: Duration = Duration::from_secs(30);

fn ill(class: FailureClass, hint: Option<u64>) -> Ill {
    let hint = hint.map(Duration::from_millis);
    Ill { class, hint, code: Some(FaultCode::UpstreamError), status: Some(500) }
}

fn call(at: u64) -> Begun {
    Begun { at, probe: None }
}

fn fail(breaker: &mut Breaker, now: u64, class: FailureClass, hint: Option<u64>) -> bool {
    breaker.record(&BreakerPolicy::default(), call(now), now, Found::Ill(ill(class, hint)))
}

#[test]
fn one_blip_opens_nothing_but_a_limit_opens_at_once() {
    for class in FailureClass::UNHEALTHY {
        let policy = BreakerPolicy::default();
        let row = policy.of(class).unwrap();
        let mut breaker = Breaker::new(0, 0);
        for n in 1..row.threshold {
            assert!(!fail(&mut breaker, u64::from(n), class, None), "{class:?}");
        }
        if row.threshold > 1 {
            assert!(!fail(&mut breaker, 900, class, None), "{class:?}: many at once are one blip");
        }
        assert!(fail(&mut breaker, 1100, class, None), "{class:?}");
        assert_eq!(breaker.admits(1100), Admission::Refused(row.cooldown), "{class:?}");
        assert_eq!(breaker.admits(1100 + ms(row.cooldown)), Admission::Probe);
    }
    assert_eq!(BreakerPolicy::default().rate.threshold, 1);
    assert_eq!(BreakerPolicy::default().quota.cooldown, Duration::from_secs(3600));
}

#[test]
fn failures_far_apart_do_not_belong_together() {
    let mut breaker = Breaker::new(0, 0);
    for n in 0..20 {
        assert!(!fail(&mut breaker, n * 301_000, FailureClass::Server, None));
    }
}

#[test]
fn the_provider_says_when() {
    let after = |class, hint| {
        let mut breaker = Breaker::new(0, 0);
        let limit = matches!(class, FailureClass::Rate | FailureClass::Quota);
        let last = if limit { 0 } else { 4000 };
        for n in 0..5 {
            fail(&mut breaker, if limit { 0 } else { n * 1000 }, class, Some(hint));
        }
        match breaker.admits(last) {
            Admission::Refused(wait) => ms(wait),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(after(FailureClass::Rate, 250), 250);
    assert_eq!(after(FailureClass::Rate, 30_000), 30_000);
    assert_eq!(after(FailureClass::Quota, 7_200_000), 7_200_000);
    assert_eq!(after(FailureClass::Quota, 60_000), 60_000, "until the provider's reset");
    assert_eq!(after(FailureClass::Server, 1000), 15_000);
    assert_eq!(after(FailureClass::Server, 40_000), 40_000, "a longer wish wins");
    assert_eq!(after(FailureClass::Rate, u64::MAX / 8), 3_600_000, "but not any");
}

#[test]
fn a_probe_closes_or_opens_for_longer() {
    let policy = BreakerPolicy::default();
    let mut breaker = Breaker::new(0, 0);
    fail(&mut breaker, 0, FailureClass::Rate, None);
    let probe = breaker.probe(1000, LEASE);
    assert!(matches!(breaker.admits(1001), Admission::Refused(_)), "one at a time");
    assert!(breaker.record(&policy, probe, 1100, Found::Ill(ill(FailureClass::Rate, None))));
    assert_eq!(breaker.admits(1100), Admission::Refused(Duration::from_secs(2)));
    let probe = breaker.probe(3100, LEASE);
    assert!(breaker.record(&policy, probe, 3200, Found::Nothing), "nothing found out");
    assert_eq!(breaker.admits(3200), Admission::Probe);
    let lost = breaker.probe(3200, LEASE);
    assert_eq!(breaker.admits(3200 + ms(LEASE)), Admission::Probe, "a probe that is lost is replaced");
    let probe = breaker.probe(3200 + ms(LEASE), LEASE);
    assert!(!breaker.record(&policy, lost, 40_000, Found::Nothing), "and has no say any more");
    assert!(breaker.record(&policy, probe, 40_000, Found::Well));
    assert_eq!(breaker.admits(40_000), Admission::Granted);
    fail(&mut breaker, 50_000, FailureClass::Rate, None);
    assert_eq!(breaker.admits(50_000), Admission::Refused(Duration::from_secs(1)), "from the start again");
}

#[test]
fn an_answer_to_an_older_call_refutes_an_outage_but_no_limit() {
    let policy = BreakerPolicy::default();
    for (class, closes) in
        [(FailureClass::Rate, false), (FailureClass::Account, false), (FailureClass::Server, true)]
    {
        let mut breaker = Breaker::new(0, 0);
        for n in 0..5 {
            fail(&mut breaker, 100 + n * 300, class, None);
        }
        assert_eq!(breaker.record(&policy, call(50), 1350, Found::Well), closes, "{class:?}");
    }
}

#[test]
fn the_callers_mistake_shows_that_the_provider_works() {
    let policy = BreakerPolicy::default();
    let mut breaker = Breaker::new(0, 0);
    for n in 0..100 {
        assert!(!fail(&mut breaker, n, FailureClass::Caller, None));
        assert!(!fail(&mut breaker, n, FailureClass::Gateway, None));
    }
    for n in 0..5 {
        fail(&mut breaker, 100 + n * 300, FailureClass::Server, None);
    }
    let probe = breaker.probe(60_000, LEASE);
    assert!(breaker.record(&policy, probe, 60_001, Found::Ill(ill(FailureClass::Caller, None))));
    assert_eq!(breaker.known.state, BreakerState::Closed);
}

/// What a test does to a breaker.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    /// A call is asked for, and ends so at once, if it is let through.
    Call(Option<FailureClass>, Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    let class = prop::option::of(prop::sample::select(FailureClass::UNHEALTHY.to_vec()));
    let hint = prop::option::weighted(0.3, 0_u64..100_000);
    prop_oneof![
        2 => (0_u64..60_000).prop_map(Step::Wait),
        5 => (class, hint).prop_map(|(class, hint)| Step::Call(class, hint)),
    ]
}

/// How a call ended: well, or with a failure and the provider's wish in milliseconds.
type Ended = Option<(FailureClass, Option<u64>)>;

/// The same rules without states: the story of calls is gone through from its start each time.
#[derive(Default)]
struct Naive {
    /// (when, what came of it) of every call that was let through.
    calls: Vec<(u64, Ended)>,
}

impl Naive {
    /// Until when calls are refused, and how often in a row it has opened.
    fn closed_until(&self) -> (Option<u64>, u32) {
        let (mut until, mut openings, mut row) = (None, 0_u32, Vec::<u64>::new());
        for (at, ended) in &self.calls {
            let Some((class, hint)) = ended else {
                (until, openings) = (None, 0);
                row.clear();
                continue;
            };
            let policy = BreakerPolicy::default();
            let rule = *policy.of(*class).unwrap();
            if row.last().is_some_and(|last| at - last > 300_000) {
                row.clear();
            }
            row.push(*at);
            let lasting = rule.threshold == 1 || at - row[0] >= 1000;
            if until.is_none() && (row.len() < rule.threshold as usize || !lasting) {
                continue;
            }
            row.clear();
            openings += 1;
            let exact = matches!(class, FailureClass::Rate | FailureClass::Quota);
            let times = |n: u32| (ms(rule.cooldown) << n.min(16)).min(ms(rule.cooldown_max));
            let hint = hint.map(|hint| hint.min(ms(rule.hint_max)));
            let stays = match hint {
                Some(hint) if exact && openings == 1 => hint,
                Some(hint) if exact => hint.max(times(openings - 2)),
                Some(hint) => hint.max(times(openings - 1)),
                None => times(openings - 1),
            };
            until = Some(at + stays);
        }
        (until, openings)
    }
}

proptest! {
    #[test]
    fn the_machine_does_what_the_naive_model_does(steps in prop::collection::vec(step(), 0..60)) {
        let policy = BreakerPolicy::default();
        let (mut breaker, mut naive, mut now, mut version) = (Breaker::new(0, 0), Naive::default(), 0, 0);
        for step in steps {
            let Step::Call(class, hint) = step else {
                let Step::Wait(wait) = step else { continue };
                now += wait;
                continue;
            };
            let (until, openings) = naive.closed_until();
            let admission = breaker.admits(now);
            let expected = match until {
                None => Admission::Granted,
                Some(until) if until <= now => Admission::Probe,
                Some(until) => Admission::Refused(Duration::from_millis(until - now)),
            };
            prop_assert_eq!(admission, expected);
            prop_assert_eq!(breaker.known.openings, openings);
            let begun = match admission {
                Admission::Refused(_) => continue,
                Admission::Probe => breaker.probe(now, LEASE),
                Admission::Granted => call(now),
            };
            let found = class.map_or(Found::Well, |class| Found::Ill(ill(class, hint)));
            breaker.record(&policy, begun, now, found);
            prop_assert!(breaker.known.version >= version, "versions only grow");
            version = breaker.known.version;
            naive.calls.push((now, class.map(|class| (class, hint))));
        }
    }

    #[test]
    fn whoever_hears_all_records_ends_with_the_same(order in Just((0..12_u64).collect::<Vec<_>>()).prop_shuffle()) {
        let heard = |order: &[u64]| {
            let breakers = breakers();
            for n in order {
                breakers.adopt(record(n / 3, n % 3, n % 5), true, false);
            }
            breakers.records()
        };
        let sorted: Vec<u64> = (0..12).collect();
        prop_assert_eq!(heard(&order), heard(&sorted));
    }
}

fn breakers() -> Breakers {
    Breakers::new(BreakerPolicy::default(), WorkerId(1), LEASE)
}

fn record(version: u64, until: u64, by: u64) -> BreakerRecord {
    BreakerRecord {
        provider: "p".into(),
        credential: None,
        model: "m".into(),
        state: BreakerState::Open,
        class: FailureClass::Rate,
        reason: None,
        status: Some(429),
        openings: 1,
        version,
        since_ms: 1000,
        until_ms: 50_000 + until,
        by: WorkerId(by),
    }
}

const PLACE: Place<'static> = Place { provider: "p", credential: None, model: "m" };

async fn called(breakers: &Breakers, place: Place<'_>, found: Found) {
    let pass = breakers.enter(&place).await.unwrap();
    breakers.record(&place, &pass, found);
}

#[tokio::test]
async fn what_is_well_takes_no_room() {
    let breakers = breakers();
    called(&breakers, PLACE, Found::Well).await;
    called(&breakers, PLACE, Found::Ill(ill(FailureClass::Caller, None))).await;
    assert_eq!(breakers.table().len(), 0);
    called(&breakers, PLACE, Found::Ill(ill(FailureClass::Server, None))).await;
    assert_eq!(breakers.table().len(), 1);
    called(&breakers, PLACE, Found::Well).await;
    assert_eq!(breakers.table().len(), 0, "a blip is forgotten with the next success");
    assert!(breakers.records().is_empty());
}

#[tokio::test]
async fn places_do_not_share_a_breaker() {
    let breakers = breakers();
    called(&breakers, PLACE, Found::Ill(ill(FailureClass::Rate, Some(60_000)))).await;
    assert!(matches!(breakers.admits(&PLACE), Admission::Refused(_)));
    for other in [
        Place { provider: "q", ..PLACE },
        Place { credential: Some("c"), ..PLACE },
        Place { model: "n", ..PLACE },
    ] {
        assert_eq!(breakers.admits(&other), Admission::Granted);
    }
    let other = Place { model: "n", ..PLACE };
    assert_eq!(breakers.soonest([PLACE, other].into_iter()), Some(Duration::ZERO));
    assert!(breakers.soonest([PLACE].into_iter()).unwrap() > Duration::from_secs(59));
    assert_eq!(breakers.reset(Some("p"), Some("-"), None), 1);
    assert_eq!(breakers.admits(&PLACE), Admission::Granted);
    assert_eq!(breakers.records()[0].state, BreakerState::Closed);
}

#[tokio::test]
async fn the_table_is_bounded() {
    let breakers = breakers();
    for n in 0..PLACES_MAX + 10 {
        let model = format!("m{n}");
        called(&breakers, Place { model: &model, ..PLACE }, Found::Ill(ill(FailureClass::Server, None)))
            .await;
    }
    assert_eq!(breakers.table().len(), PLACES_MAX);
}

#[tokio::test]
async fn an_old_record_of_another_clock_does_not_lengthen_anything() {
    let breakers = breakers();
    breakers.adopt(record(1, 0, 2), false, false);
    assert_eq!(breakers.admits(&PLACE), Admission::Probe, "its time is over");
    breakers.adopt(record(2, 0, 2), true, false);
    assert!(matches!(breakers.admits(&PLACE), Admission::Refused(wait) if wait <= Duration::from_secs(49)));
}
