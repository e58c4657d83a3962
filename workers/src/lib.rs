//! Provider workers: deliveries in, upstream calls out. The part that may reach providers and never SQL.
//!
//! A request's way: `pull` takes its delivery, `consume` decides whether it may be served (and asks the ingress
//! with `claim` where that is in doubt), `route` and `upstreams` say where, `execute` makes the attempts by
//! the table in `retry`, `reply` sends the frames and `store` the events. Beside it `keeper` gives signs of
//! life, and `beat` says how the process is. What the crash rules ask of each step stands where the step is.

mod background;
mod beat;
mod body;
mod budget;
mod claim;
mod config;
mod consume;
mod credentials;
mod delivery;
mod error;
mod execute;
mod guard;
mod health;
mod http;
mod jobs;
mod keep;
mod keeper;
mod linger;
mod metrics;
mod providers;
mod pull;
mod reply;
mod retry;
mod route;
mod secrets;
mod store;
#[cfg(test)]
mod testing;
mod upstreams;
mod work;

pub use config::Config;
pub use error::Error;
pub use health::Health;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proto::canonical::Carrier;
use proto::nats::{Link, Projection, Replays, Results, wait_declared};
use proto::seal::Wrapper;
use proto::subject;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::RetryBudget;
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::upstreams::Upstreams;

/// For this long after the connection broke, every delivery is claimed before it is served.
const SHAKEN: Duration = Duration::from_secs(5);
/// How long what is written may take to leave the process in the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The keys a worker needs.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Opens payload keys.
    pub wrapper: Wrapper,
    /// Makes and reads what carries providers' opaque data through foreign dialects.
    pub carrier: Carrier,
}

/// What all steps share.
pub(crate) struct Worker {
    config: Config,
    carrier: Carrier,
    link: Link,
    projection: Projection,
    results: Results,
    replays: Replays,
    upstreams: Upstreams,
    jobs: Jobs,
    budget: RetryBudget,
    metrics: Metrics,
    health: Health,
    /// The jobs, and what runs on their behalf.
    tracker: TaskTracker,
    started: Instant,
    /// When the connection last broke, in milliseconds of uptime; 0 = never.
    shaken_ms: AtomicU64,
}

impl Worker {
    /// How long the process has been running, in milliseconds, at least 1.
    pub(crate) fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Notes that the connection broke.
    pub(crate) fn shake(&self) {
        self.shaken_ms.store(self.uptime_ms(), Ordering::Relaxed);
    }

    /// Whether the connection broke a short while ago.
    pub(crate) fn shaken(&self) -> bool {
        let at = self.shaken_ms.load(Ordering::Relaxed);
        at > 0 && u128::from(self.uptime_ms() - at) < SHAKEN.as_millis()
    }
}

/// Serves requests until `shutdown`; then takes no more, and finishes those that run within `config.drain`. What
/// still runs after that is left to other workers. Fails only if it cannot listen.
pub async fn run(
    config: Config,
    link: Link,
    secrets: Secrets,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    config.check()?;
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider is installed already");
    }
    tokio::select! {
        () = wait_declared(&link) => {}
        () = shutdown.cancelled() => return Ok(()),
    }
    let (ended, helpers) = (CancellationToken::new(), TaskTracker::new());
    let drain = config.drain;
    let worker = Arc::new(Worker {
        carrier: secrets.carrier.clone(),
        upstreams: Upstreams::new(config.clone(), helpers.clone(), ended.clone()),
        projection: Projection::new(),
        results: Results::new(link.clone()),
        replays: Replays::new(link.clone()),
        jobs: Jobs::default(),
        budget: RetryBudget::new(Instant::now()),
        metrics: Metrics::new(),
        tracker: TaskTracker::new(),
        started: Instant::now(),
        shaken_ms: AtomicU64::new(0),
        health: health.clone(),
        config,
        link,
    });
    let client = &worker.link.client;
    let cancels = client
        .subscribe(subject::CTL_CANCEL)
        .await
        .map_err(|source| Error::Subscribe { subject: subject::CTL_CANCEL.to_owned(), source })?;
    helpers.spawn(project(Arc::clone(&worker), secrets.wrapper, ended.clone()));
    helpers.spawn(keeper::keep(Arc::clone(&worker), ended.clone()));
    helpers.spawn(beat::beat(Arc::clone(&worker), ended.clone()));
    helpers.spawn(beat::listen(Arc::clone(&worker), cancels, ended.clone()));
    tracing::info!(worker = %worker.config.worker, pool = worker.config.pool, "worker up");
    let pulled = pull::pull(&worker, &shutdown).await;
    health.set_pulling(false);
    finish(&worker, drain).await;
    ended.cancel();
    helpers.close();
    helpers.wait().await;
    pulled
}

/// Follows the configuration and the payload keys.
async fn project(worker: Arc<Worker>, wrapper: Wrapper, ended: CancellationToken) {
    tokio::select! {
        () = worker.projection.run(worker.link.clone(), wrapper) => {}
        () = ended.cancelled() => {}
    }
}

/// Lets running jobs finish, then leaves the rest to others.
async fn finish(worker: &Worker, drain: Duration) {
    worker.tracker.close();
    let running = worker.jobs.running();
    if running > 0 {
        tracing::info!(running, "draining");
    }
    if tokio::time::timeout(drain, worker.tracker.wait()).await.is_err() {
        let left = worker.jobs.abandon();
        tracing::warn!(left, "requests left to other workers");
        worker.tracker.wait().await;
    }
    match tokio::time::timeout(FLUSH_TIMEOUT, worker.link.client.flush()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "connection not flushed"),
        Err(_) => tracing::debug!("connection not flushed in time"),
    }
}
