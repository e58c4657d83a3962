//! What the streams hold about one request: the message it was accepted as, and its events in their order.
//! The prompt stays sealed; only its size and whether it could still be opened are told.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use async_nats::HeaderMap;
use async_nats::datetime::DateTime;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures_util::StreamExt as _;
use proto::envelope::{Body, Envelope};
use proto::event::Event;
use proto::id::RequestId;
use proto::nats::Link;
use proto::subject;
use serde::Serialize;

/// How long a message may be late before the scan gives up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// A request's id is made when its first byte arrives, a little before it is accepted; clocks differ a little.
const BEFORE_MS: u64 = 10_000;
/// The body may take a minute.
const AFTER_MS: u64 = 120_000;

/// The message that a request was accepted as.
#[derive(Debug, Serialize)]
pub(super) struct Accepted {
    /// Its stream.
    pub(super) stream: &'static str,
    /// Its sequence.
    pub(super) seq: u64,
    /// Its stream timestamp, in milliseconds since the Unix epoch.
    pub(super) at_ms: u64,
    /// Length of the sealed payload in the message, in bytes.
    pub(super) sealed_bytes: usize,
    /// Whether the payload can still be opened.
    pub(super) payload: PayloadState,
    /// What travels beside the payload.
    pub(super) envelope: Envelope,
}

/// What has become of a sealed payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PayloadState {
    /// Its key is still there.
    Sealed,
    /// Its key has been forgotten: nobody can open it any more.
    Expired,
    /// It is, or was, in the object store.
    Stored,
}

/// An event with its place.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    /// Its sequence.
    pub(super) seq: u64,
    /// Its stream timestamp, in milliseconds since the Unix epoch.
    pub(super) at_ms: u64,
    /// What it says.
    #[serde(flatten)]
    pub(super) event: Event,
}

/// The request's message; by its sequence where that is known, else looked for by time.
pub(super) async fn accepted(
    link: &Link,
    id: RequestId,
    seq: Option<u64>,
) -> anyhow::Result<Option<Accepted>> {
    let seq = match seq {
        Some(seq) => Some(seq),
        None => find(link, id).await?,
    };
    let Some(seq) = seq else { return Ok(None) };
    let stream = link.js.get_stream(subject::REQUESTS_STREAM).await.context("REQUESTS cannot be read")?;
    // A message past the audit window is gone.
    let Ok(message) = stream.get_raw_message(seq).await else { return Ok(None) };
    let envelope = Envelope::from_headers(Some(&message.headers))?;
    let payload = match &envelope.body {
        Body::Object(_) => PayloadState::Stored,
        Body::Inline if key_is_known(link, &message.payload).await => PayloadState::Sealed,
        Body::Inline => PayloadState::Expired,
    };
    let at_ms = unix_ms(message.time);
    let sealed_bytes = message.payload.len();
    Ok(Some(Accepted { stream: subject::REQUESTS_STREAM, seq, at_ms, sealed_bytes, payload, envelope }))
}

/// Where a request's events may stand.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    /// From this sequence on.
    Seq(u64),
    /// From this stream time on, in milliseconds.
    Ms(u64),
}

/// Every event of the request that is on the stream; `until`: the last one, as the books know it.
pub(super) async fn events(
    link: &Link,
    id: RequestId,
    project: &str,
    from: From,
    until: Option<u64>,
) -> anyhow::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    let start = match from {
        From::Seq(seq) => DeliverPolicy::ByStartSequence { start_sequence: seq.max(1) },
        From::Ms(ms) => DeliverPolicy::ByStartTime { start_time: second_of(ms)? },
    };
    let filter = format!("fb.evt.*.{project}");
    scan(link, subject::EVENTS_STREAM, start, filter, false, |message, seq, at_ms| {
        if let Ok(event) = serde_json::from_slice::<Event>(&message.payload)
            && event.request() == Some(id)
        {
            seen.push(Seen { seq, at_ms, event });
        }
        if until.is_some_and(|until| seq >= until) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .await?;
    Ok(seen)
}

/// Looks for the request's message around the time in its id.
async fn find(link: &Link, id: RequestId) -> anyhow::Result<Option<u64>> {
    let made_ms = u64::try_from(id.as_u128() >> 80).unwrap_or(0);
    let start_time = second_of(made_ms.saturating_sub(BEFORE_MS))?;
    let (start, text) = (DeliverPolicy::ByStartTime { start_time }, id.to_string());
    let mut found = None;
    scan(
        link,
        subject::REQUESTS_STREAM,
        start,
        subject::REQUESTS_SUBJECTS.to_owned(),
        true,
        |message, seq, at_ms| {
            if message_id(message.headers.as_ref()) == Some(text.as_str()) {
                found = Some(seq);
            }
            let over = found.is_some() || at_ms > made_ms.saturating_add(AFTER_MS);
            if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    )
    .await?;
    Ok(found)
}

/// Reads a stream from `start` to its end, or until `take` has seen enough.
async fn scan(
    link: &Link,
    stream: &'static str,
    start: DeliverPolicy,
    filter_subject: String,
    headers_only: bool,
    mut take: impl FnMut(&Message, u64, u64) -> ControlFlow<()>,
) -> anyhow::Result<()> {
    let unreadable = || format!("{stream} cannot be read");
    let handle = link.js.get_stream(stream).await.with_context(unreadable)?;
    let config =
        pull::OrderedConfig { deliver_policy: start, filter_subject, headers_only, ..Default::default() };
    let consumer = handle.create_consumer(config).await.with_context(unreadable)?;
    if consumer.cached_info().num_pending == 0 {
        return Ok(());
    }
    let mut messages = consumer.messages().await.with_context(unreadable)?;
    loop {
        let next = tokio::time::timeout(IDLE_TIMEOUT, messages.next()).await.with_context(unreadable)?;
        let Some(message) = next else { return Ok(()) };
        let message = message.with_context(unreadable)?;
        let info = message.info().map_err(|error| anyhow!("{error}"))?;
        let (seq, at_ms, pending) = (info.stream_sequence, unix_ms(info.published), info.pending);
        if take(&message, seq, at_ms).is_break() || pending == 0 {
            return Ok(());
        }
    }
}

fn message_id(headers: Option<&HeaderMap>) -> Option<&str> {
    headers?.get(async_nats::header::NATS_MESSAGE_ID).map(async_nats::HeaderValue::as_str)
}

/// A sealed payload names its key: `version | length of the id | id | ...`.
async fn key_is_known(link: &Link, sealed: &[u8]) -> bool {
    let id = sealed.get(1).and_then(|length| sealed.get(2..2 + usize::from(*length)));
    let Some(id) = id.and_then(|id| std::str::from_utf8(id).ok()) else { return false };
    let Ok(keys) = link.js.get_key_value(subject::PAYLOAD_KEYS_BUCKET).await else { return false };
    matches!(keys.get(id).await, Ok(Some(_)))
}

/// The beginning of the second that a time lies in.
fn second_of(ms: u64) -> anyhow::Result<DateTime> {
    Ok(DateTime::from_unix_timestamp(i64::try_from(ms / 1000)?)?)
}

fn unix_ms(time: DateTime) -> u64 {
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}
