//! What the developer, session and user routes have in common: apps as a tenant may see them, and how their acts end.

use http::StatusCode;
use proto::config::{Config, Project};
use sqlx::{Any, Transaction};

use crate::audit::Act;
use crate::error::Error;
pub(crate) use crate::http::admin::shape::{checked, future_ms, new_id, time};
use crate::http::auth::Developer;
use crate::http::context::Context;
use crate::http::{App, Problem};
use crate::store::switches::By;
use crate::store::{self, NewRow};

/// Whether a part of a path can be an id at all.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=160).contains(&text.len()) && !text.contains(char::is_control)
}

/// 404: there is no such app, or it is another developer's.
pub(crate) fn invalid_app() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "invalid_app", "There is no such app.")
}

/// 404: the app has no such feature.
pub(crate) fn feature_not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "feature_not_found", "The app has no such feature.")
}

/// Whether the app is the caller's; the bootstrap token sees all.
pub(crate) fn owns(caller: &Developer, app: &Project) -> bool {
    caller.developer.is_none() || caller.developer == app.developer
}

/// The caller's app of that public id.
pub(crate) fn own_app<'a>(
    document: &'a Config,
    caller: &Developer,
    public_app_id: &str,
) -> Result<&'a Project, Problem> {
    let found = document.projects.iter().find(|app| app.public_app_id() == public_app_id);
    found.filter(|app| owns(caller, app)).ok_or_else(invalid_app)
}

/// The same, to be changed.
pub(crate) fn own_app_mut<'a>(
    document: &'a mut Config,
    caller: &Developer,
    public_app_id: &str,
) -> Result<&'a mut Project, Problem> {
    let found = document.projects.iter_mut().find(|app| app.public_app_id() == public_app_id);
    found.filter(|app| owns(caller, app)).ok_or_else(invalid_app)
}

/// The app of that name, as it stands.
pub(crate) async fn current_app(app: &App, caller: &Developer, id: &str) -> Result<Project, Problem> {
    let document = app.document().await?.ok_or_else(invalid_app)?;
    own_app(&document, caller, id).cloned()
}

/// The names of the caller's projects; all where the caller is nobody in particular.
pub(crate) fn names_of(document: &Config, caller: &Developer) -> Vec<String> {
    document.projects.iter().filter(|app| owns(caller, app)).map(|app| app.name.clone()).collect()
}

/// As whom a developer switches: the bootstrap token is the operator's.
pub(crate) fn by(caller: &Developer) -> By {
    if caller.developer.is_some() { By::Owner } else { By::Operator }
}

/// A developer's act on something of an app.
pub(crate) fn act(caller: &Developer, context: &Context, action: &str, of: Option<&String>) -> Act {
    Act::new(caller.actor(), action).of_developer(of.cloned()).asked_by(Some(context.id.clone()))
}

/// Commits what is no administrative act, and waits until every process can know.
pub(crate) async fn commit(
    app: &App,
    mut tx: Transaction<'static, Any>,
    rows: &[NewRow],
) -> Result<(), Problem> {
    let appended = store::append(&mut tx, rows).await?;
    tx.commit().await.map_err(Error::sql("commit a change"))?;
    if !app.nudge.wait_done(&app.db, appended).await? {
        tracing::warn!("a change is committed and not projected yet");
    }
    Ok(())
}
