//! How this ledger is: known to the process through [`Health`], and to everybody by a beat each second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::ctl::LedgerBeat;
use proto::nats::Link;
use proto::subject::CTL_LEDGER;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, chain};
use crate::metrics;

const BEAT: Duration = Duration::from_secs(1);
/// After this long without a look into the database and at the stream the ledger does not count as consuming.
const STALE: Duration = Duration::from_secs(8);

/// How the ledger of this process is. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Status>>);

#[derive(Debug, Default)]
struct Status {
    /// When database and stream were last seen to be well.
    well: Option<Instant>,
    active: bool,
    cursor: u64,
    lag: u64,
    trouble: Option<String>,
}

impl Health {
    /// Whether events are put on the books, or would be if there were any; else a sentence that says why not.
    pub fn check(&self) -> Result<(), String> {
        let status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if status.well.is_some_and(|well| well.elapsed() < STALE) {
            return Ok(());
        }
        Err(match &status.trouble {
            Some(trouble) => format!("the ledger does not consume: {trouble}"),
            None => "the ledger has not begun to consume".to_owned(),
        })
    }

    /// The last sequence of EVENTS that is on the books, as far as this process knows.
    pub fn cursor(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cursor
    }

    /// Database and stream were just seen to be well.
    pub(crate) fn well(&self, active: bool, cursor: u64, lag: u64, behind: Duration) {
        let mut status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *status = Status { well: Some(Instant::now()), active, cursor, lag, trouble: None };
        metrics::active(active);
        metrics::position(cursor, lag, behind);
    }

    /// Something does not work; it is said once, and again only when it is something else.
    pub(crate) fn trouble(&self, error: &Error) {
        let text = chain(error);
        let mut status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if status.trouble.as_ref() != Some(&text) {
            tracing::warn!(error = text, "the ledger cannot go on and tries again");
        }
        status.trouble = Some(text);
    }

    fn beat(&self) -> LedgerBeat {
        let consuming = self.check().is_ok();
        let status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let active = consuming && status.active;
        LedgerBeat { consuming, active, cursor: status.cursor, lag: status.lag }
    }
}

/// Says each second how the ledger is, until `shutdown`.
pub(crate) async fn run(link: Link, health: Health, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(BEAT);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        // A beat that cannot be sent is late; the next one comes in a second.
        let Ok(beat) = serde_json::to_vec(&health.beat()) else { continue };
        let sent = tokio::time::timeout(BEAT, link.client.publish(CTL_LEDGER, Bytes::from(beat))).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!("a beat was not sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_says_what_is_wrong_until_it_is_well() {
        let health = Health::default();
        assert!(health.check().unwrap_err().contains("not begun"));
        health.trouble(&Error::DatabaseUrl);
        assert!(health.check().unwrap_err().contains("DATABASE_URL"));
        health.well(true, 7, 1, Duration::ZERO);
        assert_eq!((health.check(), health.cursor()), (Ok(()), 7));
        assert_eq!(health.beat(), LedgerBeat { consuming: true, active: true, cursor: 7, lag: 1 });
    }
}
