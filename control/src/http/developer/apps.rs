//! `/v1/developer/apps`: a developer's apps, which are projects of the document.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::config::{Config, Project, RoutePolicy};
use proto::subject::valid_project;
use proto::switch::SwitchKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::secrets;
use super::shape::{self, act, by, checked, current_app, own_app_mut, owns};
use crate::http::auth::Developer;
use crate::http::commit::{Edited, Switching, WantedStatus};
use crate::http::context::Context;
use crate::http::page::{Page, PageParams};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};
use crate::store::developers;
use crate::store::switches::{self, Status};

const PUBLIC_ID_MAX: usize = 128;
const SHARE_BPS: u32 = 4_000;
const SHARE_BPS_MAX: u32 = 10_000;
const ORIGINS_MAX: usize = 32;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(show, change, archive))
}

/// An app to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApp {
    /// Whose; one's own where absent. Only the operator names another.
    developer_id: Option<String>,
    /// What it is called in sessions: letters, digits, `_`, `:` and `-`, at most 128.
    #[schema(pattern = "^[a-zA-Z0-9_:-]+$", max_length = 128)]
    public_app_id: String,
    /// Its name for people.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// The trade it is in.
    vertical: Option<String>,
    /// The developer's share of margins, in basis points.
    #[schema(minimum = 0, maximum = 10_000)]
    default_revenue_share_bps: Option<u32>,
    /// The web origins that may call with its sessions and keys.
    cors_origins: Option<Vec<String>>,
    /// Whether anybody who knows its public id may open a session.
    open_sessions: Option<bool>,
    /// Its route policy, where no feature has one.
    policy: Option<Value>,
}

/// What shall be different. What is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AppChange {
    name: Option<String>,
    vertical: Option<String>,
    #[schema(minimum = 0, maximum = 10_000)]
    default_revenue_share_bps: Option<u32>,
    cors_origins: Option<Vec<String>>,
    open_sessions: Option<bool>,
    policy: Option<Value>,
    /// `active` or `disabled`.
    status: Option<WantedStatus>,
}

/// An app.
#[derive(Debug, Serialize, ToSchema)]
struct AppView {
    /// The project's name, in usage and books.
    id: String,
    developer_id: Option<String>,
    public_app_id: String,
    name: String,
    vertical: Option<String>,
    default_revenue_share_bps: u32,
    cors_origins: Vec<String>,
    open_sessions: bool,
    policy: Option<Value>,
    status: Status,
}

/// An app that was made.
#[derive(Debug, Serialize, ToSchema)]
struct MadeApp {
    #[serde(flatten)]
    about: AppView,
    /// The secret with which its server opens sessions. It is shown this once.
    app_secret: String,
    /// The secret's id, which a signed assertion names.
    app_secret_id: String,
}

impl AppView {
    fn of(app: &Project, status: Status) -> Self {
        Self {
            id: app.name.clone(),
            developer_id: app.developer.clone(),
            public_app_id: app.public_app_id().to_owned(),
            name: app.display_name.clone().unwrap_or_else(|| app.name.clone()),
            vertical: app.vertical.clone(),
            default_revenue_share_bps: app.revenue_share_bps.unwrap_or(SHARE_BPS),
            cors_origins: app.cors_origins.clone(),
            open_sessions: app.open_sessions,
            policy: app.policy.clone(),
            status,
        }
    }

    fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

async fn view(app: &App, project: &Project) -> Result<AppView, Problem> {
    let off = switches::get(&app.db, SwitchKind::Project, &project.name).await?;
    Ok(AppView::of(project, Status::of(off.as_ref())))
}

/// Makes an app
#[utoipa::path(post, path = "/v1/developer/apps", tag = "developer",
    responses((status = 201, description = "The app, with its secret", body = MadeApp)))]
async fn create(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Body(body): Body<NewApp>,
) -> Result<(StatusCode, Json<MadeApp>), Problem> {
    let id_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
    if !(1..=PUBLIC_ID_MAX).contains(&body.public_app_id.len()) || !body.public_app_id.chars().all(id_char) {
        let message = "`public_app_id` must be 1 to 128 letters, digits, `_`, `:` or `-`.";
        return Err(Problem::field("public_app_id", message));
    }
    let developer = whose(&app, &caller, body.developer_id.as_deref()).await?;
    let wish = AppChange {
        name: Some(body.name),
        vertical: body.vertical,
        default_revenue_share_bps: Some(body.default_revenue_share_bps.unwrap_or(SHARE_BPS)),
        cors_origins: body.cors_origins,
        open_sessions: body.open_sessions,
        policy: body.policy,
        status: None,
    };
    check(&wish)?;
    let done = act(&caller, &context, "app.create", Some(&developer)).on(&body.public_app_id);
    let made = app
        .edit(done, |document| {
            if is_taken(document, &body.public_app_id) {
                return Err(Problem::conflict("That `public_app_id` is taken."));
            }
            let mut project = Project::new(project_name(document, &body.public_app_id));
            project.public_app_id = Some(body.public_app_id.clone());
            project.developer = Some(developer.clone());
            apply(&mut project, &wish);
            document.projects.push(project.clone());
            let after = AppView::of(&project, Status::Active).json();
            Ok(Edited { value: project, before: None, after: Some(after) })
        })
        .await?;
    let about = AppView::of(&made, Status::Active);
    let (secret, app_secret) = secrets::make(&app, caller.actor(), &made, &context).await?;
    Ok((StatusCode::CREATED, Json(MadeApp { about, app_secret, app_secret_id: secret.id })))
}

/// Lists the apps
#[utoipa::path(get, path = "/v1/developer/apps", tag = "developer", params(PageParams),
    responses((status = 200, description = "The apps", body = Page<AppView>)))]
async fn list(
    State(app): State<App>,
    caller: Developer,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<AppView>>, Problem> {
    let paging = params.paging()?;
    let document = app.document().await?;
    let projects = document.iter().flat_map(|document| &document.projects);
    let own: Vec<&Project> = projects.filter(|project| owns(&caller, project)).collect();
    let off = switches::of_kind(&app.db, SwitchKind::Project).await?;
    let page = paging.page_of(own, |project| project.name.clone());
    let status = |name: &str| Status::of(off.iter().find(|off| off.id == name));
    Ok(Json(page.map(|project| AppView::of(project, status(&project.name)))))
}

/// Shows an app
#[utoipa::path(get, path = "/v1/developer/apps/{publicAppId}", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id")),
    responses((status = 200, description = "The app", body = AppView)))]
async fn show(
    State(app): State<App>,
    caller: Developer,
    Segments(id): Segments<String>,
) -> Result<Json<AppView>, Problem> {
    let project = current_app(&app, &caller, &id).await?;
    Ok(Json(view(&app, &project).await?))
}

/// Changes an app
#[utoipa::path(patch, path = "/v1/developer/apps/{publicAppId}", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id")),
    responses((status = 200, description = "The app as it is now", body = AppView)))]
async fn change(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Segments(id): Segments<String>,
    Body(wish): Body<AppChange>,
) -> Result<Json<AppView>, Problem> {
    check(&wish)?;
    let project = current_app(&app, &caller, &id).await?;
    // The status first: whoever may not lift a suspension changes nothing at all.
    if let Some(status) = wish.status {
        set_status(&app, &caller, &context, &project, status).await?;
    }
    let AppChange {
        status: _,
        name,
        vertical,
        default_revenue_share_bps,
        cors_origins,
        open_sessions,
        policy,
    } = &wish;
    let nothing = name.is_none() && vertical.is_none() && default_revenue_share_bps.is_none();
    if nothing && cors_origins.is_none() && open_sessions.is_none() && policy.is_none() {
        return Ok(Json(view(&app, &project).await?));
    }
    let status = view(&app, &project).await?.status;
    let done = act(&caller, &context, "app.update", project.developer.as_ref()).on(&project.name);
    let after = app
        .edit(done, |document| {
            let project = own_app_mut(document, &caller, &id)?;
            let before = AppView::of(project, status);
            apply(project, &wish);
            let value = AppView::of(project, status);
            Ok(Edited { before: Some(before.json()), after: Some(value.json()), value })
        })
        .await?;
    Ok(Json(after))
}

/// Switches an app off
#[utoipa::path(delete, path = "/v1/developer/apps/{publicAppId}", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id")),
    responses((status = 200, description = "The app, switched off", body = AppView)))]
async fn archive(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Json<AppView>, Problem> {
    let project = current_app(&app, &caller, &id).await?;
    set_status(&app, &caller, &context, &project, WantedStatus::Disabled).await?;
    Ok(Json(view(&app, &project).await?))
}

async fn set_status(
    app: &App,
    caller: &Developer,
    context: &Context,
    project: &Project,
    status: WantedStatus,
) -> Result<(), Problem> {
    let switching = Switching {
        kind: SwitchKind::Project,
        id: &project.name,
        by: by(caller),
        actor: caller.actor(),
        developer: project.developer.clone(),
    };
    app.switch(context, switching, status).await
}

fn check(wish: &AppChange) -> Result<(), Problem> {
    if let Some(name) = &wish.name {
        checked("name", name, 1..=128)?;
    }
    if let Some(vertical) = &wish.vertical {
        checked("vertical", vertical, 1..=128)?;
    }
    if wish.default_revenue_share_bps.is_some_and(|share| share > SHARE_BPS_MAX) {
        let message = format!("`default_revenue_share_bps` must be 0 to {SHARE_BPS_MAX}.");
        return Err(Problem::field("default_revenue_share_bps", message));
    }
    if let Some(origins) = &wish.cors_origins {
        origins_fit(origins)?;
    }
    if let Some(policy) = &wish.policy {
        RoutePolicy::read(policy).map_err(|error| Problem::field("policy", format!("`policy`: {error}.")))?;
    }
    Ok(())
}

/// Origins as browsers send them: a scheme, a host, a port where it is not the usual one, and nothing else.
fn origins_fit(origins: &[String]) -> Result<(), Problem> {
    let is_origin = |origin: &String| {
        let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let host = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | ':' | '[' | ']')
        };
        origin.len() <= 256 && rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(host))
    };
    if origins.len() > ORIGINS_MAX || !origins.iter().all(is_origin) {
        let message = "`cors_origins` holds at most 32 exact origins, as https://app.example.com.";
        return Err(Problem::field("cors_origins", message));
    }
    Ok(())
}

fn apply(project: &mut Project, wish: &AppChange) {
    if let Some(name) = &wish.name {
        project.display_name = Some(name.clone());
    }
    if let Some(vertical) = &wish.vertical {
        project.vertical = Some(vertical.clone());
    }
    if let Some(share) = wish.default_revenue_share_bps {
        project.revenue_share_bps = Some(share);
    }
    if let Some(origins) = &wish.cors_origins {
        project.cors_origins.clone_from(origins);
    }
    if let Some(open) = wish.open_sessions {
        project.open_sessions = open;
    }
    if let Some(policy) = &wish.policy {
        project.policy = Some(policy.clone()).filter(|policy| !policy.is_null());
    }
}

fn is_taken(document: &Config, public: &str) -> bool {
    document.projects.iter().any(|other| other.public_app_id() == public)
}

/// The name of a new project: its public id where that is one, else what is left of it, and unique in any case.
fn project_name(document: &Config, public: &str) -> String {
    let free = |name: &str| valid_project(name) && document.project(name).is_none();
    if free(public) {
        return public.to_owned();
    }
    let fits = |c: char| if c == ':' { '-' } else { c };
    let stem: String = public.chars().map(fits).take(40).collect();
    let id = shape::new_id(&stem);
    let tail = id.len().saturating_sub(8);
    format!("{stem}-{}", &id[tail..])
}

/// The developer that an app is for: nobody but the operator names another.
async fn whose(app: &App, caller: &Developer, given: Option<&str>) -> Result<String, Problem> {
    if let Some(given) = given {
        checked("developer_id", given, 1..=160)?;
    }
    match (&caller.developer, given) {
        (Some(own), None) => Ok(own.clone()),
        (Some(own), Some(given)) if own == given => Ok(own.clone()),
        (Some(_), Some(_)) => Err(Problem::forbidden("The apps of another developer are not yours to make.")),
        (None, None) => Err(Problem::field("developer_id", "`developer_id` must say whose app it is to be.")),
        (None, Some(given)) => match developers::get(&app.db, given).await? {
            Some(found) => Ok(found.id),
            None => Err(Problem::not_found("developer")),
        },
    }
}
