//! Reaching what a process depends on, patiently: in a fresh deployment everything starts at once.

use std::future::Future;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ledger::Db;
use proto::nats::{Durability, Link, LinkOptions};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Connects to NATS, trying for a minute at most; `None` if the process was told to end meanwhile.
pub(crate) async fn nats(
    urls: &str,
    role: &'static str,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<Link>> {
    let options = LinkOptions { urls: urls.to_owned(), role };
    let connect = patiently(|| async { Ok(Link::connect(&options).await?) });
    shutdown.run_until_cancelled(connect).await.transpose()
}

/// Connects to a database whose schema is this version's, trying for a minute at most; `None` if the process was
/// told to end meanwhile. A schema that is older stays so, and is refused at once.
pub(crate) async fn database(url: &str, shutdown: &CancellationToken) -> anyhow::Result<Option<Db>> {
    let connect = patiently(|| async { Ok(Db::connect(url).await?) });
    let Some(db) = shutdown.run_until_cancelled(connect).await.transpose()? else { return Ok(None) };
    db.check_schema().await?;
    Ok(Some(db))
}

async fn patiently<T, F>(mut attempt: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let started = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if started.elapsed() >= PATIENCE => return Err(error),
            Err(error) => tracing::warn!(error = %format!("{error:#}"), "trying again"),
        }
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

/// Listens at `address` (host and port), ready to be used by any runtime.
pub(crate) fn listen(address: &str) -> anyhow::Result<TcpListener> {
    let addresses: Vec<SocketAddr> = address
        .to_socket_addrs()
        .with_context(|| format!("{address} is not an address to listen on, such as 127.0.0.1:8080"))?
        .collect();
    let listener =
        TcpListener::bind(&addresses[..]).with_context(|| format!("cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The profile that separate roles run with where none is named: three replicas if the server has others beside
/// it, which is what a cluster is for.
pub(crate) fn durability_of(link: &Link) -> Durability {
    match link.client.server_info().cluster {
        Some(name) if !name.is_empty() => Durability::Replicated,
        _ => Durability::Fast,
    }
}
