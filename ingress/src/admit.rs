//! May this request come in? Everything that is decided before anything is stored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use proto::config::{Config, KeyRecord};
use proto::dialect::openai_chat::Scan;
use proto::dialect::{Dialect, caller, openai_responses};
use proto::envelope::{Body, Envelope, Kept};
use proto::fault::{Fault, FaultCode, RETRY_AFTER_MAX_MS};

use crate::call::Call;
use crate::presence::Load;
use crate::state::App;

/// A break shorter than this is waited out: most reconnects take milliseconds.
const LINK_DOWN_TOLERATED: Duration = Duration::from_millis(500);
const RETRY_SOON_MS: u64 = 1000;
const RETRY_LATER_MS: u64 = 5000;
/// A caller that would rather be refused than have anything changed on the way says `true` here.
const STRICT: &str = "x-forebay-strict";
const ANTHROPIC_VERSION: &str = "anthropic-version";
const ANTHROPIC_BETA: &str = "anthropic-beta";
/// The longest header of a dialect that travels along.
const HEADER_BYTES_MAX: usize = 2048;
const BUDGET_MIN: Duration = Duration::from_millis(1);

/// Whether anything can be accepted at all. Errs with 503.
pub(crate) fn open_for_work(app: &App) -> Result<Arc<Config>, Fault> {
    if app.health.down_for().is_some_and(|down| down > LINK_DOWN_TOLERATED) {
        return Err(unavailable("The gateway cannot store requests at the moment."));
    }
    if app.projection.ring().is_empty() {
        return Err(unavailable("The gateway is starting: it has no payload key yet."));
    }
    app.projection
        .config()
        .ok_or_else(|| unavailable("The gateway is starting: it has no configuration yet."))
}

fn unavailable(message: &str) -> Fault {
    Fault::new(FaultCode::Unavailable, message).retry_after(RETRY_SOON_MS)
}

/// How long the caller waits: what its client library says, else the default.
///
/// OpenAI's libraries send their read timeout in seconds as `x-stainless-read-timeout` (Python) or
/// `x-stainless-timeout` (JavaScript).
pub(crate) fn budget(headers: &HeaderMap, default: Duration, max: Duration) -> Duration {
    let seconds = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    ["x-stainless-read-timeout", "x-stainless-timeout"]
        .into_iter()
        .find_map(|name| seconds(name).filter(|s| *s > 0.0))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(default)
        .clamp(BUDGET_MIN, max)
}

/// Whether what waits already leaves this request a chance. Errs with 503.
pub(crate) fn not_overloaded(load: Option<Load>, backlog_max: u64, budget: Duration) -> Result<(), Fault> {
    let Some(load) = load else { return Ok(()) };
    let wait = load.expected_wait();
    if load.backlog > backlog_max {
        let retry = wait.map_or(RETRY_LATER_MS, millis);
        let message = "Too many requests are waiting.";
        return Err(Fault::new(FaultCode::Overloaded, message).retry_after(retry.max(RETRY_SOON_MS)));
    }
    match wait {
        Some(wait) if wait > budget => {
            let message = "The request would wait longer than its caller does.";
            Err(Fault::new(FaultCode::Overloaded, message)
                .retry_after(millis(wait.saturating_sub(budget)).clamp(RETRY_SOON_MS, RETRY_AFTER_MAX_MS)))
        }
        _ => Ok(()),
    }
}

/// Reads the body's few members and holds them against the configuration. Errs with 400, 404 or 503.
pub(crate) fn request(
    app: &App,
    config: &Config,
    call: &mut Call,
    key: &KeyRecord,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Envelope, Fault> {
    let (Scan { model, stream, include_usage, estimate }, kept) = scan(call.dialect, body)?;
    let budget = match &kept {
        Some(kept) if kept.background => app.config.background_budget,
        _ => budget(headers, app.config.budget_default, app.config.budget_max),
    };
    call.model = Some(model.clone());
    let Some(project) = config.project(&key.project) else {
        // Keys are projected ahead of the configuration that names their project.
        return Err(unavailable("The project of this API key is not configured yet."));
    };
    if stream && !(config.streaming && project.streaming) {
        return Err(no_streaming());
    }
    known_model(config, &model)?;
    not_overloaded(app.presence.load(Instant::now()), app.config.backlog_max, budget)?;
    Ok(Envelope {
        v: Envelope::VERSION,
        request: call.id,
        ingress: app.ingress,
        project: key.project.clone(),
        key: key.id.clone(),
        dialect: call.dialect,
        model,
        stream,
        include_usage,
        budget_ms: millis(budget),
        config: config.version,
        on_disconnect: project.on_disconnect,
        body: Body::Inline,
        body_bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
        estimate: Some(estimate),
        strict: text(headers, STRICT).is_some_and(|value| value.eq_ignore_ascii_case("true")),
        anthropic_version: text(headers, ANTHROPIC_VERSION),
        anthropic_beta: text(headers, ANTHROPIC_BETA),
        kept,
        client_request_id: call.client_id_text().map(str::to_owned),
        traceparent: Some(call.traceparent.clone()),
        path: Vec::new(),
        hold: None,
    })
}

/// What the body says that matters here, and what is to be kept of it.
fn scan(dialect: Dialect, body: &[u8]) -> Result<(Scan, Option<Kept>), Fault> {
    if dialect != Dialect::OpenaiResponses {
        return Ok((caller::scan(dialect, body)?, None));
    }
    let (scan, state) = openai_responses::scan_all(body)?;
    if state.conversation.is_some() {
        let message =
            "This gateway keeps no conversations: go on from a response with `previous_response_id`.";
        return Err(Fault::new(FaultCode::InvalidRequest, message).with_param("conversation"));
    }
    let kept = Kept {
        store: state.store.unwrap_or(true),
        background: state.background,
        previous: state.previous_id,
    };
    Ok((scan, (kept != Kept::default()).then_some(kept)))
}

/// Whether anything serves a model of this name. Errs with 404.
pub(crate) fn known_model(config: &Config, model: &str) -> Result<(), Fault> {
    if config.model(model).is_some() {
        return Ok(());
    }
    let message = format!("The model `{}` does not exist.", shown(model));
    Err(Fault::new(FaultCode::ModelNotFound, message).with_param("model"))
}

/// All values of a header as one list, if they are short enough to travel along.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut text = values.next()?.trim().to_owned();
    for value in values {
        text.push(',');
        text.push_str(value.trim());
    }
    (!text.is_empty() && text.len() <= HEADER_BYTES_MAX).then_some(text)
}

fn no_streaming() -> Fault {
    Fault::new(FaultCode::InvalidRequest, "Streaming responses are not enabled in this gateway release.")
        .with_param("stream")
        .with_details(serde_json::json!({"streaming_supported": false}))
}

/// The beginning of a model's name, fit for a sentence.
fn shown(model: &str) -> &str {
    let end = model.char_indices().nth(100).map_or(model.len(), |(at, _)| at);
    &model[..end]
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &'static str, text: &str) -> Duration {
        let mut headers = HeaderMap::new();
        headers.insert(name, text.parse().unwrap());
        budget(&headers, Duration::from_secs(600), Duration::from_secs(3600))
    }

    #[test]
    fn the_callers_own_patience_is_the_budget() {
        assert_eq!(asked("x-stainless-read-timeout", "5.5"), Duration::from_millis(5500));
        assert_eq!(asked("x-stainless-timeout", "30"), Duration::from_secs(30));
        assert_eq!(asked("x-stainless-read-timeout", "99999"), Duration::from_secs(3600));
        for nonsense in ["NaN", "-1", "0", "soon", "1e400"] {
            assert_eq!(asked("x-stainless-read-timeout", nonsense), Duration::from_secs(600), "{nonsense}");
        }
    }

    #[test]
    fn a_long_queue_is_refused_with_a_bounded_wait() {
        let load = |backlog, rate| Some(Load { backlog, capacity: 10, rate });
        let budget = Duration::from_secs(60);
        assert_eq!(not_overloaded(None, 100, budget), Ok(()));
        assert_eq!(not_overloaded(load(100, 50.0), 100, budget), Ok(()));
        let full = not_overloaded(load(101, 1000.0), 100, budget).unwrap_err();
        assert_eq!((full.status(), full.retry_after_ms), (503, Some(1000)));
        let unknown = not_overloaded(load(101, 0.0), 100, budget).unwrap_err();
        assert_eq!(unknown.retry_after_ms, Some(5000));
        let slow = not_overloaded(load(100, 0.1), 100, budget).unwrap_err();
        assert_eq!((slow.code, slow.retry_after_ms), (FaultCode::Overloaded, Some(60_000)));
        // Answers that take long leave no rate to reckon with.
        assert_eq!(not_overloaded(load(100, 0.0), 100, budget), Ok(()));
    }

    #[test]
    fn long_model_names_are_cut_at_a_character() {
        assert_eq!(shown(&"é".repeat(200)), "é".repeat(100));
        assert_eq!(shown("gpt"), "gpt");
    }
}
