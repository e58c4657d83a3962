//! How quick places have been lately: a moving average that follows peaks at once and forgets them slowly, times the
//! calls that run there. Of two places drawn at random the quicker one is chosen, so that not everybody runs to the
//! same one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// In this time a peak sinks to a third.
const DECAY: Duration = Duration::from_secs(10);
/// What a place counts with that was never measured and has calls running.
const UNMEASURED: f64 = 1e12;
/// More places than this are not measured.
const PLACES_MAX: usize = 4096;

/// The pace of every place that is measured. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paces(Arc<Mutex<HashMap<String, Pace>>>);

#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Microseconds to the first content, as far as it is remembered.
    average: f64,
    at: Instant,
    /// Calls that run there.
    running: u32,
}

/// A call that runs. Dropped without a word of how long it took, it only runs no more.
#[derive(Debug)]
pub(crate) struct Running {
    paces: Paces,
    place: String,
}

impl Paces {
    /// The quicker of two of `places` that `random` draws; `None` = there are none.
    pub(crate) fn choose(&self, places: &[&str], random: u64) -> Option<usize> {
        let count = u64::try_from(places.len()).ok().filter(|count| *count > 0)?;
        let first = random % count;
        // Another one than the first, each as likely.
        let second = if count == 1 { first } else { (first + 1 + (random >> 32) % (count - 1)) % count };
        let (first, second) = (usize::try_from(first).ok()?, usize::try_from(second).ok()?);
        let now = Instant::now();
        let table = self.table();
        let load = |at: usize| places.get(at).map_or(UNMEASURED, |place| load(table.get(*place), now));
        Some(if load(second) < load(first) { second } else { first })
    }

    /// A call begins there.
    pub(crate) fn begin(&self, place: &str) -> Running {
        let mut table = self.table();
        if table.len() >= PLACES_MAX {
            table.retain(|_, pace| pace.running > 0);
        }
        let fresh = Pace { average: 0.0, at: Instant::now(), running: 0 };
        table.entry(place.to_owned()).or_insert(fresh).running += 1;
        Running { paces: self.clone(), place: place.to_owned() }
    }

    fn measured(&self, place: &str, took: Duration, now: Instant) {
        let mut table = self.table();
        let Some(pace) = table.get_mut(place) else { return };
        let took = took.as_secs_f64() * 1e6;
        let keeps = kept(now.saturating_duration_since(pace.at));
        pace.average = if took > pace.average { took } else { pace.average * keeps + took * (1.0 - keeps) };
        pace.at = now;
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Pace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Its first content, or its failure, came after this long.
    pub(crate) fn took(&self, took: Duration) {
        self.paces.measured(&self.place, took, Instant::now());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(pace) = self.paces.table().get_mut(&self.place) {
            pace.running = pace.running.saturating_sub(1);
        }
    }
}

fn load(pace: Option<&Pace>, now: Instant) -> f64 {
    let Some(pace) = pace else { return 0.0 };
    let calls = f64::from(pace.running) + 1.0;
    if pace.average == 0.0 && pace.running > 0 {
        return UNMEASURED * calls;
    }
    pace.average * kept(now.saturating_duration_since(pace.at)) * calls
}

/// How much of an average is left after that long.
fn kept(passed: Duration) -> f64 {
    (-passed.as_secs_f64() / DECAY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(paces: &Paces, place: &str, ms: u64) {
        paces.begin(place).took(Duration::from_millis(ms));
    }

    fn shares(paces: &Paces, places: &[&str]) -> Vec<usize> {
        let mut chosen = vec![0; places.len()];
        for draw in 0..1000_u64 {
            chosen[paces.choose(places, draw.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap()] += 1;
        }
        chosen
    }

    #[test]
    fn the_quicker_of_two_is_chosen_and_what_was_never_tried_is_tried() {
        let paces = Paces::default();
        measure(&paces, "a", 100);
        assert_eq!(shares(&paces, &["a", "b"]), [0, 1000]);
        measure(&paces, "b", 300);
        assert_eq!(shares(&paces, &["a", "b"]), [1000, 0]);
        assert_eq!(paces.choose(&[], 1), None);
        assert_eq!(paces.choose(&["a"], u64::MAX), Some(0));
    }

    #[test]
    fn of_three_the_slowest_gets_nothing() {
        let paces = Paces::default();
        for (place, ms) in [("a", 100), ("b", 200), ("c", 300)] {
            measure(&paces, place, ms);
        }
        let shares = shares(&paces, &["a", "b", "c"]);
        assert!(shares[0] > 550 && shares[1] > 200 && shares[2] == 0, "{shares:?}");
    }

    #[test]
    fn a_peak_counts_at_once_and_running_calls_count() {
        let paces = Paces::default();
        for _ in 0..50 {
            measure(&paces, "a", 10);
        }
        measure(&paces, "b", 50);
        measure(&paces, "a", 500);
        assert_eq!(shares(&paces, &["a", "b"]), [0, 1000]);
        let running: Vec<_> = (0..20).map(|_| paces.begin("b")).collect();
        assert_eq!(shares(&paces, &["a", "b"]), [1000, 0]);
        drop(running);
        assert_eq!(shares(&paces, &["a", "b"]), [0, 1000]);
    }
}
