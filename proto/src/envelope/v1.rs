//! Envelope version 1.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::dialect::Dialect;
use crate::id::{IngressId, RequestId};
use crate::money::NanoUsd;
use crate::usage::Estimate;

pub(super) const VERSION: u32 = 1;

/// Everything a worker needs beside the body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The envelope version, always 1.
    #[serde(deserialize_with = "version")]
    pub v: u32,
    /// Forebay's id of the request; also the message id.
    pub request: RequestId,
    /// The ingress that waits for the answer.
    pub ingress: IngressId,
    /// The project that pays.
    pub project: String,
    /// Id of the virtual key (not its secret).
    pub key: String,
    /// The caller's wire format.
    pub dialect: Dialect,
    /// The model the caller asked for: an alias.
    pub model: String,
    /// Whether the caller wants a stream.
    pub stream: bool,
    /// Whether the caller asked for a usage chunk at the end of the stream.
    pub include_usage: bool,
    /// How long the caller waits, in milliseconds, counted from the message's stream timestamp.
    pub budget_ms: u64,
    /// The configuration version that admitted the request.
    pub config: u64,
    /// What to do when the caller goes away.
    pub on_disconnect: OnDisconnect,
    /// Where the sealed body is.
    pub body: Body,
    /// Length of the body before sealing, in bytes.
    pub body_bytes: u64,
    /// What the call may use, read off the body at admission so that a worker need not read it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// The caller would rather be refused than have anything changed on the way (`x-forebay-strict`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// `anthropic-version` of a Messages request, for a provider that speaks it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anthropic_version: Option<String>,
    /// `anthropic-beta` of a Messages request, for a provider that speaks it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anthropic_beta: Option<String>,
    /// What is kept of a Responses request, and what it goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// The caller's own request id, if it sent a well-formed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<String>,
    /// W3C trace context; it travels in a header of its own as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Accounts whose limits bind, outermost first; empty while nothing is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// The money held for the request, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

impl Envelope {
    /// The version to write.
    pub const VERSION: u32 = VERSION;
}

/// A draw on a lease of available balance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// The lease it was drawn from.
    pub lease: String,
    /// When the lease ends, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// How much is held.
    pub amount: NanoUsd,
}

/// State between requests, which the gateway keeps itself (OpenAI Responses).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Kept {
    /// The answer is to be kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub store: bool,
    /// Nobody waits: the answer is fetched later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// The response that the request goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

/// Where a sealed body is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// In the message itself.
    Inline,
    /// In the object store under this name.
    Object(String),
}

/// What to do with an upstream call whose caller went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDisconnect {
    /// Drop the upstream connection and account for what was produced.
    #[default]
    Cancel,
    /// Let it run to its end, accounted; its frames go nowhere.
    Drain,
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let v = u32::deserialize(deserializer)?;
    if v == VERSION { Ok(v) } else { Err(de::Error::custom("another envelope version")) }
}
