//! The thin HTTP data plane: it reads the caller's key and the few members of the body it needs, stores the sealed
//! request, and turns the workers' reply frames into an HTTP answer. It knows no provider, opens no credential and
//! reaches no SQL.
//!
//! A request's way: `server` (connection) → `router` → `routes` → `auth` → `body` → `admit` → `dispatch`
//! (sealed, published, acknowledged) → `slots` (frames arrive through `dispatcher`) → `respond`.
//!
//! | module | owns |
//! |---|---|
//! | `server`, `patient`, `heads` | sockets, connections, graceful shutdown |
//! | `router`, `routes` | what is served where |
//! | `call` | ids, clock, log line and count of one request |
//! | `auth` | virtual keys |
//! | `limit` | smoothing of bursts |
//! | `body` | reading bodies within bounds |
//! | `admit` | whether a request may come in |
//! | `dispatch` | storing it |
//! | `slots` | who waits for what, and which delivery may answer |
//! | `dispatcher` | reply frames and workers' questions as they arrive |
//! | `outbox` | cancels and answers to workers |
//! | `presence`, `link_health` | how the other parts are |
//! | `respond` | answers, streams, errors and their headers |

mod admit;
mod auth;
mod body;
mod call;
mod config;
mod dispatch;
mod dispatcher;
mod error;
mod heads;
mod limit;
mod link_health;
mod metrics;
mod outbox;
mod patient;
mod pieces;
mod presence;
mod respond;
mod router;
mod routes;
mod server;
mod slots;
mod state;

pub use config::Config;
pub use error::{ConfigError, Error};

use std::sync::Arc;

use async_nats::Subscriber;
use proto::nats::Link;
use proto::seal::Wrapper;
use proto::secret::Pepper;
use proto::subject;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::state::App;

/// The secrets that an ingress needs; it holds no provider's.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Opens payload keys.
    pub wrapper: Wrapper,
    /// Hashes virtual keys.
    pub pepper: Pepper,
}

/// Serves on `listener` until `shutdown`, then drains for `config.drain` at most. `metrics_text` is what `/metrics`
/// answers. Errs if NATS cannot be subscribed to, or if a part that runs for ever ends.
pub async fn run(
    config: Config,
    link: Link,
    secrets: Secrets,
    listener: TcpListener,
    metrics_text: Arc<dyn Fn() -> String + Send + Sync>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let metrics = Arc::new(metrics::Metrics::new());
    let (outbox, outgoing) = outbox::outbox(Arc::clone(&metrics));
    let app = Arc::new(App::new(config, link.clone(), secrets.pepper, outbox, metrics, metrics_text));
    // Subscribed before anything is published, on the same connection: no answer can come too early.
    let replies = subscribe(&link, subject::reply_wildcard(app.ingress)).await?;
    let asks = subscribe(&link, subject::ask(app.ingress)).await?;
    let workers = subscribe(&link, subject::CTL_LOAD.to_owned()).await?;
    let ledgers = subscribe(&link, subject::CTL_LEDGER.to_owned()).await?;

    let halt = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (a, l, w) = (Arc::clone(&app), link.clone(), secrets.wrapper);
    tasks.spawn(async move {
        a.projection.run(l, w).await;
        "projection"
    });
    let (a, l) = (Arc::clone(&app), link.clone());
    tasks.spawn(async move {
        a.keys.follow(&l).await;
        "keys"
    });
    let (a, l) = (Arc::clone(&app), link.clone());
    tasks.spawn(async move {
        a.health.follow(&l, &a.slots, &a.metrics).await;
        "link"
    });
    let a = Arc::clone(&app);
    tasks.spawn(async move {
        a.presence.follow(workers, ledgers, &a.metrics).await;
        "presence"
    });
    let a = Arc::clone(&app);
    tasks.spawn(async move {
        dispatcher::run(&a, replies, asks).await;
        "dispatcher"
    });
    let mut sender = JoinSet::new();
    sender.spawn(outgoing.run(link, halt.clone()));

    let served = tokio::select! {
        served = server::serve(Arc::clone(&app), listener, shutdown) => served,
        Some(ended) = tasks.join_next() => Err(Error::TaskEnded(ended.unwrap_or("panicked"))),
    };
    halt.cancel();
    while sender.join_next().await.is_some() {}
    tasks.shutdown().await;
    served
}

async fn subscribe(link: &Link, subject: String) -> Result<Subscriber, Error> {
    link.client.subscribe(subject.clone()).await.map_err(|source| Error::Subscribe { subject, source })
}
