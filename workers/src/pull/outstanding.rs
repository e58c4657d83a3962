//! How many deliveries have been asked for and are still to come. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The most that is asked for at once.
const BATCH_MAX: usize = 200;

/// The account of what was asked for since the last break.
#[derive(Debug)]
pub(super) struct Outstanding {
    generation: u64,
    expected: usize,
    heard: Instant,
}

impl Outstanding {
    pub(super) fn new(now: Instant) -> Self {
        Self { generation: 0, expected: 0, heard: now }
    }

    /// How many to ask for when `free` could be worked on. Asks in batches, but never waits with an empty account.
    pub(super) fn wanted(&self, free: usize) -> Option<usize> {
        let target = free.min(BATCH_MAX);
        let low = self.expected * 2 <= target;
        let missing = target.saturating_sub(self.expected);
        (low && missing > 0).then_some(missing)
    }

    /// That many were asked for.
    pub(super) fn asked(&mut self, batch: usize, now: Instant) {
        self.expected += batch;
        self.heard = now;
    }

    /// One came.
    pub(super) fn delivered(&mut self) {
        self.expected = self.expected.saturating_sub(1);
    }

    /// A request ended with so many that will not come; `None` = unknown, so all of them.
    pub(super) fn ended(&mut self, pending: Option<usize>) {
        self.expected = self.expected.saturating_sub(pending.unwrap_or(self.expected));
    }

    /// Nothing that was asked for before counts any more.
    pub(super) fn forget(&mut self) {
        self.generation += 1;
        self.expected = 0;
    }

    /// The server said something.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// How long the server has been silent.
    pub(super) fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    /// How many are still to come.
    pub(super) fn expected(&self) -> usize {
        self.expected
    }

    /// Counted up with every [`Outstanding::forget`]; names the requests made since.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_there_is_room_for() {
        let now = Instant::now();
        let mut outstanding = Outstanding::new(now);
        assert_eq!(outstanding.wanted(0), None);
        assert_eq!(outstanding.wanted(3), Some(3));
        assert_eq!(outstanding.wanted(1000), Some(BATCH_MAX));
        outstanding.asked(3, now);
        assert_eq!(outstanding.wanted(3), None);
        outstanding.delivered();
        assert_eq!(outstanding.wanted(2), None, "two are on their way for two free slots");
        outstanding.delivered();
        outstanding.delivered();
        assert_eq!(outstanding.wanted(0), None);
        assert_eq!(outstanding.wanted(1), Some(1), "one free slot is used at once");
    }

    #[test]
    fn asks_in_batches() {
        let now = Instant::now();
        let mut outstanding = Outstanding::new(now);
        outstanding.asked(200, now);
        for _ in 0..99 {
            outstanding.delivered();
        }
        assert_eq!(outstanding.wanted(256), None);
        outstanding.delivered();
        assert_eq!(outstanding.wanted(256), Some(100));
    }

    #[test]
    fn what_lapsed_is_asked_for_again() {
        let now = Instant::now();
        let mut outstanding = Outstanding::new(now);
        outstanding.asked(200, now);
        outstanding.delivered();
        outstanding.ended(Some(199));
        assert_eq!(outstanding.wanted(256), Some(200));
        outstanding.asked(200, now);
        outstanding.ended(None);
        assert_eq!(outstanding.expected(), 0);
        let generation = outstanding.generation();
        outstanding.forget();
        assert_ne!(outstanding.generation(), generation);
    }
}
