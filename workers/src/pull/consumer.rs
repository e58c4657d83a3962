//! The durable consumer that all workers of a pool share.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use proto::subject::{self, Lane};

use crate::Worker;

/// Requests that all workers together may have in hand.
const ACK_PENDING_MAX: i64 = 100_000;
/// Pull requests that may stand at once, over all workers.
const WAITING_MAX: i64 = 4096;
/// The puller waits for the declaration, so it is given up soon and tried again.
const DECLARE_TIMEOUT: Duration = Duration::from_secs(2);
const INFO_TIMEOUT: Duration = Duration::from_secs(1);

/// Why the consumer could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeclareError {
    #[error("the request stream cannot be looked up")]
    Stream(#[from] async_nats::jetstream::context::GetStreamError),
    #[error("the server refuses the consumer")]
    Consumer(#[from] async_nats::jetstream::stream::ConsumerError),
    #[error("the server did not answer in time")]
    Slow,
}

/// Makes the consumer, or brings it up to date. Safe to call from many workers at once.
pub(super) async fn declare(worker: &Worker) -> Result<(), DeclareError> {
    tokio::time::timeout(DECLARE_TIMEOUT, declare_once(worker)).await.unwrap_or(Err(DeclareError::Slow))
}

async fn declare_once(worker: &Worker) -> Result<(), DeclareError> {
    let stream = worker.link.js.get_stream(subject::REQUESTS_STREAM).await?;
    let replicas = stream.cached_info().config.num_replicas;
    let pool = &worker.config.pool;
    let config = pull::Config {
        durable_name: Some(subject::worker_durable(Lane::Interactive, pool)),
        filter_subject: subject::request_filter(Lane::Interactive, pool),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: worker.config.ack_wait_for(replicas),
        max_deliver: -1,
        max_ack_pending: ACK_PENDING_MAX,
        max_waiting: WAITING_MAX,
        ..pull::Config::default()
    };
    stream.create_consumer(config).await?;
    Ok(())
}

/// Requests stored but not finished, over all workers of the pool; `None` if the server does not say in time.
pub(crate) async fn backlog(worker: &Worker) -> Option<u64> {
    let durable = subject::worker_durable(Lane::Interactive, &worker.config.pool);
    let asked = worker.link.js.get_consumer_from_stream(durable, subject::REQUESTS_STREAM);
    let consumer: PullConsumer = tokio::time::timeout(INFO_TIMEOUT, asked).await.ok()?.ok()?;
    let info = consumer.cached_info();
    let in_hand = u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX);
    Some(info.num_pending.saturating_add(in_hand))
}
