//! `/admin/v1/config`: what is in force, drafts, previews, publications, history.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::config::Config;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Admin, Role};
use super::context::Context;
use super::page::{Page, PageParams};
use super::read::{Body, Params, Segments};
use super::{App, Problem};
use crate::audit::{self, Act};
use crate::file::{self, FileOptions};
use crate::publishing::{self, Difference, Preview};
use crate::store::drafts::{self, StoredDraft};
use crate::store::publications::{self, Publication};
use crate::store::{self};

/// The group's routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(in_force))
        .routes(routes!(draft, put_draft, delete_draft))
        .routes(routes!(preview))
        .routes(routes!(diff))
        .routes(routes!(publish))
        .routes(routes!(history))
        .routes(routes!(version))
        .routes(routes!(rollback))
        .routes(routes!(status))
}

/// A version with its document.
#[derive(Debug, Serialize, ToSchema)]
struct VersionView {
    /// Its number.
    version: u64,
    /// How it came into force, or did not.
    publication: Option<Publication>,
    /// The document.
    #[schema(value_type = Object)]
    document: Value,
}

/// The draft.
#[derive(Debug, Serialize, ToSchema)]
struct DraftView {
    /// The version it was begun from.
    base: u64,
    /// Who wrote it last.
    edited_by: String,
    /// When, in milliseconds since the Unix epoch.
    edited_ms: u64,
    /// The document.
    #[schema(value_type = Object)]
    document: Value,
}

/// A document: as JSON, or as the text of a file. Exactly one of them.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DocumentBody {
    /// `streaming`, `providers`, `models`, `projects`. What publishing sets (`version`, `published_ms`, `prices`) is
    /// taken as well and set again.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
    /// The text of a configuration file without `[[keys]]`.
    #[serde(default)]
    toml: Option<String>,
}

/// What to compare; without anything, the version in force with the draft.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DiffBody {
    /// The version before; the one in force where absent.
    #[serde(default)]
    from: Option<u64>,
    /// The version after; the draft where absent.
    #[serde(default)]
    to: Option<u64>,
}

/// What differs.
#[derive(Debug, Serialize, ToSchema)]
struct DiffView {
    /// The differences, secrets redacted.
    changes: Vec<Difference>,
}

/// Why it is published.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PublishBody {
    /// A note for the history.
    #[serde(default)]
    #[schema(max_length = 500)]
    note: Option<String>,
}

/// Where to go back to, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RollbackBody {
    /// The version to publish again.
    version: u64,
    /// A note for the history.
    #[serde(default)]
    #[schema(max_length = 500)]
    note: Option<String>,
}

/// A process of the deployment.
#[derive(Debug, Serialize, ToSchema)]
struct ProcessView {
    /// Its role.
    role: String,
    /// Its id, new with every start.
    id: String,
    /// The release it was built from.
    build: String,
    /// Since when it has been running.
    since_ms: u64,
    /// The version it runs with; 0 = none.
    config: u64,
    /// Whether it runs with the version in force.
    current: bool,
    /// Whether it has been heard of within the last 12 seconds.
    live: bool,
    /// How long ago it was heard of.
    heard_ms_ago: u64,
    /// What it says of a version that is about to come into force.
    #[schema(value_type = Option<Object>)]
    staged: Option<Value>,
}

/// The deployment.
#[derive(Debug, Serialize, ToSchema)]
struct StatusView {
    /// The version in force; 0 = none.
    version: u64,
    /// The newest publication, whatever became of it.
    newest: Option<Publication>,
    /// Every process.
    processes: Vec<ProcessView>,
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct VersionPath {
    /// Its number.
    version: u64,
}

/// Shows the configuration in force
#[utoipa::path(get, path = "/admin/v1/config", tag = "config",
    responses((status = 200, description = "The version in force", body = VersionView)))]
async fn in_force(State(app): State<App>, admin: Admin) -> Result<Json<VersionView>, Problem> {
    let document = publishing::in_force(&app.db).await?.ok_or_else(nothing)?;
    view(&app, &admin, document).await
}

/// Shows the draft
#[utoipa::path(get, path = "/admin/v1/config/draft", tag = "config",
    responses((status = 200, description = "The draft", body = DraftView),
        (status = 404, description = "There is no draft")))]
async fn draft(State(app): State<App>, admin: Admin) -> Result<Json<DraftView>, Problem> {
    let found = drafts::get(&app.db).await?.ok_or_else(|| Problem::not_found("draft"))?;
    Ok(Json(draft_view(&found, &admin)?))
}

/// Writes the draft; nothing is changed by that
#[utoipa::path(put, path = "/admin/v1/config/draft", tag = "config",
    responses((status = 200, description = "The draft", body = DraftView)))]
async fn put_draft(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(body): Body<DocumentBody>,
) -> Result<Json<DraftView>, Problem> {
    let document = read(body)?;
    let newest = store::newest(&app.db).await?;
    let before = drafts::get(&app.db).await?;
    // A draft that is written on keeps what it was begun from.
    let base = before.map_or_else(|| newest.map_or(0, |newest| newest.version), |before| before.base);
    let stored = StoredDraft {
        base,
        document,
        edited_by: admin.actor().to_string(),
        edited_ms: proto::clock::now_ms(),
    };
    drafts::put(&app.db, &stored).await?;
    record(&app, &admin, &context, "config.draft", None, None).await?;
    Ok(Json(draft_view(&stored, &admin)?))
}

/// Throws the draft away
#[utoipa::path(delete, path = "/admin/v1/config/draft", tag = "config",
    responses((status = 204, description = "There is none now")))]
async fn delete_draft(State(app): State<App>, admin: Admin, context: Context) -> Result<StatusCode, Problem> {
    if !drafts::delete(&app.db).await? {
        return Err(Problem::not_found("draft"));
    }
    record(&app, &admin, &context, "config.discard", None, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says what a document, or the draft, would do; nothing is changed by that
#[utoipa::path(post, path = "/admin/v1/config/preview", tag = "config",
    responses((status = 200, description = "What it would do", body = Preview)))]
async fn preview(
    State(app): State<App>,
    _admin: Admin,
    Body(body): Body<DocumentBody>,
) -> Result<Json<Preview>, Problem> {
    let next =
        if body.document.is_none() && body.toml.is_none() { merged_draft(&app).await? } else { read(body)? };
    Ok(Json(publishing::preview(&app.db, &next).await?))
}

/// Compares two versions, or one with the draft
#[utoipa::path(post, path = "/admin/v1/config/diff", tag = "config",
    responses((status = 200, description = "The differences", body = DiffView)))]
async fn diff(
    State(app): State<App>,
    _admin: Admin,
    Body(body): Body<DiffBody>,
) -> Result<Json<DiffView>, Problem> {
    let before = match body.from {
        Some(version) => publishing::document(&app.db, version).await?.ok_or_else(unknown)?,
        None => publishing::in_force(&app.db).await?.ok_or_else(nothing)?,
    };
    let after = match body.to {
        Some(version) => publishing::document(&app.db, version).await?.ok_or_else(unknown)?,
        None => merged_draft(&app).await?,
    };
    Ok(Json(DiffView { changes: publishing::diff(&before, &after)? }))
}

/// Publishes the draft
#[utoipa::path(post, path = "/admin/v1/config/publish", tag = "config",
    responses((status = 200, description = "It is in force", body = Publication)))]
async fn publish(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(body): Body<PublishBody>,
) -> Result<Json<Publication>, Problem> {
    let note = checked_note(body.note)?;
    let draft = drafts::get(&app.db).await?.ok_or_else(|| Problem::not_found("draft"))?;
    let base = publishing::document(&app.db, draft.base).await?.ok_or_else(|| {
        Problem::conflict("The version that the draft was begun from is not known any more: write it again.")
    })?;
    let actor = admin.actor().to_string();
    let (db, secrets) = (&app.db, &app.secrets);
    let made =
        publishing::publish_draft(db, &base, &draft.document, secrets, &actor, note.as_deref()).await?;
    if made.unchanged {
        return Err(Problem::conflict("The draft changes nothing."));
    }
    let publication = follow(&app, &admin, &context, "config.publish", made.version).await?;
    drafts::delete(&app.db).await?;
    Ok(Json(publication))
}

/// Lists the publications, the newest first
#[utoipa::path(get, path = "/admin/v1/config/history", tag = "config", params(PageParams),
    responses((status = 200, description = "The publications", body = Page<Publication>)))]
async fn history(
    State(app): State<App>,
    _admin: Admin,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<Publication>>, Problem> {
    let paging = params.paging()?;
    let before = if paging.after.is_empty() {
        u64::MAX
    } else {
        let wrong = || Problem::field("cursor", "`cursor` is not one that this list has given out.");
        paging.after.parse().map_err(|_| wrong())?
    };
    let found = publications::publications(&app.db, before, paging.one_more()).await?;
    Ok(Json(paging.page(found, |publication| publication.version.to_string())))
}

/// Shows one version
#[utoipa::path(get, path = "/admin/v1/config/history/{version}", tag = "config", params(VersionPath),
    responses((status = 200, description = "The version", body = VersionView)))]
async fn version(
    State(app): State<App>,
    admin: Admin,
    Segments(path): Segments<VersionPath>,
) -> Result<Json<VersionView>, Problem> {
    let document = publishing::document(&app.db, path.version).await?.ok_or_else(unknown)?;
    view(&app, &admin, document).await
}

/// Publishes an older version again
#[utoipa::path(post, path = "/admin/v1/config/rollback", tag = "config",
    responses((status = 200, description = "It is in force", body = Publication)))]
async fn rollback(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(body): Body<RollbackBody>,
) -> Result<Json<Publication>, Problem> {
    let note = checked_note(body.note)?;
    let actor = admin.actor().to_string();
    let made = publishing::rollback(&app.db, body.version, &app.secrets, &actor, note.as_deref()).await?;
    let made = made.ok_or_else(unknown)?;
    if made.unchanged {
        return Err(Problem::conflict("The newest version says the same: there is nothing to go back to."));
    }
    Ok(Json(follow(&app, &admin, &context, "config.rollback", made.version).await?))
}

/// Shows every process with the version it runs with
#[utoipa::path(get, path = "/admin/v1/config/status", tag = "config",
    responses((status = 200, description = "The deployment", body = StatusView)))]
async fn status(State(app): State<App>, _admin: Admin) -> Result<Json<StatusView>, Problem> {
    let version = publishing::in_force(&app.db).await?.map_or(0, |document| document.version);
    let newest = publications::publications(&app.db, u64::MAX, 1).await?.into_iter().next();
    let heard = app.roster.all().ok_or_else(|| Problem::unavailable("The processes are not known yet."))?;
    let processes = heard.into_iter().map(|process| {
        let (live, ago) = (process.is_live(), process.ago);
        let said = process.presence;
        ProcessView {
            current: said.config == version,
            role: said.role,
            id: said.id,
            build: said.build,
            since_ms: said.since_ms,
            config: said.config,
            live,
            heard_ms_ago: u64::try_from(ago.as_millis()).unwrap_or(u64::MAX),
            staged: said.staged.and_then(|staged| serde_json::to_value(staged).ok()),
        }
    });
    Ok(Json(StatusView { version, newest, processes: processes.collect() }))
}

/// Waits for a publication, and writes down what became of it.
async fn follow(
    app: &App,
    admin: &Admin,
    context: &Context,
    action: &str,
    version: u64,
) -> Result<Publication, Problem> {
    let settled = publishing::settled(&app.db, Some(&app.nudge), version).await;
    let after = match &settled {
        Ok(publication) => publishing::told(publication.as_ref()),
        Err(_) => Some(json!({ "version": version, "status": "failed" })),
    };
    record(app, admin, context, action, Some(version), after).await?;
    settled?.ok_or_else(unknown)
}

async fn record(
    app: &App,
    admin: &Admin,
    context: &Context,
    action: &str,
    version: Option<u64>,
    after: Option<Value>,
) -> Result<(), Problem> {
    let failed = after.as_ref().is_some_and(|after| after["status"] == "failed");
    let mut act = Act::new(admin.actor(), action).asked_by(Some(context.id.clone())).changed(None, after);
    if failed {
        act = act.with_outcome(proto::audit::AuditOutcome::Failed);
    }
    if let Some(version) = version {
        act = act.on(version.to_string());
    }
    audit::record(&app.db, act).await?;
    app.nudge.wake();
    Ok(())
}

/// What the draft makes of the newest version.
async fn merged_draft(app: &App) -> Result<Config, Problem> {
    let draft = drafts::get(&app.db).await?.ok_or_else(|| Problem::not_found("draft"))?;
    let base = publishing::document(&app.db, draft.base).await?;
    let newest = store::newest(&app.db).await?;
    match (newest, base) {
        (Some(newest), Some(base)) => Ok(crate::merge::documents(&newest.config, &base, &draft.document)?),
        _ => Ok(draft.document),
    }
}

async fn view(app: &App, admin: &Admin, document: Config) -> Result<Json<VersionView>, Problem> {
    let version = document.version;
    let publication = publications::publication(&app.db, version).await?;
    Ok(Json(VersionView { version, publication, document: shown(&document, admin)? }))
}

fn draft_view(draft: &StoredDraft, admin: &Admin) -> Result<DraftView, Problem> {
    Ok(DraftView {
        base: draft.base,
        edited_by: draft.edited_by.clone(),
        edited_ms: draft.edited_ms,
        document: shown(&draft.document, admin)?,
    })
}

/// The document holds references to secrets, never secrets; a viewer does not see where they are kept either.
fn shown(document: &Config, admin: &Admin) -> Result<Value, Problem> {
    let value = serde_json::to_value(document).map_err(crate::Error::from)?;
    Ok(if admin.role == Role::Viewer { audit::redacted(value) } else { value })
}

fn read(body: DocumentBody) -> Result<Config, Problem> {
    match (body.document, body.toml) {
        (Some(document), None) => read_json(document),
        (None, Some(text)) => read_toml(&text),
        _ => Err(Problem::invalid("Exactly one of `document` and `toml` must be there.")),
    }
}

fn read_json(mut document: Value) -> Result<Config, Problem> {
    let members = document
        .as_object_mut()
        .ok_or_else(|| Problem::field("document", "`document` must be an object."))?;
    for (name, value) in [("version", json!(0)), ("published_ms", json!(0)), ("prices", json!([]))] {
        members.insert(name.to_owned(), value);
    }
    members.entry("streaming").or_insert(json!(true));
    for name in ["providers", "models", "projects"] {
        members.entry(name).or_insert(json!([]));
    }
    serde_json::from_value(document)
        .map_err(|error| Problem::field("document", format!("The document cannot be used: {error}.")))
}

fn read_toml(text: &str) -> Result<Config, Problem> {
    let options = FileOptions { local_providers: false, name: "toml".to_owned(), ..FileOptions::default() };
    // No variable of this process is anything to whoever sends a document.
    let draft = file::parse(text, &|_| None, options).map_err(|mistakes| {
        let errors: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Problem::field("toml", "The text has mistakes; `details` names each.")
            .with_details(json!({ "errors": errors }))
    })?;
    if !draft.keys.is_empty() {
        return Err(Problem::field("toml", "A draft holds no keys: make them under /admin/v1/keys."));
    }
    Ok(draft.config)
}

fn checked_note(note: Option<String>) -> Result<Option<String>, Problem> {
    let fits = |note: &String| note.chars().count() <= 500 && !note.contains('\0');
    match note {
        Some(note) if !fits(&note) => Err(Problem::field("note", "`note` must be 500 characters at most.")),
        note => Ok(note),
    }
}

fn nothing() -> Problem {
    Problem::not_found("configuration in force")
}

fn unknown() -> Problem {
    Problem::not_found("version")
}
