//! The slots: who waits for which answer, which delivery may give it, and what is remembered afterwards.
//!
//! This is the ingress's half of the crash rules, and it is pure: no NATS, no HTTP, no clock. A request has an
//! *open* slot from before it is published until its answer is complete, failed or unwanted; then a *closed*
//! entry remembers for a minute how it ended, so that a worker that comes late is told the truth.
//!
//! | module | owns |
//! |---|---|
//! | `mailbox` | what has arrived for one caller, and the waking of whoever waits for it |
//! | `open` | binding to one delivery, sequence numbers, gaps |
//! | `closed` | tombstones: bounded in number, bytes and age |
//! | `asks` | claims and *still wanted?* |
//! | `frames` | what a reply frame does |
//! | `sweep` | deadlines, lost contact, keep-alives |

mod asks;
mod closed;
mod frames;
mod mailbox;
mod open;
mod sweep;
#[cfg(test)]
mod tests;

pub(crate) use frames::Verdict;
pub(crate) use mailbox::{Failure, Mailbox, Piece, Whole};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::ctl::{Cancel, CancelReason};
use proto::envelope::Envelope;
use proto::fault::Fault;
use proto::id::{RequestId, Token};

use closed::{Graveyard, How};
use open::Open;

/// The bounds of everything kept here.
#[derive(Debug, Clone)]
pub(crate) struct SlotLimits {
    /// Requests that may be open at once.
    pub(crate) open_max: usize,
    /// Closed entries kept at most; the oldest go first.
    pub(crate) closed_max: usize,
    /// Bytes of final events kept at most in closed entries.
    pub(crate) closed_bytes_max: usize,
    /// How long a closed entry is kept.
    pub(crate) keep: Duration,
    /// Bytes of a whole answer at most.
    pub(crate) whole_bytes_max: usize,
    /// Bytes of a stream that may wait for a slow caller.
    pub(crate) queued_bytes_max: usize,
    /// How long a request may stay silent after the connection to NATS broke.
    pub(crate) silence_max: Duration,
    /// Silence after which an open stream gets a keep-alive comment.
    pub(crate) keep_alive: Duration,
}

impl Default for SlotLimits {
    fn default() -> Self {
        Self {
            open_max: 20_000,
            closed_max: 65_536,
            closed_bytes_max: 12 << 20,
            keep: Duration::from_secs(60),
            whole_bytes_max: 80 << 20,
            queued_bytes_max: 32 << 20,
            silence_max: Duration::from_secs(15),
            keep_alive: Duration::from_secs(15),
        }
    }
}

/// All slots of one ingress. Every operation takes one short lock and never waits for anything else.
#[derive(Debug)]
pub(crate) struct Slots {
    limits: SlotLimits,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    open: HashMap<u128, Open>,
    closed: Graveyard,
}

/// There are as many open requests as this ingress takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Slots {
    /// No slots yet.
    pub(crate) fn new(limits: SlotLimits) -> Self {
        Self { limits, table: Mutex::default() }
    }

    /// Opens a slot for a request that is about to be published. `deadline` is when the caller is told that it
    /// took too long.
    pub(crate) fn open(
        &self,
        envelope: Arc<Envelope>,
        deadline: Instant,
        now: Instant,
    ) -> Result<Arc<Mailbox>, Full> {
        let mut table = self.table();
        if table.open.len() >= self.limits.open_max {
            return Err(Full);
        }
        let mailbox = Arc::new(Mailbox::new(now));
        let request = envelope.request;
        let slot = Open::new(envelope, Arc::clone(&mailbox), deadline);
        table.open.insert(request.as_u128(), slot);
        Ok(mailbox)
    }

    /// The caller went away. Returns what to tell the workers, if the request was still open.
    pub(crate) fn leave(&self, request: RequestId, now: Instant) -> Option<Cancel> {
        let mut table = self.table();
        let slot = table.open.remove(&request.as_u128())?;
        let closed = slot.close(How::Disconnected, now);
        table.closed.bury(request, closed, &self.limits);
        Some(Cancel { request, token: None, why: CancelReason::Disconnected })
    }

    /// Forgets a request of which it is not known whether it was stored: whoever serves it will be told that
    /// nobody waits.
    pub(crate) fn abandon(&self, request: RequestId, now: Instant) {
        let mut table = self.table();
        if let Some(slot) = table.open.remove(&request.as_u128()) {
            let closed = slot.close(How::Failed, now);
            table.closed.bury(request, closed, &self.limits);
        }
    }

    /// Ends every open request with `fault`: the process is about to go.
    pub(crate) fn fail_all(&self, fault: &Fault, now: Instant) -> Vec<Cancel> {
        let mut table = self.table();
        let requests: Vec<RequestId> = table.open.values().map(Open::request).collect();
        requests.into_iter().filter_map(|r| table.fail(r, fault.clone(), now, &self.limits)).collect()
    }

    /// What an open request is, for its owner's questions.
    pub(crate) fn find(&self, request: RequestId) -> Option<Arc<Envelope>> {
        self.table().open.get(&request.as_u128()).map(Open::envelope)
    }

    /// How many requests are open, and how many closed ones are remembered.
    pub(crate) fn len(&self) -> (usize, usize) {
        let table = self.table();
        (table.open.len(), table.closed.len())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while the lock was held is contained to one request; the table itself stays usable.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Ends an open request with `fault`. Returns the cancel for whoever works on it.
    fn fail(
        &mut self,
        request: RequestId,
        fault: Fault,
        now: Instant,
        limits: &SlotLimits,
    ) -> Option<Cancel> {
        let slot = self.open.remove(&request.as_u128())?;
        slot.mailbox.fail(fault);
        let token: Option<Token> = slot.bound;
        self.closed.bury(request, slot.close(How::Failed, now), limits);
        Some(Cancel { request, token, why: CancelReason::Fenced })
    }
}
