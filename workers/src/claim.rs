//! Questions to the ingress that waits for an answer: may I serve it, and does anybody still want it.

use std::time::{Duration, Instant};

use async_nats::Request;
use async_nats::client::RequestErrorKind;
use proto::ctl::{Answer, Ask, Question};
use proto::event::{CloseReason, Event};
use proto::id::Token;
use proto::subject;

use crate::Worker;
use crate::jobs::Job;

/// How long one question waits for its answer.
const ASK_TIMEOUT: Duration = Duration::from_millis(1500);
/// Between two questions that nobody answered.
const ASK_AGAIN: Duration = Duration::from_millis(1500);
/// After this long without an answer the ingress counts as gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of a question.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An answer.
    Answer(Answer),
    /// Nobody listens there.
    NoResponder,
    /// Nothing in time, or nothing that is an answer.
    Nothing,
}

/// What came of a claim.
#[derive(Debug)]
pub(crate) enum Claim {
    /// The request is ours.
    Granted,
    /// It ends here.
    Refused {
        /// How it is closed.
        reason: CloseReason,
        /// Whose bytes reached the caller.
        bound: Option<Token>,
    },
    /// It was answered in full; this is the event that books it.
    Done(Box<Event>),
}

/// Asks the ingress once.
pub(crate) async fn ask(worker: &Worker, job: &Job, question: Question) -> Heard {
    let ask = Ask { question, request: job.request, token: job.token, sent: job.sent() };
    let Ok(payload) = serde_json::to_vec(&ask) else { return Heard::Nothing };
    let request = Request::new().payload(payload.into()).timeout(Some(ASK_TIMEOUT));
    match worker.link.client.send_request(subject::ask(job.ingress), request).await {
        Ok(message) => match serde_json::from_slice(&message.payload) {
            Ok(answer) => Heard::Answer(answer),
            Err(error) => {
                tracing::warn!(
                    request_id = %job.request,
                    traceparent = job.traceparent,
                    %error,
                    "an answer of the ingress does not decode"
                );
                Heard::Nothing
            }
        },
        Err(error) if error.kind() == RequestErrorKind::NoResponders => Heard::NoResponder,
        Err(error) => {
            tracing::debug!(
                request_id = %job.request, traceparent = job.traceparent, %error, "the ingress did not answer"
            );
            Heard::Nothing
        }
    }
}

/// Claims the request, asking again while the ingress is silent.
pub(crate) async fn claim(worker: &Worker, job: &Job) -> Claim {
    let gone = Claim::Refused { reason: CloseReason::Unwanted, bound: None };
    let started = Instant::now();
    let mut no_responder = 0;
    while started.elapsed() < PATIENCE {
        match ask(worker, job, Question::Claim).await {
            Heard::Answer(answer) => return understand(worker, answer),
            Heard::NoResponder => {
                no_responder += 1;
                if no_responder == 2 {
                    worker.metrics.claim("no_responder");
                    return gone;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
            Heard::Nothing => tokio::time::sleep(ASK_AGAIN / 10).await,
        }
    }
    worker.metrics.claim("silence");
    gone
}

fn understand(worker: &Worker, answer: Answer) -> Claim {
    let (label, claim) = match answer {
        Answer::Granted => ("granted", Claim::Granted),
        Answer::Disconnected => {
            ("disconnected", Claim::Refused { reason: CloseReason::Unwanted, bound: None })
        }
        Answer::Gone { bound } => ("gone", Claim::Refused { reason: CloseReason::Unwanted, bound }),
        Answer::BrokenOff { bound } => {
            ("broken_off", Claim::Refused { reason: CloseReason::BrokenOff, bound: Some(bound) })
        }
        Answer::Done { event } => ("done", Claim::Done(event)),
    };
    worker.metrics.claim(label);
    claim
}
