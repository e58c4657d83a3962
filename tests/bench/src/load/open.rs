//! The open loop: requests start when they are due, and their time counts from then (so that a stall is seen by
//! every request it delayed, not by one alone).
//!
//! One thread with one connection for every so many requests a second: a thread sleeps to within microseconds,
//! where a runtime's timer is rounded to the millisecond, more than most of what is measured here.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::{Args, Connection, Outcome, Tally, Window, flaw, request};
use crate::shape;

/// Threads that share the rate. Each has this many times the mean interval to get its answer before it is late.
const THREADS: u32 = 64;
/// How long before the first request connections are made.
const CONNECT_AHEAD: Duration = Duration::from_millis(200);
const STACK_BYTES: usize = 128 * 1024;

pub(super) fn play(args: &Args) -> anyhow::Result<Outcome> {
    let bytes: Arc<[u8]> = request(args.address, &args.path, &args.key, &shape::request_body(None)).into();
    let ahead_ns = u64::try_from(CONNECT_AHEAD.as_nanos())?;
    let start_ns = shape::now_ns() + ahead_ns;
    let window = Window::starting_now(args);
    let window = Window { from_ns: window.from_ns + ahead_ns, until_ns: window.until_ns + ahead_ns };
    let mut threads = Vec::new();
    for n in 0..THREADS {
        let (bytes, mut tally, connection) =
            (Arc::clone(&bytes), Tally::new()?, Connection::new(args.address));
        let schedule = Schedule { start_ns, first: n, rate: args.amount };
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        threads.push(thread.spawn(move || {
            ask_when_due(schedule, window, &bytes, connection, &mut tally);
            tally
        })?);
    }
    let mut all = Tally::new()?;
    for thread in threads {
        all.add(thread.join().map_err(|_| anyhow::anyhow!("a load thread died"))?)?;
    }
    all.outcome(args.seconds, false)
}

/// When one thread's requests are due.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    start_ns: u64,
    first: u32,
    rate: u32,
}

impl Schedule {
    fn due_ns(self, n: u64) -> u64 {
        let place = u64::from(self.first) + n * u64::from(THREADS);
        self.start_ns + place * 1_000_000_000 / u64::from(self.rate.max(1))
    }
}

fn ask_when_due(
    schedule: Schedule,
    window: Window,
    bytes: &[u8],
    mut connection: Connection,
    tally: &mut Tally,
) {
    // Without this the kernel wakes a sleeper up to 50 microseconds late. A refusal only makes it less exact.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).ok();
    drop(connection.connect());
    for n in 0.. {
        let due = schedule.due_ns(n);
        if due >= window.until_ns {
            return;
        }
        if let Some(wait) = due.checked_sub(shape::now_ns()) {
            std::thread::sleep(Duration::from_nanos(wait));
        }
        match connection.exchange(bytes).map(flaw) {
            Ok(None) => tally.good(shape::now_ns() - due, window.holds(due)),
            Ok(Some(why)) => tally.bad(why),
            Err(error) => tally.bad(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_together_keep_the_rate() {
        let mut due: Vec<u64> = (0..THREADS)
            .flat_map(|first| (0..10).map(move |n| Schedule { start_ns: 0, first, rate: 1000 }.due_ns(n)))
            .collect();
        due.sort_unstable();
        assert!(due.windows(2).all(|pair| pair[1] - pair[0] == 1_000_000));
    }
}
