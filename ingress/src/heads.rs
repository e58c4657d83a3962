//! Two limits where the HTTP library has one timer: how long the head of a request may take once it has begun, and
//! how long a connection may wait for the next one to begin.
//!
//! The library starts its timer for a head as soon as it waits for one. The sleep made here runs for the longer
//! time, and goes over to the shorter one when it sees that bytes have come since.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// How often bytes have come on a connection. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals(Arc<AtomicU64>);

impl Arrivals {
    /// Bytes have come.
    pub(crate) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The timer of one HTTP/1 connection.
#[derive(Debug)]
pub(crate) struct HeadTimer {
    arrivals: Arrivals,
    head: Duration,
    /// Whether no head has been waited for yet.
    fresh: AtomicBool,
}

impl HeadTimer {
    /// A head that has begun may take `head`; what the library is told is how long a connection may be idle. Bytes
    /// that came before the first head was waited for belong to that one.
    pub(crate) fn new(arrivals: Arrivals, head: Duration) -> Self {
        Self { arrivals, head, fresh: AtomicBool::new(true) }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, idle_until: Instant) -> Pin<Box<dyn Sleep>> {
        let before = if self.fresh.swap(false, Ordering::Relaxed) { 0 } else { self.arrivals.count() };
        Box::pin(HeadSleep {
            arrivals: self.arrivals.clone(),
            head: self.head,
            before: Some(before),
            sleep: Box::pin(tokio::time::sleep_until(idle_until.into())),
        })
    }
}

/// Ends when the connection has been idle, or a head under way, for too long.
struct HeadSleep {
    arrivals: Arrivals,
    head: Duration,
    /// The arrivals before this head; `None` once it has begun.
    before: Option<u64>,
    sleep: Pin<Box<tokio::time::Sleep>>,
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.before.is_some_and(|before| before != self.arrivals.count()) {
            self.before = None;
            let until = tokio::time::Instant::now() + self.head;
            self.sleep.as_mut().reset(until);
        }
        self.sleep.as_mut().poll(cx)
    }
}

impl Sleep for HeadSleep {}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_millis(60);
    const IDLE: Duration = Duration::from_millis(300);

    async fn took(sleep: Pin<Box<dyn Sleep>>) -> Duration {
        let began = Instant::now();
        sleep.await;
        began.elapsed()
    }

    #[tokio::test]
    async fn a_head_has_less_time_than_an_idle_connection() {
        let arrivals = Arrivals::default();
        let timer = HeadTimer::new(arrivals.clone(), HEAD);
        arrivals.note();
        assert!(
            took(timer.sleep(IDLE)).await < IDLE,
            "what told the version is the beginning of the first head"
        );
        assert!(took(timer.sleep(IDLE)).await >= IDLE, "nothing has come since");
        let mut begun = timer.sleep(IDLE);
        assert!(futures_util::poll!(begun.as_mut()).is_pending());
        arrivals.note();
        assert!(futures_util::poll!(begun.as_mut()).is_pending());
        assert!(took(begun).await < IDLE, "it is polled again when bytes have come");
    }
}
