//! Derives the books again from EVENTS and compares them with SQL, and SQL with itself. Reads only.
//!
//! Everything is compared as it stood at one sequence, the cursor of one consistent snapshot; the ledger may go
//! on meanwhile. The derivation starts at a checkpoint that the stream still covers, or at its beginning. Rows of
//! requests older than that are taken from SQL as they stood then; what the stream says afterwards is not.

mod compare;
mod derive;
mod own;
#[cfg(test)]
mod tests;

use proto::nats::Link;
use serde::Serialize;

use crate::book::At;
use crate::checkpoint::State;
use crate::error::Error;
use crate::store::{self, Db, Snapshot};
use crate::stream::{Bounds, bounds};

/// Where the derivation starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// At the newest checkpoint: the last day.
    #[default]
    Newest,
    /// At the oldest one that the stream still covers, or at its beginning; every later one is compared on the way.
    Oldest,
}

/// The most items of one kind that are listed; all are counted.
const ITEMS_MAX: usize = 1_000;

/// What was compared and what differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The last event that is on the books, and up to which they were compared.
    pub checked_through: u64,
    /// The event after which the derivation started; 0 = the beginning.
    pub from_checkpoint: u64,
    /// Accounts on the books.
    pub accounts: u64,
    /// Transfers on the books.
    pub transfers: u64,
    /// Attempts on the books.
    pub attempts: u64,
    /// Attempts that nobody knows the outcome of.
    pub unknown: u64,
    /// Attempts that are not over.
    pub open: u64,
    /// Holds that are not resolved.
    pub open_holds: u64,
    /// How many differences there are.
    pub mismatches: u64,
    /// Each difference, and each unknown and open attempt (which are none).
    pub items: Vec<Item>,
}

/// One thing worth an operator's look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// `open` and `unknown` are no differences; everything else is one.
    pub kind: &'static str,
    /// What it is about.
    pub id: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
    /// A sentence.
    pub note: String,
}

impl Report {
    /// Notes a difference.
    fn differs(
        &mut self,
        kind: &'static str,
        id: impl ToString,
        expected: String,
        found: String,
        note: &str,
    ) {
        self.mismatches += 1;
        self.list(kind, id, expected, found, note);
    }

    fn list(&mut self, kind: &'static str, id: impl ToString, expected: String, found: String, note: &str) {
        if self.items.iter().filter(|item| item.kind == kind).count() < ITEMS_MAX {
            self.items.push(Item { kind, id: id.to_string(), expected, found, note: note.to_owned() });
        }
    }
}

/// Compares from the newest checkpoint on; see [`reconcile_from`].
pub async fn reconcile(link: &Link, db: &Db) -> Result<Report, Error> {
    reconcile_from(link, db, Start::Newest).await
}

/// Derives the books again and compares. Fails if stream or database cannot be read, or if events are missing
/// that no checkpoint stands for; a difference is no failure.
pub async fn reconcile_from(link: &Link, db: &Db, start: Start) -> Result<Report, Error> {
    let mut snapshot = Snapshot::take(db).await?;
    let cursor = store::cursor_within(&mut snapshot.connection).await?;
    let bounds = bounds(link).await?;
    if bounds.last < cursor.seq {
        return Err(Error::AnotherStream { last: bounds.last, cursor: cursor.seq });
    }
    let mut report = Report { checked_through: cursor.seq, ..Report::default() };
    let state = starting_state(&mut snapshot, cursor, bounds, start, &mut report).await?;
    report.from_checkpoint = state.seq;
    derive::derive(link, &mut snapshot, state, cursor, &mut report).await?;
    own::check(&mut snapshot, &mut report).await?;
    snapshot.close().await?;
    Ok(report)
}

/// The state to start from. A checkpoint that is not whole is a difference, and another one is taken.
async fn starting_state(
    snapshot: &mut Snapshot,
    cursor: At,
    bounds: Bounds,
    start: Start,
    report: &mut Report,
) -> Result<State, Error> {
    let whole_stream = bounds.first <= 1;
    if start == Start::Oldest && whole_stream {
        return Ok(State::beginning());
    }
    let oldest_usable = bounds.first.saturating_sub(1);
    let seqs = store::checkpoint_seqs(&mut snapshot.connection, oldest_usable, cursor.seq).await?;
    let ordered: Vec<u64> = match start {
        Start::Newest => seqs.into_iter().rev().collect(),
        Start::Oldest => seqs,
    };
    for seq in ordered {
        let Some(checkpoint) = store::checkpoint(&mut snapshot.connection, seq).await? else { continue };
        match checkpoint.open() {
            Some(state) => return Ok(state),
            None => report.differs(
                "checkpoint",
                seq,
                "a document with this hash".to_owned(),
                "another document".to_owned(),
                "the checkpoint is not whole",
            ),
        }
    }
    if whole_stream { Ok(State::beginning()) } else { Err(Error::NoCheckpoint { first: bounds.first }) }
}
