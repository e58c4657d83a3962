//! Deliveries in: one inbox, and pull requests for no more than there are free slots, so that a worker that freezes
//! holds up as little as possible.

mod consumer;
mod outstanding;

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use proto::subject::{self, Lane};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::delivery::Delivery;
use crate::error::chain;
use crate::{Error, Worker, consume};
use outstanding::Outstanding;

pub(crate) use consumer::backlog;

/// How long a pull request stands: shorter than the ack wait, so that what a frozen worker swallowed is not
/// delivered to it again and again until it has been delivered too often.
const EXPIRES: Duration = Duration::from_secs(4);
/// How often the server says that a pull request still stands.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// After this long without one it does not: the consumer's leader has changed, or the server is gone.
const SILENCE: Duration = Duration::from_millis(2500);
const ROUND: Duration = Duration::from_millis(250);
/// Between two tries when the server refuses.
const PAUSE: Duration = Duration::from_millis(250);
/// On the status that ends a pull request (github.com/nats-io/nats-architecture-and-design, ADR-37, read 2026-11).
const PENDING_HEADER: &str = "Nats-Pending-Messages";
/// How long deliveries that are on their way may take after a shutdown.
const LAST_ONES: Duration = Duration::from_secs(1);

struct Puller {
    worker: Arc<Worker>,
    next_subject: String,
    inbox: String,
    outstanding: Outstanding,
    /// Whether the consumer is known to exist.
    declared: bool,
    /// Before this nothing is asked for.
    resume: Instant,
    epoch: u64,
}

/// Takes deliveries in until `shutdown`, then those that are on their way.
pub(crate) async fn pull(worker: &Arc<Worker>, shutdown: &CancellationToken) -> Result<(), Error> {
    let client = &worker.link.client;
    let inbox = client.new_inbox();
    let all = format!("{inbox}.*");
    let subscribed = client.subscribe(all.clone()).await;
    let mut inbox_messages = subscribed.map_err(|source| Error::Subscribe { subject: all, source })?;
    let durable = subject::worker_durable(Lane::Interactive, &worker.config.pool);
    let mut puller = Puller {
        worker: Arc::clone(worker),
        next_subject: format!("$JS.API.CONSUMER.MSG.NEXT.{}.{durable}", subject::REQUESTS_STREAM),
        inbox,
        outstanding: Outstanding::new(Instant::now()),
        declared: false,
        resume: Instant::now(),
        epoch: worker.link.state().epoch,
    };
    let mut link = worker.link.watch();
    let mut round = tokio::time::interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        puller.refill().await;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            message = inbox_messages.next() => match message {
                Some(message) => puller.take(message).await,
                None => return Err(Error::Ended("worker inbox")),
            },
            () = worker.jobs.freed(), if puller.outstanding.expected() == 0 => {}
            _ = round.tick() => puller.check(),
            changed = link.changed() => match changed {
                Ok(()) => puller.check(),
                Err(_) => return Err(Error::Ended("connection")),
            },
        }
    }
    worker.health.set_pulling(false);
    puller.last_ones(&mut inbox_messages).await;
    Ok(())
}

impl Puller {
    /// Asks for as many deliveries as there is room for.
    async fn refill(&mut self) {
        // Asked every round, not only before a pull: an idle worker has to show a new configuration as well.
        let configured = self.configured();
        let free = self.worker.config.slots.saturating_sub(self.worker.jobs.running());
        let Some(batch) = self.outstanding.wanted(free) else { return };
        let now = Instant::now();
        if now < self.resume || !self.worker.link.state().connected || !configured {
            return;
        }
        if !self.declared {
            match consumer::declare(&self.worker).await {
                Ok(()) => self.declared = true,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "the consumer cannot be declared yet");
                    return self.pause();
                }
            }
        }
        let request = format!(
            r#"{{"batch":{batch},"expires":{},"idle_heartbeat":{}}}"#,
            EXPIRES.as_nanos(),
            HEARTBEAT.as_nanos()
        );
        let reply = format!("{}.{}", self.inbox, self.outstanding.generation());
        let client = &self.worker.link.client;
        match client.publish_with_reply(self.next_subject.clone(), reply, request.into()).await {
            Ok(()) => {
                self.outstanding.asked(batch, now);
                self.worker.health.set_pulling(true);
            }
            Err(error) => {
                tracing::warn!(%error, "pull request not sent");
                self.pause();
            }
        }
    }

    /// Whether requests could be routed and read.
    fn configured(&self) -> bool {
        let Some(config) = self.worker.projection.config() else { return false };
        self.worker.health.set_config(config.version);
        !self.worker.projection.ring().is_empty()
    }

    /// Notices a broken connection and a server that has forgotten what was asked of it.
    fn check(&mut self) {
        let state = self.worker.link.state();
        self.worker.health.set_connected(state.connected);
        if state.epoch != self.epoch {
            self.epoch = state.epoch;
            self.worker.shake();
            self.outstanding.forget();
            self.worker.health.set_pulling(false);
        }
        let now = Instant::now();
        if self.outstanding.expected() > 0 && self.outstanding.silent_for(now) > SILENCE {
            tracing::debug!("pull requests have lapsed, asking again");
            self.outstanding.forget();
        }
        self.worker.metrics.in_flight.set(u32::try_from(self.worker.jobs.running()).unwrap_or(u32::MAX));
    }

    async fn take(&mut self, message: Message) {
        self.outstanding.heard(Instant::now());
        let Some(status) = message.status else {
            self.outstanding.delivered();
            return match Delivery::of(message) {
                Some(delivery) => consume::accept(&self.worker, delivery).await,
                None => tracing::warn!("a message without an ack subject came to the worker's inbox"),
            };
        };
        let generation = message.subject.rsplit('.').next().and_then(|text| text.parse().ok());
        if generation != Some(self.outstanding.generation()) {
            return;
        }
        let description = message.description.as_deref().unwrap_or_default();
        match status.as_u16() {
            100 => {}
            404 | 408 => self.outstanding.ended(pending(&message)),
            503 => {
                tracing::debug!("no consumer answers pull requests");
                self.declared = false;
                self.outstanding.forget();
                self.pause();
            }
            code => {
                // 409: the consumer is gone or moves, or a limit is reached; 400: not understood.
                tracing::debug!(code, description, "pull request ended");
                self.declared &= !description.contains("Deleted");
                self.outstanding.ended(pending(&message));
                self.pause();
            }
        }
    }

    fn pause(&mut self) {
        self.resume = Instant::now() + PAUSE;
    }

    /// After a shutdown: what the server has sent already is still served.
    async fn last_ones(&mut self, inbox_messages: &mut Subscriber) {
        let until = Instant::now() + LAST_ONES;
        if let Err(error) = inbox_messages.drain().await {
            tracing::debug!(%error, "the inbox does not drain");
        }
        while let Ok(Some(message)) = tokio::time::timeout_at(until, inbox_messages.next()).await {
            self.take(message).await;
        }
    }
}

/// How many messages of an ended pull request will not come any more; `None` if the server does not say.
fn pending(message: &Message) -> Option<usize> {
    message.headers.as_ref()?.get(PENDING_HEADER)?.as_str().parse().ok()
}
