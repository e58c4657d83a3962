//! `/v1/developer/apps/{publicAppId}/secrets`: what an app's server opens sessions with. Two may hold at a time, so
//! that one can replace the other without a gap.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::audit::Actor;
use proto::clock::now_ms;
use proto::config::Project;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{current_app, is_id, new_id, time};
use crate::audit::Act;
use crate::http::auth::{Developer, secret_of};
use crate::http::context::Context;
use crate::http::page::{Page, PageParams};
use crate::http::read::{Params, Segments};
use crate::http::{App, Problem};
use crate::store;
use crate::store::app_secrets::{self, AppSecret};

const PREFIX_SHOWN: usize = 12;
/// So many may hold at a time.
const LIVE_MAX: usize = 5;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(revoke))
}

/// A secret's particulars.
#[derive(Debug, Serialize, ToSchema)]
struct SecretView {
    id: String,
    /// How it begins.
    prefix: String,
    /// `active` or `revoked`.
    status: &'static str,
    created_at: String,
    revoked_at: Option<String>,
}

/// A secret that was made.
#[derive(Debug, Serialize, ToSchema)]
struct MadeSecret {
    /// The secret. It is shown this once.
    app_secret: String,
    #[serde(flatten)]
    about: SecretView,
}

impl SecretView {
    fn of(secret: AppSecret) -> Self {
        Self {
            id: secret.id,
            prefix: secret.prefix,
            status: if secret.revoked_ms.is_some() { "revoked" } else { "active" },
            created_at: time(secret.created_ms),
            revoked_at: secret.revoked_ms.map(time),
        }
    }
}

/// Makes a secret for an app.
pub(super) async fn make(
    app: &App,
    actor: Actor,
    project: &Project,
    context: &Context,
) -> Result<(AppSecret, String), Problem> {
    let id = new_id("psec");
    let text = secret_of(&app.secrets.pepper, &id);
    let prefix = text.chars().take(PREFIX_SHOWN).collect();
    let secret =
        AppSecret { id, project: project.name.clone(), prefix, created_ms: now_ms(), revoked_ms: None };
    let mut tx = store::begin(&app.db).await?;
    app_secrets::insert(&mut tx, &secret, &app.secrets.pepper.hash(&text)).await?;
    let act = Act::new(actor, "app_secret.create").on(&secret.id).of_developer(project.developer.clone());
    app.commit(tx, &[], act.asked_by(Some(context.id.clone()))).await?;
    Ok((secret, text))
}

/// Makes another secret for an app's server
#[utoipa::path(post, path = "/v1/developer/apps/{publicAppId}/secrets", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id")),
    responses((status = 201, description = "The secret", body = MadeSecret)))]
async fn create(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<(StatusCode, Json<MadeSecret>), Problem> {
    let project = current_app(&app, &caller, &id).await?;
    if app_secrets::live(&app.db, &project.name).await? >= LIVE_MAX {
        return Err(Problem::conflict(format!("An app has at most {LIVE_MAX} secrets; revoke one first.")));
    }
    let (secret, app_secret) = make(&app, caller.actor(), &project, &context).await?;
    Ok((StatusCode::CREATED, Json(MadeSecret { app_secret, about: SecretView::of(secret) })))
}

/// Lists the secrets of an app, without the secrets
#[utoipa::path(get, path = "/v1/developer/apps/{publicAppId}/secrets", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id"), PageParams),
    responses((status = 200, description = "The secrets", body = Page<SecretView>)))]
async fn list(
    State(app): State<App>,
    caller: Developer,
    Segments(id): Segments<String>,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<SecretView>>, Problem> {
    let paging = params.paging()?;
    let project = current_app(&app, &caller, &id).await?;
    let found = app_secrets::list(&app.db, &project.name, &paging.after, paging.one_more()).await?;
    Ok(Json(paging.page(found, |secret| secret.id.clone()).map(SecretView::of)))
}

/// Revokes a secret of an app
#[utoipa::path(delete, path = "/v1/developer/apps/{publicAppId}/secrets/{id}", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id"),
        ("id" = String, Path, description = "The secret's id")),
    responses((status = 200, description = "The secret, revoked", body = SecretView)))]
async fn revoke(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Segments((public, id)): Segments<(String, String)>,
) -> Result<Json<SecretView>, Problem> {
    let project = current_app(&app, &caller, &public).await?;
    let unknown = || Problem::not_found("secret");
    if !is_id(&id) {
        return Err(unknown());
    }
    let mut tx = store::begin(&app.db).await?;
    let revoked = app_secrets::revoke(&mut tx, &id, &project.name, now_ms()).await?;
    let secret = app_secrets::get(&mut tx, &id, &project.name).await?.ok_or_else(unknown)?;
    if revoked {
        let act = Act::new(caller.actor(), "app_secret.revoke").on(&id);
        let act = act.of_developer(project.developer.clone()).asked_by(Some(context.id));
        app.commit(tx, &[], act).await?;
    }
    Ok(Json(SecretView::of(secret)))
}
