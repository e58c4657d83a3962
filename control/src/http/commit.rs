//! How every act ends: its rows for NATS, its audit record and what it changed are committed together, and the answer
//! waits until every process can know.

use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use proto::audit::{Actor, AuditOutcome};
use proto::clock::now_ms;
use proto::config::Config;
use proto::subject::SWITCHES_BUCKET;
use proto::switch::{SwitchKind, SwitchedOff, entry};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{Any, Transaction};
use utoipa::ToSchema;

use super::context::Context;
use super::{App, Problem};
use crate::audit::{self, Act};
use crate::error::Error;
use crate::publishing;
use crate::store::switches::{self, By};
use crate::store::{self, Appended, Change, NewRow, Source, append, publish_by};

/// Whether something shall be in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WantedStatus {
    /// It shall.
    Active,
    /// It shall not.
    Disabled,
}

/// Who switches what.
#[derive(Debug)]
pub(crate) struct Switching<'a> {
    pub(crate) kind: SwitchKind,
    pub(crate) id: &'a str,
    pub(crate) by: By,
    pub(crate) actor: Actor,
    /// The developer that it concerns.
    pub(crate) developer: Option<String>,
}

impl App {
    /// Commits a change with its rows for NATS and its audit record, and waits until the rows are done.
    pub(crate) async fn commit(
        &self,
        mut tx: Transaction<'static, Any>,
        rows: &[NewRow],
        act: Act,
    ) -> Result<(), Problem> {
        let appended = if rows.is_empty() { None } else { Some(append(&mut tx, rows).await?) };
        audit::append(&mut tx, act).await?;
        tx.commit().await.map_err(Error::sql("commit a change"))?;
        match appended {
            Some(rows) => self.known(rows).await,
            None => {
                self.nudge.wake();
                Ok(())
            }
        }
    }

    /// Waits until every process can know. What is committed stays, whether or not NATS answers in time.
    async fn known(&self, rows: Appended) -> Result<(), Problem> {
        if !self.nudge.wait_done(&self.db, rows).await? {
            tracing::warn!("a change is committed and not projected yet");
        }
        Ok(())
    }

    /// Switches something on or off.
    pub(crate) async fn switch(
        &self,
        context: &Context,
        switching: Switching<'_>,
        wanted: WantedStatus,
    ) -> Result<(), Problem> {
        let Switching { kind, id, by, actor, developer } = switching;
        let mut tx = store::begin(&self.db).await?;
        let name = entry(kind, id);
        let (row, verb) = match wanted {
            WantedStatus::Disabled => {
                let since_ms = now_ms();
                switches::off(&mut tx, kind, id, (by, &actor.name), None, since_ms).await?;
                (NewRow::put(SWITCHES_BUCKET, &name, &SwitchedOff { since_ms })?, "disable")
            }
            WantedStatus::Active => {
                if !switches::on(&mut tx, kind, id, by).await? {
                    let message = "The operator has switched this off, and the operator alone can lift that.";
                    return Err(Problem::forbidden(message)
                        .with_details(json!({ "status": "suspended_by_operator" })));
                }
                (NewRow::delete(SWITCHES_BUCKET, &name), "enable")
            }
        };
        let act = Act::new(actor, &format!("{}.{verb}", kind.as_str())).on(id).of_developer(developer);
        let after = json!({ "status": wanted });
        let act = act.asked_by(Some(context.id.clone())).changed(None, Some(after));
        self.commit(tx, &[row], act).await
    }

    /// Publishes a change of the document as its next version. `change` may be called again while others come in
    /// between; it tells what was there before and what is there now, for the audit log.
    pub(crate) async fn edit<T: Send>(
        &self,
        act: Act,
        change: impl Fn(&mut Config) -> Result<Edited<T>, Problem> + Sync,
    ) -> Result<T, Problem> {
        let outcome = Mutex::new(None);
        let edit = |mut document: Config| {
            let made = change(&mut document);
            let changed = made.is_ok();
            *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            changed.then_some(document)
        };
        let actor = act.actor.to_string();
        let by = store::By { kind: store::Kind::Edit, actor: &actor, note: None, of_version: None };
        let change = Change::Edit(&edit, &[]);
        let made = publish_by(&self.db, &change, Source::Api, by, &self.secrets, 0, now_ms()).await?;
        let edited = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
        let edited = edited.unwrap_or_else(|| Err(no_document()))?;
        // What a process refuses does not come into force, and whoever asked for it is told.
        let settled = publishing::settled(&self.db, Some(&self.nudge), made.version).await;
        let refused = matches!(settled, Err(Error::NotInForce { .. }));
        let act = act.changed(edited.before, edited.after);
        let act = if refused { act.with_outcome(AuditOutcome::Failed) } else { act };
        audit::record(&self.db, act).await?;
        settled?;
        self.known(Appended { first: 0, last: i64::MAX }).await?;
        Ok(edited.value)
    }
}

/// What a change of the document made.
pub(crate) struct Edited<T> {
    pub(crate) value: T,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// 409: there is no document to change yet.
pub(crate) fn no_document() -> Problem {
    Problem::new(StatusCode::CONFLICT, "conflict", "No configuration has been published yet.")
}
