//! The audit log: every act that changes something or was refused, chained by hashes in SQL and copied to EVENTS.
//!
//! [`append`] belongs into the transaction of the act itself, so that neither is there without the other; what was
//! refused or failed is written with [`record`], in a transaction of its own. The chain shows whether a record was
//! changed, removed or put in; the copies on EVENTS show what the chain alone cannot: records cut off at its end,
//! and a chain that somebody computed anew.

pub(crate) mod events;
mod redact;
#[cfg(test)]
mod tests;
mod verify;
mod walk;

use ledger::Db;
use proto::audit::{Actor, AuditOutcome, AuditRecord};
use proto::clock::now_ms;
use serde_json::Value;
use sqlx::{Any, Transaction};

pub(crate) use redact::redacted;

pub use crate::store::audit_log::{Entry, Filter, list};
pub use verify::{Report, verify};
pub use walk::{Finding, Tampering};

use crate::error::Error;
use crate::store::{self, audit_log};

/// Records of one page of an export.
const EXPORT_PAGE: u64 = 500;
/// How often a record of its own is tried again when others come in between.
const TRIES: u32 = 10;

/// One act, before it has a place in the log.
#[derive(Debug, Clone)]
pub struct Act {
    /// Who did it.
    pub actor: Actor,
    /// What was done: `<kind>.<verb>`.
    pub action: String,
    /// To what kind of thing.
    pub resource: String,
    /// To which one.
    pub resource_id: Option<String>,
    /// The developer that it concerns.
    pub developer: Option<String>,
    /// Whether it was done.
    pub outcome: AuditOutcome,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// What it was before. Redacted here; all the same, hand in no secret.
    pub before: Option<Value>,
    /// What it is now. Redacted here; all the same, hand in no secret.
    pub after: Option<Value>,
}

impl Act {
    /// A successful act; `action` is `<kind>.<verb>`, and the kind is the resource's.
    pub fn new(actor: Actor, action: &str) -> Self {
        let resource = action.split_once('.').map_or(action, |(kind, _)| kind).to_owned();
        Self {
            actor,
            action: action.to_owned(),
            resource,
            resource_id: None,
            developer: None,
            outcome: AuditOutcome::Success,
            request_id: None,
            before: None,
            after: None,
        }
    }

    /// On this thing.
    #[must_use]
    pub fn on(mut self, id: impl Into<String>) -> Self {
        self.resource_id = Some(id.into());
        self
    }

    /// Concerning this developer, if any.
    #[must_use]
    pub fn of_developer(mut self, developer: Option<String>) -> Self {
        self.developer = developer;
        self
    }

    /// Asked for by this request.
    #[must_use]
    pub fn asked_by(mut self, request_id: Option<String>) -> Self {
        self.request_id = request_id;
        self
    }

    /// With this outcome.
    #[must_use]
    pub fn with_outcome(mut self, outcome: AuditOutcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// With what it was and what it is.
    #[must_use]
    pub fn changed(mut self, before: Option<Value>, after: Option<Value>) -> Self {
        (self.before, self.after) = (before, after);
        self
    }
}

/// Writes the act at the end of the log, within the transaction of what it did. Call it last: from here to the
/// commit no other act gets a place.
pub async fn append(tx: &mut Transaction<'static, Any>, act: Act) -> Result<AuditRecord, Error> {
    let (last, previous) = audit_log::lock_head(tx).await?;
    let record = AuditRecord {
        seq: last + 1,
        at_ms: now_ms(),
        actor: act.actor,
        action: act.action,
        resource: act.resource,
        resource_id: act.resource_id,
        developer: act.developer,
        outcome: act.outcome,
        request_id: act.request_id,
        before: act.before.map(redact::redacted),
        after: act.after.map(redact::redacted),
        previous,
    };
    audit_log::insert(tx, &record).await?;
    audit_log::add_copy(tx, &record).await?;
    Ok(record)
}

/// Writes an act that changed nothing, or whose change is done already, in a transaction of its own.
pub async fn record(db: &Db, act: Act) -> Result<AuditRecord, Error> {
    for _ in 1..TRIES {
        match once(db, act.clone()).await {
            Err(error) if error.is_conflict() => {}
            done => return done,
        }
    }
    once(db, act).await
}

async fn once(db: &Db, act: Act) -> Result<AuditRecord, Error> {
    let mut tx = store::begin(db).await?;
    let record = append(&mut tx, act).await?;
    tx.commit().await.map_err(Error::sql("commit an audit record"))?;
    Ok(record)
}

/// Hands every record that fits the filter to `take`, oldest first, each as one line of JSON without its end.
/// How many there were.
pub async fn export(
    db: &Db,
    filter: &Filter,
    mut take: impl FnMut(&str) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut after = 0;
    let mut count = 0;
    loop {
        let page = audit_log::page(db, filter, after, EXPORT_PAGE).await?;
        for entry in &page {
            take(&serde_json::to_string(entry)?)?;
        }
        count += page.len() as u64;
        match page.last() {
            Some(last) if page.len() as u64 == EXPORT_PAGE => after = last.record.seq,
            _ => return Ok(count),
        }
    }
}
