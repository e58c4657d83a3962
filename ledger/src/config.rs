//! How the ledger runs. Nothing here has to be set.

use std::time::Duration;

use crate::presence::Health;

/// Settings of one ledger process.
#[derive(Debug, Clone)]
pub struct Config {
    /// How long events are gathered after the first one of a batch. Default 50 ms.
    pub linger: Duration,
    /// The most events of a batch. Default 1,000.
    pub batch_events_max: usize,
    /// The most bytes of a batch. Default 8 MiB.
    pub batch_bytes_max: usize,
    /// How long to wait for an event before looking whether all is well. Default 3 s.
    pub idle: Duration,
    /// How often open attempts are looked over. Default 5 s.
    pub sweep_every: Duration,
    /// How long after its deadline an open attempt is given up. Default 60 s.
    pub sweep_grace: Duration,
    /// How often a stand-by looks at the cursor. Default 1 s.
    pub standby_every: Duration,
    /// How long the cursor must stand still, with events waiting, before a stand-by takes over. Default 2 s.
    pub standby_patience: Duration,
    /// How long to go on with what is stored already when told to stop. Default 25 s.
    pub drain: Duration,
    /// Filled while the ledger runs; keep a clone to ask how it is.
    pub health: Health,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(50),
            batch_events_max: 1_000,
            batch_bytes_max: 8 << 20,
            idle: Duration::from_secs(3),
            sweep_every: Duration::from_secs(5),
            sweep_grace: Duration::from_secs(60),
            standby_every: Duration::from_secs(1),
            standby_patience: Duration::from_secs(2),
            drain: Duration::from_secs(25),
            health: Health::default(),
        }
    }
}
