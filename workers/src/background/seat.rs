//! One delivery's hold on a background response, and how it ends.

use std::sync::Arc;

use bytes::Bytes;
use proto::dialect::openai_responses::{cancelled, failed, input_of_body};
use proto::event::{Ending, Event};
use proto::fault::Fault;
use proto::nats::{Found, Replaces, ResultError, Tail};
use proto::stored::{Key, Status, Stored};
use tokio::sync::Mutex;

use super::{Chunks, ROUND, complain, read};
use crate::keep;
use crate::work::Work;

/// What becomes of the response.
#[derive(Debug, Clone)]
pub(crate) enum Final {
    /// The response object of the answer.
    Answered(Bytes),
    /// Why there is none.
    Failed(Fault),
    /// The caller wants it no more.
    Cancelled,
}

impl Final {
    /// The record of a response that ends so.
    fn of(&self, before: &Stored, input: Option<&Bytes>, end: &Bytes) -> Stored {
        let (status, response) = match self {
            Self::Answered(response) => (keep::status(response), response.clone()),
            Self::Failed(fault) => (Status::Failed, failed(before.object(), fault).to_string().into()),
            Self::Cancelled => (Status::Cancelled, cancelled(before.object()).to_string().into()),
        };
        let mut about = before.about.clone();
        about.status = status;
        let input = input.unwrap_or(&before.input).clone();
        Stored { about, input, response, end: end.clone() }
    }
}

/// The hold: what is kept, as this delivery last saw it.
pub(crate) struct Seat {
    key: Key,
    held: Mutex<Found>,
    tail: Tail,
}

impl Seat {
    /// A hold on what this delivery has just written.
    pub(super) fn new(key: Key, held: Found, tail: Tail) -> Self {
        Self { key, held: Mutex::new(held), tail }
    }

    /// Where the response's events are to be kept, if they are.
    pub(crate) fn chunks(&self, work: &Work) -> Option<Chunks> {
        work.envelope.stream.then(|| Chunks::new(Arc::clone(&work.worker), self.tail, work.deadline))
    }

    /// Ends the response: the record first, with the event in it that books the request; then the event.
    /// `body` is what the provider was asked, if it was.
    pub(crate) async fn conclude(&self, work: &Work, mut event: Event, mut end: Final, body: Option<&Bytes>) {
        work.job.ask(false);
        let input = body.map(|body| input_of_body(body));
        let mut held = self.held.lock().await;
        let mut tries = 0;
        loop {
            let Some(record) = work.record(&event) else { return };
            let next = end.of(&held.stored, input.as_ref(), &record.payload);
            let by = format!("{}.over.{tries}", work.job.token);
            let ring = work.worker.projection.ring();
            let replaces = Replaces::Exactly(&held);
            match work.worker.results.write(&self.key, &ring, next, replaces, &by, ROUND).await {
                Ok(now) => {
                    *held = now;
                    record.store_for_sure(work).await;
                    break;
                }
                Err(ResultError::Changed) => match read(work, &self.key).await {
                    Some(now) if now.stored.about.token == Some(work.job.token) => {
                        if now.stored.end == record.payload {
                            record.store_for_sure(work).await;
                            break;
                        }
                        if now.stored.about.status == Status::Cancelled {
                            end = Final::Cancelled;
                            cancel(&mut event);
                        }
                        *held = now;
                        tries += 1;
                    }
                    now => return lost(work, event, now.is_some()).await,
                },
                Err(error) => complain(work, &error, "the end of a background response cannot be kept").await,
            }
        }
        if held.stored.about.stream {
            work.worker.replays.wake(work.job.request).await;
        }
    }
}

/// The caller has cancelled what was being made for it: it pays for what was used.
fn cancel(event: &mut Event) {
    if let Event::Usage(outcome) = event {
        outcome.ending = Ending::Cancelled;
        outcome.bound = true;
    }
}

/// Another delivery has the response, or nobody: what was used is the platform's loss.
async fn lost(work: &Work, mut event: Event, by_another: bool) {
    match &mut event {
        Event::Usage(outcome) => outcome.bound = false,
        // The other one brings the request to its end.
        _ if by_another => return,
        _ => {}
    }
    if let Some(record) = work.record(&event) {
        record.store_for_sure(work).await;
    }
}
