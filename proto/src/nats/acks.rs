//! Acknowledgements of publishes: one inbox for a connection, and who waits for which message in it.
//!
//! The client library can do this too, at about three times the price: each of its publishes makes an inbox of
//! its own name, two timers and a detour in reading the answer. On a single server a name is used again once its
//! answer has come, so that the server finds it in its caches; there each publish is answered once at most. In a
//! cluster two leaders may answer the same publish, so no name is used twice.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_nats::{Client, Message, StatusCode, Subject, SubscribeError, Subscriber};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

/// How finely waits end; shorter ones have a timer of their own.
const SWEEP_EVERY: Duration = Duration::from_millis(250);

/// What a stream answered to a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is stored under this sequence number, `duplicate` if it had been before.
    Stored { seq: u64, duplicate: bool },
    /// It is not, for the reason that this code of the server stands for.
    Refused { code: u64, description: String },
    /// No stream takes the subject at the moment.
    NoStream,
    /// Nothing came in time.
    Silence,
}

/// The acknowledgements of one connection. Its reader ends with the last clone.
#[derive(Debug, Clone)]
pub(super) struct Acks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The inbox up to the name.
    prefix: String,
    again: bool,
    table: Mutex<Table>,
    reader: Mutex<Option<AbortHandle>>,
}

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<u64, Place>,
    free: Vec<u64>,
    named: u64,
}

#[derive(Debug)]
struct Place {
    deadline: Instant,
    waker: Option<Waker>,
    answer: Option<Answer>,
    /// Nobody waits any more; the name is free once its answer has come.
    left: bool,
}

/// Waits for one acknowledgement.
#[derive(Debug)]
pub(super) struct Waiting {
    shared: Arc<Shared>,
    name: u64,
    over: bool,
}

impl Acks {
    /// Listens on an inbox of its own, as long as the result or a clone of it lives.
    pub(super) async fn listen(client: &Client) -> Result<Self, SubscribeError> {
        let prefix = format!("{}.", client.new_inbox());
        let messages = client.subscribe(format!("{prefix}*")).await?;
        let again = client.server_info().cluster.is_none();
        let shared = Arc::new(Shared { prefix, again, table: Mutex::default(), reader: Mutex::default() });
        let reader = tokio::spawn(read(Arc::downgrade(&shared), messages));
        *shared.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader.abort_handle());
        Ok(Self(shared))
    }

    /// A name for one publish's answer, and the wait for it, which ends at `deadline` or up to a quarter of a
    /// second later.
    pub(super) fn expect(&self, deadline: Instant) -> (Subject, Waiting) {
        let mut table = self.0.table();
        let name = table.free.pop().unwrap_or_else(|| {
            table.named += 1;
            table.named
        });
        table.waiting.insert(name, Place { deadline, waker: None, answer: None, left: false });
        drop(table);
        let subject = Subject::from(format!("{}{name}", self.0.prefix));
        (subject, Waiting { shared: Arc::clone(&self.0), name, over: false })
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        // The table is whole after every statement, so a panic elsewhere does not spoil it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, message: &Message) {
        let name = message.subject.strip_prefix(self.prefix.as_str()).and_then(|name| name.parse().ok());
        let Some(name) = name else { return };
        let answer = understand(message);
        let mut table = self.table();
        let Some(place) = table.waiting.get_mut(&name) else { return };
        if place.left {
            table.release(name, self.again);
            return;
        }
        place.answer = Some(answer);
        if let Some(waker) = place.waker.take() {
            waker.wake();
        }
    }

    /// Ends what has waited long enough. Its names are never used again: the answer may still come.
    fn sweep(&self, now: Instant) {
        let mut table = self.table();
        table.waiting.retain(|_, place| {
            if place.answer.is_some() || place.deadline > now {
                return true;
            }
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
            false
        });
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let reader = self.reader.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = reader.take() {
            reader.abort();
        }
    }
}

impl Table {
    fn release(&mut self, name: u64, again: bool) {
        if self.waiting.remove(&name).is_some() && again {
            self.free.push(name);
        }
    }
}

impl Future for Waiting {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let shared = Arc::clone(&self.shared);
        let mut table = shared.table();
        let Some(place) = table.waiting.get_mut(&self.name) else {
            self.over = true;
            return Poll::Ready(Answer::Silence);
        };
        match place.answer.take() {
            Some(answer) => {
                table.release(self.name, shared.again);
                self.over = true;
                Poll::Ready(answer)
            }
            None => {
                match &mut place.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut table = self.shared.table();
        let Some(place) = table.waiting.get_mut(&self.name) else { return };
        if place.answer.is_some() {
            table.release(self.name, self.shared.again);
        } else {
            place.left = true;
            place.waker = None;
        }
    }
}

/// Gives out what comes, until the inbox ends or nobody holds `shared` any more.
async fn read(shared: Weak<Shared>, mut messages: Subscriber) {
    let mut tick = tokio::time::interval(SWEEP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            biased;
            message = messages.next() => Some(message),
            _ = tick.tick() => None,
        };
        let Some(shared) = shared.upgrade() else { return };
        match message {
            Some(Some(message)) => shared.take(&message),
            Some(None) => return,
            None => shared.sweep(Instant::now()),
        }
    }
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    #[serde(default)]
    error: Option<ReplyError>,
}

#[derive(Deserialize)]
struct ReplyError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

fn understand(message: &Message) -> Answer {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Answer::NoStream;
    }
    let refused = |description: String| Answer::Refused { code: 0, description };
    match serde_json::from_slice::<Reply>(&message.payload) {
        Ok(Reply { error: Some(error), .. }) => {
            Answer::Refused { code: error.err_code, description: error.description }
        }
        Ok(Reply { seq: 0, .. }) => refused("the answer holds no sequence number".to_owned()),
        Ok(Reply { seq, duplicate, error: None }) => Answer::Stored { seq, duplicate },
        Err(error) => refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(again: bool) -> Acks {
        let (prefix, table) = ("_INBOX_x.1.".to_owned(), Mutex::default());
        Acks(Arc::new(Shared { prefix, again, table, reader: Mutex::default() }))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    fn message(subject: &Subject, payload: &'static str) -> Message {
        let (subject, payload) = (subject.clone(), payload.into());
        let (reply, headers, status, description, length) = (None, None, None, None, 0);
        Message { subject, reply, payload, headers, status, description, length }
    }

    #[tokio::test]
    async fn each_gets_its_own_answer() {
        let acks = acks(true);
        let ((one, wait_one), (two, wait_two)) = (acks.expect(soon()), acks.expect(soon()));
        acks.0.take(&message(&two, r#"{"stream":"EVENTS","seq":7,"duplicate":true}"#));
        acks.0
            .take(&message(&one, r#"{"error":{"code":503,"err_code":10077,"description":"full"},"seq":0}"#));
        assert_eq!(wait_two.await, Answer::Stored { seq: 7, duplicate: true });
        assert_eq!(wait_one.await, Answer::Refused { code: 10_077, description: "full".to_owned() });
        assert!(acks.0.table().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_name_is_used_again_only_after_its_answer() {
        let acks = acks(true);
        let (name, waiting) = acks.expect(soon());
        acks.0.take(&message(&name, r#"{"seq":1}"#));
        waiting.await;
        let (again, left) = acks.expect(soon());
        assert_eq!(again, name);
        // Whoever leaves before the answer takes the name out of use until it comes.
        drop(left);
        assert_ne!(acks.expect(soon()).0, name);
        acks.0.take(&message(&name, r#"{"seq":2}"#));
        assert_eq!(acks.expect(soon()).0, name);
    }

    #[tokio::test]
    async fn a_wait_without_an_answer_ends_and_burns_its_name() {
        let acks = acks(true);
        let (name, waiting) = acks.expect(Instant::now());
        acks.0.sweep(Instant::now());
        assert_eq!(waiting.await, Answer::Silence);
        acks.0.take(&message(&name, r#"{"seq":1}"#));
        assert_ne!(acks.expect(soon()).0, name);
    }

    #[tokio::test]
    async fn in_a_cluster_no_name_is_used_twice() {
        let acks = acks(false);
        let (name, waiting) = acks.expect(soon());
        acks.0.take(&message(&name, r#"{"seq":1}"#));
        waiting.await;
        assert_ne!(acks.expect(soon()).0, name);
    }

    #[tokio::test]
    async fn what_is_no_answer_is_not_taken_for_one() {
        let acks = acks(true);
        for payload in ["", "+OK", r#"{"stream":"EVENTS"}"#, "[]"] {
            let (name, waiting) = acks.expect(soon());
            acks.0.take(&message(&name, payload));
            assert!(matches!(waiting.await, Answer::Refused { code: 0, .. }), "{payload}");
        }
    }
}
