//! What the ledger reads: the facts that accounts and transfers are a pure function of.
//!
//! A request's life on the stream is one announcement and one outcome for each attempt. An outcome with
//! `last = true` ends the request; a request that no outcome ends has a [`Closed`] event instead. A worker that
//! takes a request over says so with [`Takeover`] *before* it does anything else, and the ledger, reading in
//! order, closes every announced attempt of other tokens without an outcome as unknown.
//!
//! **Who pays.** The customer pays for the attempt bound at the ingress (`bound`), and for at most one attempt
//! of a request; every other cost is platform loss. A takeover by another token that stands before an outcome
//! makes that outcome platform loss, unless the outcome was copied from the ingress's tombstone
//! (`from_tombstone`) or a [`Closed`] before it names its token as the bound one.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::dialect::Dialect;
use crate::envelope::{Envelope, Hold};
use crate::fault::FaultCode;
use crate::flat::{FlatAnnounced, FlatOutcome};
use crate::id::{AttemptId, RequestId, Token};
use crate::subject;
use crate::usage::{Estimate, Reconciled};

/// Where an accepted request stands in its stream; its timestamp is the request's time of acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Name of the stream.
    pub stream: String,
    /// Sequence number in it.
    pub seq: u64,
    /// The message's stream timestamp, in milliseconds since the Unix epoch.
    pub accepted_ms: u64,
}

/// What every event of a request says about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The project that pays.
    pub project: String,
    /// Id of the virtual key.
    pub key: String,
    /// The model the caller asked for.
    pub requested_model: String,
    /// The configuration version that admitted the request.
    pub config: u64,
    /// Where the request is stored.
    pub origin: Origin,
    /// Accounts whose limits bind; empty while nothing is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// The money held for the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The caller's own request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<String>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl Subject {
    /// The particulars of an envelope stored at `origin`.
    pub fn of(envelope: &Envelope, origin: Origin) -> Self {
        Self {
            project: envelope.project.clone(),
            key: envelope.key.clone(),
            requested_model: envelope.model.clone(),
            config: envelope.config,
            origin,
            path: envelope.path.clone(),
            hold: envelope.hold.clone(),
            client_request_id: envelope.client_request_id.clone(),
            traceparent: envelope.traceparent.clone(),
        }
    }
}

/// An upstream call is about to be made. Acknowledged by the stream before the provider is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announced {
    /// The attempt.
    pub attempt: AttemptId,
    /// The request it is for.
    #[serde(flatten)]
    pub subject: Subject,
    /// The caller's wire format.
    pub dialect: Dialect,
    /// Whether the caller wants a stream.
    pub stream: bool,
    /// The provider to be called.
    pub provider: String,
    /// The model at that provider.
    pub model: String,
    /// The configuration version routed and priced with.
    pub priced_with: u64,
    /// How the request came to be routed there.
    pub route_mode: RouteMode,
    /// What the call may use, for the case that nobody ever learns what it did.
    pub estimate: Estimate,
    /// When the caller stops waiting, in milliseconds since the Unix epoch.
    pub deadline_ms: u64,
}

/// How an attempt's target was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteMode {
    /// The first target, paid with the platform's credential.
    #[default]
    Platform,
    /// A later target, after the first failed; another model may have served it.
    ModelFallback,
    /// A later target at another provider, for the same model name.
    ProviderFallback,
}

impl RouteMode {
    /// The mode as a header value and column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::ModelFallback => "model_fallback",
            Self::ProviderFallback => "provider_fallback",
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The provider answered in full.
    Success,
    /// The provider refused or failed, before or in the middle of its answer.
    Failed,
    /// Nobody wanted the answer any more; what was produced until then counts.
    Cancelled,
}

impl Ending {
    /// The ending as a metric label and column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What became of an attempt and what it used. Its id is `<attempt>:usage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The attempt.
    pub attempt: AttemptId,
    /// The request it was for.
    #[serde(flatten)]
    pub subject: Subject,
    /// The provider that was called.
    pub provider: String,
    /// The model at that provider.
    pub model: String,
    /// The configuration version priced with.
    pub priced_with: u64,
    /// How the request came to be routed there.
    pub route_mode: RouteMode,
    /// How it ended.
    pub ending: Ending,
    /// The provider's HTTP status, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultCode>,
    /// What was used and where the numbers come from.
    pub used: Reconciled,
    /// Whether the ingress sent (or would have sent) this attempt's answer to the caller.
    pub bound: bool,
    /// Whether the request ends with this attempt.
    pub last: bool,
    /// Copied from the ingress's tombstone by another worker than the one that made the call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_tombstone: bool,
    /// From acceptance to the upstream call, in milliseconds.
    pub queue_ms: u64,
    /// From the upstream call to its first content, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// The upstream call, in milliseconds.
    pub duration_ms: u64,
}

/// Another delivery has the request now: attempts of other tokens without outcome will have none from there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Takeover {
    /// The request.
    pub request: RequestId,
    /// The delivery that has it now.
    pub token: Token,
    /// The request's particulars.
    #[serde(flatten)]
    pub subject: Subject,
}

/// Why a request ended without a last outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// Answered with an error without any upstream call (no route, expired payload, bad envelope).
    Refused,
    /// Past its deadline.
    DeadlineExceeded,
    /// Delivered too often.
    DeliveriesExceeded,
    /// Nobody waits for it any more.
    Unwanted,
    /// Bytes of a lost worker's attempt had reached the caller; the stream was ended with an error.
    BrokenOff,
    /// Its attempts ended without anybody saying so; closed by the ledger's sweep.
    Swept,
}

impl CloseReason {
    /// The reason as a column and label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::DeliveriesExceeded => "deliveries_exceeded",
            Self::Unwanted => "unwanted",
            Self::BrokenOff => "broken_off",
            Self::Swept => "swept",
        }
    }
}

/// A request ends here, without a last outcome. Releases its hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// The request.
    pub request: RequestId,
    /// The delivery that closes it.
    pub token: Token,
    /// The request's particulars.
    #[serde(flatten)]
    pub subject: Subject,
    /// Why.
    pub reason: CloseReason,
    /// The error the caller got, if one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultCode>,
    /// The delivery whose bytes reached the caller, if any: its late outcome is the customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Token>,
}

/// One event on the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// An upstream call is about to be made.
    Attempt(Announced),
    /// What became of it.
    Usage(Outcome),
    /// Another delivery has the request.
    Takeover(Takeover),
    /// A request ended without a last outcome.
    Closed(Closed),
    /// A configuration version was published; the whole document, because prices are in it.
    Config(Config),
}

impl Event {
    /// Reads an event. The two kinds that every request has are read without the detours by which serde finds
    /// out which variant it has before it and whose member a name is: a quarter of the time.
    pub fn from_json(bytes: &[u8]) -> serde_json::Result<Self> {
        if bytes.starts_with(br#"{"type":"attempt","#) {
            serde_json::from_slice::<FlatAnnounced>(bytes).map(|flat| Self::Attempt(flat.into()))
        } else if bytes.starts_with(br#"{"type":"usage","#) {
            serde_json::from_slice::<FlatOutcome>(bytes).map(|flat| Self::Usage(flat.into()))
        } else {
            serde_json::from_slice(bytes)
        }
    }

    /// The particulars of the request that it is about, if it is about one.
    pub fn particulars(&self) -> Option<&Subject> {
        match self {
            Self::Attempt(e) => Some(&e.subject),
            Self::Usage(e) => Some(&e.subject),
            Self::Takeover(e) => Some(&e.subject),
            Self::Closed(e) => Some(&e.subject),
            Self::Config(_) => None,
        }
    }

    /// The event's id: its message id, and what transfers are derived from.
    pub fn id(&self) -> String {
        match self {
            Self::Attempt(e) => format!("{}:announced", e.attempt),
            Self::Usage(e) => format!("{}:usage", e.attempt),
            Self::Takeover(e) => format!("{}.{}:takeover", e.request, e.token),
            Self::Closed(e) => format!("{}.{}:closed", e.request, e.token),
            Self::Config(e) => format!("config:{}", e.version),
        }
    }

    /// The subject it is published on.
    pub fn subject(&self) -> String {
        match self {
            Self::Attempt(e) => subject::attempt_event(&e.subject.project),
            Self::Usage(e) => subject::usage_event(&e.subject.project),
            Self::Takeover(e) => subject::takeover_event(&e.subject.project),
            Self::Closed(e) => subject::closed_event(&e.subject.project),
            Self::Config(_) => subject::CONFIG_EVENT.to_owned(),
        }
    }

    /// The request it is about, if it is about one.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::Attempt(e) => Some(e.attempt.request),
            Self::Usage(e) => Some(e.attempt.request),
            Self::Takeover(e) => Some(e.request),
            Self::Closed(e) => Some(e.request),
            Self::Config(_) => None,
        }
    }
}
