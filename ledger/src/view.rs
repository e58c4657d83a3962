//! A request as its owner sees it.

use proto::ctl::{AttemptView, RequestView};
use proto::event::CloseReason;
use proto::id::RequestId;

use crate::book::attempt::Attempt;
use crate::book::request::Request;
use crate::book::word::{Payer, State};

/// What is on the books about a request; `None` if nothing names its project.
pub fn view(id: RequestId, request: &Request) -> Option<RequestView> {
    let subject = request.subject()?;
    let paid = request.attempts.iter().find(|a| a.payer == Payer::Customer);
    let last = request.attempts.iter().filter(|a| a.settled.is_some()).max_by_key(|a| a.seq());
    // What cost nothing has no payer; the attempt that ended the request speaks for it then.
    let shown = paid.or_else(|| last.filter(|a| a.settled.as_ref().is_some_and(|s| s.last && s.bound)));
    let cost = match (shown, request.ended()) {
        (Some(attempt), _) => attempt.cost,
        (None, true) => Some(proto::money::NanoUsd(0)),
        (None, false) => None,
    };
    Some(RequestView {
        id,
        object: "request".to_owned(),
        status: status(request).to_owned(),
        project: subject.project.clone(),
        key: subject.key.clone(),
        client_request_id: subject.client_request_id.clone(),
        requested_model: subject.requested_model.clone(),
        route_mode: shown.or(last).map(|a| a.call.route_mode.as_str().to_owned()),
        config: subject.config,
        accepted_ms: subject.origin.accepted_ms,
        used: shown.and_then(|a| a.settled.as_ref()).map(|s| s.used.clone()),
        cost_usd: cost.map(|cost| cost.to_string()),
        attempts: request.attempts.iter().map(attempt).collect(),
    })
}

/// How the request stands: what ended it first counts, but a sweep ends only what nothing else ends.
pub fn status(request: &Request) -> &'static str {
    let settled = request.attempts.iter().filter_map(|a| a.settled.as_ref());
    let last = settled.filter(|s| s.last).min_by_key(|s| s.seq);
    let closed = request.closings.iter().min_by_key(|c| c.seq);
    let lost = request.attempts.iter().any(|a| a.state() == State::Unknown);
    match (last, closed) {
        (Some(last), Some(closed)) if closed.seq < last.seq && closed.reason != CloseReason::Swept => {
            closed.reason.as_str()
        }
        (Some(last), _) => last.ending.as_str(),
        (None, Some(closed)) if closed.reason == CloseReason::Swept && lost => State::Unknown.as_str(),
        (None, Some(closed)) => closed.reason.as_str(),
        (None, None) => "in_progress",
    }
}

fn attempt(attempt: &Attempt) -> AttemptView {
    let settled = attempt.settled.as_ref();
    AttemptView {
        id: attempt.id,
        state: attempt.state().as_str().to_owned(),
        provider: attempt.call.provider.clone(),
        model: attempt.call.model.clone(),
        route_mode: attempt.call.route_mode.as_str().to_owned(),
        status: settled.and_then(|s| s.status),
        fault: settled.and_then(|s| s.fault).map(|f| f.label().to_owned()),
        duration_ms: settled.map(|s| s.duration_ms),
        first_byte_ms: settled.and_then(|s| s.first_byte_ms),
        used: settled.map(|s| s.used.clone()),
        payer: attempt.payer.as_str().to_owned(),
        pricing: attempt.pricing.as_str().to_owned(),
        cost: attempt.cost,
        priced_with: attempt.call.priced_with,
    }
}
