//! The book by example, and against a naive model under duplicated, late and taken-over orders.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proto::event::{CloseReason, Ending, Event, Outcome};
use proto::money::NanoUsd;

use super::changes::{Changes, IncidentKind};
use super::word::{Payer, Pricing, State};
use super::*;
use crate::fixtures::{self, NOON, Story, placed};
use crate::transfer;

/// Books with the fixtures' configuration, after `events`.
fn told(events: Vec<Event>) -> (Books, Changes) {
    let (mut books, mut changes) = (Books::default(), Changes::default());
    let all = std::iter::once(Event::Config(fixtures::config(1))).chain(events).collect();
    for (at, event) in placed(1, all) {
        books.apply(at, event, &mut changes);
    }
    (books, changes)
}

fn totals(changes: &Changes) -> BTreeMap<String, i64> {
    let totals = transfer::totals(&changes.transfers).into_iter();
    totals.map(|(account, t)| (account.to_string(), t.debits.0 - t.credits.0)).collect()
}

fn expect(changes: &Changes, acme: i64, loss: i64) {
    let found = totals(changes);
    let balance = |id: &str| found.get(id).copied().unwrap_or(0);
    assert_eq!((balance("project:acme"), balance("platform:loss")), (acme, loss), "{found:?}");
    assert_eq!(balance("provider:primary"), -acme - loss);
}

fn story() -> Story {
    Story::new("acme", NOON)
}

fn with(outcome: Outcome, change: impl FnOnce(&mut Outcome)) -> Event {
    let mut outcome = outcome;
    change(&mut outcome);
    Event::Usage(outcome)
}

#[test]
fn the_customer_pays_for_the_bound_attempt() {
    let s = story();
    let (books, changes) = told(vec![s.announced(1, 1), s.used(1, 1, 10)]);
    expect(&changes, 1500, 0);
    let attempt = books.request(s.request).unwrap().attempt(s.attempt(1, 1)).unwrap();
    assert_eq!(attempt.state(), State::Ended(Ending::Success));
    assert_eq!((attempt.payer, attempt.cost), (Payer::Customer, Some(NanoUsd(1500))));
    assert_eq!(changes.transfers[0].id, format!("{}:usage/cost", attempt.id));
    assert_eq!(changes.attempts.len(), 1, "announcement and outcome of one batch are one row");
}

#[test]
fn a_failed_attempt_before_the_one_that_served_is_platform_loss() {
    let s = story();
    let events = vec![s.announced(1, 1), s.failed(1, 1, 2), s.announced(1, 2), s.used(1, 2, 10)];
    expect(&told(events).1, 1500, 300);
}

#[test]
fn a_takeover_gives_open_attempts_up_and_a_late_outcome_takes_the_estimate_back() {
    let s = story();
    let (books, changes) = told(vec![s.announced(1, 1), s.takeover(2)]);
    expect(&changes, 0, 750);
    assert_eq!(books.request(s.request).unwrap().attempts[0].state(), State::Unknown);
    let events = vec![s.announced(1, 1), s.takeover(2), s.announced(2, 1), s.used(2, 1, 1), s.used(1, 1, 10)];
    let (_, changes) = told(events);
    expect(&changes, 150, 1500);
    assert_eq!(changes.counts.unknown, 1);
}

#[test]
fn an_outcome_before_the_takeover_stands() {
    let s = story();
    expect(&told(vec![s.announced(1, 1), s.used(1, 1, 10), s.takeover(2)]).1, 1500, 0);
}

#[test]
fn a_tombstones_copy_and_a_named_delivery_are_the_customers() {
    let s = story();
    let copy = with(s.outcome(1, 1, 10), |o| o.from_tombstone = true);
    expect(&told(vec![s.announced(1, 1), s.takeover(2), copy.clone()]).1, 1500, 0);
    let closed = s.closed(2, CloseReason::BrokenOff, Some(1));
    let late = with(s.outcome(1, 1, 10), |o| o.bound = false);
    expect(&told(vec![s.announced(1, 1), s.takeover(2), closed, late]).1, 1500, 0);
    let unnamed = s.closed(2, CloseReason::Unwanted, None);
    expect(&told(vec![s.announced(1, 1), s.takeover(2), unnamed, s.used(1, 1, 10)]).1, 0, 1500);
    // The copy and the original are one outcome.
    let (_, changes) = told(vec![s.announced(1, 1), s.used(1, 1, 10), s.takeover(2), copy]);
    assert_eq!((changes.counts.repeated, changes.incidents.len()), (1, 0));
}

#[test]
fn the_delivery_that_has_the_request_now_is_not_fenced_by_earlier_takeovers() {
    let s = story();
    let events = vec![s.takeover(2), s.takeover(3), s.announced(3, 1), s.used(3, 1, 10)];
    expect(&told(events).1, 1500, 0);
}

#[test]
fn the_customer_never_pays_twice() {
    let s = story();
    let (books, changes) =
        told(vec![s.announced(1, 1), s.used(1, 1, 10), s.announced(1, 2), s.used(1, 2, 10)]);
    expect(&changes, 1500, 1500);
    assert_eq!(changes.counts.second_payers, 1);
    let second = books.request(s.request).unwrap().attempt(s.attempt(1, 2)).unwrap();
    assert!(second.settled.as_ref().unwrap().second_payer);
}

#[test]
fn an_outcome_without_announcement_is_a_row_and_is_flagged() {
    let s = story();
    let (books, changes) = told(vec![s.used(1, 1, 10), s.announced(1, 1)]);
    expect(&changes, 1500, 0);
    assert_eq!((changes.counts.unannounced, changes.incidents.len()), (1, 0));
    let attempt = &books.request(s.request).unwrap().attempts[0];
    assert!(attempt.unannounced() && attempt.announced.is_some());
}

#[test]
fn the_same_id_with_other_content_is_an_incident_and_changes_nothing() {
    let s = story();
    let (_, changes) = told(vec![s.announced(1, 1), s.used(1, 1, 10), s.used(1, 1, 11)]);
    expect(&changes, 1500, 0);
    assert_eq!(changes.incidents.len(), 1);
    assert_eq!(changes.incidents[0].kind, IncidentKind::ExistsWithDifferent);
    assert!(changes.incidents[0].note.contains("another used"), "{}", changes.incidents[0].note);
    let mut other = fixtures::config(1);
    other.streaming = false;
    assert_eq!(told(vec![Event::Config(other)]).1.incidents.len(), 1);
}

#[test]
fn what_has_no_price_is_unpriced_and_never_free() {
    let s = story();
    let unseen = with(s.outcome(1, 1, 10), |o| o.priced_with = 9);
    let (books, changes) = told(vec![unseen]);
    assert_eq!(changes.incidents[0].kind, IncidentKind::ConfigUnseen);
    assert_eq!(books.request(s.request).unwrap().attempts[0].pricing, Pricing::Unpriced);
    let mut dark = story();
    dark.subject.requested_model = "dark".to_owned();
    let (books, changes) = told(vec![dark.announced(1, 1), dark.used(1, 1, 10)]);
    let attempt = &books.request(dark.request).unwrap().attempts[0];
    assert_eq!((attempt.pricing, attempt.payer, attempt.cost), (Pricing::Unpriced, Payer::Customer, None));
    assert!(changes.transfers.is_empty() && changes.incidents.is_empty());
    let (books, _) = told(vec![s.announced(1, 1), s.used(1, 1, 0)]);
    let attempt = &books.request(s.request).unwrap().attempts[0];
    assert_eq!((attempt.pricing, attempt.payer), (Pricing::Free, Payer::None));
}

#[test]
fn an_outcome_unlike_its_announcement_is_booked_on_the_provider_it_names() {
    let s = story();
    let elsewhere = with(s.outcome(1, 1, 10), |o| o.provider = "spare".to_owned());
    let (_, changes) = told(vec![s.announced(1, 1), s.takeover(2), elsewhere]);
    assert_eq!(changes.incidents[0].kind, IncidentKind::UnlikeAnnouncement);
    let found = totals(&changes);
    assert_eq!(
        (found["provider:primary"], found["provider:spare"], found["platform:loss"]),
        (0, -1500, 1500)
    );
}

#[test]
fn only_what_may_be_stored_is_looked_for() {
    let (mut books, mut changes) = (Books::since(NOON), Changes::default());
    let (old, new) = (Story::new("acme", NOON), Story::new("acme", NOON + 60_000));
    let events = [old.announced(1, 1), new.announced(1, 1)];
    let missing = books.missing(&events);
    assert_eq!(missing.requests.iter().collect::<Vec<_>>(), [&old.request]);
    assert_eq!(missing.configs.iter().collect::<Vec<_>>(), [&1]);
    books.apply(At { seq: 1, ms: NOON + 60_001 }, new.announced(1, 1), &mut changes);
    books.apply(At { seq: 2, ms: NOON + 60_002 }, new.used(1, 1, 1), &mut changes);
    books.committed(&changes, NOON + 60_002);
    assert!(books.request(new.request).is_none(), "what is over is put aside");
    assert!(books.missing(&[new.used(1, 1, 1)]).requests.contains(&new.request));
    books.distrust = true;
    let newer = Story::new("acme", NOON + 70_000);
    assert!(books.missing(&[newer.announced(1, 1)]).requests.contains(&newer.request));
}

/// Who pays what, said again in the plainest way: a list of everything heard, searched for each question.
#[derive(Default)]
struct Naive {
    heard: Vec<Event>,
}

impl Naive {
    /// Cost of each attempt and who pays it, `None` = the platform, for now or for good.
    fn bill(&self) -> BTreeMap<String, (bool, i64)> {
        let mut bill = BTreeMap::new();
        let mut paid = false;
        for (n, event) in self.heard.iter().enumerate() {
            let before = &self.heard[..n];
            match event {
                Event::Usage(o) if !before.iter().any(|e| e.id() == event.id()) => {
                    let token = o.attempt.token;
                    let mut seen = Vec::new();
                    for e in before {
                        if let Event::Takeover(t) = e
                            && !seen.contains(&t.token)
                        {
                            seen.push(t.token);
                        }
                    }
                    let fenced = seen.last().is_some_and(|t| *t != token);
                    let named = before.iter().enumerate().rev().find_map(|(i, e)| match e {
                        Event::Closed(c) if !before[..i].iter().any(|b| b.id() == e.id()) => c.bound,
                        _ => None,
                    }) == Some(token);
                    let theirs = (o.bound || named) && (!fenced || o.from_tombstone || named);
                    let cost = i64::try_from(o.used.usage.input_tokens).unwrap() * 150;
                    let customer = theirs && !paid && cost > 0;
                    paid |= customer;
                    bill.insert(o.attempt.to_string(), (customer, cost));
                }
                Event::Takeover(t) if !before.iter().any(|e| e.id() == event.id()) => {
                    for e in before {
                        if let Event::Attempt(a) = e
                            && a.attempt.token != t.token
                        {
                            bill.entry(a.attempt.to_string()).or_insert((false, 750));
                        }
                    }
                }
                _ => {}
            }
        }
        bill
    }
}

fn any_event(story: Story) -> impl Strategy<Value = Event> {
    let tokens = 1..4_u64;
    (0..6_u8, tokens, 1..3_u32, 0..2_u64, any::<[bool; 3]>(), proptest::option::of(1..4_u64)).prop_map(
        move |(kind, token, k, tokens, [bound, last, copied], named)| match kind {
            0 | 1 => story.announced(token, k),
            2 | 3 => with(story.outcome(token, k, tokens * 10), |o| {
                (o.bound, o.last, o.from_tombstone) = (bound, last, copied);
            }),
            4 => story.takeover(token),
            _ => story.closed(token, CloseReason::Unwanted, named),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order and however often: the naive model's bill is what is on the books, the
    /// customer pays once at most, and the books are in balance.
    #[test]
    fn the_books_agree_with_a_naive_model(
        events in proptest::collection::vec(any_event(story()), 1..24)
    ) {
        let request = events[0].request().unwrap();
        let (books, changes) = told(events.clone());
        let bill = Naive { heard: events.clone() }.bill();
        let (mut acme, mut loss) = (0, 0);
        for (customer, cost) in bill.values() {
            if *customer { acme += cost } else { loss += cost }
        }
        let found = totals(&changes);
        let balance = |id: &str| found.get(id).copied().unwrap_or(0);
        prop_assert_eq!(balance("project:acme"), acme);
        prop_assert_eq!(balance("platform:loss"), loss);
        prop_assert_eq!(found.values().sum::<i64>(), 0);
        let attempts = &books.request(request).unwrap().attempts;
        prop_assert!(attempts.iter().filter(|a| a.payer == Payer::Customer).count() <= 1);
        for attempt in attempts {
            let billed = bill.get(&attempt.id.to_string());
            prop_assert_eq!(billed.is_none(), attempt.is_open());
            prop_assert_eq!(billed.map(|(_, cost)| NanoUsd(*cost)), attempt.cost);
        }
        let ids: BTreeSet<_> = changes.transfers.iter().map(|t| t.id.clone()).collect();
        prop_assert_eq!(ids.len(), changes.transfers.len());
    }

    /// What a request was at any earlier moment can be read off what it is now.
    #[test]
    fn the_past_can_be_read_off_the_present(
        events in proptest::collection::vec(any_event(story()), 1..24),
        cut in 0..24_usize,
    ) {
        let request = events[0].request().unwrap();
        let cut = cut.min(events.len());
        let (now, _) = told(events.clone());
        let (then, _) = told(events[..cut].to_vec());
        // The configuration is event 1.
        let past = now.request(request).cloned().unwrap_or_default().as_of(cut as u64 + 1);
        let then = then.request(request).cloned().unwrap_or_default();
        prop_assert_eq!(past.bare(), then.bare());
    }
}
