//! One small call of a model that an operator wants to see: past its breaker, without another try and without another
//! target. It costs something and so stands on the books like any attempt: announced, with one outcome, as a loss of
//! the platform.

use std::time::Duration;

use bytes::Bytes;
use proto::canonical::Origin as Where;
use proto::catalogue;
use proto::dialect::Dialect;
use proto::dialect::codec::Target;
use proto::dialect::exchange::{Ask, Exchange};
use proto::event::{Announced, Ending, Event, Origin, Outcome, RouteMode, Subject};
use proto::fault::{Fault, FaultCode};
use proto::health::{FailureClass, HealthAnswer};
use proto::id::{AttemptId, RequestId, Token};
use proto::subject::PROBE_PROJECT;
use proto::usage::{Estimate, Reconciled, estimate_tokens, reconcile};
use serde_json::json;
use tokio::time::Instant;

use super::ask::{Heard, shown};
use super::refused;
use crate::Worker;
use crate::execute::failure_kind;
use crate::http::{Outgoing, Upstream};
use crate::store::Record;
use crate::upstreams::UpstreamSet;

/// How long the events may take to be stored.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of an answer is read, in bytes.
const ANSWER_MAX: usize = 256 * 1024;
/// What an answer may use, for the case that nobody ever learns what it did.
const OUTPUT_TOKENS: u64 = 256;

/// What an operator wants to see.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) prompt: String,
    pub(super) timeout: Duration,
}

/// What came of the call.
struct Came {
    heard: Heard,
    fault: Option<FaultCode>,
    used: Reconciled,
}

/// Makes the call.
pub(super) async fn probe(worker: &Worker, set: &UpstreamSet, wish: &Wish) -> HealthAnswer {
    let Some(upstream) = set.get(&wish.provider) else {
        let name = &wish.provider;
        return refused(format!("There is no provider `{name}` that can be called with what its row names."));
    };
    let attempt = AttemptId { request: RequestId::new(), token: Token::random(), k: 1 };
    let body = json!({ "model": wish.model, "messages": [{ "role": "user", "content": wish.prompt }] });
    let body = Bytes::from(body.to_string());
    let estimate = Estimate {
        input_tokens: estimate_tokens(u64::try_from(wish.prompt.len()).unwrap_or(u64::MAX)),
        output_tokens: OUTPUT_TOKENS,
    };
    let exchange = match exchange(worker, upstream, wish, attempt, &body, estimate) {
        Ok(exchange) => exchange,
        Err(fault) => return refused(fault.message),
    };
    let version = set.config.version;
    let announced = Announced {
        attempt,
        subject: subject(wish, version),
        dialect: Dialect::OpenaiChat,
        stream: false,
        provider: wish.provider.clone(),
        model: wish.model.clone(),
        priced_with: version,
        route_mode: RouteMode::Platform,
        credential: None,
        fallback: None,
        estimate,
        deadline_ms: proto::clock::now_ms() + u64::try_from(wish.timeout.as_millis()).unwrap_or(0),
    };
    let subject = announced.subject.clone();
    if !stored(worker, &Event::Attempt(announced)).await {
        return refused("The call could not be put on the books, so it was not made.".to_owned());
    }
    let came = call(upstream, &exchange, wish, attempt, estimate).await;
    let outcome = outcome(wish, version, attempt, subject, &came);
    if !stored(worker, &Event::Usage(outcome)).await {
        tracing::warn!(attempt = %attempt, "what a probe used is not on the books; the ledger's sweep closes it");
    }
    if came.heard.error.is_none() {
        worker.breakers.reset(Some(&wish.provider), Some("-"), Some(&wish.model));
    }
    HealthAnswer::Probed(came.heard.result("model"))
}

fn exchange(
    worker: &Worker,
    upstream: &Upstream,
    wish: &Wish,
    attempt: AttemptId,
    body: &Bytes,
    estimate: Estimate,
) -> Result<Exchange, Fault> {
    let profile = catalogue::profile(upstream.provider.kind, &wish.model);
    let place = Where { provider: wish.provider.clone(), model: wish.model.clone() };
    let target = Target { kind: upstream.provider.kind, origin: &place, profile: &profile };
    let ask = Ask {
        dialect: Dialect::OpenaiChat,
        body,
        model: &wish.model,
        stream: false,
        include_usage: false,
        strict: false,
        forget: false,
        anthropic: (None, None),
        request: attempt.request,
        price: None,
        input_estimate: estimate.input_tokens,
        carrier: &worker.carrier,
    };
    let dialect = (upstream.adapter.dialect)(Dialect::OpenaiChat, &profile).unwrap_or(Dialect::OpenaiChat);
    Exchange::prepare(&ask, &target, dialect, &mut None)
}

fn subject(wish: &Wish, config: u64) -> Subject {
    let accepted_ms = proto::clock::now_ms();
    Subject {
        project: PROBE_PROJECT.to_owned(),
        key: PROBE_PROJECT.to_owned(),
        requested_model: wish.model.clone(),
        config,
        // Nobody sent it, so it is in no stream of requests.
        origin: Origin { stream: String::new(), seq: 0, accepted_ms },
        who: None,
        path: Vec::new(),
        hold: None,
        client_request_id: None,
        traceparent: None,
    }
}

async fn call(
    upstream: &Upstream,
    exchange: &Exchange,
    wish: &Wish,
    attempt: AttemptId,
    estimate: Estimate,
) -> Came {
    let started = Instant::now();
    let came = |status, class: Option<FailureClass>, fault, excerpt, used| Came {
        heard: Heard {
            status,
            latency: started.elapsed(),
            error: class.map(FailureClass::as_str),
            class,
            excerpt,
        },
        fault,
        used,
    };
    let failed =
        |status, class, fault| came(status, Some(class), Some(fault), String::new(), Reconciled::nothing());
    let outgoing = Outgoing {
        dialect: exchange.dialect,
        model: &wish.model,
        stream: false,
        body: exchange.bodies.first().cloned().unwrap_or_default(),
        headers: &exchange.headers,
        attempt,
        traceparent: None,
    };
    let called = async {
        let Ok(request) = upstream.prepare(&outgoing).await else {
            return failed(None, FailureClass::Account, FaultCode::UpstreamAccountError);
        };
        let Ok(mut response) = upstream.send(request).await else {
            return failed(None, FailureClass::Transport, FaultCode::UpstreamError);
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = ANSWER_MAX - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() >= ANSWER_MAX {
                break;
            }
        }
        let excerpt = shown(&body);
        if status != 200 {
            let refusal = (upstream.adapter.classify)(status, &headers, &body);
            let class = failure_kind(Some(refusal.class), &refusal.fault);
            let fault = Some(refusal.fault.code);
            return came(Some(status), Some(class), fault, excerpt, Reconciled::nothing());
        }
        match exchange.answer(vec![Bytes::from(body)]) {
            Ok((_, answer)) => {
                let output_tokens = estimate_tokens(answer.output_chars);
                let used = reconcile(answer.reported.as_ref(), Estimate { output_tokens, ..estimate });
                came(Some(status), None, None, excerpt, used)
            }
            Err(unread) => {
                let used = reconcile(unread.reported.as_ref(), estimate);
                let (class, fault) = (FailureClass::Server, FaultCode::UpstreamError);
                came(Some(status), Some(class), Some(fault), excerpt, used)
            }
        }
    };
    match tokio::time::timeout(wish.timeout, called).await {
        Ok(came) => came,
        // The provider may have worked, and may bill for it.
        Err(_) => {
            let (class, fault) = (FailureClass::Timeout, FaultCode::UpstreamTimeout);
            let used = reconcile(None, Estimate { output_tokens: 0, ..estimate });
            came(None, Some(class), Some(fault), String::new(), used)
        }
    }
}

fn outcome(wish: &Wish, version: u64, attempt: AttemptId, subject: Subject, came: &Came) -> Outcome {
    let duration_ms = u64::try_from(came.heard.latency.as_millis()).unwrap_or(u64::MAX);
    Outcome {
        attempt,
        subject,
        provider: wish.provider.clone(),
        model: wish.model.clone(),
        priced_with: version,
        route_mode: RouteMode::Platform,
        credential: None,
        fallback: None,
        ending: if came.fault.is_none() { Ending::Success } else { Ending::Failed },
        status: came.heard.status,
        fault: came.fault,
        class: came.heard.class,
        used: came.used.clone(),
        bound: false,
        last: true,
        from_tombstone: false,
        queue_ms: 0,
        first_byte_ms: None,
        duration_ms,
    }
}

async fn stored(worker: &Worker, event: &Event) -> bool {
    let Ok(record) = Record::of(event) else { return false };
    record.store(&worker.link, &worker.metrics, PATIENCE).await.is_ok()
}
