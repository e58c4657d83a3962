//! Errors of the control plane: one shape, a closed set of codes.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::Error;

/// What a handler answers instead of a value. It becomes a body in the outermost layer, which knows the request's id.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The field or parameter that is wrong.
    pub(crate) param: Option<String>,
    pub(crate) details: Option<Value>,
    /// After how many seconds trying again may help.
    pub(crate) retry_after: Option<u32>,
    /// Why, for the log alone.
    pub(crate) cause: Option<String>,
}

/// The body of every answer that is an error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// The error.
    pub(crate) error: ErrorDetail,
}

/// An error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDetail {
    /// A sentence for people.
    pub(crate) message: String,
    /// What kind of error it is.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The field or parameter that is wrong, where it is one.
    pub(crate) param: Option<String>,
    /// What programs go by.
    pub(crate) code: &'static str,
    /// The request's id.
    pub(crate) request_id: String,
    /// What else is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Value>,
}

impl Problem {
    /// An error with nothing but a status, a code and a sentence.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            param: None,
            details: None,
            retry_after: None,
            cause: None,
        }
    }

    /// 400: the request cannot be understood or done as it is.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// 400: this field or parameter is wrong.
    pub(crate) fn field(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(name.into()), ..Self::invalid(message) }
    }

    /// 401: no credential, or a wrong one.
    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_session", message)
    }

    /// 403: the credential is right and lacks the right.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404: there is no such thing, or it is another tenant's.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("There is no such {what}."))
    }

    /// 409: it is in the way of something that is there.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 503: trying again helps.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self { retry_after: Some(1), ..Self::new(status, "service_unavailable", message) }
    }

    /// 500: our own failure; why stands in the log alone.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let failed = "The control plane failed; the log says why under this request id.";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { cause: Some(cause.into()), ..Self::new(status, "internal_error", failed) }
    }

    /// The same with another code of the same status.
    #[must_use]
    pub(crate) fn with_code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// The same with more about it.
    #[must_use]
    pub(crate) fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    /// The error's type, as OpenAI's clients know them.
    fn kind(&self) -> &'static str {
        match self.status.as_u16() {
            402 => "insufficient_quota",
            403 => "permission_error",
            429 => "rate_limit_error",
            503 => "service_unavailable_error",
            500..=599 => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// The body, for the request of that id.
    pub(crate) fn body(&self, request_id: &str) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                message: self.message.clone(),
                kind: self.kind(),
                param: self.param.clone(),
                code: self.code,
                request_id: request_id.to_owned(),
                details: self.details.clone(),
            },
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let cause = crate::error::chain(&error);
        match error {
            Error::TooLarge { bytes, max } => Self::invalid(format!(
                "The configuration would be too large: {bytes} bytes when compiled, at most {max} are served."
            )),
            Error::Invalid(problems) => {
                let message = format!("The configuration has mistakes: {}.", problems.join("; "));
                Self::invalid(message).with_details(serde_json::json!({ "errors": problems }))
            }
            Error::NotInForce { version, error } => Self::conflict(format!(
                "Version {version} did not come into force, and the one before stays: {error}."
            ))
            .with_code("config_refused"),
            Error::SecretTaken { .. } => Self::conflict("That secret belongs to another key already."),
            Error::Sql { source: sqlx::Error::Database(ref error), .. } if error.is_unique_violation() => {
                Self { cause: Some(cause), ..Self::conflict("That name or value is taken already.") }
            }
            error if error.is_passing() => {
                let busy = "The database or NATS does not answer at present.";
                Self { cause: Some(cause), ..Self::unavailable(busy) }
            }
            _ => Self::internal(cause),
        }
    }
}
