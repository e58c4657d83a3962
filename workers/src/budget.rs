//! The process-wide retry budget: retries cannot melt a provider, because each request earns a fifth of one.

use std::sync::Mutex;
use std::time::Instant;

/// What one request earns, in thousandths of a retry.
const EARNED: u64 = 200;
const RETRY: u64 = 1000;
/// The most that can be saved up.
const SAVED_MAX: u64 = 100 * RETRY;
/// With little traffic the budget still fills up to this, one retry a second.
const FLOOR: u64 = 10 * RETRY;

/// A token bucket filled by requests and, up to a small floor, by time.
#[derive(Debug)]
pub(crate) struct RetryBudget(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    saved: u64,
    filled: Instant,
}

impl RetryBudget {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Bucket { saved: FLOOR, filled: now }))
    }

    /// A request came.
    pub(crate) fn earn(&self) {
        let Ok(mut bucket) = self.0.lock() else { return };
        bucket.saved = (bucket.saved + EARNED).min(SAVED_MAX);
    }

    /// Takes one retry out; `false` if there is none.
    pub(crate) fn draw(&self, now: Instant) -> bool {
        let Ok(mut bucket) = self.0.lock() else { return false };
        if bucket.saved < FLOOR {
            let elapsed = now.saturating_duration_since(bucket.filled).as_millis();
            let earned = u64::try_from(elapsed).unwrap_or(FLOOR);
            bucket.saved = (bucket.saved + earned).min(FLOOR);
        }
        bucket.filled = now;
        let affordable = bucket.saved >= RETRY;
        if affordable {
            bucket.saved -= RETRY;
        }
        affordable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn retries_stay_a_fifth_of_the_requests() {
        let now = Instant::now();
        let budget = RetryBudget::new(now);
        let mut drawn = 0;
        for _ in 0..1000 {
            budget.earn();
            drawn += u32::from(budget.draw(now));
        }
        assert!((200..=210).contains(&drawn), "{drawn}");
    }

    #[test]
    fn little_traffic_can_retry_again_after_a_while() {
        let now = Instant::now();
        let budget = RetryBudget::new(now);
        while budget.draw(now) {}
        assert!(!budget.draw(now + Duration::from_millis(900)));
        assert!(budget.draw(now + Duration::from_millis(1900)));
        let later = now + Duration::from_secs(3600);
        let drawn = (0..100).filter(|_| budget.draw(later)).count();
        assert_eq!(drawn, 10);
    }
}
