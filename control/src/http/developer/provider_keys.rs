//! `/v1/developer/provider-keys`: the keys with which requests of a developer's apps may be served.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::config::Project;
use proto::credential::Owner;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{by, current_app, invalid_app, names_of};
use crate::http::auth::Developer;
use crate::http::context::Context;
use crate::http::page::{Page, Paging};
use crate::http::problem::ErrorBody;
use crate::http::provider_keys::{self as keys, Keeper, NewProviderKey, ProviderKeyView};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(remove))
}

/// A provider key to be kept for an app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAppKey {
    /// The app.
    public_app_id: String,
    /// `openai`, `openrouter`, `anthropic`, `gemini`, `google`, `azure_openai` or `openai_compatible`.
    #[schema(min_length = 1, max_length = 64)]
    provider: String,
    /// The key. It is sealed and never shown again.
    #[schema(min_length = 8, max_length = 4096)]
    api_key: String,
    /// Where the provider is; of `azure_openai` and `openai_compatible` it must be said.
    base_url: Option<String>,
    /// The only models it may be used for; all where empty.
    #[serde(default)]
    models_allowed: Vec<String>,
    /// Lower goes first.
    #[schema(minimum = 1, maximum = 1000)]
    priority: Option<u32>,
    /// Its share among those of the same priority.
    #[schema(minimum = 1, maximum = 1000)]
    weight: Option<u32>,
    /// Not kept yet: a key with a budget is refused.
    budget_limit_usd: Option<String>,
    /// Whether the platform may step in when a call with it fails.
    #[serde(default)]
    fallback_to_platform: bool,
}

impl NewAppKey {
    fn split(self) -> (String, NewProviderKey) {
        let key = NewProviderKey {
            provider: self.provider,
            api_key: self.api_key,
            base_url: self.base_url,
            models_allowed: self.models_allowed,
            priority: self.priority,
            weight: self.weight,
            budget_limit_usd: self.budget_limit_usd,
            fallback_to_platform: self.fallback_to_platform,
        };
        (self.public_app_id, key)
    }
}

/// Which keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Of this app.
    public_app_id: String,
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
}

fn keeper(caller: &Developer, project: &Project) -> Keeper {
    Keeper {
        owner: Owner::Project(project.name.clone()),
        actor: caller.actor(),
        developer: project.developer.clone(),
        by: by(caller),
    }
}

/// Keeps a provider key
#[utoipa::path(post, path = "/v1/developer/provider-keys", tag = "developer",
    responses((status = 201, description = "The key, masked", body = ProviderKeyView)))]
async fn create(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Body(body): Body<NewAppKey>,
) -> Result<(StatusCode, Json<ProviderKeyView>), Problem> {
    let (id, body) = body.split();
    let project = current_app(&app, &caller, &id).await?;
    let made = keys::add(&app, &context, keeper(&caller, &project), body).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Lists the provider keys of an app, masked
#[utoipa::path(get, path = "/v1/developer/provider-keys", tag = "developer", params(Which),
    responses((status = 200, description = "The keys, masked", body = Page<ProviderKeyView>),
        (status = 404, description = "There is no such app", body = ErrorBody)))]
async fn list(
    State(app): State<App>,
    caller: Developer,
    Params(which): Params<Which>,
) -> Result<Json<Page<ProviderKeyView>>, Problem> {
    let paging = Paging::new(which.limit, which.cursor.as_deref())?;
    let project = current_app(&app, &caller, &which.public_app_id).await?;
    Ok(Json(keys::list(&app, &Owner::Project(project.name), &paging).await?))
}

/// Switches a provider key off
#[utoipa::path(delete, path = "/v1/developer/provider-keys/{id}", tag = "developer",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The key, switched off", body = ProviderKeyView)))]
async fn remove(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Json<ProviderKeyView>, Problem> {
    let document = app.document().await?.ok_or_else(invalid_app)?;
    let own = names_of(&document, &caller);
    let row =
        keys::of_owner(&app, id, |owner| matches!(owner, Owner::Project(name) if own.contains(name))).await?;
    let project = document.project(row.record.owner.id()).ok_or_else(invalid_app)?;
    Ok(Json(keys::disable(&app, &context, keeper(&caller, project), row).await?))
}
