//! `DELETE /v1/sessions/{id}`: ends a session at once, for what is queued as well.

use axum::Json;
use axum::extract::State;
use proto::clock::now_ms;
use proto::subject::{KEYS_BUCKET, SWITCHES_BUCKET};
use proto::switch::{SwitchKind, SwitchedOff, entry};
use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::Act;
use crate::http::auth::Caller;
use crate::http::context::Context;
use crate::http::developer::shape::{by, is_id, names_of};
use crate::http::read::Segments;
use crate::http::{App, Problem};
use crate::store::switches::{self, By};
use crate::store::{self, NewRow, sessions};

/// A session that is over.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revoked {
    session_id: String,
    /// `revoked`.
    status: &'static str,
}

/// Revokes a session
#[utoipa::path(delete, path = "/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session's id")),
    responses((status = 200, description = "The session, revoked", body = Revoked)))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Json<Revoked>, Problem> {
    let unknown = || Problem::not_found("session");
    let document = app.document().await?.ok_or_else(unknown)?;
    let (projects, whose) = match &caller {
        Caller::Project(server) => (vec![server.project.clone()], By::Owner),
        Caller::Developer(developer) => (names_of(&document, developer), by(developer)),
        Caller::Admin(_) | Caller::Session(_) => return Err(unknown()),
    };
    if !is_id(&id) {
        return Err(unknown());
    }
    let mut tx = store::begin(&app.db).await?;
    let now = now_ms();
    let revoked = sessions::revoke(&mut tx, &id, &projects, now).await?;
    let session = sessions::get(&mut tx, &id, &projects).await?.ok_or_else(unknown)?;
    if revoked {
        let developer = document.project(&session.project).and_then(|project| project.developer.clone());
        let actor = caller.actor();
        switches::off(&mut tx, SwitchKind::Session, &id, (whose, &actor.name), None, now).await?;
        let rows = [
            NewRow::put(SWITCHES_BUCKET, &entry(SwitchKind::Session, &id), &SwitchedOff { since_ms: now })?,
            NewRow::put(KEYS_BUCKET, &session.hash, &session.record())?,
        ];
        let act = Act::new(actor, "session.revoke").on(&id).of_developer(developer);
        app.commit(tx, &rows, act.asked_by(Some(context.id))).await?;
    }
    Ok(Json(Revoked { session_id: id, status: "revoked" }))
}
