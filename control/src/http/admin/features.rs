//! `/admin/v1/projects/{id}/features`: what a project uses models for. Each change is a new version of the
//! configuration.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::config::{Feature, Project, RoutePolicy};
use proto::switch::SwitchKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::projects::{self, wanted_status};
use super::shape::{act, checked, converted, merged, value};
use crate::http::auth::Admin;
use crate::http::commit::{Edited, Switching};
use crate::http::context::Context;
use crate::http::page::{Page, PageParams};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};
use crate::store::switches::{self, By, Status};

const FEATURES_MAX: usize = 200;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(retrieve, update, remove))
}

/// A feature.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FeatureBody {
    /// Its name within the project; it stays.
    key: String,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// Its route policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    policy: Option<Value>,
    /// Its pricing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pricing: Option<Value>,
}

/// A feature that is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FeatureView {
    /// Its key.
    id: String,
    #[serde(flatten)]
    about: FeatureBody,
    /// Whether it is in use.
    status: Status,
}

async fn view(app: &App, project: &str, feature: &Feature) -> Result<FeatureView, Problem> {
    let off = switches::get(&app.db, SwitchKind::Feature, &format!("{project}/{}", feature.key)).await?;
    Ok(FeatureView { id: feature.key.clone(), about: converted(feature)?, status: Status::of(off.as_ref()) })
}

/// Lists a project's features
#[utoipa::path(get, path = "/admin/v1/projects/{id}/features", tag = "projects",
    params(("id" = String, Path, description = "The project's name"), PageParams),
    responses((status = 200, description = "The features", body = Page<FeatureView>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<FeatureView>>, Problem> {
    let paging = params.paging()?;
    let project = projects::found(&app, &id).await?;
    let page = paging.page_of(project.features, |feature: &Feature| feature.key.clone());
    let mut data = Vec::new();
    for feature in &page.data {
        data.push(view(&app, &id, feature).await?);
    }
    Ok(Json(Page { data, next_cursor: page.next_cursor }))
}

/// Adds a feature to a project
#[utoipa::path(post, path = "/admin/v1/projects/{id}/features", tag = "projects",
    params(("id" = String, Path, description = "The project's name")),
    responses((status = 201, description = "The feature", body = FeatureView)))]
async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
    Body(body): Body<FeatureBody>,
) -> Result<(StatusCode, Json<FeatureView>), Problem> {
    let act = act(&admin, &context, "feature.create", &format!("{id}/{}", body.key));
    let feature = app
        .edit(act, |document| {
            let project = within(&mut document.projects, &id)?;
            let feature = checked_feature(&body)?;
            if project.feature(&feature.key).is_some() {
                return Err(Problem::conflict("The project has a feature of that name already."));
            }
            if project.features.len() >= FEATURES_MAX {
                return Err(Problem::conflict(format!("A project has {FEATURES_MAX} features at most.")));
            }
            project.features.push(feature.clone());
            Ok(Edited { before: None, after: value(&feature), value: feature })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(view(&app, &id, &feature).await?)))
}

/// Shows a feature
#[utoipa::path(get, path = "/admin/v1/projects/{id}/features/{key}", tag = "projects",
    params(("id" = String, Path, description = "The project's name"), ("key" = String, Path, description = "Its key")),
    responses((status = 200, description = "The feature", body = FeatureView)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments((id, key)): Segments<(String, String)>,
) -> Result<Json<FeatureView>, Problem> {
    let project = projects::found(&app, &id).await?;
    Ok(Json(view(&app, &id, project.feature(&key).ok_or_else(unknown)?).await?))
}

/// Changes a feature
///
/// `status` (active or disabled) switches it within a second.
#[utoipa::path(patch, path = "/admin/v1/projects/{id}/features/{key}", tag = "projects",
    params(("id" = String, Path, description = "The project's name"), ("key" = String, Path, description = "Its key")),
    request_body(content = Object, description = "The fields to change, as a JSON merge patch, and `status`"),
    responses((status = 200, description = "The feature", body = FeatureView)))]
async fn update(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments((id, key)): Segments<(String, String)>,
    Body(mut patch): Body<Map<String, Value>>,
) -> Result<Json<FeatureView>, Problem> {
    let project = projects::found(&app, &id).await?;
    let mut feature = project.feature(&key).cloned().ok_or_else(unknown)?;
    let (status, name) = (wanted_status(&mut patch)?, format!("{id}/{key}"));
    if !patch.is_empty() {
        feature = app
            .edit(act(&admin, &context, "feature.update", &name), |document| {
                let project = within(&mut document.projects, &id)?;
                let there = project.features.iter_mut().find(|there| there.key == key).ok_or_else(unknown)?;
                let changed = checked_feature(&merged(&converted::<FeatureBody>(&*there)?, &patch)?)?;
                if changed.key != key {
                    return Err(Problem::field("key", "A feature's key stays: usage goes by it."));
                }
                let before = value(there);
                *there = changed.clone();
                Ok(Edited { before, after: value(&changed), value: changed })
            })
            .await?;
    }
    if let Some(wanted) = status {
        let switching = Switching {
            kind: SwitchKind::Feature,
            id: &name,
            by: By::Operator,
            actor: admin.actor(),
            developer: project.developer,
        };
        app.switch(&context, switching, wanted).await?;
    }
    Ok(Json(view(&app, &id, &feature).await?))
}

/// Removes a feature
#[utoipa::path(delete, path = "/admin/v1/projects/{id}/features/{key}", tag = "projects",
    params(("id" = String, Path, description = "The project's name"), ("key" = String, Path, description = "Its key")),
    responses((status = 204, description = "It is gone; earlier versions of the configuration keep it")))]
async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments((id, key)): Segments<(String, String)>,
) -> Result<StatusCode, Problem> {
    app.edit(act(&admin, &context, "feature.delete", &format!("{id}/{key}")), |document| {
        let project = within(&mut document.projects, &id)?;
        let before = value(project.feature(&key).ok_or_else(unknown)?);
        project.features.retain(|feature| feature.key != key);
        Ok(Edited { value: (), before, after: None })
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn within<'a>(all: &'a mut [Project], id: &str) -> Result<&'a mut Project, Problem> {
    all.iter_mut().find(|project| project.name == id).ok_or_else(projects::unknown)
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "feature_not_found", "The project has no such feature.")
}

/// Whether a route policy can be read.
pub(super) fn check_policy(policy: Option<&Value>) -> Result<(), Problem> {
    let read = policy.map(RoutePolicy::read).transpose();
    read.map(drop).map_err(|error| Problem::field("policy", format!("`policy`: {error}.")))
}

fn checked_feature(body: &FeatureBody) -> Result<Feature, Problem> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':' | b'.');
    if !(1..=128).contains(&body.key.len()) || !body.key.bytes().all(fits) {
        let message = "`key` must have 1 to 128 letters, digits, `_`, `.`, `:` or `-`.";
        return Err(Problem::field("key", message));
    }
    if let Some(name) = &body.display_name {
        checked("display_name", name, 1..=128)?;
    }
    check_policy(body.policy.as_ref())?;
    if body.pricing.as_ref().is_some_and(|pricing| !pricing.is_object()) {
        return Err(Problem::field("pricing", "`pricing` must be an object."));
    }
    converted(body)
}
