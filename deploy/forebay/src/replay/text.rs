//! A request's life, and lists of requests, for a person to read.

use jiff::Timestamp;
use ledger::replay::{Life, Page};
use proto::ctl::RequestView;
use proto::event::{Announced, Closed, Event, Outcome};
use proto::id::RequestId;

use super::streams::{Accepted, PayloadState, Seen};

/// Everything about one request.
pub(super) fn life(
    id: RequestId,
    accepted: Option<&Accepted>,
    events: &[Seen],
    life: Option<&Life>,
) -> String {
    let mut lines = vec![id.to_string()];
    let start = accepted.map(|accepted| accepted.at_ms).or_else(|| events.first().map(|seen| seen.at_ms));
    match accepted {
        Some(accepted) => lines.extend(accepted_lines(accepted)),
        None => lines.push("  its message is gone from REQUESTS: the audit window is over".to_owned()),
    }
    for seen in events {
        let after = seen.at_ms.saturating_sub(start.unwrap_or(seen.at_ms));
        lines.push(format!("  +{after:>6} ms  {}  (EVENTS {})", event(&seen.event), seen.seq));
    }
    match life {
        Some(life) => lines.extend(books(life)),
        None => lines.push("  nothing is on the books yet".to_owned()),
    }
    lines.join("\n")
}

fn accepted_lines(accepted: &Accepted) -> Vec<String> {
    let envelope = &accepted.envelope;
    let payload = match accepted.payload {
        PayloadState::Sealed => "sealed",
        PayloadState::Expired => "sealed; it has expired and can be opened by nobody",
        PayloadState::Stored => "sealed, in the object store",
    };
    let mut lines = vec![
        format!("  {}  accepted  ({} {})", time(accepted.at_ms), accepted.stream, accepted.seq),
        format!(
            "    project {}, key {}, model {}{}, configuration {}",
            envelope.project,
            envelope.key,
            envelope.model,
            if envelope.stream { ", streaming" } else { "" },
            envelope.config
        ),
        format!("    {} bytes {payload}; the caller waits {} ms", envelope.body_bytes, envelope.budget_ms),
    ];
    if let Some(name) = &envelope.client_request_id {
        lines.push(format!("    the caller's own id: {name}"));
    }
    lines
}

fn event(event: &Event) -> String {
    match event {
        Event::Attempt(announced) => call(announced),
        Event::Usage(outcome) => ending(outcome),
        Event::Takeover(takeover) => format!("taken over by delivery {}", takeover.token),
        Event::Closed(closed) => closing(closed),
        Event::Config(config) => format!("configuration {}", config.version),
    }
}

fn call(announced: &Announced) -> String {
    format!(
        "delivered, calls {}/{} as attempt {} of delivery {} ({})",
        announced.provider,
        announced.model,
        announced.attempt.k,
        announced.attempt.token,
        announced.route_mode.as_str()
    )
}

fn ending(outcome: &Outcome) -> String {
    let usage = &outcome.used.usage;
    let mut parts = vec![outcome.ending.as_str().to_owned()];
    parts.extend(outcome.status.map(|status| format!("status {status}")));
    parts.extend(outcome.fault.map(|fault| fault.label().to_owned()));
    parts.push(format!("{} input and {} output tokens", usage.input_tokens, usage.output_tokens));
    parts.extend(outcome.first_byte_ms.map(|ms| format!("first content after {ms} ms")));
    parts.push(format!("{} ms in all", outcome.duration_ms));
    parts.push(
        if outcome.bound { "its answer went to the caller" } else { "its answer went nowhere" }.to_owned(),
    );
    if outcome.last {
        parts.push("the request ends".to_owned());
    }
    format!("attempt {} {}", outcome.attempt.k, parts.join(", "))
}

fn closing(closed: &Closed) -> String {
    let fault = closed.fault.map(|fault| format!(", the caller got {}", fault.label())).unwrap_or_default();
    format!("closed: {}{fault}", closed.reason.as_str())
}

fn books(life: &Life) -> Vec<String> {
    let mut lines = vec![format!("  on the books: {}", summary(&life.view))];
    for attempt in &life.view.attempts {
        let cost = attempt.cost.map_or_else(|| "no cost".to_owned(), |cost| format!("{cost} USD"));
        lines.push(format!(
            "    {} {}: {cost}, {}, payer {}",
            attempt.id, attempt.state, attempt.pricing, attempt.payer
        ));
    }
    for transfer in &life.transfers {
        lines.push(format!(
            "    {} USD from {} to {} ({}, EVENTS {})",
            transfer.amount, transfer.debit, transfer.credit, transfer.code, transfer.seq
        ));
    }
    lines
}

/// A page of requests, one a line.
pub(super) fn list(page: &Page, limit: u32) -> String {
    let mut lines: Vec<String> = page
        .requests
        .iter()
        .map(|view| format!("{}  {}  {}  {}", time(view.accepted_ms), view.id, view.project, summary(view)))
        .collect();
    if lines.is_empty() {
        lines.push("no such request is on the books".to_owned());
    }
    if page.next.is_some() {
        lines.push(format!("... and more than these {limit}; --limit shows more"));
    }
    lines.join("\n")
}

fn summary(view: &RequestView) -> String {
    let mut parts = vec![view.status.clone(), view.requested_model.clone()];
    parts.push(match view.attempts.len() {
        1 => "1 attempt".to_owned(),
        n => format!("{n} attempts"),
    });
    if let Some(used) = &view.used {
        parts.push(format!("{} + {} tokens", used.usage.input_tokens, used.usage.output_tokens));
    }
    parts.push(
        view.cost_usd.as_ref().map_or_else(|| "no cost known".to_owned(), |cost| format!("{cost} USD")),
    );
    parts.join(", ")
}

fn time(ms: u64) -> String {
    let timestamp = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(|| format!("{ms} ms"), |at| at.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string())
}
