//! Which requests may be new: the proof that spares a look into the database for nearly every request.
//!
//! The ids of requests that were put aside are remembered for a while. All events of a request come after its
//! acceptance; so a request that is neither at hand nor remembered, and was accepted after the oldest event whose
//! request may be forgotten, has no event on the books yet.

use std::collections::{HashMap, VecDeque};

use proto::id::RequestId;

/// How far the clocks of the two streams' leaders may be apart, in milliseconds.
const SKEW_MS: u64 = 5_000;
/// How long an id is remembered, in milliseconds of stream time.
const KEEP_MS: u64 = 30_000;
/// The most ids that are remembered: about 4 MB.
const KEEP_MAX: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Each with the stream time of its last event.
    ids: HashMap<RequestId, u64>,
    /// Oldest first; an entry older than the one in `ids` is a request that came back in between.
    order: VecDeque<(u64, RequestId)>,
    /// Stream time up to which requests may have been forgotten.
    horizon_ms: u64,
}

impl Recent {
    /// Remembers nothing of what came up to `horizon_ms`.
    pub(super) fn since(horizon_ms: u64) -> Self {
        Self { horizon_ms, ..Self::default() }
    }

    /// Remembers a request whose last event was stored at `last_ms`.
    pub(super) fn insert(&mut self, id: RequestId, last_ms: u64) {
        if self.ids.insert(id, last_ms).is_none() {
            self.order.push_back((last_ms, id));
        }
    }

    /// Forgets what is older than the window at `now_ms`, or too much.
    pub(super) fn forget(&mut self, now_ms: u64) {
        while let Some((last_ms, id)) = self.order.front().copied() {
            if self.order.len() <= KEEP_MAX && last_ms.saturating_add(KEEP_MS) >= now_ms {
                break;
            }
            self.order.pop_front();
            match self.ids.get(&id) {
                Some(newer) if *newer > last_ms => self.order.push_back((*newer, id)),
                _ => {
                    self.ids.remove(&id);
                    self.horizon_ms = self.horizon_ms.max(last_ms);
                }
            }
        }
    }

    /// Whether a request that is not at hand may have rows in the database.
    pub(super) fn may_be_stored(&self, id: RequestId, accepted_ms: u64) -> bool {
        let before = self.horizon_ms > 0 && accepted_ms.saturating_sub(SKEW_MS) <= self.horizon_ms;
        before || self.ids.contains_key(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_accepted_after_the_horizon_is_new() {
        let mut recent = Recent::since(100_000);
        let id = RequestId::new();
        assert!(recent.may_be_stored(id, 104_000));
        assert!(!recent.may_be_stored(id, 106_000));
        recent.insert(id, 107_000);
        assert!(recent.may_be_stored(id, 106_000));
        recent.forget(107_000 + KEEP_MS);
        assert!(recent.may_be_stored(id, 106_000));
        recent.forget(107_001 + KEEP_MS);
        assert!(recent.may_be_stored(id, 106_000), "the horizon has moved past it");
        assert!(!recent.may_be_stored(RequestId::new(), 113_000));
    }

    #[test]
    fn an_empty_book_needs_no_proof() {
        assert!(!Recent::default().may_be_stored(RequestId::new(), 1));
    }
}
