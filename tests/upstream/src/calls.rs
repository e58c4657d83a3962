//! What the fake provider remembers: one [`Call`] for everything that reached it with a valid body.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// One call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// Its number, from 0.
    pub n: usize,
    /// Its id, which the answer carries as well.
    pub id: String,
    /// The model asked for.
    pub model: String,
    /// The caller's `user`, if it gave one.
    pub user: Option<String>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Header names in lower case and their values; the credential is not among them.
    pub headers: BTreeMap<String, String>,
    /// The credential.
    pub key: String,
    /// SHA-256 of the body, in hexadecimal.
    pub body_sha256: String,
    /// Length of the body.
    pub body_bytes: usize,
    /// The body itself, where the provider keeps bodies.
    #[serde(skip)]
    pub body: Bytes,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// When it ended, likewise; `None` while it runs.
    pub ended_ms: Option<u64>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// HTTP status of the answer, once it has one.
    pub status: Option<u16>,
    /// Input tokens it would bill.
    pub input_tokens: u64,
    /// Output tokens produced so far, and so billed.
    pub output_tokens: u64,
}

impl Call {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Answered to its end.
    Finished,
    /// The caller dropped the connection.
    Dropped,
    /// The script dropped the connection.
    Cut,
}

/// All calls so far. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Calls {
    list: Arc<Mutex<Vec<Call>>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Default for Calls {
    fn default() -> Self {
        Self { list: Arc::default(), changed: Arc::new(watch::channel(0).0) }
    }
}

impl Calls {
    /// A copy of every call so far.
    pub fn all(&self) -> Vec<Call> {
        self.read(<[Call]>::to_vec)
    }

    /// The calls for a model.
    pub fn of(&self, model: &str) -> Vec<Call> {
        self.read(|calls| calls.iter().filter(|c| c.model == model).cloned().collect())
    }

    /// How many calls there were.
    pub fn len(&self) -> usize {
        self.read(<[Call]>::len)
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the list in place.
    pub fn read<T>(&self, look: impl FnOnce(&[Call]) -> T) -> T {
        look(&self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until `look` finds what it looks for, at most `within`.
    pub async fn wait<T>(&self, within: Duration, mut look: impl FnMut(&[Call]) -> Option<T>) -> Option<T> {
        let mut changed = self.changed.subscribe();
        let wait = async {
            loop {
                if let Some(found) = self.read(&mut look) {
                    return Some(found);
                }
                changed.changed().await.ok()?;
            }
        };
        tokio::time::timeout(within, wait).await.ok().flatten()
    }

    /// Adds a call; `make` gets its number.
    pub(crate) fn start(&self, make: impl FnOnce(usize) -> Call) -> Running {
        let n = {
            let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
            let n = list.len();
            list.push(make(n));
            n
        };
        self.changed.send_modify(|v| *v += 1);
        Running { calls: self.clone(), n, ended: false }
    }

    fn change(&self, n: usize, change: impl FnOnce(&mut Call)) {
        if let Some(call) = self.list.lock().unwrap_or_else(PoisonError::into_inner).get_mut(n) {
            change(call);
        }
        self.changed.send_modify(|v| *v += 1);
    }
}

/// A call that is being answered. Dropped before its end, it was the caller who went away.
#[derive(Debug)]
pub(crate) struct Running {
    calls: Calls,
    n: usize,
    ended: bool,
}

impl Running {
    /// Notes the status of the answer.
    pub(crate) fn answered(&self, status: u16) {
        self.calls.change(self.n, |c| c.status = Some(status));
    }

    /// Notes more output.
    pub(crate) fn produced(&self, tokens: u64) {
        self.calls.change(self.n, |c| c.output_tokens += tokens);
    }

    /// Notes the end.
    pub(crate) fn end(&mut self, how: Ended) {
        if !self.ended {
            self.ended = true;
            self.calls.change(self.n, |c| {
                c.ended = Some(how);
                c.ended_ms = Some(proto::clock::now_ms());
            });
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Ended::Dropped);
    }
}
