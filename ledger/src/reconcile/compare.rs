//! What was derived against what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use proto::id::RequestId;

use super::Report;
use super::derive::Derived;
use crate::account::Totals;
use crate::book::changes::Changes;
use crate::book::request::Request;
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::store::{self, Snapshot};
use crate::transfer::Transfer;

const MISSING: &str = "nothing";

fn shown(value: &impl Debug) -> String {
    format!("{value:?}")
}

/// Compares everything that a page changed, as it stood at its end.
pub(super) async fn changes(
    snapshot: &mut Snapshot,
    derived: &mut Derived,
    changes: &Changes,
    report: &mut Report,
) -> Result<(), Error> {
    transfers(snapshot, &changes.transfers, report).await?;
    let touched: BTreeSet<RequestId> = changes.requests.iter().copied().collect();
    let seq = derived.at.seq;
    for (id, there) in snapshot.requests(&touched).await? {
        let (there, ours) = (there.as_of(seq), derived.books.request(id).cloned().unwrap_or_default());
        request(id, ours, there, report);
    }
    for id in &changes.attempts {
        let attempt = derived.books.request(id.request).and_then(|r| r.attempt(*id));
        derived.attempts += u64::from(attempt.is_some_and(|a| a.stored.is_none()));
    }
    Ok(())
}

async fn transfers(snapshot: &mut Snapshot, ours: &[Transfer], report: &mut Report) -> Result<(), Error> {
    if ours.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = ours.iter().map(|t| t.id.as_str()).collect();
    let there = store::transfers_by_id(&mut snapshot.connection, snapshot.engine, &ids).await?;
    let there: BTreeMap<&str, &Transfer> = there.iter().map(|t| (t.id.as_str(), t)).collect();
    for transfer in ours {
        match there.get(transfer.id.as_str()) {
            Some(found) if *found == transfer => {}
            Some(found) => report.differs(
                "transfer",
                &transfer.id,
                shown(transfer),
                shown(found),
                "the transfer differs from the one that its event causes",
            ),
            None => report.differs(
                "transfer",
                &transfer.id,
                shown(transfer),
                MISSING.to_owned(),
                "the transfer that an event causes is missing",
            ),
        }
    }
    Ok(())
}

fn request(id: RequestId, ours: Request, there: Request, report: &mut Report) {
    let (ours, there) = (ours.bare(), there.bare());
    if ours == there {
        return;
    }
    for attempt in &ours.attempts {
        let found = there.attempt(attempt.id);
        if found != Some(attempt) {
            let found = found.map_or_else(|| MISSING.to_owned(), shown);
            report.differs("attempt", attempt.id, shown(attempt), found, "the attempt differs");
        }
    }
    for attempt in there.attempts.iter().filter(|a| ours.attempt(a.id).is_none()) {
        let note = "no event speaks of the attempt";
        report.differs("attempt", attempt.id, MISSING.to_owned(), shown(attempt), note);
    }
    if (&ours.takeovers, &ours.closings) != (&there.takeovers, &there.closings) {
        let expected = shown(&(&ours.takeovers, &ours.closings));
        let found = shown(&(&there.takeovers, &there.closings));
        report.differs("request", id, expected, found, "takeovers or closings differ");
    }
}

/// Compares a checkpoint that was passed on the way.
pub(super) async fn checkpoint(
    snapshot: &mut Snapshot,
    ours: &Checkpoint,
    report: &mut Report,
) -> Result<(), Error> {
    let there = store::checkpoint(&mut snapshot.connection, ours.seq).await?;
    let found = there.map_or_else(|| MISSING.to_owned(), |there| there.hash);
    if found != ours.hash {
        report.differs("checkpoint", ours.seq, ours.hash.clone(), found, "the checkpoint differs");
    }
    Ok(())
}

/// Compares every account's totals.
pub(super) async fn accounts(
    snapshot: &mut Snapshot,
    derived: &Derived,
    report: &mut Report,
) -> Result<(), Error> {
    let there = store::accounts(&mut snapshot.connection).await?;
    let all: BTreeSet<_> = there.keys().chain(derived.accounts.keys()).collect();
    for account in all {
        let expected = derived.accounts.get(account).copied().unwrap_or_default();
        let found = there.get(account).copied().unwrap_or_default();
        if expected != found {
            let show = |t: Totals| format!("debits {} credits {}", t.debits.0, t.credits.0);
            report.differs("account", account, show(expected), show(found), "the totals differ");
        }
    }
    report.accounts = there.len() as u64;
    Ok(())
}

/// Compares how many rows there are since the starting point: rows that no event causes show here.
pub(super) async fn counts(
    snapshot: &mut Snapshot,
    derived: &Derived,
    from: u64,
    report: &mut Report,
) -> Result<(), Error> {
    let there = store::rows_since(&mut snapshot.connection, from).await?;
    for (kind, expected, found) in
        [("attempts", derived.attempts, there.attempts), ("transfers", derived.transfers, there.transfers)]
    {
        if expected != found {
            let note = "the number of rows differs from what the events cause";
            report.differs(kind, from, expected.to_string(), found.to_string(), note);
        }
    }
    Ok(())
}
