//! Wakes the projector after a commit, and waits until it has done what was committed.

use std::sync::Arc;
use std::time::Duration;

use ledger::Db;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::store::{self, Appended};

/// How long an answer waits for its rows; they are done later if they are not done by then.
const PATIENCE: Duration = Duration::from_secs(2);
/// Another control may be the one that does the rows.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// A cheap shared handle; whoever commits outbox rows wakes, the projector listens.
#[derive(Debug, Clone)]
pub struct Nudge(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    wake: Notify,
    passes: watch::Sender<u64>,
}

impl Default for Nudge {
    fn default() -> Self {
        Self(Arc::new(Inner { wake: Notify::new(), passes: watch::Sender::new(0) }))
    }
}

impl Nudge {
    /// Something was committed.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Waits until something was committed.
    pub(crate) async fn woken(&self) {
        self.0.wake.notified().await;
    }

    /// The projector has done a page of rows.
    pub(super) fn passed(&self) {
        self.0.passes.send_modify(|passes| *passes += 1);
    }

    /// Wakes the projector and waits, two seconds at most, until these rows are done: from then on every process
    /// hears of them within milliseconds. Whether they are.
    pub async fn wait_done(&self, db: &Db, rows: Appended) -> Result<bool, Error> {
        let until = Instant::now() + PATIENCE;
        let mut passes = self.0.passes.subscribe();
        self.wake();
        while store::any_waiting(db, rows).await? {
            if Instant::now() >= until {
                return Ok(false);
            }
            let look = (Instant::now() + LOOK_EVERY).min(until);
            // Either way the rows are looked at again.
            timeout_at(look, passes.changed()).await.ok();
        }
        Ok(true)
    }
}
