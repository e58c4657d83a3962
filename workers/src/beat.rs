//! How the process is, said every second on the control subject, and cancellations heard there.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use proto::ctl::{Cancel, ProviderBeat, WorkerBeat};
use proto::subject;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::http::Upstream;
use crate::{Worker, pull};

const BEAT: Duration = Duration::from_secs(1);

/// Says how the process is until `ended`.
pub(crate) async fn beat(worker: Arc<Worker>, ended: CancellationToken) {
    let mut second = tokio::time::interval(BEAT);
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = second.tick() => {}
            () = ended.cancelled() => return,
        }
        if !worker.link.state().connected {
            continue;
        }
        let backlog = pull::backlog(&worker).await;
        if let Some(backlog) = backlog {
            worker.metrics.backlog.set(u32::try_from(backlog).unwrap_or(u32::MAX));
        }
        let running = worker.jobs.running();
        let said = WorkerBeat {
            worker: worker.config.worker,
            pool: worker.config.pool.clone(),
            config: worker.health.config(),
            pulling: worker.health.pulling(),
            backlog,
            finished: worker.jobs.take_finished(),
            running: u64::try_from(running).unwrap_or(u64::MAX),
            capacity: u64::try_from(worker.config.slots).unwrap_or(u64::MAX),
            providers: providers(&worker),
        };
        let Ok(payload) = serde_json::to_vec(&said) else { continue };
        let sent = worker.link.client.publish(subject::CTL_LOAD, payload.into());
        match tokio::time::timeout(BEAT, sent).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "beat not sent"),
            Err(_) => tracing::debug!("beat not sent in time"),
        }
    }
}

/// What was last seen of every provider that was called.
fn providers(worker: &Worker) -> Vec<ProviderBeat> {
    let Some(set) = worker.upstreams.current() else { return Vec::new() };
    let beat = |upstream: &Arc<Upstream>| {
        let seen = upstream.seen()?;
        Some(ProviderBeat {
            provider: upstream.provider.name.clone(),
            ok: seen.error.is_none(),
            status: seen.status,
            latency_ms: seen.latency_ms,
            error: seen.error.map(str::to_owned),
            at_ms: seen.at_ms,
        })
    };
    set.all().filter_map(beat).collect()
}

/// Passes cancellations on to the running jobs until `ended`.
pub(crate) async fn listen(worker: Arc<Worker>, mut cancels: Subscriber, ended: CancellationToken) {
    loop {
        let message = tokio::select! {
            message = cancels.next() => message,
            () = ended.cancelled() => return,
        };
        let Some(message) = message else { return };
        match serde_json::from_slice::<Cancel>(&message.payload) {
            Ok(cancel) => worker.jobs.cancel(&cancel),
            Err(error) => tracing::warn!(%error, "a cancellation does not decode"),
        }
    }
}
