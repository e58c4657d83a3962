//! Answers what is on the books about one request: any ledger, active or not, one of them for each question.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use futures_util::StreamExt;
use proto::ctl::{Lookup, RequestView};
use proto::nats::Link;
use proto::subject::CTL_LOOKUP;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, chain};
use crate::metrics;
use crate::store::{self, Db};
use crate::view::view;

const QUEUE_GROUP: &str = "ledger";
/// Questions that are answered at once; the others wait their turn.
const CONCURRENCY: usize = 16;
/// How long an answer may take; who asked has given up then.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Answers until `shutdown`.
pub(crate) async fn run(link: Link, db: Db, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        if let Err(error) = serve(&link, &db, &shutdown).await {
            tracing::warn!(error = chain(&error), "look-ups are not answered, trying again");
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(RETRY_DELAY) => {}
        }
    }
}

async fn serve(link: &Link, db: &Db, shutdown: &CancellationToken) -> Result<(), Error> {
    let subscribed = link.client.queue_subscribe(CTL_LOOKUP, QUEUE_GROUP.to_owned()).await;
    let mut questions =
        subscribed.map_err(|e| Error::Subscribe { subject: CTL_LOOKUP, message: e.to_string() })?;
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    let mut answers = JoinSet::new();
    loop {
        let question = tokio::select! {
            () = shutdown.cancelled() => break,
            question = questions.next() => question,
        };
        let (Some(question), Ok(permit)) = (question, Arc::clone(&permits).acquire_owned().await) else {
            break;
        };
        while answers.try_join_next().is_some() {}
        let (link, db) = (link.clone(), db.clone());
        answers.spawn(async move {
            answer(&link, &db, question).await;
            drop(permit);
        });
    }
    answers.shutdown().await;
    Ok(())
}

async fn answer(link: &Link, db: &Db, question: Message) {
    let Some(reply) = question.reply else { return };
    let Ok(lookup) = serde_json::from_slice::<Lookup>(&question.payload) else {
        tracing::debug!("a look-up does not decode");
        return;
    };
    // Without an answer the asker's time runs out and it says that the books cannot be read.
    match tokio::time::timeout(PATIENCE, find(db, &lookup)).await {
        Ok(Ok(found)) => {
            metrics::looked_up(found.is_some());
            let Ok(text) = serde_json::to_vec(&found) else { return };
            let sent = tokio::time::timeout(PATIENCE, link.client.publish(reply, Bytes::from(text))).await;
            if !matches!(sent, Ok(Ok(()))) {
                tracing::debug!(about = %lookup.request, "an answer was not sent");
            }
        }
        Ok(Err(error)) => {
            tracing::warn!(about = %lookup.request, error = chain(&error), "a look-up failed");
        }
        Err(_) => tracing::warn!(about = %lookup.request, "a look-up took too long"),
    }
}

/// What is on the books about a request; `None` if nothing is, or it is another project's.
pub(crate) async fn find(db: &Db, lookup: &Lookup) -> Result<Option<RequestView>, Error> {
    let mut connection = db.pool().acquire().await.map_err(Error::Connect)?;
    let found = store::requests(&mut connection, db.engine(), &[lookup.request]).await?;
    let view = found.get(&lookup.request).and_then(|request| view(lookup.request, request));
    Ok(view.filter(|view| view.project == lookup.project))
}
