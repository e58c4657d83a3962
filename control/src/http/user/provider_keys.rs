//! `/v1/user/provider-keys`: an end user's own keys.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::credential::Owner;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::auth::Session;
use crate::http::context::Context;
use crate::http::page::{Page, PageParams};
use crate::http::provider_keys::{self as keys, Keeper, NewProviderKey, ProviderKeyView};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};
use crate::store::switches::By;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(remove))
}

fn owner(caller: &Session) -> Owner {
    Owner::EndUser(caller.end_user.clone())
}

async fn keeper(app: &App, caller: &Session) -> Result<Keeper, Problem> {
    let document = app.document().await?;
    let project = document.as_ref().and_then(|document| document.project(&caller.project));
    let developer = project.and_then(|project| project.developer.clone());
    Ok(Keeper { owner: owner(caller), actor: caller.actor(), developer, by: By::Owner })
}

/// Keeps a provider key of one's own
#[utoipa::path(post, path = "/v1/user/provider-keys", tag = "user",
    responses((status = 201, description = "The key, masked", body = ProviderKeyView)))]
async fn create(
    State(app): State<App>,
    caller: Session,
    context: Context,
    Body(body): Body<NewProviderKey>,
) -> Result<(StatusCode, Json<ProviderKeyView>), Problem> {
    let made = keys::add(&app, &context, keeper(&app, &caller).await?, body).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Lists one's own provider keys, masked
#[utoipa::path(get, path = "/v1/user/provider-keys", tag = "user", params(PageParams),
    responses((status = 200, description = "The keys, masked", body = Page<ProviderKeyView>)))]
async fn list(
    State(app): State<App>,
    caller: Session,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<ProviderKeyView>>, Problem> {
    Ok(Json(keys::list(&app, &owner(&caller), &params.paging()?).await?))
}

/// Switches one of one's own provider keys off
#[utoipa::path(delete, path = "/v1/user/provider-keys/{id}", tag = "user",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The key, switched off", body = ProviderKeyView)))]
async fn remove(
    State(app): State<App>,
    caller: Session,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Json<ProviderKeyView>, Problem> {
    let own = owner(&caller);
    let row = keys::of_owner(&app, id, |owner| *owner == own).await?;
    Ok(Json(keys::disable(&app, &context, keeper(&app, &caller).await?, row).await?))
}
