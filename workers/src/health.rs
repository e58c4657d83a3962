//! How the role is, for the readiness check of the process that runs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A cheap shared handle; the role writes, `/ready` reads.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<State>);

#[derive(Debug, Default)]
struct State {
    connected: AtomicBool,
    pulling: AtomicBool,
    config: AtomicU64,
}

impl Health {
    /// Whether the role takes deliveries now; else a sentence that says why not.
    pub fn check(&self) -> Result<(), String> {
        if !self.0.connected.load(Ordering::Relaxed) {
            return Err("the worker is not connected to NATS".to_owned());
        }
        if self.config() == 0 {
            return Err("the worker has seen no configuration yet".to_owned());
        }
        if !self.pulling() {
            return Err("the worker takes no deliveries".to_owned());
        }
        Ok(())
    }

    /// Whether the role takes deliveries.
    pub fn pulling(&self) -> bool {
        self.0.pulling.load(Ordering::Relaxed)
    }

    /// The configuration version the role routes with; 0 while it has none.
    pub fn config(&self) -> u64 {
        self.0.config.load(Ordering::Relaxed)
    }

    pub(crate) fn set_connected(&self, connected: bool) {
        self.0.connected.store(connected, Ordering::Relaxed);
    }

    pub(crate) fn set_pulling(&self, pulling: bool) {
        self.0.pulling.store(pulling, Ordering::Relaxed);
    }

    pub(crate) fn set_config(&self, version: u64) {
        self.0.config.store(version, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_missing_until_nothing_is() {
        let health = Health::default();
        assert!(health.check().unwrap_err().contains("NATS"));
        health.set_connected(true);
        assert!(health.check().unwrap_err().contains("configuration"));
        health.set_config(3);
        assert!(health.check().unwrap_err().contains("deliveries"));
        health.set_pulling(true);
        assert_eq!(health.check(), Ok(()));
    }
}
