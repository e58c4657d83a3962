//! The only error that crosses the wire: what went wrong, whose it is, and whether trying again helps.
//!
//! A [`Fault`] is rendered in the caller's dialect by that dialect's folder. Status, type and code of each
//! [`FaultCode`] are fixed here once, as OpenAI's clients understand them.

use serde::{Deserialize, Serialize};

/// What went wrong. The closed set doubles as a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultCode {
    /// The request is not what the dialect asks for.
    InvalidRequest,
    /// The provider refused the request as the caller's mistake.
    UpstreamRefused,
    /// The body is larger than the limit.
    RequestTooLarge,
    /// The body did not arrive in time.
    RequestTimeout,
    /// No key, or one that is unknown or revoked.
    InvalidApiKey,
    /// The response that a request goes on from is not there.
    PreviousResponseNotFound,
    /// No such model.
    ModelNotFound,
    /// No such route, request or method.
    NotFound,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// All targets are rate limited.
    UpstreamRateLimited,
    /// Our account at the provider is refused or exhausted.
    UpstreamAccountError,
    /// All targets are overloaded.
    UpstreamOverloaded,
    /// The provider answered nonsense, failed or broke off.
    UpstreamError,
    /// The provider, or the whole request, took too long.
    UpstreamTimeout,
    /// Too much work is waiting.
    Overloaded,
    /// Forebay cannot take work now: a part of it is down.
    Unavailable,
    /// The caller went away.
    Cancelled,
    /// Forebay's own failure.
    Internal,
}

impl FaultCode {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 18] = [
        Self::InvalidRequest,
        Self::UpstreamRefused,
        Self::RequestTooLarge,
        Self::RequestTimeout,
        Self::InvalidApiKey,
        Self::PreviousResponseNotFound,
        Self::ModelNotFound,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::UpstreamRateLimited,
        Self::UpstreamAccountError,
        Self::UpstreamOverloaded,
        Self::UpstreamError,
        Self::UpstreamTimeout,
        Self::Overloaded,
        Self::Unavailable,
        Self::Cancelled,
        Self::Internal,
    ];

    /// HTTP status, OpenAI error type and code. An upstream refusal keeps the upstream's own status and code
    /// where they are known; these are its defaults.
    pub fn openai(self) -> (u16, &'static str, &'static str) {
        const CALLER: &str = "invalid_request_error";
        match self {
            Self::InvalidRequest => (400, CALLER, "invalid_request"),
            Self::UpstreamRefused => (400, CALLER, "invalid_request"),
            Self::RequestTooLarge => (413, CALLER, "request_too_large"),
            Self::RequestTimeout => (408, CALLER, "request_timeout"),
            Self::InvalidApiKey => (401, CALLER, "invalid_api_key"),
            Self::PreviousResponseNotFound => (400, CALLER, "previous_response_not_found"),
            Self::ModelNotFound => (404, CALLER, "model_not_found"),
            Self::NotFound => (404, CALLER, "not_found"),
            Self::MethodNotAllowed => (405, CALLER, "method_not_allowed"),
            Self::UpstreamRateLimited => (429, "rate_limit_error", "upstream_rate_limited"),
            Self::UpstreamAccountError => (502, "server_error", "upstream_account_error"),
            Self::UpstreamOverloaded => (503, "service_unavailable_error", "server_is_overloaded"),
            Self::UpstreamError => (502, "server_error", "upstream_error"),
            Self::UpstreamTimeout => (504, "server_error", "timeout"),
            Self::Overloaded => (503, "service_unavailable_error", "server_is_overloaded"),
            Self::Unavailable => (503, "service_unavailable_error", "service_unavailable"),
            Self::Cancelled => (499, CALLER, "cancelled"),
            Self::Internal => (500, "server_error", "internal_error"),
        }
    }

    /// The code as a metric label and in logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UpstreamRefused => "upstream_refused",
            Self::RequestTooLarge => "request_too_large",
            Self::RequestTimeout => "request_timeout",
            Self::InvalidApiKey => "invalid_api_key",
            Self::PreviousResponseNotFound => "previous_response_not_found",
            Self::ModelNotFound => "model_not_found",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UpstreamRateLimited => "upstream_rate_limited",
            Self::UpstreamAccountError => "upstream_account_error",
            Self::UpstreamOverloaded => "upstream_overloaded",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

/// Whether the caller's client should try again. It becomes `x-should-retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Trying again gives the same answer.
    #[default]
    Never,
    /// Nothing was spent; trying again is fine, after `retry_after_ms` if given.
    Safe,
    /// A provider may have been billed already; trying again may spend twice.
    MayDuplicate,
}

/// One error, fit for the caller: its message never holds a secret, a host of ours or an account id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What went wrong.
    pub code: FaultCode,
    /// A sentence for a person.
    pub message: String,
    /// The field at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// Machine-readable particulars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
    /// Whether trying again helps.
    #[serde(default)]
    pub retry: Retry,
    /// How long to wait before trying again, in milliseconds, at most 60,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The provider's HTTP status, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// The provider's own error code, where it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_code: Option<String>,
}

/// The longest wait a caller is told, in milliseconds: one SDK family sleeps without a cap, another gives up
/// above two minutes.
pub const RETRY_AFTER_MAX_MS: u64 = 60_000;

impl Fault {
    /// A fault with the retry advice usual for its code.
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        let retry = match code {
            FaultCode::UpstreamRateLimited
            | FaultCode::UpstreamOverloaded
            | FaultCode::Overloaded
            | FaultCode::Unavailable
            | FaultCode::RequestTimeout => Retry::Safe,
            FaultCode::UpstreamError | FaultCode::UpstreamTimeout | FaultCode::Internal => {
                Retry::MayDuplicate
            }
            FaultCode::InvalidRequest
            | FaultCode::UpstreamRefused
            | FaultCode::RequestTooLarge
            | FaultCode::InvalidApiKey
            | FaultCode::PreviousResponseNotFound
            | FaultCode::ModelNotFound
            | FaultCode::NotFound
            | FaultCode::MethodNotAllowed
            | FaultCode::UpstreamAccountError
            | FaultCode::Cancelled => Retry::Never,
        };
        Self {
            code,
            message: message.into(),
            param: None,
            details: None,
            retry,
            retry_after_ms: None,
            upstream_status: None,
            upstream_code: None,
        }
    }

    /// The same, naming the field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same, with machine-readable particulars.
    #[must_use]
    pub fn with_details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The same, with a wait before the next try (cut to [`RETRY_AFTER_MAX_MS`]).
    #[must_use]
    pub fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms.min(RETRY_AFTER_MAX_MS));
        self
    }

    /// The HTTP status the caller sees.
    pub fn status(&self) -> u16 {
        match (self.code, self.upstream_status) {
            (FaultCode::UpstreamRefused, Some(status)) => status,
            _ => self.code.openai().0,
        }
    }

    /// The `x-should-retry` header: said wherever a client would otherwise do the wrong thing.
    pub fn should_retry(&self) -> Option<bool> {
        match self.retry {
            Retry::Never => Some(false),
            Retry::Safe => Some(true),
            Retry::MayDuplicate => None,
        }
    }
}
