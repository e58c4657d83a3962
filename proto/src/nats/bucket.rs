//! Buckets as their readers see them: values read directly, and notices of what changes. A reader has no consumer, so
//! that the right to read one bucket is all it needs; a consumer's maker may have the server deliver wherever it
//! likes.
//!
//! The server says what it has stored on a subject of its own, numbered. A number that is missing is fetched, and now
//! and then it is asked whether anything is.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::kv::Operation;
use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::watch;

use super::direct::{self, Read};
use super::{Link, LinkState};
use crate::subject;

/// How often it is asked whether a notice was missed.
const CHECK_EVERY: Duration = Duration::from_secs(5);
const OPERATION: &str = "KV-Operation";

/// A bucket that could not be read or followed.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the bucket {bucket}: {message}")]
pub struct BucketError {
    bucket: &'static str,
    message: String,
}

/// What a bucket says of one of its keys.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its value; empty where it was removed.
    pub value: Bytes,
    /// Whether it was put or removed.
    pub operation: Operation,
    /// The place in the bucket's history.
    pub revision: u64,
}

/// A bucket to read from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    link: Link,
    name: &'static str,
}

/// What [`Changes`] begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Every entry, for buckets that keep no history.
    Everything,
    /// The newest value of each of a few keys.
    Newest,
    /// What changes from now on.
    Now,
}

/// What a bucket holds and then what changes in it.
#[derive(Debug)]
pub struct Changes {
    bucket: Bucket,
    notices: Subscriber,
    link: watch::Receiver<LinkState>,
    epoch: u64,
    /// The last revision that was told.
    last: u64,
    waiting: VecDeque<Entry>,
}

/// What a reader wakes up for.
enum News {
    Notice(Message),
    Quiet,
    Broken,
}

impl Bucket {
    /// The bucket of that name at the other end of `link`.
    pub fn new(link: Link, name: &'static str) -> Self {
        Self { link, name }
    }

    /// The value under `key`.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, BucketError> {
        let read = direct::newest(&self.link, &self.stream(), &format!("$KV.{}.{key}", self.name)).await;
        let read = read.map_err(|message| self.failed(message))?;
        Ok(read.filter(|read| operation(read) == Operation::Put).map(|read| read.payload))
    }

    /// Follows the bucket.
    pub async fn changes(&self, begin: Begin) -> Result<Changes, BucketError> {
        let link = self.link.watch();
        let epoch = link.borrow().epoch;
        let notices = self.link.client.subscribe(subject::changes(self.name)).await;
        let notices = notices.map_err(|error| self.failed(error.to_string()))?;
        let mut changes =
            Changes { bucket: self.clone(), notices, link, epoch, last: 0, waiting: VecDeque::new() };
        match begin {
            Begin::Everything => changes.catch_up().await?,
            Begin::Newest => {
                let page = direct::newest_of_each(&self.link, &self.stream(), &self.filter()).await;
                page.map_err(|message| self.failed(message))?
                    .messages
                    .into_iter()
                    .for_each(|r| changes.note(r));
            }
            Begin::Now => {
                let stream = self.link.js.get_stream(self.stream()).await;
                let stream = stream.map_err(|error| self.failed(error.to_string()))?;
                changes.last = stream.cached_info().state.last_sequence;
            }
        }
        Ok(changes)
    }

    fn stream(&self) -> String {
        format!("KV_{}", self.name)
    }

    fn filter(&self) -> String {
        format!("$KV.{}.>", self.name)
    }

    fn failed(&self, message: impl Into<String>) -> BucketError {
        BucketError { bucket: self.name, message: message.into() }
    }
}

impl Changes {
    /// Whether everything that is known has been told.
    pub fn is_caught_up(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next entry. After an error it is of no further use.
    pub async fn next(&mut self) -> Result<Entry, BucketError> {
        loop {
            if let Some(entry) = self.waiting.pop_front() {
                return Ok(entry);
            }
            match self.news().await {
                News::Notice(notice) => self.take(notice).await?,
                News::Quiet => self.catch_up().await?,
                News::Broken => return Err(self.bucket.failed("the connection broke")),
            }
        }
    }

    async fn news(&mut self) -> News {
        let epoch = self.epoch;
        tokio::select! {
            notice = self.notices.next() => notice.map_or(News::Broken, News::Notice),
            _ = self.link.wait_for(|state| state.epoch != epoch) => News::Broken,
            () = tokio::time::sleep(CHECK_EVERY) => News::Quiet,
        }
    }

    async fn take(&mut self, notice: Message) -> Result<(), BucketError> {
        let Some(read) = Read::of(notice) else { return Ok(()) };
        if read.seq > self.last + 1 {
            self.catch_up().await?;
        }
        match read.seq.checked_sub(self.last) {
            None | Some(0) => {}
            Some(1) => self.note(read),
            // The replica that was asked is behind the one that told.
            Some(_) => return Err(self.bucket.failed("it is not caught up yet")),
        }
        Ok(())
    }

    /// Reads what was not told.
    async fn catch_up(&mut self) -> Result<(), BucketError> {
        let (stream, filter) = (self.bucket.stream(), self.bucket.filter());
        loop {
            let page = direct::page(&self.bucket.link, &stream, &filter, self.last + 1).await;
            let page = page.map_err(|message| self.bucket.failed(message))?;
            page.messages.into_iter().for_each(|read| self.note(read));
            if !page.more {
                return Ok(());
            }
        }
    }

    fn note(&mut self, read: Read) {
        self.last = self.last.max(read.seq);
        let operation = operation(&read);
        let prefix = self.bucket.filter();
        let Some(key) = read.subject.strip_prefix(prefix.trim_end_matches('>')) else { return };
        let entry = Entry { key: key.to_owned(), value: read.payload, operation, revision: read.seq };
        self.waiting.push_back(entry);
    }
}

fn operation(read: &Read) -> Operation {
    match read.headers.get(OPERATION).map(async_nats::HeaderValue::as_str) {
        None => Operation::Put,
        Some("PURGE") => Operation::Purge,
        Some(_) => Operation::Delete,
    }
}
