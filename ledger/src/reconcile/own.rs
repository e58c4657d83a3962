//! SQL with itself: debits and credits, attempts and their transfers, accounts and theirs, unresolved incidents.

use proto::clock::now_ms;

use super::Report;
use crate::error::Error;
use crate::store::{self, OwnCheck, Snapshot};

/// Checks the snapshot against itself, and lists what is open and unknown.
pub(super) async fn check(snapshot: &mut Snapshot, report: &mut Report) -> Result<(), Error> {
    let totals = store::book_totals(&mut snapshot.connection).await?;
    (report.attempts, report.transfers) = (totals.attempts, totals.transfers);
    (report.open, report.unknown) = (totals.open, totals.unknown);
    for (id, sum) in [("debits", totals.debits), ("credits", totals.credits)] {
        if sum != totals.amount {
            let note = "the sum over all accounts is not the sum of all transfers";
            report.differs("sum", id, totals.amount.to_string(), sum.to_string(), note);
        }
    }
    for check in OwnCheck::ALL {
        for row in store::own_check(snapshot, check).await? {
            report.differs(check.kind(), row.id, row.expected, row.found, check.note());
        }
    }
    for id in store::unknown_attempts(&mut snapshot.connection).await? {
        report.list("unknown", id, String::new(), String::new(), "nobody knows what it used; booked as loss");
    }
    let now = now_ms();
    let open = store::first_open_requests(&mut snapshot.connection).await?;
    for (_, request) in snapshot.requests(&open).await? {
        for attempt in request.attempts.iter().filter(|a| a.is_open()) {
            let late = attempt.announced.as_ref().is_some_and(|a| a.deadline_ms < now);
            let note = if late { "past its deadline; the sweep gives it up" } else { "under way" };
            report.list("open", attempt.id, String::new(), String::new(), note);
        }
    }
    Ok(())
}
