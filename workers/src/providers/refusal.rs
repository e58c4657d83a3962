//! What an answer that is not a success means, as far as vendors agree: status, wait, and the fault for the caller.

use std::time::Duration;

use http::HeaderMap;
use jiff::fmt::rfc2822;
use proto::dialect::UpstreamError;
use proto::fault::{Fault, FaultCode};

use crate::retry::Class;

/// An answer that is not a success, understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    /// What to do about it.
    pub(crate) class: Class,
    /// How long the provider wants to be left alone.
    pub(crate) hint: Option<Duration>,
    /// What the caller is told if it is the last word.
    pub(crate) fault: Fault,
}

/// What a status means where the vendor has nothing of its own to say.
pub(super) fn usual(status: u16) -> (Class, FaultCode) {
    match status {
        401..=403 => (Class::Account, FaultCode::UpstreamAccountError),
        429 => (Class::RateLimited, FaultCode::UpstreamRateLimited),
        408 | 504 => (Class::Transient, FaultCode::UpstreamTimeout),
        503 | 529 => (Class::Transient, FaultCode::UpstreamOverloaded),
        409 | 425 | 500.. => (Class::Transient, FaultCode::UpstreamError),
        300..400 => (Class::Misplaced, FaultCode::UpstreamError),
        400..500 => (Class::Caller, FaultCode::UpstreamRefused),
        _ => (Class::Transient, FaultCode::UpstreamError),
    }
}

/// The refusal of this class and code, told in the provider's words where they are not about our account.
pub(super) fn refusal(
    (class, code): (Class, FaultCode),
    status: u16,
    hint: Option<Duration>,
    error: UpstreamError,
) -> Refusal {
    let message = match code {
        FaultCode::UpstreamAccountError => {
            "The provider refused the gateway's account. Your request and key are not at fault.".to_owned()
        }
        _ => error.message,
    };
    let too_long = code == FaultCode::UpstreamRefused && context_exceeded(&message);
    let mut fault = Fault::new(code, message);
    fault.upstream_status = Some(status);
    if code == FaultCode::UpstreamRefused {
        fault.param = error.param;
    }
    fault.upstream_code = if too_long { Some(CONTEXT_EXCEEDED.to_owned()) } else { error.code };
    let told = matches!(code, FaultCode::UpstreamRateLimited | FaultCode::UpstreamOverloaded);
    if let Some(hint) = hint.filter(|_| told) {
        fault = fault.retry_after(u64::try_from(hint.as_millis()).unwrap_or(u64::MAX));
    }
    Refusal { class, hint, fault }
}

const CONTEXT_EXCEEDED: &str = "context_length_exceeded";

/// Whether a vendor's words mean that the prompt is too long: Anthropic, Gemini and Bedrock have no code for it.
fn context_exceeded(message: &str) -> bool {
    ["prompt is too long", "exceeds the maximum number of tokens", "Input is too long"]
        .iter()
        .any(|words| message.contains(words))
}

/// Reads `retry-after-ms`, else `retry-after` in seconds or as a date, counted from `now_ms`.
pub(super) fn retry_hint(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let bounded = |seconds: f64| Duration::try_from_secs_f64(seconds.min(1e6)).ok();
    for name in ["retry-after-ms", "x-amz-retry-after"] {
        if let Some(ms) = text(name).and_then(number) {
            return bounded(ms / 1000.0);
        }
    }
    let after = text("retry-after")?;
    if let Some(seconds) = number(after) {
        return bounded(seconds);
    }
    let date = rfc2822::parse(after).ok()?.timestamp().as_millisecond();
    Some(Duration::from_millis(u64::try_from(date).ok()?.saturating_sub(now_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_000_000_000;

    #[test]
    fn hints_are_read_in_all_three_forms() {
        let hint = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            retry_hint(&headers, NOW).map(|d| d.as_millis())
        };
        assert_eq!(hint(&[]), None);
        assert_eq!(hint(&[("retry-after", "7")]), Some(7000));
        assert_eq!(hint(&[("retry-after", "0.5")]), Some(500));
        assert_eq!(hint(&[("retry-after", "7"), ("retry-after-ms", "250")]), Some(250));
        assert_eq!(hint(&[("x-amz-retry-after", "250")]), Some(250));
        assert_eq!(hint(&[("retry-after", "Wed, 18 Nov 2026 09:46:50 GMT")]), hint_at(1_794_995_210_000));
        assert_eq!(hint(&[("retry-after", "Wed, 18 Nov 2026 20:00:00 GMT")]), hint_at(1_795_032_000_000));
        for bad in ["soon", "-1", "NaN", "inf", ""] {
            assert_eq!(hint(&[("retry-after", bad)]), None, "{bad}");
        }
    }

    fn hint_at(at_ms: u64) -> Option<u128> {
        Some(u128::from(at_ms.saturating_sub(NOW)))
    }

    #[test]
    fn a_prompt_that_is_too_long_has_one_code() {
        let error = UpstreamError { message: "prompt is too long: 9 > 8".into(), ..UpstreamError::default() };
        let refusal = refusal(usual(400), 400, None, error);
        assert_eq!(refusal.fault.upstream_code.as_deref(), Some("context_length_exceeded"));
    }
}
