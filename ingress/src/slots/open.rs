//! An open request: the delivery it is bound to and what is expected of it next.

use std::sync::Arc;
use std::time::Instant;

use proto::ctl::{Cancel, CancelReason};
use proto::envelope::Envelope;
use proto::id::{RequestId, Token};

use super::closed::{Closed, How};
use super::mailbox::Mailbox;

/// Deliveries of one request that are told only once to stop; beyond that many, a worker learns it by asking.
const TOLD_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Open {
    envelope: Arc<Envelope>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) deadline: Instant,
    /// The only delivery whose frames count. Every other one is fenced.
    pub(super) bound: Option<Token>,
    /// The sequence number that its next frame must have; also how many frames of it have arrived.
    pub(super) next_seq: u32,
    /// At the bound (or only) delivery's last *still wanted?*: who it was and how many frames it had sent.
    pub(super) sent_before: Option<(Token, u32)>,
    /// Since when nothing was heard of it after the connection broke.
    pub(super) suspect_since: Option<Instant>,
    told: Told,
}

impl Open {
    pub(super) fn new(envelope: Arc<Envelope>, mailbox: Arc<Mailbox>, deadline: Instant) -> Self {
        Self {
            envelope,
            mailbox,
            deadline,
            bound: None,
            next_seq: 0,
            sent_before: None,
            suspect_since: None,
            told: Told::default(),
        }
    }

    pub(super) fn envelope(&self) -> Arc<Envelope> {
        Arc::clone(&self.envelope)
    }

    pub(super) fn request(&self) -> RequestId {
        self.envelope.request
    }

    pub(super) fn streaming(&self) -> bool {
        self.envelope.stream
    }

    /// Whether `token` may speak for the request.
    pub(super) fn may_speak(&self, token: Token) -> bool {
        self.bound.is_none_or(|bound| bound == token)
    }

    /// Binds to `token`, from its first frame on. Returns the cancel for the delivery it was bound to before.
    pub(super) fn rebind(&mut self, token: Token) -> Option<Cancel> {
        let before = self.bound.replace(token);
        self.next_seq = 0;
        self.sent_before = None;
        self.cancel_once(before?)
    }

    /// The cancel for a fenced delivery, the first time it is needed.
    pub(super) fn cancel_once(&mut self, token: Token) -> Option<Cancel> {
        let request = self.request();
        self.told.first(token).then_some(Cancel { request, token: Some(token), why: CancelReason::Fenced })
    }

    pub(super) fn close(self, how: How, now: Instant) -> Closed {
        let reached = self.mailbox.released();
        Closed { how, bound: self.bound, reached, at: now, told: self.told }
    }
}

/// The deliveries that were told to stop.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<Token>);

impl Told {
    /// Whether `token` has not been told yet; it counts as told from now on.
    pub(super) fn first(&mut self, token: Token) -> bool {
        let first = self.0.len() < TOLD_MAX && !self.0.contains(&token);
        if first {
            self.0.push(token);
        }
        first
    }
}
