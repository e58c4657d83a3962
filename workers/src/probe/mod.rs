//! Questions about health that are no caller's: what operators ask over the control subject, and the probes that a
//! provider's row asks for. Their failures never open a breaker; what they find well may close one.

mod active;
mod ask;
mod model;

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use proto::health::{HealthAnswer, HealthAsk};
use proto::subject;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::Worker;
use crate::upstreams::UpstreamSet;

pub(crate) use active::{Probes, probe};

/// Questions of operators that are worked on at once.
const ASKED_AT_ONCE: usize = 4;
/// The queue group: one worker answers each question.
const GROUP: &str = "workers";
const AGAIN: Duration = Duration::from_millis(250);

/// Answers operators until `ended`.
pub(crate) async fn answer(worker: Arc<Worker>, ended: CancellationToken) {
    let room = Arc::new(Semaphore::new(ASKED_AT_ONCE));
    let serve = async {
        loop {
            match worker.link.client.queue_subscribe(subject::CTL_PROBE, GROUP.to_owned()).await {
                Ok(asked) => listen(&worker, asked, &room).await,
                Err(error) => tracing::debug!(%error, "cannot hear operators"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = serve => {}
        () = ended.cancelled() => {}
    }
}

async fn listen(worker: &Arc<Worker>, mut asked: Subscriber, room: &Arc<Semaphore>) {
    while let Some(message) = asked.next().await {
        let Ok(permit) = Arc::clone(room).acquire_owned().await else { return };
        let worker = Arc::clone(worker);
        worker.tracker.clone().spawn(Box::pin(async move {
            reply(&worker, message).await;
            drop(permit);
        }));
    }
}

async fn reply(worker: &Worker, message: Message) {
    let Some(to) = message.reply else { return };
    let answer = match serde_json::from_slice::<HealthAsk>(&message.payload) {
        Ok(ask) => answered(worker, ask).await,
        Err(error) => refused(format!("The question does not decode: {error}.")),
    };
    let Ok(payload) = serde_json::to_vec(&answer) else { return };
    if let Err(error) = worker.link.client.publish(to, payload.into()).await {
        tracing::warn!(%error, "an operator was not answered");
    }
}

async fn answered(worker: &Worker, ask: HealthAsk) -> HealthAnswer {
    match ask {
        HealthAsk::Reset { provider, credential, model } => {
            let closed = worker.breakers.reset(provider.as_deref(), credential.as_deref(), model.as_deref());
            HealthAnswer::Reset { closed }
        }
        HealthAsk::Provider { provider } => match set(worker).await {
            Some(set) => ask::provider(worker, &set, &provider).await,
            None => unconfigured(),
        },
        HealthAsk::Model { provider, model, prompt, timeout_ms } => match set(worker).await {
            Some(set) => {
                let wish =
                    model::Wish { provider, model, prompt, timeout: Duration::from_millis(timeout_ms) };
                model::probe(worker, &set, &wish).await
            }
            None => unconfigured(),
        },
    }
}

/// The providers of the configuration in force.
async fn set(worker: &Worker) -> Option<Arc<UpstreamSet>> {
    let document = worker.projection.config()?;
    Some(worker.upstreams.of(&document).await)
}

fn unconfigured() -> HealthAnswer {
    refused("The worker has no configuration yet.".to_owned())
}

fn refused(message: String) -> HealthAnswer {
    HealthAnswer::Refused { message }
}
