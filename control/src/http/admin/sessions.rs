//! `/admin/v1/sessions`: what end users call with. They are made by projects' servers; operators see and revoke them.

use axum::Json;
use axum::extract::State;
use proto::clock::now_ms;
use proto::config::{KeyRecord, SessionRecord};
use proto::subject::KEYS_BUCKET;
use proto::switch::SwitchKind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{act, filter, id_of, time};
use crate::http::auth::Admin;
use crate::http::context::Context;
use crate::http::page::{Page, Paging};
use crate::http::read::{Params, Segments};
use crate::http::{App, Problem};
use crate::store::session_rows::{self, Row};
use crate::store::switches;
use crate::store::{self, NewRow};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(retrieve, revoke))
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
struct SessionView {
    id: String,
    project: String,
    /// Id of the end user.
    end_user: String,
    /// The only feature it is for.
    feature: Option<String>,
    scopes: Vec<String>,
    /// `active`, `expired` or `revoked`.
    status: &'static str,
    created_at: String,
    expires_at: String,
    revoked_at: Option<String>,
}

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SessionFilter {
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Of this project only.
    project: Option<String>,
    /// Of this end user only.
    end_user: Option<String>,
}

impl SessionView {
    fn of(row: Row, off: bool) -> Self {
        let status = match row.revoked_ms {
            Some(_) => "revoked",
            None if off => "revoked",
            None if row.expires_ms <= now_ms() => "expired",
            None => "active",
        };
        Self {
            id: row.id,
            project: row.project,
            end_user: row.end_user,
            feature: row.feature,
            scopes: row.scopes,
            status,
            created_at: time(row.created_ms),
            expires_at: time(row.expires_ms),
            revoked_at: row.revoked_ms.map(time),
        }
    }
}

/// Lists the sessions
#[utoipa::path(get, path = "/admin/v1/sessions", tag = "sessions", params(SessionFilter),
    responses((status = 200, description = "The sessions", body = Page<SessionView>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Params(params): Params<SessionFilter>,
) -> Result<Json<Page<SessionView>>, Problem> {
    let paging = Paging::new(params.limit, params.cursor.as_deref())?;
    let (project, end_user) = (filter("project", params.project)?, filter("end_user", params.end_user)?);
    let rows = session_rows::page(&app.db, &paging.after, &project, &end_user, paging.one_more()).await?;
    let off = switches::of_kind(&app.db, SwitchKind::Session).await?;
    let page = paging.page(rows, |row| row.id.clone());
    Ok(Json(page.map(|row| {
        let is_off = off.iter().any(|off| off.id == row.id);
        SessionView::of(row, is_off)
    })))
}

/// Shows a session
#[utoipa::path(get, path = "/admin/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The session", body = SessionView)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<SessionView>, Problem> {
    let row = found(&app, id).await?;
    let off = switches::is_off(&app.db, SwitchKind::Session, &row.id).await?;
    Ok(Json(SessionView::of(row, off)))
}

/// Revokes a session
///
/// It opens nothing any more within a second, and what it has waiting is not done.
#[utoipa::path(delete, path = "/admin/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The session, revoked", body = SessionView)))]
async fn revoke(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Json<SessionView>, Problem> {
    let row = found(&app, id).await?;
    if row.revoked_ms.is_some() {
        return Ok(Json(SessionView::of(row, false)));
    }
    let now = now_ms();
    let mut tx = store::begin(&app.db).await?;
    session_rows::revoke(&mut tx, &row.id, now).await?;
    // The switch is what stops work that waits already; the record stops what comes.
    let switch = switches::off_for_good(&mut tx, SwitchKind::Session, &row.id, &admin.name, now).await?;
    let rows = [NewRow::put(KEYS_BUCKET, &row.hash, &record(&row))?, switch];
    app.commit(tx, &rows, act(&admin, &context, "session.revoke", &row.id)).await?;
    Ok(Json(SessionView::of(Row { revoked_ms: Some(now), ..row }, true)))
}

/// The session as the ingress sees it once it is revoked.
fn record(row: &Row) -> KeyRecord {
    KeyRecord {
        id: row.id.clone(),
        project: row.project.clone(),
        name: row.id.clone(),
        revoked: true,
        expires_ms: Some(row.expires_ms),
        session: Some(SessionRecord {
            end_user: row.end_user.clone(),
            feature: row.feature.clone(),
            scopes: row.scopes.clone(),
        }),
        ..KeyRecord::default()
    }
}

async fn found(app: &App, id: String) -> Result<Row, Problem> {
    let id = id_of(id, "session")?;
    session_rows::get(&app.db, &id).await?.ok_or_else(|| Problem::not_found("session"))
}
