//! One HTTP request under `/v1` as a whole: its ids, its clock, its line in the log and its count in the metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use proto::config::KeyRecord;
use proto::dialect::Dialect;
use proto::fault::FaultCode;
use proto::id::RequestId;
use proto::subject::TRACEPARENT_HEADER;

use crate::metrics::{Metrics, Route};

const CLIENT_ID_BYTES_MAX: usize = 128;

/// A request from its headers to the end of its answer. Dropping it counts it.
#[derive(Debug)]
pub(crate) struct Call {
    /// What the caller speaks, as far as its path and headers tell.
    pub(crate) dialect: Dialect,
    /// Forebay's own id.
    pub(crate) id: RequestId,
    /// The same as a header value.
    pub(crate) id_value: HeaderValue,
    /// The caller's own id, if it sent a well-formed one.
    pub(crate) client_id: Option<HeaderValue>,
    /// The caller's trace context, else one that begins here.
    pub(crate) traceparent: String,
    /// Whose key it came with, once that is known.
    pub(crate) key: Option<Arc<KeyRecord>>,
    /// The model asked for, once that is known.
    pub(crate) model: Option<String>,
    /// The configuration version in force, 0 while there is none.
    pub(crate) config: u64,
    /// How long the caller took to send its body.
    pub(crate) reading: Duration,
    started: Instant,
    route: Route,
    status: u16,
    code: Option<FaultCode>,
    left: bool,
    metrics: Arc<Metrics>,
}

impl Call {
    /// A request that has just come in.
    pub(crate) fn begin(metrics: &Arc<Metrics>, route: Route, headers: &HeaderMap) -> Self {
        let id = RequestId::new();
        metrics.in_flight.increment(1.0);
        Self {
            dialect: route.dialect().unwrap_or_else(|| spoken(headers)),
            id,
            id_value: value(id.to_string()),
            client_id: headers.get("x-request-id").filter(|id| well_formed_id(id)).cloned(),
            traceparent: traceparent(headers, id),
            key: None,
            model: None,
            config: 0,
            reading: Duration::ZERO,
            started: Instant::now(),
            route,
            status: 0,
            code: None,
            left: true,
            metrics: Arc::clone(metrics),
        }
    }

    /// The id as text.
    pub(crate) fn id_text(&self) -> &str {
        self.id_value.to_str().unwrap_or_default()
    }

    /// The caller's own id as text.
    pub(crate) fn client_id_text(&self) -> Option<&str> {
        self.client_id.as_ref().and_then(|id| id.to_str().ok())
    }

    /// Time spent here so far, without waiting for the caller's body.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.reading)
    }

    /// The answer has begun, with this status and, if it is an error, this code.
    pub(crate) fn answer(&mut self, status: u16, code: Option<FaultCode>) {
        self.status = status;
        self.code = code;
        self.left = false;
    }

    /// The answer was a stream and has broken.
    pub(crate) fn broke(&mut self, code: FaultCode) {
        self.code = Some(code);
        self.left = false;
    }

    /// The stream has begun and is not over: from now on being dropped means that the caller left.
    pub(crate) fn streaming(&mut self) {
        self.left = true;
    }

    /// The stream has ended as it should.
    pub(crate) fn ended(&mut self) {
        self.left = false;
    }

    fn log(&self, took: Duration) {
        let project = self.key.as_ref().map(|key| key.project.as_str());
        let key = self.key.as_ref().map(|key| key.id.as_str());
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let code = self.code.map(FaultCode::label);
        let broken = self.status < 400 && self.code.is_some_and(|code| code != FaultCode::Cancelled);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = self.id_text(),
                    client_request_id = self.client_id_text(),
                    traceparent = self.traceparent,
                    route = self.route.as_str(),
                    project,
                    key,
                    gen_ai.request.model = self.model,
                    status = self.status,
                    code,
                    duration_ms,
                    "request answered"
                )
            };
        }
        if self.status >= 500 || broken { line!(warn) } else { line!(debug) }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.metrics.in_flight.decrement(1.0);
        if self.left {
            // The caller's connection went away before its answer was complete.
            self.code = Some(FaultCode::Cancelled);
            if self.status == 0 {
                self.status = FaultCode::Cancelled.openai().0;
            }
            self.metrics.disconnects.increment(1);
        }
        let took = self.started.elapsed();
        self.metrics.answered(self.route, self.status, self.code, took);
        self.log(took);
    }
}

/// What a caller speaks whose path does not tell: Anthropic's clients name its version with every request.
fn spoken(headers: &HeaderMap) -> Dialect {
    if headers.contains_key("anthropic-version") { Dialect::AnthropicMessages } else { Dialect::OpenaiChat }
}

/// A header value of text that is known to be fit for one; empty if it is not.
pub(crate) fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

fn well_formed_id(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    !bytes.is_empty() && bytes.len() <= CLIENT_ID_BYTES_MAX && bytes.iter().all(u8::is_ascii_graphic)
}

/// The caller's trace context if it is a well-formed W3C one, else a new one made of the request's id, which is
/// unique and half random.
fn traceparent(headers: &HeaderMap, id: RequestId) -> String {
    match headers.get(TRACEPARENT_HEADER).and_then(|value| value.to_str().ok()) {
        Some(given) if well_formed_trace(given) => given.to_owned(),
        _ => {
            let trace = id.as_u128();
            let span = trace & u128::from(u64::MAX);
            format!("00-{trace:032x}-{span:016x}-01")
        }
    }
}

/// Version 00 of <https://www.w3.org/TR/trace-context/> (read 2026-11-20): lower-case hexadecimal fields of fixed
/// length, trace and parent not all zero.
fn well_formed_trace(text: &str) -> bool {
    let hex =
        |part: &str, len| part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let some = |part: &str| part.bytes().any(|b| b != b'0');
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next(), parts.next(), parts.next(), parts.next());
    parts.next().is_none()
        && version == Some("00")
        && trace.is_some_and(|t| hex(t, 32) && some(t))
        && parent.is_some_and(|p| hex(p, 16) && some(p))
        && flags.is_some_and(|f| hex(f, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(name: &'static str, text: &str) -> Call {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(text).unwrap());
        Call::begin(&Arc::new(Metrics::new()), Route::Other, &headers)
    }

    #[test]
    fn a_well_formed_client_id_is_kept_and_another_is_not() {
        assert_eq!(begin("x-request-id", "abc-1").client_id_text(), Some("abc-1"));
        for bad in ["", "with space", &"x".repeat(129)] {
            assert_eq!(begin("x-request-id", bad).client_id_text(), None, "{bad}");
        }
    }

    #[test]
    fn a_well_formed_trace_is_passed_on_and_another_replaced() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(begin("traceparent", good).traceparent, good);
        for bad in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            let call = begin("traceparent", bad);
            assert_ne!(call.traceparent, bad);
            assert!(well_formed_trace(&call.traceparent), "{}", call.traceparent);
        }
    }
}
