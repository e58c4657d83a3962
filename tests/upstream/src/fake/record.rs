//! What a fake provider remembers of every call, refused ones included. No credential is among it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use super::Form;
use crate::calls::Ended;

/// A call as the provider saw it.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// Its number, from 0.
    pub n: usize,
    /// The wire format, where the path names one.
    pub dialect: Option<Form>,
    /// HTTP method.
    pub method: String,
    /// The path as sent, percent signs and all.
    pub path: String,
    /// The query without credentials; may be empty.
    pub query: String,
    /// Header names in lower case and their values; a credential's value is `[present]`.
    pub headers: BTreeMap<String, String>,
    /// The body; null where it was no JSON.
    pub body: Value,
    /// The model or deployment; empty where the call was refused before that was read.
    pub model: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// HTTP status of the answer, once it has one.
    pub status: Option<u16>,
    /// Why the call was refused as wrong, in the words of the answer. Scripted errors are not among these.
    pub refused: Option<String>,
    /// What it would bill.
    pub billed: Billed,
    /// How it ended; `None` while it runs.
    pub ended: Option<Ended>,
}

impl Seen {
    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Tokens as the provider bills them. Each class is what its wire format can say: Chat and Gemini do not tell a
/// long cache write from a short one (Gemini tells none), Bedrock does not tell reasoning from other output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Billed {
    /// All input, cache reads and writes included.
    pub input_tokens: u64,
    /// All output, reasoning included.
    pub output_tokens: u64,
    /// Input read from a cache.
    pub cached: u64,
    /// Input written to a cache, of either lifetime.
    pub cache_write: u64,
    /// Of that, input written to the long-lived cache.
    pub cache_write_long: u64,
    /// Output spent on reasoning.
    pub reasoning: u64,
}

/// All calls so far. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log {
    list: Arc<Mutex<Vec<Seen>>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Default for Log {
    fn default() -> Self {
        Self { list: Arc::default(), changed: Arc::new(watch::channel(0).0) }
    }
}

impl Log {
    /// A copy of every call so far.
    pub fn all(&self) -> Vec<Seen> {
        self.read(<[Seen]>::to_vec)
    }

    /// Reads the list in place.
    pub fn read<T>(&self, look: impl FnOnce(&[Seen]) -> T) -> T {
        look(&self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until `look` finds what it looks for, at most `within`.
    pub async fn wait<T>(&self, within: Duration, mut look: impl FnMut(&[Seen]) -> Option<T>) -> Option<T> {
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

    /// Adds a call.
    pub(crate) fn start(&self, mut seen: Seen) -> Open {
        let n = {
            let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
            seen.n = list.len();
            list.push(seen);
            list.len() - 1
        };
        self.changed.send_modify(|v| *v += 1);
        Open { log: self.clone(), n, ended: false }
    }
}

/// A call that is being answered. Dropped before its end, it was the caller who went away.
#[derive(Debug)]
pub(crate) struct Open {
    log: Log,
    /// Its number.
    pub n: usize,
    ended: bool,
}

impl Open {
    /// Notes something.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.log.list.lock().unwrap_or_else(PoisonError::into_inner).get_mut(self.n) {
            change(seen);
        }
        self.log.changed.send_modify(|v| *v += 1);
    }

    /// Notes the end.
    pub(crate) fn end(&mut self, how: Ended) {
        if !self.ended {
            self.ended = true;
            self.note(|seen| seen.ended = Some(how));
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end(Ended::Dropped);
    }
}
