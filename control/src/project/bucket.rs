//! Writes to a bucket that several controls may make at once, any of which may have slept in between.
//!
//! A write is made against the revision that was read *before* the database was asked whether it is still due.
//! If another control wrote since, the revision is another one, and everything is looked at again; so a control
//! that was frozen cannot put back what a faster one has replaced.

use async_nats::jetstream::kv::{Entry, Operation, Store, UpdateErrorKind};
use bytes::Bytes;

use crate::error::Error;

/// How often a write is tried against a new revision. Each further try means that somebody else made progress.
const TRIES: u32 = 16;

/// What is to become of a key of a bucket, judged by what it holds now.
pub(super) enum Verdict {
    /// It is as it should be, or not ours to change any more.
    Keep,
    /// It shall hold this.
    Put(Bytes),
    /// It shall hold nothing.
    Delete,
}

/// Writes what `judge` decides on seeing the value that the key holds (`None` = nothing). True if it wrote.
pub(super) async fn write<F, Fut>(store: &Store, key: &str, judge: F) -> Result<bool, Error>
where
    F: Fn(Option<Bytes>) -> Fut,
    Fut: Future<Output = Result<Verdict, Error>>,
{
    for _ in 0..TRIES {
        let entry = store.entry(key).await.map_err(Error::nats("read a bucket"))?;
        let revision = entry.as_ref().map_or(0, |entry| entry.revision);
        match judge(value(entry)).await? {
            Verdict::Keep => return Ok(false),
            Verdict::Put(new) => match store.update(key, new, revision).await {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {}
                Err(error) => return Err(Error::nats("write to a bucket")(error)),
            },
            // The error does not tell a lost race from a failure; looking again does.
            Verdict::Delete => match store.delete_expect_revision(key, Some(revision)).await {
                Ok(()) => return Ok(true),
                Err(error) => tracing::debug!(error = %error, "a key was not deleted, looking again"),
            },
        }
    }
    Err(Error::Nats { action: "write to a bucket", message: "others kept writing in between".to_owned() })
}

/// What the key holds; `None` = nothing.
pub(super) async fn read(store: &Store, key: &str) -> Result<Option<Bytes>, Error> {
    Ok(value(store.entry(key).await.map_err(Error::nats("read a bucket"))?))
}

fn value(entry: Option<Entry>) -> Option<Bytes> {
    entry.filter(|entry| entry.operation == Operation::Put).map(|entry| entry.value)
}
