//! Any vendor that speaks OpenAI's Chat Completions: a row of the configuration, no code.

use http::HeaderMap;
use proto::catalogue::Profile;
use proto::config::ProviderKind;
use proto::dialect::Dialect;
use proto::dialect::openai_chat::read_error;
use proto::fault::FaultCode;

use super::refusal::{Refusal, refusal, retry_hint, usual};
use super::{Adapter, Auth, Place};
use crate::retry::Class;

pub(crate) const ADAPTER: Adapter = Adapter {
    kind: ProviderKind::OpenaiCompatible,
    base_url: |_| None,
    versions: &[],
    built_in: false,
    auth: Auth::Bearer,
    dialect,
    path,
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

/// Codes of a 400 about reasoning of another account.
const STALE: [&str; 2] = ["invalid_encrypted_content", "thinking_signature_invalid"];

/// Chat Completions for every conversation; few of those who copy OpenAI have more.
pub(super) fn dialect(caller: Dialect, _: &Profile) -> Option<Dialect> {
    match caller {
        Dialect::OpenaiEmbeddings => Some(Dialect::OpenaiEmbeddings),
        _ => Some(Dialect::OpenaiChat),
    }
}

/// The paths of OpenAI behind `/v1`.
pub(super) fn path(place: &Place<'_>) -> String {
    match place.dialect {
        Dialect::OpenaiResponses => "/responses",
        Dialect::OpenaiEmbeddings => "/embeddings",
        _ => "/chat/completions",
    }
    .to_owned()
}

/// What a status means, as OpenAI and those who copy it use them.
pub(super) fn classify(status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let error = read_error(status, body);
    let hint = retry_hint(headers, proto::clock::now_ms());
    let is = |names: &[&str]| {
        [&error.kind, &error.code].into_iter().flatten().any(|name| names.contains(&name.as_str()))
    };
    let verdict = match status {
        429 if is(&EXHAUSTED) => (Class::Account, FaultCode::UpstreamAccountError),
        400 if is(&STALE) => (Class::Stale, FaultCode::UpstreamRefused),
        429 if is(&["slow_down"]) => (Class::RateLimited, FaultCode::UpstreamOverloaded),
        _ => usual(status),
    };
    refusal(verdict, status, hint, error)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
