//! Reading a stream without a consumer: direct gets, one message or a page of them at a time. It asks for no more
//! than the right to read that one stream (github.com/nats-io/nats-architecture-and-design, ADR-31, read 2026-11).

use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::Instant;

use super::Link;

const PAGE_MESSAGES: u32 = 256;
const PAGE_BYTES: u32 = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(5);
const END_OF_PAGE: u16 = 204;
const NOT_FOUND: u16 = 404;
const SEQUENCE: &str = "Nats-Sequence";
const SUBJECT: &str = "Nats-Subject";
const PENDING: &str = "Nats-Num-Pending";

/// A stored message.
#[derive(Debug, Clone)]
pub(super) struct Read {
    /// What it was published to.
    pub(super) subject: String,
    /// Its place in the stream.
    pub(super) seq: u64,
    /// Its own headers and the server's.
    pub(super) headers: HeaderMap,
    /// Its contents.
    pub(super) payload: Bytes,
}

/// Some of the messages that were asked for, oldest first.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The messages.
    pub(super) messages: Vec<Read>,
    /// Whether there are more behind them.
    pub(super) more: bool,
}

impl Read {
    /// A message as the server sends it, stored or just republished; `None` if it does not say what it is.
    pub(super) fn of(message: Message) -> Option<Self> {
        let headers = message.headers?;
        let subject = headers.get(SUBJECT)?.as_str().to_owned();
        let seq = headers.get(SEQUENCE)?.as_str().parse().ok()?;
        Some(Self { subject, seq, headers, payload: message.payload })
    }
}

/// The newest message of a subject.
pub(super) async fn newest(link: &Link, stream: &str, subject: &str) -> Result<Option<Read>, String> {
    let asked = link.client.request(format!("{}.DIRECT.GET.{stream}.{subject}", link.api()), Bytes::new());
    let message = tokio::time::timeout(PATIENCE, asked).await.map_err(|error| error.to_string())?;
    let message = message.map_err(|error| error.to_string())?;
    match message.status.map(|status| status.as_u16()) {
        None => Read::of(message).map(Some).ok_or_else(|| "the answer is not understood".to_owned()),
        Some(NOT_FOUND) => Ok(None),
        Some(_) => Err(refused(&message)),
    }
}

/// The messages of `filter` from sequence `from` on, as many as fit.
pub(super) async fn page(link: &Link, stream: &str, filter: &str, from: u64) -> Result<Page, String> {
    let ask = json!({
        "seq": from.max(1), "next_by_subj": filter, "batch": PAGE_MESSAGES, "max_bytes": PAGE_BYTES,
    });
    ask_for(link, stream, &ask).await
}

/// The newest message of each subject that `filter` covers; for streams of few subjects.
pub(super) async fn newest_of_each(link: &Link, stream: &str, filter: &str) -> Result<Page, String> {
    ask_for(link, stream, &json!({ "multi_last": [filter], "batch": PAGE_MESSAGES })).await
}

async fn ask_for(link: &Link, stream: &str, ask: &serde_json::Value) -> Result<Page, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let inbox = link.client.new_inbox();
    let mut answers = link.client.subscribe(inbox.clone()).await.map_err(|e| failed(&e))?;
    let subject = format!("{}.DIRECT.GET.{stream}", link.api());
    let sent = link.client.publish_with_reply(subject, inbox, ask.to_string().into());
    sent.await.map_err(|e| failed(&e))?;
    let until = Instant::now() + PATIENCE;
    let mut page = Page::default();
    loop {
        let answer = tokio::time::timeout_at(until, answers.next()).await.map_err(|e| failed(&e))?;
        let message = answer.ok_or("the connection is closed")?;
        match message.status.map(|status| status.as_u16()) {
            None => page.messages.push(Read::of(message).ok_or("an answer is not understood")?),
            Some(NOT_FOUND) => return Ok(page),
            Some(END_OF_PAGE) => {
                let pending = message.headers.as_ref().and_then(|headers| headers.get(PENDING));
                page.more = pending.is_some_and(|number| number.as_str() != "0");
                return Ok(page);
            }
            Some(_) => return Err(refused(&message)),
        }
    }
}

fn refused(message: &Message) -> String {
    match message.status {
        Some(StatusCode::NO_RESPONDERS) => "nobody answers for the stream".to_owned(),
        _ => message.description.clone().unwrap_or_else(|| "the server refuses".to_owned()),
    }
}
