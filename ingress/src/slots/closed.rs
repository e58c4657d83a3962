//! Requests that are over here, remembered for a while: bounded in number, bytes and age, the oldest go first.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use proto::id::{RequestId, Token};

use super::SlotLimits;
use super::open::Told;

/// How a request ended here.
#[derive(Debug)]
pub(super) enum How {
    /// Answered in full; the event that its last frame carried.
    Answered(Bytes),
    /// The caller went away.
    Disconnected,
    /// Failed here, or never known to be stored.
    Failed,
    /// Ended with an error event because another delivery claimed it after bytes had reached the caller.
    BrokenOff,
}

#[derive(Debug)]
pub(super) struct Closed {
    pub(super) how: How,
    pub(super) bound: Option<Token>,
    /// Whether bytes of the bound delivery reached the caller.
    pub(super) reached: bool,
    pub(super) at: Instant,
    pub(super) told: Told,
}

impl Closed {
    /// A request that nothing is known of.
    pub(super) fn unknown(now: Instant) -> Self {
        Self { how: How::Failed, bound: None, reached: false, at: now, told: Told::default() }
    }

    /// The delivery whose bytes reached the caller.
    pub(super) fn reached_by(&self) -> Option<Token> {
        self.bound.filter(|_| self.reached)
    }

    fn bytes(&self) -> usize {
        match &self.how {
            How::Answered(event) => event.len(),
            How::Disconnected | How::Failed | How::BrokenOff => 0,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Graveyard {
    entries: HashMap<u128, Closed>,
    /// Every entry once, oldest first.
    order: VecDeque<u128>,
    bytes: usize,
}

impl Graveyard {
    /// Remembers a request that has just ended, in place of the oldest ones if need be.
    pub(super) fn bury(&mut self, request: RequestId, closed: Closed, limits: &SlotLimits) {
        self.bytes += closed.bytes();
        match self.entries.insert(request.as_u128(), closed) {
            Some(before) => self.bytes -= before.bytes(),
            None => self.order.push_back(request.as_u128()),
        }
        while self.order.len() > limits.closed_max || self.bytes > limits.closed_bytes_max {
            self.forget_oldest();
        }
    }

    pub(super) fn get_mut(&mut self, request: RequestId) -> Option<&mut Closed> {
        self.entries.get_mut(&request.as_u128())
    }

    /// The final event arrived after all: whoever asks from now on gets it.
    pub(super) fn settle(&mut self, request: RequestId, event: Bytes, limits: &SlotLimits) {
        let Some(closed) = self.entries.get_mut(&request.as_u128()) else { return };
        self.bytes = self.bytes - closed.bytes() + event.len();
        closed.how = How::Answered(event);
        while self.bytes > limits.closed_bytes_max {
            self.forget_oldest();
        }
    }

    /// Forgets what is older than `limits.keep`.
    pub(super) fn expire(&mut self, now: Instant, limits: &SlotLimits) {
        while let Some(entry) = self.order.front().and_then(|oldest| self.entries.get(oldest)) {
            if now.saturating_duration_since(entry.at) < limits.keep {
                break;
            }
            self.forget_oldest();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    fn forget_oldest(&mut self) {
        if let Some(closed) = self.order.pop_front().and_then(|oldest| self.entries.remove(&oldest)) {
            self.bytes -= closed.bytes();
        }
    }
}
