//! When bytes of a stream go out. The first go at once; later ones at most once per interval, so that a fast stream
//! is sent in fewer frames while a slow one is not delayed at all. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The pace of one stream's frames.
#[derive(Debug)]
pub(crate) struct Linger {
    interval: Duration,
    bytes_max: usize,
    sent: Option<Instant>,
}

/// What to do with the bytes that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Send them.
    Now,
    /// Send them then, if nothing changes.
    At(Instant),
    /// There are none.
    Nothing,
}

impl Linger {
    pub(crate) fn new(interval: Duration, bytes_max: usize) -> Self {
        Self { interval, bytes_max, sent: None }
    }

    /// What to do with `waiting` bytes.
    pub(crate) fn due(&self, waiting: usize, now: Instant) -> Due {
        let Some(sent) = self.sent.filter(|_| waiting < self.bytes_max) else {
            return if waiting == 0 { Due::Nothing } else { Due::Now };
        };
        let at = sent + self.interval;
        match waiting {
            0 => Due::Nothing,
            _ if at <= now => Due::Now,
            _ => Due::At(at),
        }
    }

    /// A frame went out.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.sent = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(15);

    #[test]
    fn the_first_bytes_go_at_once() {
        let now = Instant::now();
        let linger = Linger::new(INTERVAL, 2048);
        assert_eq!(linger.due(0, now), Due::Nothing);
        assert_eq!(linger.due(1, now), Due::Now);
    }

    #[test]
    fn bytes_close_behind_a_frame_wait_for_the_interval() {
        let now = Instant::now();
        let mut linger = Linger::new(INTERVAL, 2048);
        linger.sent(now);
        assert_eq!(linger.due(0, now), Due::Nothing);
        assert_eq!(linger.due(100, now + INTERVAL / 3), Due::At(now + INTERVAL));
        assert_eq!(linger.due(2048, now + INTERVAL / 3), Due::Now);
        assert_eq!(linger.due(100, now + INTERVAL), Due::Now);
    }

    #[test]
    fn a_slow_stream_is_not_delayed() {
        let mut now = Instant::now();
        let mut linger = Linger::new(INTERVAL, 2048);
        for _ in 0..10 {
            linger.sent(now);
            now += INTERVAL * 2;
            assert_eq!(linger.due(40, now), Due::Now);
        }
    }
}
