//! One request as far as the books must know it: its attempts, who took it over, how it was closed.

use proto::event::{CloseReason, Closed, Subject};
use proto::fault::FaultCode;
use proto::id::{AttemptId, Token};
use serde::{Deserialize, Serialize};

use super::At;
use super::attempt::Attempt;
use crate::outcome::Outcome;

/// No caller waits longer, in milliseconds.
pub(crate) const DEADLINE_MAX_MS: u64 = 3_600_000;

/// A delivery took the request over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The delivery.
    pub token: Token,
    /// The event.
    pub seq: u64,
    /// Its stream time, in milliseconds.
    pub at_ms: u64,
}

/// A delivery closed the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Closing {
    /// The delivery.
    pub token: Token,
    /// Why.
    pub reason: CloseReason,
    /// The error the caller got.
    pub fault: Option<FaultCode>,
    /// The delivery whose bytes reached the caller.
    pub bound: Option<Token>,
    /// The request's particulars.
    pub subject: Subject,
    /// The event.
    pub seq: u64,
    /// Its stream time, in milliseconds.
    pub at_ms: u64,
}

impl Closing {
    pub(super) fn of(at: At, event: Closed) -> Self {
        Self {
            token: event.token,
            reason: event.reason,
            fault: event.fault,
            bound: event.bound,
            subject: event.subject,
            seq: at.seq,
            at_ms: at.ms,
        }
    }

    /// What a second closing by the same delivery means.
    pub(super) fn against(&self, event: &Closed) -> Outcome {
        Outcome::of([
            ("subject", self.subject != event.subject),
            ("reason", self.reason != event.reason),
            ("fault", self.fault != event.fault),
            ("bound", self.bound != event.bound),
        ])
    }
}

/// One request. All three lists are in the order of the stream.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Request {
    /// Its upstream calls.
    pub attempts: Vec<Attempt>,
    /// Who took it over.
    pub takeovers: Vec<Taken>,
    /// Who closed it.
    pub closings: Vec<Closing>,
    /// Stream time of the last event seen, in milliseconds; for eviction only.
    #[serde(skip)]
    pub(crate) last_ms: u64,
}

impl Request {
    /// The attempt of that id.
    pub fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempts.iter().find(|a| a.id == id)
    }

    pub(super) fn position(&self, id: AttemptId) -> Option<usize> {
        self.attempts.iter().position(|a| a.id == id)
    }

    /// Whether any attempt is not over.
    pub fn open(&self) -> bool {
        self.attempts.iter().any(Attempt::is_open)
    }

    /// Whether a last outcome or a closing ended it.
    pub fn ended(&self) -> bool {
        !self.closings.is_empty() || self.attempts.iter().any(|a| a.settled.as_ref().is_some_and(|s| s.last))
    }

    /// Whether an attempt takes the place of the one that the customer pays for.
    pub(super) fn customer_has_paid(&self) -> bool {
        self.attempts.iter().any(Attempt::customer_pays)
    }

    /// Whether a closing named `token` as the delivery whose bytes reached the caller. The last one that names
    /// any decides.
    pub(super) fn named_bound(&self, token: Token) -> bool {
        self.closings.iter().rev().find_map(|c| c.bound) == Some(token)
    }

    /// Whether another delivery has the request now.
    pub(super) fn taken_from(&self, token: Token) -> bool {
        self.takeovers.last().is_some_and(|taken| taken.token != token)
    }

    /// The request as it stood after event `seq`.
    #[must_use]
    pub fn as_of(self, seq: u64) -> Self {
        Self {
            attempts: self.attempts.into_iter().filter_map(|a| a.as_of(seq)).collect(),
            takeovers: self.takeovers.into_iter().filter(|t| t.seq <= seq).collect(),
            closings: self.closings.into_iter().filter(|c| c.seq <= seq).collect(),
            last_ms: self.last_ms,
        }
    }

    /// The request as if it were read from the database: its rows stand where they are.
    #[must_use]
    pub(crate) fn stored(mut self) -> Self {
        for attempt in &mut self.attempts {
            attempt.stored = Some(attempt.seq());
        }
        self
    }

    /// What the stream says of it, and nothing of where it is kept.
    #[must_use]
    pub(crate) fn bare(mut self) -> Self {
        for attempt in &mut self.attempts {
            (attempt.stored, attempt.dirty) = (None, false);
        }
        self.last_ms = 0;
        self
    }

    /// Puts what was loaded into the order of the stream.
    pub(crate) fn in_stream_order(&mut self) {
        self.attempts.sort_by_key(Attempt::first_seq);
        self.takeovers.sort_by_key(|t| t.seq);
        self.closings.sort_by_key(|c| c.seq);
    }

    /// When its caller stops waiting, in milliseconds of stream time: the latest that was announced, or the longest
    /// there is where no announcement is known. `None` if nothing says when it was accepted.
    pub fn deadline_ms(&self) -> Option<u64> {
        let announced =
            self.attempts.iter().filter_map(|a| a.announced.as_ref().map(|a| a.deadline_ms)).max();
        announced.or_else(|| Some(self.subject()?.origin.accepted_ms.saturating_add(DEADLINE_MAX_MS)))
    }

    /// Its particulars, from whatever names them.
    pub fn subject(&self) -> Option<&Subject> {
        let attempt = self.attempts.first().map(|a| &a.subject);
        attempt.or_else(|| self.closings.first().map(|c| &c.subject))
    }
}
