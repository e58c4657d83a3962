//! `/admin/v1/models`: aliases and where they are served. Each change is a new version of the configuration.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::config::{Config, Model, WEIGHT_MAX};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{act, checked, converted, merged, value};
use crate::http::auth::Admin;
use crate::http::commit::Edited;
use crate::http::context::Context;
use crate::http::page::{Page, Paging};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};

/// The longest name of a model.
const NAME_CHARS_MAX: usize = 256;
const TARGETS_MAX: usize = 64;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(retrieve, update, remove))
}

/// An alias with its targets.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelBody {
    /// The name callers use; `*` serves every name that has no alias of its own. It stays.
    alias: String,
    /// simple (the default), fallback, weighted or latency; load_balance is weighted.
    #[serde(default = "simple")]
    strategy: String,
    /// Where it is served, in order of preference.
    #[schema(min_items = 1)]
    targets: Vec<TargetBody>,
    /// What it costs, in decimal US dollars per million tokens; the vendor's own list where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    price: Option<Value>,
    /// Whether nobody may ask for it at present.
    #[serde(default)]
    disabled: bool,
}

/// A model at a provider.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TargetBody {
    /// Name of the provider.
    provider: String,
    /// The model's name there; `*` passes on the caller's.
    model: String,
    /// The model behind a name that does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    underlying_model: Option<String>,
    /// Its share among the targets of a weighted alias.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1000)]
    weight: u32,
    /// Whether it is left out at present.
    #[serde(default)]
    disabled: bool,
}

fn simple() -> String {
    "simple".to_owned()
}

fn one() -> u32 {
    1
}

/// An alias that is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelView {
    /// The alias.
    id: String,
    #[serde(flatten)]
    about: ModelBody,
}

/// Which aliases.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ModelFilter {
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// With a target at this provider only.
    provider: Option<String>,
}

impl ModelView {
    fn of(model: &Model) -> Result<Self, Problem> {
        Ok(Self { id: model.alias.clone(), about: converted(model)? })
    }
}

/// Lists the models
#[utoipa::path(get, path = "/admin/v1/models", tag = "models", params(ModelFilter),
    responses((status = 200, description = "The models", body = Page<ModelView>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Params(params): Params<ModelFilter>,
) -> Result<Json<Page<ModelView>>, Problem> {
    let paging = Paging::new(params.limit, params.cursor.as_deref())?;
    let document = app.document().await?;
    let all = document.iter().flat_map(|document| document.models.iter());
    let fits = |model: &&Model| {
        let wanted = params.provider.as_deref();
        wanted.is_none_or(|wanted| model.targets.iter().any(|target| target.provider == wanted))
    };
    let views = all.filter(fits).map(ModelView::of).collect::<Result<_, _>>()?;
    Ok(Json(paging.page_of(views, |view: &ModelView| view.id.clone())))
}

/// Adds a model
#[utoipa::path(post, path = "/admin/v1/models", tag = "models",
    responses((status = 201, description = "The model", body = ModelView)))]
async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(body): Body<ModelBody>,
) -> Result<(StatusCode, Json<ModelView>), Problem> {
    let act = act(&admin, &context, "model.create", &body.alias);
    let model = app
        .edit(act, |document| {
            let model = checked_model(document, &body)?;
            if document.models.iter().any(|there| there.alias == model.alias) {
                return Err(Problem::conflict("There is a model of that name already."));
            }
            document.models.push(model.clone());
            Ok(Edited { before: None, after: value(&model), value: model })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(ModelView::of(&model)?)))
}

/// Shows a model
#[utoipa::path(get, path = "/admin/v1/models/{id}", tag = "models",
    params(("id" = String, Path, description = "Its alias, percent-encoded")),
    responses((status = 200, description = "The model", body = ModelView)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<ModelView>, Problem> {
    let document = app.document().await?;
    let found = document.as_ref().and_then(|document| document.models.iter().find(|model| model.alias == id));
    Ok(Json(ModelView::of(found.ok_or_else(unknown)?)?))
}

/// Changes a model
#[utoipa::path(patch, path = "/admin/v1/models/{id}", tag = "models",
    params(("id" = String, Path, description = "Its alias, percent-encoded")),
    request_body(content = Object, description = "The fields to change, as a JSON merge patch"),
    responses((status = 200, description = "The model", body = ModelView)))]
async fn update(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Json<ModelView>, Problem> {
    let act = act(&admin, &context, "model.update", &id);
    let model = app
        .edit(act, |document| {
            let place = document.models.iter().position(|model| model.alias == id).ok_or_else(unknown)?;
            let body = merged(&converted::<ModelBody>(&document.models[place])?, &patch)?;
            let changed = checked_model(document, &body)?;
            if changed.alias != id {
                return Err(Problem::field(
                    "alias",
                    "A model's alias stays: add another one and remove this.",
                ));
            }
            let before = value(&document.models[place]);
            document.models[place] = changed.clone();
            Ok(Edited { before, after: value(&changed), value: changed })
        })
        .await?;
    Ok(Json(ModelView::of(&model)?))
}

/// Removes a model
#[utoipa::path(delete, path = "/admin/v1/models/{id}", tag = "models",
    params(("id" = String, Path, description = "Its alias, percent-encoded")),
    responses((status = 204, description = "It is gone; earlier versions of the configuration keep it")))]
async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Problem> {
    let act = act(&admin, &context, "model.delete", &id);
    app.edit(act, |document| {
        let place = document.models.iter().position(|model| model.alias == id).ok_or_else(unknown)?;
        let removed = document.models.remove(place);
        Ok(Edited { value: (), before: value(&removed), after: None })
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn unknown() -> Problem {
    Problem::not_found("model")
}

/// The model that a body describes, if it may be one beside these providers.
fn checked_model(document: &Config, body: &ModelBody) -> Result<Model, Problem> {
    checked("alias", &body.alias, 1..=NAME_CHARS_MAX)?;
    if !(1..=TARGETS_MAX).contains(&body.targets.len()) {
        return Err(Problem::field("targets", format!("`targets` must hold 1 to {TARGETS_MAX}.")));
    }
    for target in &body.targets {
        checked("targets.model", &target.model, 1..=NAME_CHARS_MAX)?;
        if document.provider(&target.provider).is_none() {
            return Err(Problem::field("targets.provider", "`targets` names a provider that there is not."));
        }
        if !(1..=WEIGHT_MAX).contains(&target.weight) {
            return Err(Problem::field("targets.weight", format!("`weight` must be 1 to {WEIGHT_MAX}.")));
        }
    }
    converted(body)
}
