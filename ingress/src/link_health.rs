//! How long the connection to NATS has been down, read on every request; and what a break does to open slots.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proto::nats::Link;

use crate::metrics::Metrics;
use crate::slots::Slots;

/// The time since which the connection is down, as milliseconds after `start`; 0 while it stands.
#[derive(Debug)]
pub(crate) struct LinkHealth {
    start: Instant,
    down_since_ms: AtomicU64,
}

impl LinkHealth {
    /// Begins with a connection that stands, or has just broken.
    pub(crate) fn new(connected: bool) -> Self {
        let health = Self { start: Instant::now(), down_since_ms: AtomicU64::new(0) };
        health.set(connected);
        health
    }

    /// How long the connection has been down; `None` while it stands.
    pub(crate) fn down_for(&self) -> Option<Duration> {
        match self.down_since_ms.load(Ordering::Relaxed) {
            0 => None,
            since => Some(Duration::from_millis(self.elapsed_ms().saturating_sub(since))),
        }
    }

    fn set(&self, connected: bool) {
        if connected {
            self.down_since_ms.store(0, Ordering::Relaxed);
        } else if self.down_since_ms.load(Ordering::Relaxed) == 0 {
            self.down_since_ms.store(self.elapsed_ms().max(1), Ordering::Relaxed);
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Follows the connection's state for ever.
    pub(crate) async fn follow(&self, link: &Link, slots: &Slots, metrics: &Metrics) {
        let mut states = link.watch();
        let mut before = *states.borrow_and_update();
        metrics.link_connected.set(if link.state().connected { 1.0 } else { 0.0 });
        while states.changed().await.is_ok() {
            let state = *states.borrow_and_update();
            self.set(state.connected);
            if state.epoch != before.epoch || (state.connected && !before.connected) {
                // What was in flight may be lost; after a break the time to be heard of starts anew.
                if state.epoch > 0 {
                    slots.suspect_all(Instant::now());
                }
                tracing::info!(connected = state.connected, breaks = state.epoch, "nats link changed");
            }
            metrics.link_breaks.set(f64::from(u32::try_from(state.epoch).unwrap_or(u32::MAX)));
            metrics.link_connected.set(if state.connected { 1.0 } else { 0.0 });
            before = state;
        }
        // The sender lives in the connection itself; without it there is nothing left to follow.
        std::future::pending::<()>().await;
    }
}
