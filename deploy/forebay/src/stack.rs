//! Every role in one process, each on a thread of its own: what `forebay up` and `forebay demo` run.
//!
//! They are started in the order in which they need each other and stopped in the reverse one, so that what was
//! accepted is finished, written down and on the books before the next one ends.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use ledger::Db;
use proto::nats::{Link, LinkOptions};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::endpoint::Endpoint;
use crate::ops::{self, Ops};
use crate::role::{self, RoleThread};
use crate::secrets::Keys;
use crate::telemetry::Metrics;

/// In-flight requests may take this long when the process ends, over ingress and workers together; and then the
/// ledger, which begins its drain when nobody writes events any more, and so ends with the last of them.
const DRAIN: Duration = Duration::from_secs(25);
/// Beyond a role's own bound, for its last words.
const GRACE: Duration = Duration::from_secs(2);
const CONTROL_PATIENCE: Duration = Duration::from_secs(7);

/// What to run, and where.
pub(crate) struct Plan {
    /// NATS and the database, migrated.
    pub(crate) endpoint: Endpoint,
    /// The keys derived from the master secret.
    pub(crate) keys: Keys,
    /// Where clients connect.
    pub(crate) listener: TcpListener,
    /// Where operators connect.
    pub(crate) admin: TcpListener,
    /// Settings of each role.
    pub(crate) control: control::Config,
    pub(crate) ledger: ledger::Config,
    pub(crate) workers: workers::Config,
    pub(crate) ingress: ingress::Config,
}

/// The running roles.
pub(crate) struct Stack {
    /// Where clients connect.
    pub(crate) http: SocketAddr,
    /// Where operators connect.
    pub(crate) admin: SocketAddr,
    control: RoleThread,
    ledger: RoleThread,
    workers: RoleThread,
    ingress: RoleThread,
    ops: AbortOnDropHandle<()>,
}

impl Stack {
    /// Starts every role. Must be called within the main runtime, which serves the operators.
    pub(crate) fn start(plan: Plan, metrics: &Metrics) -> anyhow::Result<Self> {
        let Plan { endpoint, keys, listener, admin, control, ledger, workers, ingress } = plan;
        let (http, admin_addr) = (listener.local_addr()?, admin.local_addr()?);
        let health = workers::Health::default();
        let checks: Vec<(&'static str, ops::Check)> = vec![
            ("control", check(control.health.clone(), control::Health::check)),
            ("ledger", check(ledger.health.clone(), ledger::Health::check)),
            ("workers", check(health.clone(), workers::Health::check)),
        ];
        let ops = Ops { service: "up", checks, metrics: metrics.text() };
        let admin = tokio::net::TcpListener::from_std(admin)?;
        let ops = AbortOnDropHandle::new(tokio::spawn(serve_operators(admin, ops)));
        Ok(Self {
            http,
            admin: admin_addr,
            control: start_control(control, &endpoint, &keys)?,
            ledger: start_ledger(ledger, &endpoint)?,
            workers: start_workers(workers, &endpoint, &keys, health)?,
            ingress: start_ingress(ingress, &endpoint, &keys, listener, metrics)?,
            ops,
        })
    }

    /// Waits for a role to end that nobody asked to; says which and why.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            error = self.control.failed() => error,
            error = self.ledger.failed() => error,
            error = self.workers.failed() => error,
            error = self.ingress.failed() => error,
        }
    }

    /// Ends every role: first what takes requests in, last what the others write to.
    pub(crate) async fn stop(self) {
        let drained = Instant::now() + DRAIN + GRACE;
        self.ingress.stop(drained).await;
        self.workers.stop(drained.max(Instant::now() + GRACE)).await;
        self.ledger.stop(Instant::now() + DRAIN + GRACE).await;
        self.control.stop(Instant::now() + CONTROL_PATIENCE).await;
        drop(self.ops);
    }
}

fn check<H: Send + Sync + 'static>(health: H, ask: fn(&H) -> Result<(), String>) -> ops::Check {
    Box::new(move || ask(&health))
}

async fn serve_operators(listener: tokio::net::TcpListener, ops: Ops) {
    if let Err(error) = ops::serve(listener, ops, CancellationToken::new()).await {
        tracing::error!(error = %error, "the operators' listener failed");
    }
}

/// Each role has a connection of its own, made on its own thread.
async fn connect(urls: &str, role: &'static str) -> anyhow::Result<Link> {
    Ok(Link::connect(&LinkOptions { urls: urls.to_owned(), role }).await?)
}

fn start_control(config: control::Config, endpoint: &Endpoint, keys: &Keys) -> anyhow::Result<RoleThread> {
    let (endpoint, secrets) = (endpoint.clone(), keys.for_control());
    role::spawn("control", move |shutdown| async move {
        let link = connect(endpoint.nats_url.expose(), "control").await?;
        let db = Db::connect(endpoint.database_url.expose()).await?;
        Ok(Box::pin(control::run(config, link, db, secrets, shutdown)).await?)
    })
}

fn start_ledger(config: ledger::Config, endpoint: &Endpoint) -> anyhow::Result<RoleThread> {
    let endpoint = endpoint.clone();
    role::spawn("ledger", move |shutdown| async move {
        let link = connect(endpoint.nats_url.expose(), "ledger").await?;
        let db = Db::connect(endpoint.database_url.expose()).await?;
        Ok(ledger::run(config, link, db, shutdown).await?)
    })
}

fn start_workers(
    config: workers::Config,
    endpoint: &Endpoint,
    keys: &Keys,
    health: workers::Health,
) -> anyhow::Result<RoleThread> {
    let (urls, secrets) = (endpoint.nats_url.clone(), keys.for_workers());
    role::spawn("workers", move |shutdown| async move {
        let link = connect(urls.expose(), "workers").await?;
        Ok(workers::run(config, link, secrets, health, shutdown).await?)
    })
}

fn start_ingress(
    config: ingress::Config,
    endpoint: &Endpoint,
    keys: &Keys,
    listener: TcpListener,
    metrics: &Metrics,
) -> anyhow::Result<RoleThread> {
    let (urls, secrets, text) = (endpoint.nats_url.clone(), keys.for_ingress(), metrics.text());
    role::spawn("ingress", move |shutdown| async move {
        let link = connect(urls.expose(), "ingress").await?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(ingress::run(config, link, secrets, listener, text, shutdown).await?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_waited_for_as_long_as_it_may_drain() {
        let drains = [
            ingress::Config::default().drain,
            workers::Config::default().drain,
            ledger::Config::default().drain,
        ];
        assert_eq!(drains, [DRAIN; 3]);
    }
}
