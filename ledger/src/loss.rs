//! Events that are gone from the stream before they were on the books: noted, and stepped over.

use std::time::Duration;

use proto::nats::Link;

use crate::apply::load;
use crate::book::At;
use crate::book::changes::{Changes, IncidentKind};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::metrics;
use crate::store::{self, Batch, Db, Written};
use crate::stream::{Reader, bounds};

/// How often a hole in the stream is looked at again before it is taken for one.
const GAP_RETRIES: u32 = 5;

/// A hole in the stream that was seen, at this sequence, so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hole {
    seq: u64,
    seen: u32,
}

impl Hole {
    /// The event `seq` did not come.
    pub(crate) fn see(&mut self, seq: u64) {
        *self = Self { seq, seen: if self.seq == seq { self.seen + 1 } else { 1 } };
    }
}

/// Where to go on if events are gone from the stream that are not on the books: that is noted, and they are
/// stepped over. `None` if another ledger was first to do so.
pub(crate) async fn step_over(link: &Link, db: &Db, cursor: At, hole: Hole) -> Result<Option<At>, Error> {
    let bounds = bounds(link).await?;
    if bounds.last < cursor.seq {
        return Err(Error::AnotherStream { last: bounds.last, cursor: cursor.seq });
    }
    let next = cursor.seq + 1;
    // A hole that was there each time is one.
    let lasting = hole.seq == next && hole.seen >= GAP_RETRIES;
    let first = if lasting { first_after(link, next).await? } else { bounds.first };
    if first <= next {
        return Ok(Some(cursor));
    }
    let to = At { seq: first - 1, ms: cursor.ms };
    let mut changes = Changes::default();
    let note = format!("events {next} to {} are gone from the stream and were never on the books", to.seq);
    tracing::error!(from = next, to = to.seq, "events are lost");
    changes.incident(IncidentKind::EventsLost, to, "EVENTS".to_owned(), note);
    // Whoever derives the books again cannot come across the hole: it starts behind it.
    let books = load(db, cursor).await?;
    let mut connection = db.pool().acquire().await.map_err(Error::Connect)?;
    let accounts = store::accounts(&mut connection).await?;
    drop(connection);
    let checkpoint = Checkpoint::of(to, accounts, &books)?;
    let batch =
        Batch { from: cursor.seq, to, checkpoint: Some(&checkpoint), books: &books, changes: &changes };
    let written = store::write_batch(db, &batch).await?;
    metrics::committed(&changes, 0, Duration::ZERO);
    Ok((written == Written::Done).then_some(to))
}

/// The first sequence at or after `next` that the stream gives.
async fn first_after(link: &Link, next: u64) -> Result<u64, Error> {
    let mut reader = Reader::open(link, next).await?;
    match reader.wait(Duration::from_secs(1), &mut Vec::new()).await {
        Err(Error::Gap { got, .. }) => Ok(got),
        other => other.map(|()| next),
    }
}
