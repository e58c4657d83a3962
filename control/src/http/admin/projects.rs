//! `/admin/v1/projects`: what keys and sessions belong to. Each change is a new version of the configuration; whether
//! a project is in use is not a part of it.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::config::Project;
use proto::switch::SwitchKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{act, checked, checked_name, converted, id_of, merged, value};
use crate::http::auth::Admin;
use crate::http::commit::{Edited, Switching, WantedStatus};
use crate::http::context::Context;
use crate::http::page::{Page, Paging};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem, cors};
use crate::store::developers;
use crate::store::switches::{self, By, Status};

const ORIGINS_MAX: usize = 64;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(retrieve, update, remove))
}

/// A project.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectBody {
    /// Its name in keys, books and headers; it stays.
    name: String,
    /// What it is called on developer and session routes; its name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_app_id: Option<String>,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// The trade it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vertical: Option<String>,
    /// Id of the developer it belongs to; the operator's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    developer: Option<String>,
    /// Whether streaming answers are served to it.
    #[serde(default = "yes")]
    streaming: bool,
    /// What becomes of an upstream call whose caller went away: cancel or drain.
    #[serde(default = "cancel")]
    on_disconnect: String,
    /// Whether anybody who knows its public id may open a session.
    #[serde(default)]
    open_sessions: bool,
    /// The web origins that may call with its keys and sessions, exactly as browsers send them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cors_origins: Vec<String>,
    /// Its route policy, for requests without a feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    policy: Option<Value>,
    /// The developer's share of the margin, in hundredths of a per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 10000)]
    revenue_share_bps: Option<u32>,
}

fn yes() -> bool {
    true
}

fn cancel() -> String {
    "cancel".to_owned()
}

/// A project that is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProjectView {
    /// Its name.
    id: String,
    #[serde(flatten)]
    about: ProjectBody,
    /// Whether it is in use.
    status: Status,
    /// The keys of its features.
    features: Vec<String>,
}

/// Which projects.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProjectFilter {
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Of this developer only.
    developer: Option<String>,
}

/// The project as a body: without what has routes of its own.
fn body_of(project: &Project) -> Result<ProjectBody, Problem> {
    converted(&Project { features: Vec::new(), ..project.clone() })
}

impl ProjectView {
    fn of(project: &Project, status: Status) -> Result<Self, Problem> {
        let features = project.features.iter().map(|feature| feature.key.clone()).collect();
        Ok(Self { id: project.name.clone(), about: body_of(project)?, status, features })
    }

    async fn now(app: &App, project: &Project) -> Result<Self, Problem> {
        let off = switches::get(&app.db, SwitchKind::Project, &project.name).await?;
        Self::of(project, Status::of(off.as_ref()))
    }
}

/// Lists the projects
#[utoipa::path(get, path = "/admin/v1/projects", tag = "projects", params(ProjectFilter),
    responses((status = 200, description = "The projects", body = Page<ProjectView>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Params(params): Params<ProjectFilter>,
) -> Result<Json<Page<ProjectView>>, Problem> {
    let paging = Paging::new(params.limit, params.cursor.as_deref())?;
    let document = app.document().await?;
    let off = switches::of_kind(&app.db, SwitchKind::Project).await?;
    let wanted = params.developer.as_deref();
    let all = document.iter().flat_map(|document| document.projects.iter());
    let views = all
        .filter(|project| wanted.is_none() || project.developer.as_deref() == wanted)
        .map(|project| {
            let off = off.iter().find(|off| off.id == project.name);
            ProjectView::of(project, Status::of(off))
        })
        .collect::<Result<_, _>>()?;
    Ok(Json(paging.page_of(views, |view: &ProjectView| view.id.clone())))
}

/// Adds a project
#[utoipa::path(post, path = "/admin/v1/projects", tag = "projects",
    responses((status = 201, description = "The project", body = ProjectView)))]
async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(body): Body<ProjectBody>,
) -> Result<(StatusCode, Json<ProjectView>), Problem> {
    let project = checked_project(&app, &body).await?;
    let act = act(&admin, &context, "project.create", &project.name).of_developer(project.developer.clone());
    app.edit(act, |document| {
        let taken =
            |there: &Project| there.name == project.name || there.public_app_id() == project.public_app_id();
        if document.projects.iter().any(taken) {
            return Err(Problem::conflict("There is a project of that name or public id already."));
        }
        document.projects.push(project.clone());
        Ok(Edited { value: (), before: None, after: value(&project) })
    })
    .await?;
    Ok((StatusCode::CREATED, Json(ProjectView::now(&app, &project).await?)))
}

/// Shows a project
#[utoipa::path(get, path = "/admin/v1/projects/{id}", tag = "projects",
    params(("id" = String, Path, description = "Its name")),
    responses((status = 200, description = "The project", body = ProjectView)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<ProjectView>, Problem> {
    Ok(Json(ProjectView::now(&app, &found(&app, &id).await?).await?))
}

/// Changes a project
///
/// `status` (active or disabled) switches it, with its keys and sessions, within a second; what is disabled here only
/// an operator can switch on again.
#[utoipa::path(patch, path = "/admin/v1/projects/{id}", tag = "projects",
    params(("id" = String, Path, description = "Its name")),
    request_body(content = Object, description = "The fields to change, as a JSON merge patch, and `status`"),
    responses((status = 200, description = "The project", body = ProjectView)))]
async fn update(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
    Body(mut patch): Body<Map<String, Value>>,
) -> Result<Json<ProjectView>, Problem> {
    let mut project = found(&app, &id).await?;
    let status = wanted_status(&mut patch)?;
    if !patch.is_empty() {
        let changed = checked_project(&app, &merged(&body_of(&project)?, &patch)?).await?;
        if changed.name != id {
            return Err(Problem::field("name", "A project's name stays: its books go by it."));
        }
        let act = act(&admin, &context, "project.update", &id).of_developer(changed.developer.clone());
        project = app
            .edit(act, |document| {
                let id_taken =
                    |there: &Project| there.name != id && there.public_app_id() == changed.public_app_id();
                if document.projects.iter().any(id_taken) {
                    return Err(Problem::conflict("There is a project of that public id already."));
                }
                let there =
                    document.projects.iter_mut().find(|there| there.name == id).ok_or_else(unknown)?;
                let before = value(there);
                // On what stands there now, because others may have changed it meanwhile.
                let body = merged(&body_of(there)?, &patch)?;
                *there = Project { features: std::mem::take(&mut there.features), ..converted(&body)? };
                Ok(Edited { before, after: value(there), value: there.clone() })
            })
            .await?;
    }
    if let Some(wanted) = status {
        switch(&app, &admin, &context, &project, wanted).await?;
    }
    Ok(Json(ProjectView::now(&app, &project).await?))
}

/// Switches a project off
///
/// Its name and books stay.
#[utoipa::path(delete, path = "/admin/v1/projects/{id}", tag = "projects",
    params(("id" = String, Path, description = "Its name")),
    responses((status = 200, description = "The project, switched off", body = ProjectView)))]
async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Json<ProjectView>, Problem> {
    let project = found(&app, &id).await?;
    switch(&app, &admin, &context, &project, WantedStatus::Disabled).await?;
    Ok(Json(ProjectView::now(&app, &project).await?))
}

async fn switch(
    app: &App,
    admin: &Admin,
    context: &Context,
    project: &Project,
    wanted: WantedStatus,
) -> Result<(), Problem> {
    let switching = Switching {
        kind: SwitchKind::Project,
        id: &project.name,
        by: By::Operator,
        actor: admin.actor(),
        developer: project.developer.clone(),
    };
    app.switch(context, switching, wanted).await
}

/// Takes `status` out of a patch.
pub(super) fn wanted_status(patch: &mut Map<String, Value>) -> Result<Option<WantedStatus>, Problem> {
    let Some(status) = patch.remove("status") else { return Ok(None) };
    let wrong = |_| Problem::field("status", "`status` must be active or disabled.");
    serde_json::from_value(status).map(Some).map_err(wrong)
}

/// The project of that name.
pub(super) async fn found(app: &App, id: &str) -> Result<Project, Problem> {
    let document = app.document().await?;
    document.as_ref().and_then(|document| document.project(id)).cloned().ok_or_else(unknown)
}

pub(super) fn unknown() -> Problem {
    Problem::not_found("project")
}

/// The project that a body describes, if it may be one.
async fn checked_project(app: &App, body: &ProjectBody) -> Result<Project, Problem> {
    checked_name("name", &body.name)?;
    if let Some(id) = &body.public_app_id {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':');
        if !(1..=128).contains(&id.len()) || !id.bytes().all(fits) {
            let message = "`public_app_id` must have 1 to 128 letters, digits, `_`, `:` or `-`.";
            return Err(Problem::field("public_app_id", message));
        }
    }
    for (field, text) in [("display_name", &body.display_name), ("vertical", &body.vertical)] {
        if let Some(text) = text {
            checked(field, text, 1..=128)?;
        }
    }
    if let Some(developer) = &body.developer {
        id_of(developer.clone(), "developer")?;
        if developers::get(&app.db, developer).await?.is_none() {
            return Err(Problem::field("developer", "`developer` names one that there is not."));
        }
    }
    if body.cors_origins.len() > ORIGINS_MAX {
        return Err(Problem::field("cors_origins", format!("`cors_origins` holds more than {ORIGINS_MAX}.")));
    }
    for origin in &body.cors_origins {
        let message = "`cors_origins` must hold origins such as https://app.example.com.";
        cors::check(origin).map_err(|_| Problem::field("cors_origins", message))?;
    }
    if body.revenue_share_bps.is_some_and(|share| share > 10_000) {
        return Err(Problem::field("revenue_share_bps", "`revenue_share_bps` must be 0 to 10000."));
    }
    if !matches!(body.on_disconnect.as_str(), "cancel" | "drain") {
        return Err(Problem::field("on_disconnect", "`on_disconnect` must be cancel or drain."));
    }
    super::features::check_policy(body.policy.as_ref())?;
    converted(body)
}
