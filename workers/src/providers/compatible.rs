//! Any vendor that speaks OpenAI's Chat Completions: a row of the configuration, no code.

use std::time::Duration;

use http::HeaderMap;
use jiff::fmt::rfc2822;
use proto::config::ProviderKind;
use proto::dialect::Dialect;
use proto::dialect::openai_chat::{UpstreamError, read_error};
use proto::fault::{Fault, FaultCode};

use super::{Adapter, Refusal};
use crate::retry::Class;

pub(crate) const ADAPTER: Adapter = Adapter {
    kind: ProviderKind::OpenaiCompatible,
    dialect: Dialect::OpenaiChat,
    base_url: None,
    path: "/chat/completions",
    built_in: false,
    classify,
};

/// Codes and types of a 429 that no waiting mends: the account is exhausted.
const EXHAUSTED: [&str; 7] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
];

/// What a status means, as OpenAI and those who copy it use them.
pub(super) fn classify(status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let error = read_error(status, body);
    let hint = retry_hint(headers, proto::clock::now_ms());
    let is = |names: &[&str]| {
        [&error.kind, &error.code].into_iter().flatten().any(|name| names.contains(&name.as_str()))
    };
    let (class, code) = match status {
        429 if is(&EXHAUSTED) => (Class::Account, FaultCode::UpstreamAccountError),
        401..=403 => (Class::Account, FaultCode::UpstreamAccountError),
        429 if is(&["slow_down"]) => (Class::RateLimited, FaultCode::UpstreamOverloaded),
        429 => (Class::RateLimited, FaultCode::UpstreamRateLimited),
        408 | 504 => (Class::Transient, FaultCode::UpstreamTimeout),
        503 | 529 => (Class::Transient, FaultCode::UpstreamOverloaded),
        409 | 425 | 500.. => (Class::Transient, FaultCode::UpstreamError),
        300..400 => (Class::Misplaced, FaultCode::UpstreamError),
        400..500 => (Class::Caller, FaultCode::UpstreamRefused),
        _ => (Class::Transient, FaultCode::UpstreamError),
    };
    Refusal { class, hint, fault: fault(code, status, hint, error) }
}

fn fault(code: FaultCode, status: u16, hint: Option<Duration>, error: UpstreamError) -> Fault {
    let message = match code {
        FaultCode::UpstreamAccountError => {
            "The provider refused the gateway's account. Your request and key are not at fault.".to_owned()
        }
        _ => error.message,
    };
    let mut fault = Fault::new(code, message);
    fault.upstream_status = Some(status);
    if code == FaultCode::UpstreamRefused {
        fault.param = error.param;
    }
    fault.upstream_code = error.code;
    let told = matches!(code, FaultCode::UpstreamRateLimited | FaultCode::UpstreamOverloaded);
    match hint {
        Some(hint) if told => fault.retry_after(u64::try_from(hint.as_millis()).unwrap_or(u64::MAX)),
        _ => fault,
    }
}

/// Reads `retry-after-ms`, else `retry-after` in seconds or as a date, counted from `now_ms`.
fn retry_hint(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let bounded = |seconds: f64| Duration::try_from_secs_f64(seconds.min(1e6)).ok();
    if let Some(ms) = text("retry-after-ms").and_then(number) {
        return bounded(ms / 1000.0);
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

    fn of(status: u16) -> (Class, FaultCode) {
        let refusal = classify(status, &HeaderMap::new(), b"{}");
        (refusal.class, refusal.fault.code)
    }

    #[test]
    fn the_documented_statuses() {
        for (status, class, code) in [
            (400, Class::Caller, FaultCode::UpstreamRefused),
            (401, Class::Account, FaultCode::UpstreamAccountError),
            (402, Class::Account, FaultCode::UpstreamAccountError),
            (403, Class::Account, FaultCode::UpstreamAccountError),
            (404, Class::Caller, FaultCode::UpstreamRefused),
            (408, Class::Transient, FaultCode::UpstreamTimeout),
            (409, Class::Transient, FaultCode::UpstreamError),
            (413, Class::Caller, FaultCode::UpstreamRefused),
            (422, Class::Caller, FaultCode::UpstreamRefused),
            (425, Class::Transient, FaultCode::UpstreamError),
            (429, Class::RateLimited, FaultCode::UpstreamRateLimited),
            (500, Class::Transient, FaultCode::UpstreamError),
            (502, Class::Transient, FaultCode::UpstreamError),
            (503, Class::Transient, FaultCode::UpstreamOverloaded),
            (504, Class::Transient, FaultCode::UpstreamTimeout),
            (529, Class::Transient, FaultCode::UpstreamOverloaded),
            (302, Class::Misplaced, FaultCode::UpstreamError),
            (204, Class::Transient, FaultCode::UpstreamError),
        ] {
            assert_eq!(of(status), (class, code), "{status}");
        }
    }

    #[test]
    fn our_own_account_is_never_described() {
        let refusal = classify(401, &HeaderMap::new(), br#"{"error":{"message":"key sk-canary is wrong"}}"#);
        assert!(!refusal.fault.message.contains("canary"));
        assert_eq!(refusal.fault.status(), 502);
    }

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
        assert_eq!(hint(&[("retry-after", "Wed, 18 Nov 2026 09:46:50 GMT")]), hint_at(1_794_995_210_000));
        assert_eq!(hint(&[("retry-after", "Wed, 18 Nov 2026 20:00:00 GMT")]), hint_at(1_795_032_000_000));
        for bad in ["soon", "-1", "NaN", "inf", ""] {
            assert_eq!(hint(&[("retry-after", bad)]), None, "{bad}");
        }
    }

    fn hint_at(at_ms: u64) -> Option<u128> {
        Some(u128::from(at_ms.saturating_sub(NOW)))
    }
}
