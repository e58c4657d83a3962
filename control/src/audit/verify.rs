//! Whether the log is what was written: walks the chain and compares it with the copies on EVENTS.

use ledger::Db;
use proto::nats::Link;
use serde::Serialize;

use super::events::{self, Copies};
use super::walk::{Finding, Known, Walk};
use crate::error::Error;
use crate::store::audit_log;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Records that are as they were written.
    pub verified: u64,
    /// How many of those EVENTS still holds a copy of.
    pub compared: u64,
    /// The first record that is not.
    pub finding: Option<Finding>,
}

/// Verifies the log. Without a link the chain alone is looked at, which does not show what was cut off its end
/// together with every trace of it in the database.
pub async fn verify(db: &Db, link: Option<&Link>) -> Result<Report, Error> {
    // In this order, so that what is written meanwhile is not mistaken: whatever has no copy on the way now and
    // none on the stream afterwards never had one; whatever has a copy then is in the database afterwards.
    let copied_to = audit_log::newest(db).await?;
    let on_the_way = audit_log::on_the_way(db).await?;
    let copies = match link {
        Some(link) => events::read(link).await?,
        None => Copies::new(),
    };
    let known = Known { copies, on_the_way, copied_to };
    let mut walk = Walk::default();
    let finding = look(db, &known, &mut walk).await?;
    let compared = known.copies.range(..=walk.last).count() as u64;
    Ok(Report { verified: walk.last, compared, finding })
}

async fn look(db: &Db, known: &Known, walk: &mut Walk) -> Result<Option<Finding>, Error> {
    loop {
        let rows = audit_log::rows_after(db, walk.last).await?;
        for row in &rows {
            if let Err(finding) = walk.step(row, known) {
                return Ok(Some(finding));
            }
        }
        if rows.is_empty() {
            // Of head and rows, whichever is read later may be ahead.
            let head = audit_log::head(db).await?;
            match walk.end(head.as_ref(), known) {
                Err(_) if !audit_log::rows_after(db, walk.last).await?.is_empty() => {}
                end => return Ok(end.err()),
            }
        }
    }
}
