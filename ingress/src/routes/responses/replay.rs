//! A background response's events, read from where they are kept: those that were said already, and then the others
//! as they come. The event that ends them is made from the record, so that it is there whoever has died meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use proto::dialect::caller::{fault_event, ping};
use proto::dialect::openai_responses::{event_number, response_event};
use proto::dialect::sse::{Splitter, TooLarge};
use proto::fault::{Fault, FaultCode};
use proto::id::RequestId;
use proto::nats::{Reader, ResultError};
use proto::stored::{Key, Status, Stored};

use super::kept::PATIENCE;
use crate::body::NoError;
use crate::call::Call;
use crate::respond;
use crate::state::App;

/// Silence after which the record is looked at.
const QUIET: Duration = Duration::from_secs(2);
/// Silence after which the caller is told that the line stands.
const PING: Duration = Duration::from_secs(15);
/// On top of a response's time: for how long its events are followed.
const GRACE: Duration = Duration::from_secs(60);
const EVENT_BYTES_MAX: usize = 64 << 20;
const AGAIN: Duration = Duration::from_millis(500);
/// Readings in a row that may fail.
const FAILURES_MAX: u32 = 10;

/// One caller that follows one response.
pub(in crate::routes) struct Replay {
    app: Arc<App>,
    call: Call,
    key: Key,
    request: RequestId,
    /// The caller has all events up to this number.
    after: Option<u64>,
    reader: Option<Reader>,
    /// The newest chunk read, by its place in the stream.
    seen: u64,
    /// The number of the newest event read.
    last: Option<u64>,
    splitter: Splitter,
    failures: u32,
    said: Instant,
    until: Instant,
    over: bool,
}

impl Replay {
    /// Follows the response to `request` behind the event number `after`.
    pub(in crate::routes) fn new(
        app: Arc<App>,
        call: Call,
        key: Key,
        request: RequestId,
        after: Option<u64>,
    ) -> Self {
        let now = Instant::now();
        let until = now + app.config.background_budget + GRACE;
        let splitter = Splitter::new(EVENT_BYTES_MAX);
        Self {
            app,
            call,
            key,
            request,
            after,
            reader: None,
            seen: 0,
            last: None,
            splitter,
            failures: 0,
            said: now,
            until,
            over: false,
        }
    }

    /// The answer that says it.
    pub(in crate::routes) fn answer(mut self) -> Response {
        let mut response = respond::events(&mut self.call);
        *response.body_mut() = Body::from_stream(stream::unfold(self, |mut replay| async move {
            let piece = replay.next().await?;
            Some((Ok::<_, NoError>(piece), replay))
        }));
        response
    }

    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            let said = self.step().await;
            if let Some(said) = said.filter(|said| !said.is_empty()) {
                self.said = Instant::now();
                return Some(said);
            }
        }
        None
    }

    async fn step(&mut self) -> Option<Bytes> {
        if Instant::now() >= self.until {
            return self.broken("The response takes too long.");
        }
        let ring = self.app.projection.ring();
        let Some(reader) = &mut self.reader else { return self.open().await };
        let chunk = match tokio::time::timeout(QUIET, reader.next(&ring)).await {
            Err(_) => return self.quiet().await,
            Ok(Ok(chunk)) => chunk,
            Ok(Err(ResultError::Damaged(_))) => return self.broken("The events cannot be read any more."),
            Ok(Err(error)) => return self.again(&error).await,
        };
        self.failures = 0;
        // A reader that was opened again begins at the beginning.
        if chunk.seq <= self.seen {
            return None;
        }
        self.seen = chunk.seq;
        match chunk.events {
            Some(events) => self.take(&events),
            None => self.news(true).await,
        }
    }

    async fn open(&mut self) -> Option<Bytes> {
        let opened = self.app.replays.read(self.request);
        match tokio::time::timeout(PATIENCE, opened).await {
            Ok(Ok(reader)) => self.reader = Some(reader),
            Ok(Err(error)) => return self.again(&error).await,
            Err(_) => return self.again(&ResultError::Unreachable("no answer in time".to_owned())).await,
        }
        None
    }

    async fn again(&mut self, error: &ResultError) -> Option<Bytes> {
        let (request_id, traceparent) = (self.call.id_text(), &self.call.traceparent);
        tracing::debug!(request_id, traceparent, error = %error, "a response's events cannot be read");
        self.reader = None;
        self.failures += 1;
        if self.failures > FAILURES_MAX {
            return self.broken("The events cannot be read at the moment.");
        }
        tokio::time::sleep(AGAIN).await;
        None
    }

    fn take(&mut self, events: &[u8]) -> Option<Bytes> {
        let Self { splitter, after, last, .. } = self;
        let mut out = BytesMut::new();
        let split = splitter.split(events, |block| {
            if let Some(number) = event_number(block) {
                *last = Some(number);
                if after.is_none_or(|after| number > after) {
                    out.extend_from_slice(block);
                }
            }
            Ok::<_, TooLarge>(())
        });
        match split {
            Ok(()) => Some(out.freeze()),
            Err(TooLarge) => self.broken("An event is too large."),
        }
    }

    /// Nothing has come for a while.
    async fn quiet(&mut self) -> Option<Bytes> {
        if let Some(end) = self.news(false).await {
            return Some(end);
        }
        (!self.over && self.said.elapsed() >= PING).then(|| Bytes::from_static(ping(self.call.dialect)))
    }

    /// Looks at the record, and ends with it where it has ended. `all_read` if every chunk before that is known to
    /// be read.
    async fn news(&mut self, all_read: bool) -> Option<Bytes> {
        let found = self.app.results.read(&self.key, &self.app.projection.ring(), PATIENCE).await;
        let stored = match found {
            Ok(Some(found)) => found.stored,
            Ok(None) | Err(ResultError::Damaged(_)) => return self.broken("The response is gone."),
            Err(error) => return self.again(&error).await,
        };
        if !stored.about.status.is_over() {
            return None;
        }
        if !all_read {
            let tail = self.app.replays.tail(self.request, PATIENCE).await.ok()?;
            if tail.seq > self.seen {
                return None;
            }
        }
        self.end(&stored)
    }

    fn end(&mut self, stored: &Stored) -> Option<Bytes> {
        self.over = true;
        self.call.ended();
        let number = self.last.map_or(0, |last| last + 1);
        if self.after.is_some_and(|after| after >= number) {
            return None;
        }
        let kind = match stored.about.status {
            Status::Completed => "response.completed",
            Status::Incomplete => "response.incomplete",
            Status::Failed => "response.failed",
            Status::Cancelled | Status::Queued | Status::InProgress => "response.cancelled",
        };
        Some(response_event(kind, number, &stored.response))
    }

    fn broken(&mut self, message: &str) -> Option<Bytes> {
        self.over = true;
        let fault = Fault::new(FaultCode::Unavailable, message);
        self.call.broke(fault.code);
        let last = self.last.map(|last| format!("\"sequence_number\":{last}")).unwrap_or_default();
        Some(fault_event(self.call.dialect, &fault, self.call.id_text(), last.as_bytes()).into())
    }
}
