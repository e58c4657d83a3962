//! What the ingress says to workers: cancels and answers. Said by one task, so that neither the dispatcher nor a
//! `Drop` ever waits for the connection; bounded, and what does not fit is learnt by asking.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::ctl::{Answer, Cancel};
use proto::nats::Link;
use proto::subject::CTL_CANCEL;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Messages that may wait for the connection.
const CAPACITY: usize = 16_384;
/// How long one message may wait before it is given up: later it would be of no use.
const SEND_PATIENCE: Duration = Duration::from_secs(2);
const BATCH: usize = 64;

/// One message to send.
#[derive(Debug)]
enum Out {
    Cancel(Cancel),
    Answer { to: async_nats::Subject, answer: Answer },
}

/// The sending half. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    sender: mpsc::Sender<Out>,
    metrics: Arc<Metrics>,
}

/// The task's half.
#[derive(Debug)]
pub(crate) struct Outgoing(mpsc::Receiver<Out>);

/// An outbox and what its task works on.
pub(crate) fn outbox(metrics: Arc<Metrics>) -> (Outbox, Outgoing) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (Outbox { sender, metrics }, Outgoing(receiver))
}

impl Outbox {
    /// Tells the workers to stop.
    pub(crate) fn cancel(&self, cancel: Cancel) {
        self.put(Out::Cancel(cancel));
    }

    /// Answers a worker's question.
    pub(crate) fn answer(&self, to: async_nats::Subject, answer: Answer) {
        self.put(Out::Answer { to, answer });
    }

    fn put(&self, out: Out) {
        if self.sender.try_send(out).is_err() {
            self.metrics.outbox_full.increment(1);
        }
    }
}

impl Outgoing {
    /// Sends until `halt`, and then what was queued by then.
    pub(crate) async fn run(mut self, link: Link, halt: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let received = tokio::select! {
                received = self.0.recv_many(&mut batch, BATCH) => received,
                () = halt.cancelled(), if !self.0.is_closed() => {
                    self.0.close();
                    continue;
                }
            };
            if received == 0 {
                break;
            }
            for out in batch.drain(..) {
                send(&link, out).await;
            }
        }
        // The connection may be gone already; then nobody hears it anyway.
        drop(tokio::time::timeout(SEND_PATIENCE, link.client.flush()).await);
    }
}

async fn send(link: &Link, out: Out) {
    let (subject, json) = match &out {
        Out::Cancel(cancel) => (CTL_CANCEL.into(), serde_json::to_vec(cancel)),
        Out::Answer { to, answer } => (to.clone(), serde_json::to_vec(answer)),
    };
    let Ok(json) = json else { return };
    let sent = tokio::time::timeout(SEND_PATIENCE, link.client.publish(subject, Bytes::from(json))).await;
    if !matches!(sent, Ok(Ok(()))) {
        tracing::debug!("a cancel or an answer could not be sent");
    }
}
