//! What a batch of events changes, ready to be written in one transaction.

use std::sync::Arc;

use proto::config::Config;
use proto::id::{AttemptId, RequestId};

use super::At;
use super::request::{Closing, Taken};
use crate::outcome::Outcome;
use crate::transfer::Transfer;

/// Why something that should not happen was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncidentKind {
    /// An id came again with other content.
    ExistsWithDifferent,
    /// An outcome names another provider, model or price than its announcement.
    UnlikeAnnouncement,
    /// A usage was priced with a configuration version that never was on the stream.
    ConfigUnseen,
    /// A cost that no amount can hold.
    CostTooLarge,
    /// A message that is no event, or stands on a subject that is not its own.
    Malformed,
    /// Events are gone from the stream that were not on the books yet.
    EventsLost,
}

impl IncidentKind {
    /// The kind as a column and metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExistsWithDifferent => "exists_with_different",
            Self::UnlikeAnnouncement => "unlike_announcement",
            Self::ConfigUnseen => "config_unseen",
            Self::CostTooLarge => "cost_too_large",
            Self::Malformed => "malformed",
            Self::EventsLost => "events_lost",
        }
    }
}

/// Something that should not happen and did. The batch goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// What.
    pub kind: IncidentKind,
    /// The event's id, or the message's subject.
    pub subject: String,
    /// A sentence for a person; no secret, no body.
    pub note: String,
    /// Where it was noticed.
    pub at: At,
    /// The request that it is about, if it is known.
    pub request: Option<RequestId>,
    /// That request's trace context, for the log.
    pub traceparent: Option<String>,
}

impl Incident {
    /// Says which request it is about.
    pub fn about(&mut self, request: RequestId, traceparent: Option<&str>) {
        self.request = Some(request);
        self.traceparent = traceparent.map(str::to_owned);
    }
}

/// How many events of which kind were applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Announcements.
    pub attempts: u64,
    /// Outcomes.
    pub usages: u64,
    /// Takeovers.
    pub takeovers: u64,
    /// Closings.
    pub closings: u64,
    /// Configuration versions.
    pub configs: u64,
    /// Events that were on the books already, with the same content.
    pub repeated: u64,
    /// Attempts given up as unknown.
    pub unknown: u64,
    /// Outcomes without announcement.
    pub unannounced: u64,
    /// Attempts that a customer would have paid for, had it not paid for another one of the request.
    pub second_payers: u64,
    /// Outcomes without a price.
    pub unpriced: u64,
}

/// What a batch changes.
#[derive(Debug, Default)]
pub struct Changes {
    /// Attempts whose row must be written, each once.
    pub attempts: Vec<AttemptId>,
    /// New transfers.
    pub transfers: Vec<Transfer>,
    /// New takeovers.
    pub takeovers: Vec<(RequestId, Taken)>,
    /// New closings.
    pub closings: Vec<(RequestId, Closing)>,
    /// New configuration versions.
    pub configs: Vec<(u64, Arc<Config>)>,
    /// What should not have happened.
    pub incidents: Vec<Incident>,
    /// Requests that any event was about; the same one may stand here more than once.
    pub requests: Vec<RequestId>,
    /// For metrics.
    pub counts: Counts,
}

impl Changes {
    /// Notes an incident.
    pub fn incident(&mut self, kind: IncidentKind, at: At, subject: String, note: String) -> &mut Incident {
        let incident = Incident { kind, subject, note, at, request: None, traceparent: None };
        self.incidents.push_mut(incident)
    }

    /// Counts a repetition, or notes what differs; `about` is the request that it is about, and its trace context.
    pub(super) fn repeated(
        &mut self,
        outcome: Outcome,
        at: At,
        about: Option<(RequestId, Option<&str>)>,
        id: impl FnOnce() -> String,
    ) {
        match outcome {
            Outcome::Created => {}
            Outcome::Exists => self.counts.repeated += 1,
            Outcome::ExistsWithDifferent(field) => {
                let note = format!("the same id came again with another {field}; the first one stands");
                let incident = self.incident(IncidentKind::ExistsWithDifferent, at, id(), note);
                if let Some((request, traceparent)) = about {
                    incident.about(request, traceparent);
                }
            }
        }
    }
}
