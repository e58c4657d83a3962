//! Why an attempt failed: what the table needs and what the caller is told.

use std::time::Duration;

use proto::fault::{Fault, FaultCode};
use proto::health::FailureClass;
use proto::usage::Reported;
use tokio::time::Instant;

use crate::providers::Refusal;
use crate::retry::Class;

/// Bedrock's code for a model that is being made ready.
const NOT_READY: &str = "ModelNotReadyException";

/// What a tenant is told whose own credential does not serve.
pub(super) const TENANTS_ACCOUNT: &str = "The provider refused the credential that this request is made with: it is one of your own, not the gateway's.";

/// One attempt's failure.
#[derive(Debug)]
pub(super) struct Failure {
    /// For the table; `None` = there is nothing to decide, this is the end.
    pub(super) class: Option<Class>,
    /// What it says about the health of what was called.
    pub(super) kind: FailureClass,
    /// How long the provider wants to be left alone.
    pub(super) hint: Option<Duration>,
    /// When a limit that is used up is filled again, where the provider says no more than that.
    pub(super) reset: Option<Duration>,
    /// What the caller is told if it is the last word.
    pub(super) fault: Fault,
    /// What the provider said all the same that it used.
    pub(super) reported: Option<Box<Reported>>,
}

impl Failure {
    fn new(class: Class, code: FaultCode, message: &str) -> Self {
        Self::of(Some(class), Fault::new(code, message))
    }

    fn of(class: Option<Class>, fault: Fault) -> Self {
        let kind = kind(class, &fault);
        Self { class, kind, hint: None, reset: None, fault, reported: None }
    }

    /// A failure that ends the request.
    pub(super) fn last(fault: Fault) -> Self {
        Self::of(None, fault)
    }

    /// A success that is no answer, or an answer that broke off.
    pub(super) fn broken(fault: Fault) -> Self {
        Self::of(Some(Class::Transient), fault)
    }

    /// The call could not be made ready: its credentials are not to be had.
    pub(super) fn unprepared() -> Self {
        let message = "The provider refused the gateway's account. Your request and key are not at fault.";
        Self::new(Class::Account, FaultCode::UpstreamAccountError, message)
    }

    /// The provider said nothing for too long.
    fn slow() -> Self {
        Self::new(Class::Timeout, FaultCode::UpstreamTimeout, "The provider did not answer in time.")
    }

    /// The caller's time is over.
    fn too_late() -> Self {
        Self::last(Fault::new(FaultCode::UpstreamTimeout, "The request's deadline passed."))
    }

    /// The exchange failed below HTTP, `connecting` or later.
    pub(super) fn transport(connecting: bool) -> Self {
        if connecting {
            Self::new(Class::Connect, FaultCode::UpstreamError, "The provider could not be reached.")
        } else {
            let message = "The provider closed the connection.";
            let cut = Self::new(Class::Transient, FaultCode::UpstreamError, message);
            Self { kind: FailureClass::Transport, ..cut }
        }
    }

    /// Where the account is the caller's own or its developer's, that is what they are told.
    pub(super) fn speak_to_tenant(&mut self) {
        if self.fault.code == FaultCode::UpstreamAccountError {
            TENANTS_ACCOUNT.clone_into(&mut self.fault.message);
        }
    }

    /// A body above the limit.
    pub(super) fn too_large() -> Self {
        let message = "The provider's answer is too large.";
        // It is the request that makes an answer long.
        let large = Self::new(Class::Misplaced, FaultCode::UpstreamError, message);
        Self { kind: FailureClass::Caller, ..large }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { hint: refusal.hint, ..Self::of(Some(refusal.class), refusal.fault) }
    }
}

/// What a failure says about health.
pub(crate) fn kind(class: Option<Class>, fault: &Fault) -> FailureClass {
    match class {
        None => FailureClass::Gateway,
        Some(Class::Connect) => FailureClass::Transport,
        Some(Class::RateLimited) if fault.upstream_code.as_deref() == Some(NOT_READY) => FailureClass::Model,
        Some(Class::RateLimited) => FailureClass::Rate,
        Some(Class::Account) => FailureClass::Account,
        Some(Class::Quota) => FailureClass::Quota,
        Some(Class::Model) => FailureClass::Model,
        Some(Class::Timeout) => FailureClass::Timeout,
        Some(Class::Misplaced) => FailureClass::Server,
        Some(Class::Caller | Class::Stale) => FailureClass::Caller,
        // Also what a provider says in the middle of a stream.
        Some(Class::Transient) => match fault.code {
            FaultCode::UpstreamTimeout => FailureClass::Timeout,
            FaultCode::UpstreamRateLimited => FailureClass::Rate,
            FaultCode::UpstreamAccountError => FailureClass::Account,
            FaultCode::UpstreamRefused => FailureClass::Caller,
            _ => FailureClass::Server,
        },
    }
}

/// The times that bound one attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From sending to the first content.
    pub(super) first_byte: Duration,
    /// When the caller stops waiting.
    pub(super) deadline: Instant,
    /// How long the provider may be silent once it has begun.
    pub(super) idle: Duration,
    /// The longest answer, in bytes.
    pub(super) bytes_max: usize,
}

impl Limits {
    /// Waits for `future` until `until` or the deadline, whichever is first.
    pub(super) async fn wait<T>(
        &self,
        until: Instant,
        future: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout_at(until.min(self.deadline), future).await {
            Ok(value) => Ok(value),
            Err(_) if until < self.deadline => Err(Failure::slow()),
            Err(_) => Err(Failure::too_late()),
        }
    }

    /// When a provider that says nothing from now on counts as gone.
    pub(super) fn silence(&self) -> Instant {
        Instant::now() + self.idle
    }
}
