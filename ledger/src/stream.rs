//! Reading EVENTS in order, from anywhere: an ephemeral consumer without acknowledgements, made again whenever
//! anything is odd. Where to go on from is the caller's business; for the books it is the SQL cursor.
//!
//! One inbox for the life of a consumer: what a pull brings late is still the next event.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use memchr::memmem;
use proto::event::Event;
use proto::nats::{Link, LinkState};
use proto::subject::EVENTS_STREAM;
use tokio::sync::watch;

use crate::book::At;
use crate::error::Error;

/// The server forgets a consumer that nobody pulls from for this long.
const INACTIVE_THRESHOLD: Duration = Duration::from_secs(30);
/// How long an answer may be late.
const GRACE: Duration = Duration::from_secs(2);
/// What the server says of a pull that came to its bytes.
const FULL: [&str; 2] = ["Batch Completed", "Message Size Exceeds MaxBytes"];
/// How long making a consumer may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// One message of the stream.
#[derive(Debug)]
pub(crate) struct Record {
    /// Where it stands.
    pub(crate) at: At,
    /// What it says, or why it says nothing.
    pub(crate) event: Result<Box<Event>, Malformed>,
}

/// A message that is no event.
#[derive(Debug)]
pub(crate) struct Malformed {
    /// Its subject.
    pub(crate) subject: String,
    /// Why, without any of its content.
    pub(crate) note: String,
}

/// What of the stream is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The first sequence that is still there; one more than `last` if none is.
    pub(crate) first: u64,
    /// The last sequence.
    pub(crate) last: u64,
}

/// What of EVENTS is there.
pub(crate) async fn bounds(link: &Link) -> Result<Bounds, Error> {
    let asked = tokio::time::timeout(OPEN_TIMEOUT, link.js.get_stream(EVENTS_STREAM)).await;
    let stream = asked.map_err(failed)?.map_err(failed)?;
    let state = &stream.cached_info().state;
    Ok(Bounds { first: state.first_sequence, last: state.last_sequence })
}

/// Reads EVENTS from one sequence on.
pub(crate) struct Reader {
    consumer: PullConsumer,
    inbox: async_nats::Subject,
    messages: Subscriber,
    /// The connection's health, and its epoch when the consumer was made.
    health: watch::Receiver<LinkState>,
    epoch: u64,
    next: u64,
    /// Events stored behind the last one that was read.
    pub(crate) pending: u64,
}

impl Reader {
    /// A reader whose first event is `next`, or the first one that is there.
    pub(crate) async fn open(link: &Link, next: u64) -> Result<Self, Error> {
        let made = tokio::time::timeout(OPEN_TIMEOUT, Self::make(link, next)).await;
        made.map_err(failed)?
    }

    async fn make(link: &Link, next: u64) -> Result<Self, Error> {
        let health = link.watch();
        let epoch = health.borrow().epoch;
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: next.max(1) },
            ack_policy: AckPolicy::None,
            inactive_threshold: INACTIVE_THRESHOLD,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = link.js.create_consumer_on_stream(config, EVENTS_STREAM).await.map_err(failed)?;
        let inbox = async_nats::Subject::from(link.client.new_inbox());
        let messages = link.client.subscribe(inbox.clone()).await.map_err(failed)?;
        let pending = consumer.cached_info().num_pending;
        Ok(Self { consumer, inbox, messages, health, epoch, next, pending })
    }

    /// Whether the consumer is still there, and how many events wait.
    pub(crate) async fn check(&mut self) -> Result<(), Error> {
        let info = tokio::time::timeout(OPEN_TIMEOUT, self.consumer.info()).await;
        self.pending = info.map_err(failed)?.map_err(failed)?.num_pending;
        Ok(())
    }

    /// Waits for one event, at most `wait`; adds it to `records`.
    pub(crate) async fn wait(&mut self, wait: Duration, records: &mut Vec<Record>) -> Result<(), Error> {
        let pull = pull::BatchConfig { batch: 1, expires: Some(wait), ..pull::BatchConfig::default() };
        self.pull(pull, wait + GRACE, records).await
    }

    /// Adds what is there to `records`, at most `events_max` and about `bytes_max`.
    pub(crate) async fn fetch(
        &mut self,
        events_max: usize,
        bytes_max: usize,
        records: &mut Vec<Record>,
    ) -> Result<(), Error> {
        if events_max == 0 {
            return Ok(());
        }
        let pull = pull::BatchConfig {
            batch: events_max,
            max_bytes: bytes_max,
            no_wait: true,
            ..pull::BatchConfig::default()
        };
        self.pull(pull, OPEN_TIMEOUT, records).await
    }

    async fn pull(
        &mut self,
        pull: pull::BatchConfig,
        patience: Duration,
        records: &mut Vec<Record>,
    ) -> Result<(), Error> {
        let batch = pull.batch;
        let (mut health, epoch) = (self.health.clone(), self.epoch);
        // What a broken connection was asked for never comes.
        let broken = async move {
            let seen = health.wait_for(|state| state.epoch != epoch).await.is_ok();
            failed(if seen { "the connection broke" } else { "the connection is closed" })
        };
        self.consumer.request_batch(pull, self.inbox.clone()).await.map_err(failed)?;
        let read = async {
            let before = records.len();
            while records.len() < before + batch {
                let message = self.messages.next().await.ok_or_else(|| failed("the connection is closed"))?;
                let said = message.description.as_deref();
                match message.status {
                    None | Some(StatusCode::OK) => records.push(self.record(&message)?),
                    // Nothing (more) is there, or not within the time, or not within the bytes.
                    Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => return Ok(()),
                    // It ends this pull, or it ended the last one and comes before all that this one brings.
                    Some(_) if said.is_some_and(|said| FULL.contains(&said)) => {
                        if records.len() > before {
                            return Ok(());
                        }
                    }
                    Some(status) => {
                        return Err(failed(format!("the consumer answered {status} {}", said.unwrap_or(""))));
                    }
                }
            }
            Ok(())
        };
        tokio::select! {
            biased;
            done = tokio::time::timeout(patience, read) => done.map_err(|_| failed("no answer to a pull"))?,
            error = broken => Err(error),
        }
    }

    fn record(&mut self, message: &Message) -> Result<Record, Error> {
        let reply = message.reply.as_deref().unwrap_or_default();
        let (seq, nanos, pending) = place(reply).ok_or_else(|| failed("a message says no sequence"))?;
        if seq != self.next {
            return Err(Error::Gap { expected: self.next, got: seq });
        }
        self.next = seq + 1;
        self.pending = pending;
        let event = decode(&message.subject, &message.payload);
        Ok(Record { at: At { seq, ms: nanos / 1_000_000 }, event })
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Stream(error.to_string())
}

/// Sequence, time in nanoseconds and number of waiting messages, from the reply subject
/// `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<time>.<pending>`.
fn place(reply: &str) -> Option<(u64, u64, u64)> {
    let rest = reply.strip_prefix("$JS.ACK.")?;
    let known = if rest.bytes().filter(|b| *b == b'.').count() >= 8 { 2 } else { 0 };
    let mut tokens = rest.split('.').skip(known + 3);
    let seq = tokens.next()?.parse().ok()?;
    let nanos = tokens.nth(1)?.parse().ok()?;
    let pending = tokens.next()?.parse().ok()?;
    Some((seq, nanos, pending))
}

/// Reads an event and checks that it stands on its own subject.
fn decode(subject: &str, payload: &Bytes) -> Result<Box<Event>, Malformed> {
    let malformed = |note: String| Malformed { subject: subject.to_owned(), note };
    // PostgreSQL stores no NUL character; the same mark stands in for it on both engines.
    let clean = memmem::find(payload, b"\\u0000")
        .map(|_| String::from_utf8_lossy(payload).replace("\\u0000", "\\ufffd"));
    let bytes = clean.as_ref().map_or(payload.as_ref(), |text| text.as_bytes());
    let event = Event::from_json(bytes).map_err(|error| {
        malformed(format!("not an event: {:?} at column {}", error.classify(), error.column()))
    })?;
    if !fits(&event, subject) {
        return Err(malformed("the event stands on a subject that is not its own".to_owned()));
    }
    Ok(Box::new(event))
}

fn fits(event: &Event, subject: &str) -> bool {
    let (prefix, project) = match event {
        Event::Attempt(e) => ("fb.evt.attempt.", &e.subject.project),
        Event::Usage(e) => ("fb.evt.usage.", &e.subject.project),
        Event::Takeover(e) => ("fb.evt.takeover.", &e.subject.project),
        Event::Closed(e) => ("fb.evt.closed.", &e.subject.project),
        Event::Config(_) => return subject == event.subject(),
    };
    subject.strip_prefix(prefix) == Some(project)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_messages_place_is_read_from_both_forms_of_its_reply() {
        let short = "$JS.ACK.EVENTS.abc.1.42.7.1700000000123000000.9";
        assert_eq!(place(short), Some((42, 1_700_000_000_123_000_000, 9)));
        let long = "$JS.ACK.hub.ACC.EVENTS.abc.1.42.7.1700000000123000000.9.rnd";
        assert_eq!(place(long), Some((42, 1_700_000_000_123_000_000, 9)));
        assert_eq!(place("_INBOX.x"), None);
    }

    #[test]
    fn every_kind_of_event_reads_back_whichever_way_it_is_read() {
        let story = crate::fixtures::Story::new("acme", 1);
        let close = story.closed(1, proto::event::CloseReason::Unwanted, Some(2));
        for event in
            [story.announced(1, 1), story.used(1, 1, 7), story.failed(1, 2, 0), story.takeover(2), close]
        {
            let payload = Bytes::from(serde_json::to_vec(&event).unwrap());
            assert_eq!(serde_json::from_slice::<Event>(&payload).unwrap(), event);
            assert_eq!(*decode(&event.subject(), &payload).unwrap(), event);
        }
    }

    #[test]
    fn what_is_no_event_is_told_without_its_content() {
        let malformed = decode("fb.evt.usage.acme", &Bytes::from_static(b"{\"secret\":1}")).unwrap_err();
        assert!(!malformed.note.contains("secret"), "{}", malformed.note);
    }
}
