//! Anthropic (platform.claude.com/docs/en/api, read 2026-11).

use http::HeaderMap;
use proto::config::ProviderKind;
use proto::dialect::Dialect;
use proto::dialect::openai_chat::read_error;
use proto::fault::FaultCode;

use super::refusal::{Refusal, refusal, retry_hint, usual};
use super::{Adapter, Auth};
use crate::retry::Class;

pub(crate) const ADAPTER: Adapter = Adapter {
    kind: ProviderKind::Anthropic,
    base_url: |_| Some("https://api.anthropic.com".to_owned()),
    versions: &["/v1"],
    built_in: false,
    auth: Auth::Header("x-api-key"),
    dialect: |caller, _| match caller {
        Dialect::OpenaiEmbeddings => None,
        _ => Some(Dialect::AnthropicMessages),
    },
    path: |_| "/v1/messages".to_owned(),
    classify,
};

/// Words of a 400 that are about our account: there is no code for it.
const EXHAUSTED_WORDS: [&str; 2] =
    ["You have reached your specified API usage limits", "Your credit balance is too low"];

/// Detail codes of a 429 that no waiting mends.
const EXHAUSTED_CODES: [&str; 3] =
    ["enforced_spend_limit_reached", "contract_spend_limit_reached", "organization_on_hold"];

fn classify(status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let error = read_error(status, body);
    let hint = retry_hint(headers, proto::clock::now_ms());
    let held = EXHAUSTED_CODES.iter().any(|code| memchr::memmem::find(body, code.as_bytes()).is_some());
    let account = match status {
        400 => EXHAUSTED_WORDS.iter().any(|words| error.message.starts_with(words)),
        429 => held,
        _ => false,
    };
    let verdict = if account {
        (Class::Account, FaultCode::UpstreamAccountError)
    } else if status == 400 && is_stale(&error.message) {
        (Class::Stale, FaultCode::UpstreamRefused)
    } else {
        usual(status)
    };
    refusal(verdict, status, hint, error)
}

/// Words of a 400 about a thought that is not this account's or does not belong to this prompt.
pub(super) fn is_stale(message: &str) -> bool {
    message.contains("signature") && message.contains("thinking")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, message: &str) -> (Class, u16) {
        let body =
            format!(r#"{{"type":"error","error":{{"type":"x","message":"{message}"}},"request_id":"r"}}"#);
        let refusal = classify(status, &HeaderMap::new(), body.as_bytes());
        (refusal.class, refusal.fault.status())
    }

    #[test]
    fn an_exhausted_account_is_ours_to_mend() {
        assert_eq!(of(400, "Your credit balance is too low to access the API."), (Class::Account, 502));
        assert_eq!(of(400, "max_tokens: required"), (Class::Caller, 400));
        let foreign = "messages.1.content.0: Invalid `signature` in `thinking` block";
        assert_eq!(of(400, foreign), (Class::Stale, 400));
        assert_eq!(of(429, "slow down"), (Class::RateLimited, 429));
        let body = br#"{"type":"error","error":{"type":"rate_limit_error","message":"no","details":{"error_code":"organization_on_hold"}}}"#;
        assert_eq!(classify(429, &HeaderMap::new(), body).class, Class::Account);
        assert_eq!(of(529, "busy"), (Class::Transient, 503));
    }
}
