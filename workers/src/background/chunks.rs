//! The events of a background response on their way to where they are kept.

use std::sync::Arc;

use proto::nats::{ResultError, Tail};
use tokio::time::Instant;

use super::{PAUSE, ROUND};
use crate::Worker;
use crate::error::chain;
use crate::jobs::{Job, Stop};

/// The way of one delivery's events. Whoever is fenced finds something else behind its last chunk, and stops.
pub(crate) struct Chunks {
    worker: Arc<Worker>,
    tail: Tail,
    deadline: Instant,
    broken: bool,
}

impl Chunks {
    /// A way that goes on behind `tail`, until `deadline`.
    pub(super) fn new(worker: Arc<Worker>, tail: Tail, deadline: Instant) -> Self {
        Self { worker, tail, deadline, broken: false }
    }

    /// Keeps bytes of events, or stops the job: a response with a gap is none.
    pub(crate) async fn append(&mut self, job: &Job, events: &[u8]) {
        while !self.broken {
            let (ring, token) = (self.worker.projection.ring(), Some(job.token));
            let appended =
                self.worker.replays.append(job.request, &ring, events, token, self.tail, ROUND).await;
            match appended {
                Ok(tail) => {
                    self.tail = tail;
                    return;
                }
                Err(ResultError::Changed) => self.broken = true,
                Err(error) => {
                    tracing::warn!(
                        request_id = %job.request, traceparent = job.traceparent, error = chain(&error),
                        "events cannot be kept, trying again"
                    );
                    self.broken = Instant::now() >= self.deadline || job.stopped_now().is_some();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        job.stop(Stop::Fenced);
    }
}
