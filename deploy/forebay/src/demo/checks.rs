//! What the demo's one request must have left behind: at the client, at both providers and on the books.

use std::time::{Duration, Instant};

use anyhow::bail;
use proto::ctl::{AttemptView, RequestView};
use proto::secret::Secret;
use serde::Serialize;
use serde_json::Value;
use upstream::Upstream;

use super::Evidence;
use super::upstreams::{ANSWER_ID, FALLBACK_MODEL, PRIMARY_MODEL, answer};

/// How long the books may take.
const BOOKED_WITHIN: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);

/// One thing that must be so.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) what: String,
    pub(super) ok: bool,
    pub(super) found: String,
}

impl Check {
    fn new(what: impl Into<String>, ok: bool, found: impl Into<String>) -> Self {
        Self { what: what.into(), ok, found: found.into() }
    }

    fn equal(what: impl Into<String>, found: &str, expected: &str) -> Self {
        Self::new(what, found == expected, found)
    }
}

/// Every check, in the order in which things happen.
pub(super) fn all(evidence: &Evidence) -> Vec<Check> {
    let Evidence { upstreams, reconciliation, .. } = evidence;
    let mut checks = vec![
        called_once("the first provider was called exactly once", &upstreams.primary, 429, PRIMARY_MODEL),
        called_once("the second provider was called exactly once", &upstreams.fallback, 200, FALLBACK_MODEL),
        forwarded(&upstreams.fallback),
    ];
    checks.extend(at_the_client(evidence));
    checks.extend(on_the_books(&evidence.books));
    let found = format!("{} differences", reconciliation.mismatches);
    checks.push(Check::new("the books reconcile with the events", reconciliation.mismatches == 0, found));
    checks
}

fn called_once(what: &str, upstream: &Upstream, status: u16, model: &str) -> Check {
    let calls = upstream.calls().all();
    let found = calls.iter().map(|call| format!("{} {}", call.model, call.status.unwrap_or(0)));
    let found = format!("{} calls: {}", calls.len(), found.collect::<Vec<_>>().join(", "));
    let once = matches!(&calls[..], [call] if call.status == Some(status) && call.model == model);
    Check::new(format!("{what}, with model {model}, and answered {status}"), once, found)
}

fn forwarded(upstream: &Upstream) -> Check {
    let bodies = upstream.calls().all().into_iter().map(|call| call.body);
    let bodies: Vec<Value> = bodies.map(|body| serde_json::from_slice(&body).unwrap_or_default()).collect();
    let model = bodies.first().and_then(|body| body["model"].as_str()).unwrap_or_default();
    Check::equal(format!("the body sent to it carries the model {FALLBACK_MODEL}"), model, FALLBACK_MODEL)
}

fn at_the_client(evidence: &Evidence) -> Vec<Check> {
    let seen = &evidence.answer;
    let same = seen.status == 200
        && seen.body["id"] == ANSWER_ID
        && ["choices", "usage"].iter().all(|field| seen.body[field] == answer()[field]);
    vec![
        Check::new(
            "the client got 200 and the second provider's answer",
            same,
            format!("{} {}", seen.status, seen.body),
        ),
        Check::equal(
            "its headers say x-forebay-route-mode: model_fallback",
            &seen.route_mode,
            "model_fallback",
        ),
        Check::equal("and x-forebay-provider: fallback-provider", &seen.provider, "fallback-provider"),
        Check::equal(format!("and x-forebay-model: {FALLBACK_MODEL}"), &seen.model, FALLBACK_MODEL),
        Check::equal("and x-forebay-attempts: 2", &seen.attempts, "2"),
    ]
}

fn on_the_books(books: &RequestView) -> Vec<Check> {
    let route_mode = books.route_mode.as_deref().unwrap_or_default();
    let states = books.attempts.iter().map(|attempt| attempt.state.as_str()).collect::<Vec<_>>().join(", ");
    let last = books.attempts.last();
    let text = |field: fn(&AttemptView) -> &str| last.map_or("", field);
    let usage = books.used.as_ref().map(|used| (used.usage.input_tokens, used.usage.output_tokens));
    let cost = books.cost_usd.as_deref().unwrap_or("none");
    vec![
        Check::equal("the books say route_mode=model_fallback", route_mode, "model_fallback"),
        Check::equal("provider fallback-provider", text(|attempt| &attempt.provider), "fallback-provider"),
        Check::equal(
            format!("effective model {FALLBACK_MODEL}"),
            text(|attempt| &attempt.model),
            FALLBACK_MODEL,
        ),
        Check::equal("two attempts, one failed and one successful", &states, "failed, success"),
        Check::new("2 input and 3 output tokens", usage == Some((2, 3)), format!("{usage:?}")),
        // 2 x 1.00 + 3 x 2.00 USD per million tokens.
        Check::new("and a cost of 0.000008 USD", cost.trim_end_matches('0') == "0.000008", cost),
    ]
}

/// What the books say about the request, once it has ended there.
pub(super) async fn booked(
    client: &reqwest::Client,
    http: &str,
    key: &Secret<String>,
    request: &str,
) -> anyhow::Result<RequestView> {
    let started = Instant::now();
    let mut last = String::new();
    while started.elapsed() < BOOKED_WITHIN {
        let answer = client.get(format!("{http}/v1/requests/{request}")).bearer_auth(key.expose());
        let body = answer.send().await?.bytes().await?;
        match serde_json::from_slice::<RequestView>(&body) {
            Ok(view) if view.status != "in_progress" => return Ok(view),
            Ok(_) | Err(_) => last = String::from_utf8_lossy(&body).into_owned(),
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("the request is not on the books after {} s: {last}", BOOKED_WITHIN.as_secs())
}
