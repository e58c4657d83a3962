//! `/admin/v1/providers`: whom to call. Each change is a new version of the configuration.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::config::{Config, PROBE_SECONDS_MAX, PROBE_SECONDS_MIN, Provider, ProviderKind, SecretRef};
use proto::guard::check_url;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{act, checked, checked_name, converted, merged, value};
use crate::http::auth::{Admin, Role};
use crate::http::commit::Edited;
use crate::http::context::Context;
use crate::http::page::{Page, Paging};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};

/// Forebay's own variables, which no provider is ever sent.
const OWN_VARIABLES: [&str; 5] =
    ["SECRET_ENCRYPTION_KEY", "ADMIN_TOKEN", "DEVELOPER_ADMIN_TOKEN", "DATABASE_URL", "NATS_URL"];

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(retrieve, update, remove))
}

/// A provider.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderBody {
    /// Its name in targets, headers and books; it stays.
    name: String,
    /// openai, openai_compatible, anthropic, azure_openai, gemini or bedrock.
    kind: String,
    /// Where it is; the vendor's own address where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base_url: Option<String>,
    /// Where its secret is kept: `env:NAME`, `file:PATH` or `credential:ID`. Never the secret itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    /// azure_openai: the dated version for the deployments' paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
    /// bedrock: its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// Whether its address may be a private one, and plain http.
    #[serde(default)]
    allow_private_network: bool,
    /// Whether it is left out at present.
    #[serde(default)]
    disabled: bool,
    /// How its health is looked after beyond what calls see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health: Option<HealthBody>,
}

/// How a provider's health is looked after.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthBody {
    /// How often it is asked whether it answers, 5 to 86,400 seconds; 0 = never.
    #[schema(minimum = 0, maximum = 86400)]
    probe_seconds: u32,
}

/// A provider that is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProviderView {
    /// Its name.
    id: String,
    #[serde(flatten)]
    about: ProviderBody,
}

/// Which providers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProviderFilter {
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Of this kind only.
    kind: Option<String>,
}

impl ProviderView {
    fn of(provider: &Provider, admin: &Admin) -> Result<Self, Problem> {
        let mut about: ProviderBody = converted(provider)?;
        if admin.role == Role::Viewer {
            // Which variables and files hold secrets is nobody's business who cannot change them.
            about.api_key = about.api_key.map(|_| "[redacted]".to_owned());
        }
        Ok(Self { id: provider.name.clone(), about })
    }
}

/// Lists the providers
#[utoipa::path(get, path = "/admin/v1/providers", tag = "providers", params(ProviderFilter),
    responses((status = 200, description = "The providers", body = Page<ProviderView>)))]
async fn list(
    State(app): State<App>,
    admin: Admin,
    Params(params): Params<ProviderFilter>,
) -> Result<Json<Page<ProviderView>>, Problem> {
    let paging = Paging::new(params.limit, params.cursor.as_deref())?;
    let document = app.document().await?;
    let all = document.iter().flat_map(|document| document.providers.iter());
    let fits =
        |provider: &&Provider| params.kind.as_deref().is_none_or(|kind| provider.kind.as_str() == kind);
    let views =
        all.filter(fits).map(|provider| ProviderView::of(provider, &admin)).collect::<Result<_, _>>()?;
    Ok(Json(paging.page_of(views, |view: &ProviderView| view.id.clone())))
}

/// Adds a provider
#[utoipa::path(post, path = "/admin/v1/providers", tag = "providers",
    responses((status = 201, description = "The provider", body = ProviderView)))]
async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(body): Body<ProviderBody>,
) -> Result<(StatusCode, Json<ProviderView>), Problem> {
    let provider = checked_provider(&body)?;
    let act = act(&admin, &context, "provider.create", &provider.name);
    app.edit(act, |document| {
        if document.provider(&provider.name).is_some() {
            return Err(Problem::conflict("There is a provider of that name already."));
        }
        document.providers.push(provider.clone());
        Ok(Edited { value: (), before: None, after: value(&provider) })
    })
    .await?;
    Ok((StatusCode::CREATED, Json(ProviderView::of(&provider, &admin)?)))
}

/// Shows a provider
#[utoipa::path(get, path = "/admin/v1/providers/{id}", tag = "providers",
    params(("id" = String, Path, description = "Its name")),
    responses((status = 200, description = "The provider", body = ProviderView)))]
async fn retrieve(
    State(app): State<App>,
    admin: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<ProviderView>, Problem> {
    let document = app.document().await?;
    let provider = document.as_ref().and_then(|document| document.provider(&id));
    Ok(Json(ProviderView::of(provider.ok_or_else(unknown)?, &admin)?))
}

/// Changes a provider
#[utoipa::path(patch, path = "/admin/v1/providers/{id}", tag = "providers",
    params(("id" = String, Path, description = "Its name")),
    request_body(content = Object, description = "The fields to change, as a JSON merge patch"),
    responses((status = 200, description = "The provider", body = ProviderView)))]
async fn update(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Json<ProviderView>, Problem> {
    let act = act(&admin, &context, "provider.update", &id);
    let provider = app
        .edit(act, |document| {
            let current =
                document.providers.iter_mut().find(|provider| provider.name == id).ok_or_else(unknown)?;
            let changed = checked_provider(&merged(&converted::<ProviderBody>(&*current)?, &patch)?)?;
            if changed.name != id {
                return Err(Problem::field(
                    "name",
                    "A provider's name stays: add another one and remove this.",
                ));
            }
            let before = value(current);
            *current = changed.clone();
            Ok(Edited { before, after: value(&changed), value: changed })
        })
        .await?;
    Ok(Json(ProviderView::of(&provider, &admin)?))
}

/// Removes a provider
#[utoipa::path(delete, path = "/admin/v1/providers/{id}", tag = "providers",
    params(("id" = String, Path, description = "Its name")),
    responses((status = 204, description = "It is gone; earlier versions of the configuration keep it")))]
async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Problem> {
    let act = act(&admin, &context, "provider.delete", &id);
    app.edit(act, |document| {
        let before = value(document.provider(&id).ok_or_else(unknown)?);
        if let Some(alias) = user_of(document, &id) {
            let message = format!("The model {alias} has a target there: change that first.");
            return Err(Problem::conflict(message));
        }
        document.providers.retain(|provider| provider.name != id);
        Ok(Edited { value: (), before, after: None })
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn unknown() -> Problem {
    Problem::not_found("provider")
}

/// The alias of a model with a target at that provider.
fn user_of<'a>(document: &'a Config, provider: &str) -> Option<&'a str> {
    let uses =
        document.models.iter().find(|model| model.targets.iter().any(|target| target.provider == provider));
    uses.map(|model| model.alias.as_str())
}

/// The provider that a body describes, if it may be one.
fn checked_provider(body: &ProviderBody) -> Result<Provider, Problem> {
    checked_name("name", &body.name)?;
    for (field, text) in [("api_version", &body.api_version), ("region", &body.region)] {
        if let Some(text) = text {
            checked(field, text, 1..=64)?;
        }
    }
    let seconds = body.health.as_ref().map_or(0, |health| health.probe_seconds);
    if seconds != 0 && !(PROBE_SECONDS_MIN..=PROBE_SECONDS_MAX).contains(&seconds) {
        let message =
            format!("`probe_seconds` must be 0 or from {PROBE_SECONDS_MIN} to {PROBE_SECONDS_MAX}.");
        return Err(Problem::field("health", message));
    }
    let provider: Provider = converted(body)?;
    let kind = provider.kind;
    if kind == ProviderKind::Scripted {
        let kinds = "`kind` must be openai, openai_compatible, anthropic, azure_openai, gemini or bedrock.";
        return Err(Problem::field("kind", kinds));
    }
    for (field, given, owner) in [
        ("api_version", provider.api_version.is_some(), ProviderKind::AzureOpenai),
        ("region", provider.region.is_some(), ProviderKind::Bedrock),
    ] {
        if given && kind != owner {
            return Err(Problem::field(
                field,
                format!("`{field}` belongs to kind {} alone.", owner.as_str()),
            ));
        }
    }
    let needs = matches!(kind, ProviderKind::OpenaiCompatible | ProviderKind::AzureOpenai);
    match &provider.base_url {
        Some(url) => {
            let checked = check_url(url, provider.allow_private_network);
            checked.map_err(|error| Problem::field("base_url", format!("`base_url`: {error}.")))?;
        }
        None if needs => return Err(Problem::field("base_url", "`base_url` is needed for this kind.")),
        None => {}
    }
    if let Some(SecretRef::Env(name)) = &provider.api_key
        && OWN_VARIABLES.contains(&name.as_str())
    {
        return Err(Problem::field("api_key", "`api_key` names a secret of Forebay's own."));
    }
    let base_url = provider.base_url.map(|url| url.trim_end_matches('/').to_owned());
    Ok(Provider { base_url, ..provider })
}
