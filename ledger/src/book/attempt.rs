//! One upstream call as it stands on the books: announced, perhaps given up as unknown, settled by its outcome.
//!
//! Each of the three facts keeps the sequence of the event that stated it, so that the row as it stood at any
//! earlier sequence can be read off it ([`Attempt::as_of`]).

use proto::dialect::Dialect;
use proto::event::{Announced, Ending, Outcome as Settlement, RouteMode, Subject};
use proto::fault::FaultCode;
use proto::id::AttemptId;
use proto::money::NanoUsd;
use proto::usage::{Estimate, Reconciled};
use serde::{Deserialize, Serialize};

use super::At;
use super::word::{Payer, Pricing, State};
use crate::outcome::Outcome;

/// What was announced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// The event.
    pub seq: u64,
    /// Its stream time, in milliseconds.
    pub at_ms: u64,
    /// The caller's wire format.
    pub dialect: Dialect,
    /// Whether the caller wants a stream.
    pub stream: bool,
    /// What the call may use.
    pub estimate: Estimate,
    /// When the caller stops waiting, in milliseconds.
    pub deadline_ms: u64,
}

/// The attempt was given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GivenUp {
    /// The takeover that gave it up.
    pub seq: u64,
    /// Its stream time, in milliseconds.
    pub at_ms: u64,
    /// What the estimate costs, if there is a price.
    pub cost: Option<NanoUsd>,
}

/// The attempt's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// The event.
    pub seq: u64,
    /// Its stream time, in milliseconds.
    pub at_ms: u64,
    /// How it ended.
    pub ending: Ending,
    /// The provider's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultCode>,
    /// What was used.
    pub used: Reconciled,
    /// Whether its answer went to the caller.
    pub bound: bool,
    /// Whether the request ended with it.
    pub last: bool,
    /// Whether another worker copied it from the ingress's tombstone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_tombstone: bool,
    /// The customer would have paid, but had paid for another attempt already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_payer: bool,
    /// From acceptance to the upstream call, in milliseconds.
    pub queue_ms: u64,
    /// To the first content, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// The upstream call, in milliseconds.
    pub duration_ms: u64,
}

/// Whom the attempt called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The provider.
    pub provider: String,
    /// The model at that provider.
    pub model: String,
    /// The configuration version priced with.
    pub priced_with: u64,
    /// How it was routed.
    pub route_mode: RouteMode,
}

impl Call {
    /// The call that an outcome names.
    pub(super) fn of(event: &Settlement) -> Self {
        Self {
            provider: event.provider.clone(),
            model: event.model.clone(),
            priced_with: event.priced_with,
            route_mode: event.route_mode,
        }
    }

    /// Whether an outcome names this call.
    pub(super) fn same(&self, event: &Settlement) -> bool {
        self.provider == event.provider
            && self.model == event.model
            && self.priced_with == event.priced_with
            && self.route_mode == event.route_mode
    }
}

/// One upstream call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// The request's particulars.
    pub subject: Subject,
    /// Whom it called.
    pub call: Call,
    /// What was announced; absent only if the outcome came without an announcement.
    pub announced: Option<Announcement>,
    /// That it was given up, if it was.
    pub given_up: Option<GivenUp>,
    /// Its outcome, once known.
    pub settled: Option<Settled>,
    /// Who pays.
    pub payer: Payer,
    /// Whether it has a cost.
    pub pricing: Pricing,
    /// What it costs.
    pub cost: Option<NanoUsd>,
    /// The sequence that the stored row stands at; `None` while there is no row.
    #[serde(skip)]
    pub(crate) stored: Option<u64>,
    /// Whether the row must be written.
    #[serde(skip)]
    pub(crate) dirty: bool,
}

impl Attempt {
    /// A call that was just announced.
    pub(super) fn announced(at: At, event: Announced) -> Self {
        let call = Call {
            provider: event.provider,
            model: event.model,
            priced_with: event.priced_with,
            route_mode: event.route_mode,
        };
        let announcement = Announcement {
            seq: at.seq,
            at_ms: at.ms,
            dialect: event.dialect,
            stream: event.stream,
            estimate: event.estimate,
            deadline_ms: event.deadline_ms,
        };
        Self { announced: Some(announcement), ..Self::blank(event.attempt, event.subject, call) }
    }

    /// A call of which nothing is known yet.
    pub(crate) fn blank(id: AttemptId, subject: Subject, call: Call) -> Self {
        Self {
            id,
            subject,
            call,
            announced: None,
            given_up: None,
            settled: None,
            payer: Payer::None,
            pricing: Pricing::Pending,
            cost: None,
            stored: None,
            dirty: false,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        match (&self.settled, &self.given_up) {
            (Some(settled), _) => State::Ended(settled.ending),
            (None, Some(_)) => State::Unknown,
            (None, None) => State::Open,
        }
    }

    /// Whether it is not over.
    pub fn is_open(&self) -> bool {
        self.state() == State::Open
    }

    /// Whether its outcome came without an announcement before it.
    pub fn unannounced(&self) -> bool {
        let settled = self.settled.as_ref().map(|s| s.seq);
        settled.is_some_and(|settled| self.announced.as_ref().is_none_or(|a| a.seq > settled))
    }

    /// The first event that speaks of it.
    pub fn first_seq(&self) -> u64 {
        self.seqs().min().unwrap_or(0)
    }

    /// The last event that changed it.
    pub fn seq(&self) -> u64 {
        self.seqs().max().unwrap_or(0)
    }

    fn seqs(&self) -> impl Iterator<Item = u64> {
        let announced = self.announced.as_ref().map(|a| a.seq);
        let given_up = self.given_up.as_ref().map(|g| g.seq);
        let settled = self.settled.as_ref().map(|s| s.seq);
        [announced, given_up, settled].into_iter().flatten()
    }

    /// The attempt as it stood after event `seq`; `None` if it was not there yet.
    pub fn as_of(mut self, seq: u64) -> Option<Self> {
        if self.first_seq() > seq {
            return None;
        }
        if self.announced.as_ref().is_some_and(|a| a.seq > seq) {
            self.announced = None;
        }
        if self.settled.as_ref().is_some_and(|s| s.seq > seq) {
            self.settled = None;
            let given_up = self.given_up.as_ref().filter(|g| g.seq <= seq).map(|g| g.cost);
            self.price(given_up.map(|cost| (Payer::Platform, cost)));
        }
        if self.given_up.as_ref().is_some_and(|g| g.seq > seq) {
            self.given_up = None;
            if self.settled.is_none() {
                self.price(None);
            }
        }
        Some(self)
    }

    /// Sets payer, pricing and cost together: they follow from who would pay and how much.
    pub(super) fn price(&mut self, owed: Option<(Payer, Option<NanoUsd>)>) {
        (self.payer, self.pricing, self.cost) = match owed {
            None => (Payer::None, Pricing::Pending, None),
            Some((payer, None)) => (payer, Pricing::Unpriced, None),
            Some((_, Some(NanoUsd(0)))) => (Payer::None, Pricing::Free, Some(NanoUsd(0))),
            Some((payer, Some(cost))) => (payer, Pricing::Priced, Some(cost)),
        };
    }

    /// Whether it takes the one place of the attempt that the customer pays for.
    pub(super) fn customer_pays(&self) -> bool {
        self.payer == Payer::Customer
    }

    /// What a second announcement of this attempt means.
    pub(super) fn against_announced(&self, event: &Announced) -> Outcome {
        let there = self.announced.as_ref();
        Outcome::of([
            ("subject", self.subject != event.subject),
            ("provider", self.call.provider != event.provider),
            ("model", self.call.model != event.model),
            ("priced_with", self.call.priced_with != event.priced_with),
            ("route_mode", self.call.route_mode != event.route_mode),
            ("dialect", there.is_some_and(|a| a.dialect != event.dialect)),
            ("stream", there.is_some_and(|a| a.stream != event.stream)),
            ("estimate", there.is_some_and(|a| a.estimate != event.estimate)),
            ("deadline_ms", there.is_some_and(|a| a.deadline_ms != event.deadline_ms)),
        ])
    }

    /// What a second outcome of this attempt means. Who copied it from where is no part of its content.
    pub(super) fn against_settled(&self, there: &Settled, event: &Settlement) -> Outcome {
        Outcome::of([
            ("subject", self.subject != event.subject),
            ("provider", self.call.provider != event.provider),
            ("model", self.call.model != event.model),
            ("priced_with", self.call.priced_with != event.priced_with),
            ("route_mode", self.call.route_mode != event.route_mode),
            ("ending", there.ending != event.ending),
            ("status", there.status != event.status),
            ("fault", there.fault != event.fault),
            ("used", there.used != event.used),
            ("bound", there.bound != event.bound),
            ("last", there.last != event.last),
            ("queue_ms", there.queue_ms != event.queue_ms),
            ("first_byte_ms", there.first_byte_ms != event.first_byte_ms),
            ("duration_ms", there.duration_ms != event.duration_ms),
        ])
    }
}
