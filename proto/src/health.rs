//! Health of what workers call: the classes of failures, and the state of a circuit breaker as workers share it.
//!
//! A breaker stands for one (provider, credential, model). Its records have a total order ([`BreakerRecord::beats`]),
//! so that whoever hears them in whatever order, over the bucket or over the control subject, ends with the same one.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::id::WorkerId;

/// What kind of failure an attempt was, as far as the health of what was called goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The account's quota, credit or spend limit is used up.
    Quota,
    /// Too many calls in a short time.
    Rate,
    /// No content in time.
    Timeout,
    /// A 5xx, or a success that is no answer.
    Server,
    /// The connection was not made or was cut.
    Transport,
    /// The model is not there or not ready.
    Model,
    /// The credential is refused.
    Account,
    /// The caller's own mistake, or the model's refusal: the provider works.
    Caller,
    /// Nothing that the provider did: the caller's time was over, or the attempt could not be made.
    Gateway,
}

impl FailureClass {
    /// Those that speak against the health of what was called.
    pub const UNHEALTHY: [Self; 7] =
        [Self::Quota, Self::Rate, Self::Timeout, Self::Server, Self::Transport, Self::Model, Self::Account];

    /// The class as a metric label and column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Rate => "rate",
            Self::Timeout => "timeout",
            Self::Server => "server",
            Self::Transport => "transport",
            Self::Model => "model",
            Self::Account => "account",
            Self::Caller => "caller",
            Self::Gateway => "gateway",
        }
    }
}

/// Whether calls are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// All are.
    Closed,
    /// One is, to find out; the others wait for what comes of it.
    HalfOpen,
    /// None is before a certain time.
    Open,
}

impl BreakerState {
    /// The state as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// One breaker in its bucket, and as workers tell each other about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerRecord {
    /// The provider's name.
    pub provider: String,
    /// Id of the sealed credential; `None` = the one that its provider's row names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The model there.
    pub model: String,
    /// Whether calls are let through.
    pub state: BreakerState,
    /// What opened it, or last did.
    pub class: FailureClass,
    /// The same more exactly: the label of a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The provider's HTTP status, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How often in a row it opened without a success in between.
    pub openings: u32,
    /// Counted up with every change.
    pub version: u64,
    /// When it came to be so, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Open: when the next call may find out. Half open: when whoever finds out counts as lost. Milliseconds since the
    /// Unix epoch; 0 = never, it is closed.
    pub until_ms: u64,
    /// The worker that changed it.
    pub by: WorkerId,
}

impl BreakerRecord {
    /// Whether this is the newer word of the two. Of two changes made at once the more careful one stands.
    pub fn beats(&self, other: &Self) -> bool {
        self.order() > other.order()
    }

    fn order(&self) -> (u64, BreakerState, u64, u64) {
        (self.version, self.state, self.until_ms, self.by.0)
    }

    /// How long from now on it stays as it is, if clocks do not agree no longer than its maker meant.
    pub fn remaining_ms(&self, now_ms: u64) -> u64 {
        let whole = self.until_ms.saturating_sub(self.since_ms);
        self.until_ms.saturating_sub(now_ms).min(whole)
    }

    /// Its name in the bucket.
    pub fn entry(&self) -> String {
        entry(&self.provider, self.credential.as_deref(), &self.model)
    }
}

/// The name of a breaker in the bucket. Bytes that a bucket's keys cannot have stand as `=` and two digits.
pub fn entry(provider: &str, credential: Option<&str>, model: &str) -> String {
    let mut name = String::with_capacity(provider.len() + model.len() + 16);
    for (at, part) in [provider, credential.unwrap_or("-"), model].into_iter().enumerate() {
        if at > 0 {
            name.push('.');
        }
        put(&mut name, part);
    }
    name
}

/// What stands before a provider's name in the bucket where the entry says when it was last probed, and not how a
/// breaker is.
pub const PROBED_PREFIX: &str = "_probed/";

/// One part of an entry's name.
pub fn word(part: &str) -> String {
    let mut name = String::with_capacity(part.len());
    put(&mut name, part);
    name
}

fn put(name: &mut String, part: &str) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            name.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(name, "={byte:02x}").ok();
        }
    }
}

/// What operators ask the workers over [`crate::subject::CTL_PROBE`]; one of them answers with a [`HealthAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum HealthAsk {
    /// Whether a provider answers at all: the cheapest question that its kind has.
    Provider {
        /// Its name.
        provider: String,
    },
    /// Whether a model answers: one small call, whatever its breaker says.
    Model {
        /// The provider's name.
        provider: String,
        /// The model there.
        model: String,
        /// What is said to it.
        prompt: String,
        /// How long it may take, in milliseconds.
        timeout_ms: u64,
    },
    /// Close breakers; what is not named is any.
    Reset {
        /// The provider's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<String>,
        /// Id of the credential; `-` = the one that the provider's row names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<String>,
        /// The model there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum HealthAnswer {
    /// What the call saw.
    Probed(ProbeResult),
    /// So many breakers were closed.
    Reset {
        /// How many.
        closed: usize,
    },
    /// It cannot be asked; a sentence that says why.
    Refused {
        /// See there.
        message: String,
    },
}

/// What a call saw that nobody but an operator wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// `provider` or `model`.
    pub diagnostic: String,
    /// The provider's HTTP status, where it answered.
    pub status_code: Option<u16>,
    /// To the end of its answer, in milliseconds.
    pub latency_ms: u64,
    /// Whether it answered as it should.
    pub healthy: bool,
    /// What was wrong: a class of failure.
    pub error: Option<String>,
    /// The beginning of its answer, without secrets, at most [`EXCERPT_BYTES_MAX`] bytes.
    pub response_excerpt: String,
    /// When, in milliseconds since the Unix epoch.
    pub probed_ms: u64,
}

/// The longest excerpt of an answer, in bytes.
pub const EXCERPT_BYTES_MAX: usize = 512;

/// All breakers of a provider in one, for health reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerBeat {
    /// The provider's name.
    pub provider: String,
    /// The state of the worst of them.
    pub state: BreakerState,
    /// What opened that.
    pub class: FailureClass,
    /// Until when it stays so, in milliseconds since the Unix epoch.
    pub until_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(version: u64, state: BreakerState, until_ms: u64) -> BreakerRecord {
        BreakerRecord {
            provider: "p".into(),
            credential: None,
            model: "gpt-4.1 mini".into(),
            state,
            class: FailureClass::Rate,
            reason: None,
            status: Some(429),
            openings: 1,
            version,
            since_ms: 1000,
            until_ms,
            by: WorkerId(7),
        }
    }

    #[test]
    fn names_fit_a_bucket() {
        assert_eq!(record(1, BreakerState::Open, 2000).entry(), "p.-.gpt-4=2e1=20mini");
        assert_ne!(entry("a.b", None, "m"), entry("a", Some("b"), "m"));
    }

    #[test]
    fn the_newer_word_stands_and_of_equals_the_more_careful() {
        let open = record(2, BreakerState::Open, 2000);
        assert!(open.beats(&record(1, BreakerState::Open, 9000)));
        assert!(open.beats(&record(2, BreakerState::Closed, 0)));
        assert!(record(2, BreakerState::Open, 2001).beats(&open));
        assert!(!open.beats(&open) && record(3, BreakerState::Closed, 0).beats(&open));
    }

    #[test]
    fn clocks_that_disagree_do_not_lengthen_it() {
        let open = record(1, BreakerState::Open, 6000);
        assert_eq!(open.remaining_ms(2000), 4000);
        assert_eq!(open.remaining_ms(0), 5000);
        assert_eq!(open.remaining_ms(9000), 0);
    }
}
