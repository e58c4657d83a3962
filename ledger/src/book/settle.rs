//! Who pays for an attempt, and the transfers that follow from it.

use proto::config::Config;
use proto::event::Outcome as Settlement;
use proto::id::AttemptId;
use proto::money::NanoUsd;
use proto::usage::Usage;

use super::At;
use super::attempt::{Attempt, Call, GivenUp, Settled};
use super::changes::{Changes, IncidentKind};
use super::request::Request;
use super::word::Payer;
use crate::account::Account;
use crate::price::{Called, Cost, estimated, price};
use crate::transfer::{Code, Transfer};

/// Who would pay for this outcome, and whether it is the second one that the customer would pay for.
pub(super) fn payer(request: &Request, event: &Settlement) -> (Payer, bool) {
    let token = event.attempt.token;
    let named = request.named_bound(token);
    let fenced = request.taken_from(token) && !event.from_tombstone && !named;
    if fenced || !(event.bound || named) {
        (Payer::Platform, false)
    } else if request.customer_has_paid() {
        (Payer::Platform, true)
    } else {
        (Payer::Customer, false)
    }
}

/// Gives an open attempt up: the platform pays what it may have cost, until its outcome is known.
pub(super) fn give_up(attempt: &mut Attempt, at: At, config: Option<&Config>, changes: &mut Changes) {
    let usage = attempt.announced.as_ref().map(|a| estimated(a.estimate)).unwrap_or_default();
    let cost = cost(attempt, at, config, &usage, changes);
    attempt.given_up = Some(GivenUp { seq: at.seq, at_ms: at.ms, cost });
    attempt.price(Some((Payer::Platform, cost)));
    changes.counts.unknown += 1;
    post(attempt, at, cost, unknown_cost_id(attempt.id), Code::Unknown, changes);
}

/// Settles an attempt: takes back what was booked while it was unknown, and books what it cost.
pub(super) fn settle(
    attempt: &mut Attempt,
    at: At,
    (payer, second_payer): (Payer, bool),
    event: Settlement,
    config: Option<&Config>,
    changes: &mut Changes,
) {
    // What was given up was booked on the provider that was announced, and is taken back from it.
    if let Some(given_up) = attempt.given_up.as_ref() {
        let (booked, id) = (given_up.cost, unknown_reversal_id(attempt.id));
        post(attempt, at, booked, id, Code::UnknownReversal, changes);
    }
    let (call, settled) = settled(at, second_payer, event);
    attempt.call = call;
    let cost = cost(attempt, at, config, &settled.used.usage, changes);
    attempt.settled = Some(settled);
    attempt.price(Some((payer, cost)));
    changes.counts.second_payers += u64::from(second_payer);
    changes.counts.unpriced += u64::from(cost.is_none());
    let code = if payer == Payer::Customer { Code::Usage } else { Code::Loss };
    post(attempt, at, cost, usage_cost_id(attempt.id), code, changes);
}

/// Id of the transfer that books an outcome.
pub fn usage_cost_id(attempt: AttemptId) -> String {
    format!("{attempt}:usage/cost")
}

/// Id of the transfer that books what an unknown attempt may have cost.
pub fn unknown_cost_id(attempt: AttemptId) -> String {
    format!("{attempt}:unknown/cost")
}

/// Id of the transfer that takes [`unknown_cost_id`] back.
pub fn unknown_reversal_id(attempt: AttemptId) -> String {
    format!("{attempt}:unknown/reversal")
}

fn settled(at: At, second_payer: bool, event: Settlement) -> (Call, Settled) {
    let call = Call {
        provider: event.provider,
        model: event.model,
        priced_with: event.priced_with,
        route_mode: event.route_mode,
    };
    let settled = Settled {
        seq: at.seq,
        at_ms: at.ms,
        ending: event.ending,
        status: event.status,
        fault: event.fault,
        used: event.used,
        bound: event.bound,
        last: event.last,
        from_tombstone: event.from_tombstone,
        second_payer,
        queue_ms: event.queue_ms,
        first_byte_ms: event.first_byte_ms,
        duration_ms: event.duration_ms,
    };
    (call, settled)
}

fn cost(
    attempt: &Attempt,
    at: At,
    config: Option<&Config>,
    usage: &Usage,
    changes: &mut Changes,
) -> Option<NanoUsd> {
    let called = Called {
        alias: &attempt.subject.requested_model,
        provider: &attempt.call.provider,
        model: &attempt.call.model,
        at_ms: at.ms,
    };
    let cost = price(config, called, usage);
    let version = attempt.call.priced_with;
    let noted = match cost {
        Cost::Known(_) | Cost::Unpriced => None,
        Cost::UnseenVersion => {
            Some((IncidentKind::ConfigUnseen, format!("configuration {version} is not on the stream")))
        }
        Cost::TooLarge => Some((IncidentKind::CostTooLarge, "the cost is larger than an amount".to_owned())),
    };
    if let Some((kind, note)) = noted {
        let incident = changes.incident(kind, at, attempt.id.to_string(), note);
        incident.about(attempt.id.request, attempt.subject.traceparent.as_deref());
    }
    cost.amount()
}

fn post(attempt: &Attempt, at: At, amount: Option<NanoUsd>, id: String, code: Code, changes: &mut Changes) {
    let Some(amount) = amount.filter(|amount| amount.0 > 0) else { return };
    let provider = Account::Provider(attempt.call.provider.clone());
    let (debit, credit) = match code {
        Code::Usage => (Account::Project(attempt.subject.project.clone()), provider),
        Code::Loss | Code::Unknown => (Account::Loss, provider),
        Code::UnknownReversal => (provider, Account::Loss),
    };
    let (seq, at_ms) = (at.seq, at.ms);
    changes.transfers.push(Transfer { id, debit, credit, amount, code, attempt: attempt.id, seq, at_ms });
}
