//! A credential that its provider refuses several times in a row is left out for a while, and then tried again.

use std::time::{Duration, Instant};

/// So many refusals in a row take it out.
const STRIKES_MAX: u32 = 3;
/// Refusals further apart than this are not in a row.
const WINDOW: Duration = Duration::from_secs(300);
/// For how long it is out.
const OUT: Duration = Duration::from_secs(300);

/// What a provider has said of one credential lately.
#[derive(Debug, Default)]
pub(crate) struct Strikes {
    count: u32,
    last: Option<Instant>,
    out_until: Option<Instant>,
}

/// What a word of the provider changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// It is out now.
    Out,
    /// It is taken again.
    Back,
}

impl Strikes {
    /// Whether it is left out at present.
    pub(crate) fn out(&self, now: Instant) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }

    /// The provider refused it. One that comes back and is refused again is out again at once.
    pub(crate) fn refused(&mut self, now: Instant) -> Change {
        let in_a_row = self.out_until.is_some() || self.last.is_some_and(|last| now < last + WINDOW);
        self.count = if in_a_row { self.count + 1 } else { 1 };
        self.last = Some(now);
        if self.count < STRIKES_MAX || self.out(now) {
            return Change::None;
        }
        self.out_until = Some(now + OUT);
        Change::Out
    }

    /// The provider took it.
    pub(crate) fn taken(&mut self) -> Change {
        let was_out = self.out_until.is_some();
        *self = Self::default();
        if was_out { Change::Back } else { Change::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_a_row_take_it_out_and_time_brings_it_back() {
        let (mut strikes, start) = (Strikes::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!((strikes.refused(at(0)), strikes.refused(at(1))), (Change::None, Change::None));
        assert!(!strikes.out(at(1)));
        assert_eq!(strikes.refused(at(2)), Change::Out);
        assert!(strikes.out(at(301)) && !strikes.out(at(302)));
        assert_eq!(strikes.refused(at(303)), Change::Out, "one more is enough after that");
        assert!(!strikes.out(at(604)));
        assert_eq!(strikes.taken(), Change::Back);
        assert_eq!(strikes.refused(at(605)), Change::None);
    }

    #[test]
    fn what_is_taken_in_between_or_long_ago_does_not_count() {
        let (mut strikes, start) = (Strikes::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        strikes.refused(at(0));
        strikes.refused(at(1));
        assert_eq!(strikes.taken(), Change::None);
        strikes.refused(at(2));
        strikes.refused(at(3));
        assert_eq!(strikes.refused(at(304)), Change::None);
        assert!(!strikes.out(at(304)));
    }
}
