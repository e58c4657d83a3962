//! The sweep: what nobody speaks of any more is brought to an end. It books nothing itself; it publishes a
//! takeover and a closing, which come back on EVENTS like everything else.
//!
//! Nearly always somebody speaks: a worker acknowledges a request only when its last outcome or its closing is
//! stored, and whatever is not acknowledged is delivered again, to a worker that brings it to one of these ends. So
//! a worker killed between an attempt's outcome and the next one leaves nothing to sweep, as long as its message is
//! there and some worker runs. The sweep is for the rest: the message has left its stream (by age, by size, by hand),
//! or no worker ran until long after the deadline. It reaches every such request, whatever its attempts came to: it
//! stays in the working set until it has ended, and is loaded again by a ledger that starts
//! ([`crate::store::unended_requests`]).

use std::time::Duration;

use proto::event::{CloseReason, Closed, Event, Takeover};
use proto::id::{RequestId, Token};
use proto::nats::{Link, publish_event};

use crate::book::Books;
use crate::book::attempt::Attempt;
use crate::book::request::Request;
use crate::{error, metrics};

/// The most requests ended in one go; the rest has its turn at the next.
const SWEEP_MAX: usize = 200;
/// How long one publication may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The events that end every request whose deadline was more than `grace` before `now_ms`.
pub(crate) fn due(books: &Books, now_ms: u64, grace: Duration) -> Vec<Event> {
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    let over = books.requests().filter(|(_, request)| is_over(request, now_ms, grace_ms));
    over.take(SWEEP_MAX).flat_map(|(id, request)| end(id, request)).collect()
}

fn is_over(request: &Request, now_ms: u64, grace_ms: u64) -> bool {
    if request.ended() && !request.open() {
        return false;
    }
    request.deadline_ms().is_some_and(|deadline_ms| deadline_ms.saturating_add(grace_ms) < now_ms)
}

/// The events are a function of what is on the books, their ids included, so that ledgers that sweep at once
/// publish the same ones.
fn end(id: RequestId, request: &Request) -> Vec<Event> {
    let Some(subject) = request.subject() else { return Vec::new() };
    let used = |token: Token| {
        request.takeovers.iter().any(|t| t.token == token)
            || request.closings.iter().any(|c| c.token == token)
    };
    let token = (0..=u64::MAX).map(Token).find(|token| !used(*token)).unwrap_or(Token(0));
    let mut events = Vec::new();
    if request.attempts.iter().any(Attempt::is_open) {
        events.push(Event::Takeover(Takeover { request: id, token, subject: subject.clone() }));
    }
    if !request.ended() {
        events.push(Event::Closed(Closed {
            request: id,
            token,
            subject: subject.clone(),
            reason: CloseReason::Swept,
            fault: None,
            bound: None,
        }));
    }
    events
}

/// Publishes what is due. What fails is due again next time.
pub(crate) async fn publish(link: &Link, events: Vec<Event>) {
    for event in events {
        let request_id = event.request().map(tracing::field::display);
        let traceparent = event.particulars().and_then(|subject| subject.traceparent.as_deref());
        match publish_event(link, &event, PATIENCE).await {
            Ok(_) if matches!(event, Event::Takeover(_)) => {
                tracing::warn!(
                    request_id,
                    traceparent,
                    event_id = event.id(),
                    "attempts past their deadline are given up"
                );
            }
            Ok(_) => {
                metrics::swept();
                tracing::warn!(
                    request_id,
                    traceparent,
                    event_id = event.id(),
                    "a request that nobody ended is closed"
                );
            }
            Err(failed) => {
                let error = error::chain(&failed);
                tracing::warn!(
                    request_id,
                    traceparent,
                    event_id = event.id(),
                    error,
                    "a sweep was not published"
                );
                return;
            }
        }
    }
}
