//! The copies of the records on EVENTS: put there by the projector, read back to compare.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use bytes::Bytes;
use futures_util::StreamExt as _;
use proto::audit::AuditRecord;
use proto::event::Event;
use proto::nats::{Link, publish};
use proto::subject;

use crate::error::Error;

/// How long one publication may take; an election of a cluster takes about five seconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a message may be late before reading is given up.
const IDLE: Duration = Duration::from_secs(10);

/// The hashes of the records that EVENTS holds, by number. More than one hash: somebody wrote a number twice.
pub(super) type Copies = BTreeMap<u64, Vec<String>>;

/// Publishes a copy. The message id holds the hash, so that another record of the same number is never taken for
/// this one; the same one twice does no harm.
pub(crate) async fn store(link: &Link, record: &AuditRecord, payload: &Bytes) -> Result<bool, Error> {
    let mut headers = HeaderMap::new();
    let id = format!("audit:{}:{}", record.seq, record.hash());
    headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
    let subject = subject::audit_event(&record.action);
    let stored = publish(link, subject.into(), headers, payload.clone(), PATIENCE).await;
    stored.map(|stored| !stored.duplicate).map_err(Error::Event)
}

/// Everything that the stream still holds.
pub(super) async fn read(link: &Link) -> Result<Copies, Error> {
    let failed = "read the audit events";
    let stream = link.js.get_stream(subject::EVENTS_STREAM).await.map_err(Error::nats(failed))?;
    let config = pull::OrderedConfig {
        deliver_policy: DeliverPolicy::All,
        filter_subject: subject::audit_event(">"),
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(Error::nats(failed))?;
    let mut copies = Copies::new();
    if consumer.cached_info().num_pending == 0 {
        return Ok(copies);
    }
    let mut messages = consumer.messages().await.map_err(Error::nats(failed))?;
    loop {
        let next = tokio::time::timeout(IDLE, messages.next()).await.map_err(Error::nats(failed))?;
        let Some(message) = next else { return Ok(copies) };
        let message = message.map_err(Error::nats(failed))?;
        if let Ok(Event::Audit(record)) = serde_json::from_slice::<Event>(&message.payload) {
            let hashes = copies.entry(record.seq).or_default();
            let hash = record.hash();
            if !hashes.contains(&hash) {
                hashes.push(hash);
            }
        }
        if message.info().map_err(Error::nats(failed))?.pending == 0 {
            return Ok(copies);
        }
    }
}
