//! Events on their way to the stream: encoded once, published until they are stored.

use std::time::{Duration, Instant};

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use proto::event::Event;
use proto::nats::{Link, PublishError};

use crate::error::chain;
use crate::metrics::Metrics;
use crate::work::Work;

/// How long one round of publishing waits.
const ROUND: Duration = Duration::from_secs(10);
/// Between two rounds when the stream refuses.
const PAUSE: Duration = Duration::from_millis(500);

/// An event, encoded: the bytes that are published are the ones that the last frame carries.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The event as JSON.
    pub(crate) payload: Bytes,
    subject: Subject,
    id: String,
}

impl Record {
    /// Encodes an event.
    pub(crate) fn of(event: &Event) -> Result<Self, serde_json::Error> {
        let payload = Bytes::from(serde_json::to_vec(event)?);
        Ok(Self { payload, subject: event.subject().into(), id: event.id() })
    }

    /// Publishes until the stream has it or `patience` is over.
    pub(crate) async fn store(
        &self,
        link: &Link,
        metrics: &Metrics,
        patience: Duration,
    ) -> Result<(), PublishError> {
        let started = Instant::now();
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, self.id.as_str());
        proto::nats::publish(link, self.subject.clone(), headers, self.payload.clone(), patience).await?;
        metrics.event_publish.record(started.elapsed());
        Ok(())
    }

    /// Publishes until the stream has it, for as long as the job lives: what was spent must reach the books. The
    /// job goes on giving signs of life meanwhile, and is ended from outside when the process must end.
    pub(crate) async fn store_for_sure(&self, work: &Work) {
        loop {
            match self.store(&work.worker.link, &work.worker.metrics, ROUND).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(
                        request_id = %work.job.request,
                        traceparent = work.job.traceparent,
                        event_id = self.id,
                        error = chain(&error),
                        "event not stored, trying again"
                    );
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
