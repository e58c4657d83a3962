//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::nats_server;

/// Exit status of a process that a second signal ended, as shells count it for SIGINT.
const EXIT_AT_ONCE: i32 = 130;

/// A token that the first signal cancels. Must be called within a runtime, which then watches for the second.
pub(crate) fn on_signals() -> anyhow::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        tracing::info!("shutting down; a second signal ends it at once");
        cancelled.cancel();
        either(&mut interrupt, &mut terminate).await;
        tracing::warn!("ended at once by a second signal");
        nats_server::abandon();
        std::process::exit(EXIT_AT_ONCE);
    });
    Ok(token)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
