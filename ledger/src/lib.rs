//! The books: reads EVENTS in order and turns every upstream attempt into rows, accounts and transfers that can
//! be derived from the stream again. Reaches NATS and SQL, no provider.
//!
//! | module | owns |
//! |---|---|
//! | [`book`] | pure: (working set, event) -> changes |
//! | [`account`], [`transfer`], [`outcome`] | the nouns |
//! | [`price`] | configuration version and usage -> cost |
//! | `stream` | reading EVENTS in order from any sequence |
//! | `consume` | the active ledger, standing by |
//! | `apply` | one batch: load, apply, write |
//! | `loss` | events that are gone before they were on the books |
//! | `sweep` | ends what nobody speaks of any more |
//! | [`checkpoint`] | the state at the beginning of a day |
//! | [`retention`] | how long events must stay on their stream |
//! | [`reconcile`] | derives the books again and compares |
//! | [`replay`], `lookup`, [`view`] | what is asked about requests |
//! | `presence` | how this ledger is |
//! | [`store`] | the only SQL |

pub mod account;
pub mod book;
pub mod checkpoint;
pub mod config;
pub mod error;
pub mod outcome;
pub mod price;
pub mod reconcile;
pub mod replay;
pub mod retention;
pub mod store;
pub mod transfer;
pub mod view;

#[cfg(test)]
mod fixtures;

mod apply;
mod consume;
#[cfg(test)]
mod consume_tests;
mod lookup;
mod loss;
mod metrics;
mod presence;
mod stream;
mod sweep;

pub use config::Config;
pub use error::Error;
pub use presence::Health;
pub use store::{Db, Engine};

use proto::nats::Link;
use tokio_util::sync::CancellationToken;

/// Runs a ledger until `shutdown`, then goes on with what is stored already, at most `config.drain`.
///
/// Fails at once if the database cannot be reached or its schema is older than this build; whatever fails later
/// is tried again.
pub async fn run(config: Config, link: Link, db: Db, shutdown: CancellationToken) -> Result<(), Error> {
    metrics::describe();
    db.check_schema().await?;
    tracing::info!(engine = db.engine().as_str(), "the ledger starts");
    let done = CancellationToken::new();
    let consume = async {
        tokio::select! {
            () = proto::nats::wait_declared(&link) => consume::run(&config, &link, &db, &shutdown).await,
            () = shutdown.cancelled() => {}
        }
        done.cancel();
    };
    let beats = presence::run(link.clone(), config.health.clone(), done.clone());
    let lookups = lookup::run(link.clone(), db.clone(), done.clone());
    tokio::join!(consume, beats, lookups);
    Ok(())
}
