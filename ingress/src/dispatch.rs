//! From an admitted request to one that is stored: seal, open the slot, publish, wait for the acknowledgement.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::object_store::ObjectMetadata;
use bytes::Bytes;
use proto::envelope::{Body, Envelope};
use proto::fault::{Fault, FaultCode};
use proto::id::RequestId;
use proto::nats::{PublishError, publish};
use proto::reply::Head;
use proto::subject;

use crate::body::Held;
use crate::metrics::EndedBy;
use crate::slots::{Failure, Mailbox, Piece, Whole};
use crate::state::App;

/// The longest wait for an acknowledgement: an election of a new leader takes about five seconds.
const ACK_PATIENCE: Duration = Duration::from_secs(10);
/// What the caller gets on top of its budget before the ingress itself ends the request, so that the worker's own
/// deadline comes first.
const DEADLINE_GRACE: Duration = Duration::from_secs(1);
/// Larger messages go to the object store, whatever the server takes: they would stall the connection.
const INLINE_BYTES_MAX: usize = 768 << 10;
/// Room left for what the server adds to a message.
const PAYLOAD_MARGIN: usize = 16 << 10;
const OBJECT_CHUNK_BYTES: usize = 512 << 10;
const RETRY_AFTER_MS: u64 = 1000;

/// A place in the slot table. Dropping it before the answer is complete tells the workers that the caller left.
pub(crate) struct Seat {
    app: Arc<App>,
    request: RequestId,
    mailbox: Arc<Mailbox>,
}

impl Seat {
    /// Waits for the complete answer.
    pub(crate) async fn whole(&self) -> Result<Whole, Failure> {
        poll_fn(|cx| self.mailbox.poll_whole(cx)).await
    }

    /// Waits for a stream's head and first bytes.
    pub(crate) async fn first(&self) -> Result<Head, Failure> {
        poll_fn(|cx| self.mailbox.poll_first(cx)).await
    }

    /// The next part of a stream.
    pub(crate) fn poll_next(&self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Piece>> {
        self.mailbox.poll_next(cx)
    }

    async fn heard(&self) {
        poll_fn(|cx| self.mailbox.poll_heard(cx)).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(cancel) = self.app.slots.leave(self.request, Instant::now()) {
            self.app.outbox.cancel(cancel);
        }
    }
}

/// Stores the request. From an `Ok` on it is accepted: it will be answered, or refused with a definite error.
pub(crate) async fn dispatch(app: &Arc<App>, mut envelope: Envelope, body: Held) -> Result<Seat, Fault> {
    let started = Instant::now();
    let budget = Duration::from_millis(envelope.budget_ms);
    let Held { bytes, share } = body;
    let (headers, sealed) = pack(app, &mut envelope, bytes, budget).await?;
    let left = budget.saturating_sub(started.elapsed());
    let (request, now) = (envelope.request, Instant::now());
    let mailbox = app.slots.open(Arc::new(envelope), now + left + DEADLINE_GRACE, now).map_err(|_| {
        Fault::new(FaultCode::Overloaded, "Too many requests are being answered at once.")
            .retry_after(RETRY_AFTER_MS)
    })?;
    let seat = Seat { app: Arc::clone(app), request, mailbox };
    let stored = tokio::select! {
        biased;
        stored = publish(&app.link, app.request_subject.clone(), headers, sealed, left.min(ACK_PATIENCE)) => stored,
        // A worker has it, so it is stored, whatever became of the acknowledgement.
        () = seat.heard() => return Ok(seat),
    };
    drop(share);
    match stored {
        Ok(_) => {
            app.metrics.stored(now.elapsed());
            Ok(seat)
        }
        Err(_) if seat.mailbox.heard() => Ok(seat),
        Err(error) => Err(not_stored(app, request, &error)),
    }
}

/// Stores a request that nobody waits for. Errs with 503 if it is not known to be stored.
pub(crate) async fn enqueue(app: &Arc<App>, mut envelope: Envelope, body: Held) -> Result<(), Fault> {
    let (started, request) = (Instant::now(), envelope.request);
    let (headers, sealed) = pack(app, &mut envelope, body.bytes, ACK_PATIENCE).await?;
    match publish(&app.link, app.request_subject.clone(), headers, sealed, ACK_PATIENCE).await {
        Ok(_) => {
            app.metrics.stored(started.elapsed());
            Ok(())
        }
        Err(error) => {
            tracing::warn!(
                request_id = %request,
                traceparent = envelope.traceparent,
                subject = subject::REQUESTS_STREAM,
                error = %error,
                "a background request was not acknowledged by its stream"
            );
            Err(unavailable())
        }
    }
}

/// The message of a request; a large body goes to the object store first.
async fn pack(
    app: &App,
    envelope: &mut Envelope,
    bytes: Bytes,
    patience: Duration,
) -> Result<(async_nats::HeaderMap, Bytes), Fault> {
    let sealed = seal(app, envelope, &bytes)?;
    drop(bytes);
    let headers = headers(envelope)?;
    if sealed.len() + header_bytes(&headers) <= inline_max(app) {
        return Ok((headers, sealed));
    }
    envelope.body = Body::Object(store(app, envelope, &sealed, patience).await?);
    Ok((self::headers(envelope)?, Bytes::new()))
}

fn seal(app: &App, envelope: &Envelope, body: &[u8]) -> Result<Bytes, Fault> {
    app.projection.ring().seal(envelope.request, body, &app.day_key().1).map_err(|error| {
        tracing::error!(
            request_id = %envelope.request,
            traceparent = envelope.traceparent,
            error = %error,
            "a payload could not be sealed"
        );
        Fault::new(FaultCode::Unavailable, "The gateway cannot protect requests at the moment.")
            .retry_after(RETRY_AFTER_MS)
    })
}

fn headers(envelope: &Envelope) -> Result<async_nats::HeaderMap, Fault> {
    envelope.to_headers().map_err(|error| {
        tracing::error!(
            request_id = %envelope.request,
            traceparent = envelope.traceparent,
            error = %error,
            "an envelope does not encode"
        );
        Fault::new(FaultCode::Internal, "The request could not be stored.")
    })
}

/// Roughly what the headers add to a message.
fn header_bytes(headers: &async_nats::HeaderMap) -> usize {
    headers
        .iter()
        .map(|(n, v)| AsRef::<str>::as_ref(n).len() + v.iter().map(|v| v.as_str().len() + 4).sum::<usize>())
        .sum()
}

fn inline_max(app: &App) -> usize {
    app.link.max_payload().saturating_sub(PAYLOAD_MARGIN).min(INLINE_BYTES_MAX)
}

/// Puts a sealed body into the object store, and returns its name there.
async fn store(app: &App, envelope: &Envelope, sealed: &Bytes, patience: Duration) -> Result<String, Fault> {
    let name = envelope.request.to_string();
    let meta = ObjectMetadata {
        name: name.clone(),
        chunk_size: Some(OBJECT_CHUNK_BYTES.min(inline_max(app))),
        ..ObjectMetadata::default()
    };
    let put = async {
        app.large_bodies().await?.put(meta, &mut &sealed[..]).await.map_err(async_nats::Error::from)
    };
    match tokio::time::timeout(patience, put).await {
        Ok(Ok(_)) => Ok(name),
        Ok(Err(error)) => {
            tracing::warn!(
                request_id = %envelope.request,
                traceparent = envelope.traceparent,
                error = %error,
                "a large body could not be stored"
            );
            Err(unavailable())
        }
        Err(_) => Err(unavailable()),
    }
}

/// Nobody knows whether the request was stored, or it cannot be: whoever has it will be told to stop.
fn not_stored(app: &App, request: RequestId, error: &PublishError) -> Fault {
    let traceparent = app.slots.find(request).and_then(|envelope| envelope.traceparent.clone());
    app.slots.abandon(request, Instant::now());
    app.metrics.ended(EndedBy::Publish, 1);
    tracing::warn!(
        request_id = %request,
        traceparent,
        subject = subject::REQUESTS_STREAM,
        error = %error,
        "a request was not acknowledged by its stream"
    );
    unavailable()
}

fn unavailable() -> Fault {
    Fault::new(FaultCode::Unavailable, "The gateway cannot store requests at the moment.")
        .retry_after(RETRY_AFTER_MS)
}
