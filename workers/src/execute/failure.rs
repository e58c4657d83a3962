//! Why an attempt failed: what the table needs and what the caller is told.

use std::time::Duration;

use proto::fault::{Fault, FaultCode};
use proto::usage::Reported;
use tokio::time::Instant;

use crate::providers::Refusal;
use crate::retry::Class;

/// One attempt's failure.
#[derive(Debug)]
pub(super) struct Failure {
    /// For the table; `None` = there is nothing to decide, this is the end.
    pub(super) class: Option<Class>,
    /// How long the provider wants to be left alone.
    pub(super) hint: Option<Duration>,
    /// What the caller is told if it is the last word.
    pub(super) fault: Fault,
    /// What the provider said all the same that it used.
    pub(super) reported: Option<Box<Reported>>,
}

impl Failure {
    fn new(class: Class, code: FaultCode, message: &str) -> Self {
        Self { class: Some(class), hint: None, fault: Fault::new(code, message), reported: None }
    }

    /// A failure that ends the request.
    pub(super) fn last(fault: Fault) -> Self {
        Self { class: None, hint: None, fault, reported: None }
    }

    /// A success that is no answer, or an answer that broke off.
    pub(super) fn broken(fault: Fault) -> Self {
        Self { class: Some(Class::Transient), hint: None, fault, reported: None }
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
            Self::new(Class::Transient, FaultCode::UpstreamError, "The provider closed the connection.")
        }
    }

    /// A body above the limit.
    pub(super) fn too_large() -> Self {
        Self::new(Class::Misplaced, FaultCode::UpstreamError, "The provider's answer is too large.")
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { class: Some(refusal.class), hint: refusal.hint, fault: refusal.fault, reported: None }
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
