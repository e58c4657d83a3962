//! `/v1/developer/apps/{publicAppId}/features`: what an app uses models for, with a policy and prices of its own.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::config::{Feature, Project, RoutePolicy};
use proto::switch::SwitchKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::pricing;
use super::shape::{act, by, checked, current_app, feature_not_found, own_app_mut};
use crate::http::auth::Developer;
use crate::http::commit::{Edited, Switching, WantedStatus};
use crate::http::context::Context;
use crate::http::page::{Page, PageParams};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};
use crate::store::switches::{self, Status};

const KEY_MAX: usize = 128;
const FEATURES_MAX: usize = 200;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(show, change, remove))
}

/// A feature to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAppFeature {
    /// Its name within the app: letters, digits, `_`, `.`, `:` and `-`, at most 128.
    #[schema(pattern = "^[a-zA-Z0-9_.:-]+$", max_length = 128)]
    feature_key: String,
    /// Its name for people.
    #[schema(min_length = 1, max_length = 128)]
    display_name: String,
    /// Its route policy; the app's where absent.
    policy: Option<Value>,
    /// What it costs.
    pricing: Option<Value>,
}

/// What shall be different. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AppFeatureChange {
    display_name: Option<String>,
    policy: Option<Value>,
    pricing: Option<Value>,
    /// `active` or `disabled`.
    status: Option<WantedStatus>,
}

/// A feature.
#[derive(Debug, Serialize, ToSchema)]
struct AppFeatureView {
    id: String,
    public_app_id: String,
    feature_key: String,
    display_name: String,
    policy: Option<Value>,
    pricing: Option<Value>,
    status: Status,
}

impl AppFeatureView {
    fn of(app: &Project, feature: &Feature, status: Status) -> Self {
        Self {
            id: switch_id(app, &feature.key),
            public_app_id: app.public_app_id().to_owned(),
            feature_key: feature.key.clone(),
            display_name: feature.display_name.clone().unwrap_or_else(|| feature.key.clone()),
            policy: feature.policy.clone(),
            pricing: feature.pricing.clone(),
            status,
        }
    }

    fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// A feature's id among the switches.
fn switch_id(app: &Project, key: &str) -> String {
    format!("{}/{key}", app.name)
}

async fn view(app: &App, project: &Project, key: &str) -> Result<AppFeatureView, Problem> {
    let feature = project.feature(key).ok_or_else(feature_not_found)?;
    let off = switches::get(&app.db, SwitchKind::Feature, &switch_id(project, key)).await?;
    Ok(AppFeatureView::of(project, feature, Status::of(off.as_ref())))
}

/// Makes a feature
#[utoipa::path(post, path = "/v1/developer/apps/{publicAppId}/features", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id")),
    responses((status = 201, description = "The feature", body = AppFeatureView)))]
async fn create(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Segments(id): Segments<String>,
    Body(body): Body<NewAppFeature>,
) -> Result<(StatusCode, Json<AppFeatureView>), Problem> {
    let key_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    if !(1..=KEY_MAX).contains(&body.feature_key.len()) || !body.feature_key.chars().all(key_char) {
        let message = "`feature_key` must be 1 to 128 letters, digits, `_`, `.`, `:` or `-`.";
        return Err(Problem::field("feature_key", message));
    }
    check(Some(&body.display_name), body.policy.as_ref(), body.pricing.as_ref())?;
    let feature = Feature {
        key: body.feature_key,
        display_name: Some(body.display_name),
        policy: given(body.policy),
        pricing: given(body.pricing),
    };
    let owner = current_app(&app, &caller, &id).await?;
    let done = act(&caller, &context, "feature.create", owner.developer.as_ref());
    let made = app
        .edit(done.on(switch_id(&owner, &feature.key)), |document| {
            let project = own_app_mut(document, &caller, &id)?;
            if project.feature(&feature.key).is_some() {
                return Err(Problem::conflict("The app has a feature of that key."));
            }
            if project.features.len() >= FEATURES_MAX {
                return Err(Problem::conflict(format!("An app has at most {FEATURES_MAX} features.")));
            }
            project.features.push(feature.clone());
            let after = AppFeatureView::of(project, &feature, Status::Active).json();
            Ok(Edited { value: project.clone(), before: None, after: Some(after) })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(view(&app, &made, &feature.key).await?)))
}

/// Lists the features of an app
#[utoipa::path(get, path = "/v1/developer/apps/{publicAppId}/features", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id"), PageParams),
    responses((status = 200, description = "The features", body = Page<AppFeatureView>)))]
async fn list(
    State(app): State<App>,
    caller: Developer,
    Segments(id): Segments<String>,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<AppFeatureView>>, Problem> {
    let paging = params.paging()?;
    let project = current_app(&app, &caller, &id).await?;
    let off = switches::of_kind(&app.db, SwitchKind::Feature).await?;
    let page = paging.page_of(project.features.iter().collect(), |feature| feature.key.clone());
    let status = |key: &str| Status::of(off.iter().find(|off| off.id == switch_id(&project, key)));
    Ok(Json(page.map(|feature| AppFeatureView::of(&project, feature, status(&feature.key)))))
}

/// Shows a feature
#[utoipa::path(get, path = "/v1/developer/apps/{publicAppId}/features/{featureKey}", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id"),
        ("featureKey" = String, Path, description = "The feature's key")),
    responses((status = 200, description = "The feature", body = AppFeatureView)))]
async fn show(
    State(app): State<App>,
    caller: Developer,
    Segments((id, key)): Segments<(String, String)>,
) -> Result<Json<AppFeatureView>, Problem> {
    let project = current_app(&app, &caller, &id).await?;
    Ok(Json(view(&app, &project, &key).await?))
}

/// Changes a feature
#[utoipa::path(patch, path = "/v1/developer/apps/{publicAppId}/features/{featureKey}", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id"),
        ("featureKey" = String, Path, description = "The feature's key")),
    responses((status = 200, description = "The feature as it is now", body = AppFeatureView)))]
async fn change(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Segments((id, key)): Segments<(String, String)>,
    Body(wish): Body<AppFeatureChange>,
) -> Result<Json<AppFeatureView>, Problem> {
    check(wish.display_name.as_deref(), wish.policy.as_ref(), wish.pricing.as_ref())?;
    let project = current_app(&app, &caller, &id).await?;
    let before = view(&app, &project, &key).await?;
    if let Some(status) = wish.status {
        let switching = Switching {
            kind: SwitchKind::Feature,
            id: &before.id,
            by: by(&caller),
            actor: caller.actor(),
            developer: project.developer.clone(),
        };
        app.switch(&context, switching, status).await?;
    }
    if wish.display_name.is_none() && wish.policy.is_none() && wish.pricing.is_none() {
        return Ok(Json(view(&app, &project, &key).await?));
    }
    let done = act(&caller, &context, "feature.update", project.developer.as_ref()).on(&before.id);
    let project = app
        .edit(done, |document| {
            let project = own_app_mut(document, &caller, &id)?;
            let found = project.features.iter_mut().find(|feature| feature.key == key);
            let feature = found.ok_or_else(feature_not_found)?;
            let was = feature.clone();
            if let Some(name) = &wish.display_name {
                feature.display_name = Some(name.clone());
            }
            if wish.policy.is_some() {
                feature.policy = given(wish.policy.clone());
            }
            if wish.pricing.is_some() {
                feature.pricing = given(wish.pricing.clone());
            }
            let (before, after) = (serde_json::to_value(was).ok(), serde_json::to_value(&*feature).ok());
            Ok(Edited { value: project.clone(), before, after })
        })
        .await?;
    Ok(Json(view(&app, &project, &key).await?))
}

/// Removes a feature
#[utoipa::path(delete, path = "/v1/developer/apps/{publicAppId}/features/{featureKey}", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id"),
        ("featureKey" = String, Path, description = "The feature's key")),
    responses((status = 200, description = "The feature as it was", body = AppFeatureView)))]
async fn remove(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Segments((id, key)): Segments<(String, String)>,
) -> Result<Json<AppFeatureView>, Problem> {
    let project = current_app(&app, &caller, &id).await?;
    let before = view(&app, &project, &key).await?;
    let done = act(&caller, &context, "feature.delete", project.developer.as_ref()).on(&before.id);
    app.edit(done, |document| {
        let project = own_app_mut(document, &caller, &id)?;
        let at = project.features.iter().position(|feature| feature.key == key);
        project.features.remove(at.ok_or_else(feature_not_found)?);
        Ok(Edited { value: (), before: Some(before.json()), after: None })
    })
    .await?;
    Ok(Json(before))
}

/// What was given; null takes it away.
fn given(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !value.is_null())
}

fn check(name: Option<&str>, policy: Option<&Value>, prices: Option<&Value>) -> Result<(), Problem> {
    if let Some(name) = name {
        checked("display_name", name, 1..=128)?;
    }
    if let Some(policy) = policy.filter(|policy| !policy.is_null()) {
        RoutePolicy::read(policy).map_err(|error| Problem::field("policy", format!("`policy`: {error}.")))?;
    }
    if let Some(prices) = prices.filter(|prices| !prices.is_null()) {
        pricing::check(prices)?;
    }
    Ok(())
}
