//! The derivation: the same pure book, fed by a reader of its own, compared page by page so that memory stays
//! bounded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proto::event::Event;
use proto::nats::Link;

use super::{Report, compare};
use crate::account::{Account, Totals};
use crate::apply::apply_all;
use crate::book::{At, Books};
use crate::checkpoint::{Checkpoint, State, new_day};
use crate::error::Error;
use crate::store::{self, Snapshot};
use crate::stream::{Reader, Record};
use crate::transfer;

const PAGE_EVENTS: usize = 1_000;
const PAGE_BYTES: usize = 8 << 20;
/// How long an event that is there may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What has been derived so far.
pub(super) struct Derived {
    pub(super) books: Books,
    pub(super) accounts: BTreeMap<Account, Totals>,
    pub(super) at: At,
    pub(super) attempts: u64,
    pub(super) transfers: u64,
}

/// Derives everything from `state` to `to` and compares it with the snapshot.
pub(super) async fn derive(
    link: &Link,
    snapshot: &mut Snapshot,
    state: State,
    to: At,
    report: &mut Report,
) -> Result<(), Error> {
    let from = state.seq;
    let mut derived = begin(state);
    if to.seq > from {
        let mut reader = Reader::open(link, from + 1).await?;
        while derived.at.seq < to.seq {
            let mut records = Vec::new();
            reader.fetch(PAGE_EVENTS, PAGE_BYTES, &mut records).await?;
            if records.is_empty() {
                reader.wait(PATIENCE, &mut records).await?;
            }
            if records.is_empty() {
                return Err(Error::Stream(format!("event {} does not come", derived.at.seq + 1)));
            }
            records.retain(|record| record.at.seq <= to.seq);
            page(snapshot, &mut derived, records, report).await?;
        }
    }
    compare::accounts(snapshot, &derived, report).await?;
    compare::counts(snapshot, &derived, from, report).await
}

fn begin(state: State) -> Derived {
    let at = At { seq: state.seq, ms: state.at_ms };
    let mut books = Books::since(state.at_ms);
    for (id, request) in state.open {
        books.adopt(id, request.stored());
    }
    if let Some(config) = state.config {
        books.adopt_config(Arc::new(config));
    }
    Derived { books, accounts: state.accounts, at, attempts: 0, transfers: 0 }
}

async fn page(
    snapshot: &mut Snapshot,
    derived: &mut Derived,
    mut records: Vec<Record>,
    report: &mut Report,
) -> Result<(), Error> {
    while let Some(first) = records.first().map(|r| r.at) {
        if derived.at.seq > 0 && new_day(derived.at.ms, first.ms) {
            let checkpoint = Checkpoint::of(derived.at, derived.accounts.clone(), &derived.books)?;
            compare::checkpoint(snapshot, &checkpoint, report).await?;
        }
        let end = records.iter().position(|r| new_day(first.ms, r.at.ms)).unwrap_or(records.len());
        let rest = records.split_off(end);
        let last = records.last().map_or(first, |r| r.at);
        let events = records.iter().filter_map(|r| r.event.as_deref().ok());
        fill(snapshot, derived, events).await?;
        let changes = apply_all(&mut derived.books, std::mem::replace(&mut records, rest));
        derived.at = last;
        compare::changes(snapshot, derived, &changes, report).await?;
        derived.transfers += changes.transfers.len() as u64;
        for (account, totals) in transfer::totals(&changes.transfers) {
            derived.accounts.entry(account.clone()).or_default().add(totals);
        }
        derived.books.committed(&changes, last.ms);
    }
    Ok(())
}

/// Loads what the books must know, as it stood before the first of `events`.
async fn fill<'a>(
    snapshot: &mut Snapshot,
    derived: &mut Derived,
    events: impl IntoIterator<Item = &'a Event>,
) -> Result<(), Error> {
    let mut missing = derived.books.missing(events);
    let seq = derived.at.seq;
    for (id, request) in snapshot.requests(&missing.requests).await? {
        let request = request.as_of(seq);
        missing.configs.extend(derived.books.unseen_configs(&request));
        derived.books.adopt(id, request);
    }
    for version in missing.configs {
        if let Some(config) = store::config(&mut snapshot.connection, version, seq).await? {
            derived.books.adopt_config(config);
        }
    }
    Ok(())
}
