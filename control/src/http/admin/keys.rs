//! `/admin/v1/keys`: virtual keys. A secret is shown once; every process knows of a change before the answer.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use ipnet::IpNet;
use proto::clock::now_ms;
use proto::event::RouteMode;
use proto::switch::SwitchKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{act, checked, checked_name, filter, future_ms, id_of, time};
use crate::http::auth::Admin;
use crate::http::commit::{Switching, WantedStatus};
use crate::http::context::Context;
use crate::http::page::{Page, Paging};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};
use crate::keys::{self, Limits, Made, NewKey};
use crate::store::key_rows::{self, KeyFilter};
use crate::store::switches::{self, By, Off};
use crate::store::{self, KeyRow};

/// The most models or networks of a key.
const LIST_MAX: usize = 200;
/// How long a key that is replaced goes on where nobody says, and at most, in seconds.
const OVERLAP_SECONDS: u64 = 3600;
const OVERLAP_SECONDS_MAX: u64 = 30 * 86_400;
/// The ways of paying that a key may be limited to.
const ROUTE_MODES: [&str; 4] = ["platform", "developer_key", "byok", "local"];

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(retrieve, update, revoke))
        .routes(routes!(rotate))
}

/// What a key may do beyond its project.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyChange {
    /// The only models it may ask for; null = all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    models: Option<Option<Vec<String>>>,
    /// The only ways its requests may be paid for: platform, developer_key, byok, local; null = whatever the project's
    /// policy says.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    route_modes: Option<Option<Vec<String>>>,
    /// The only networks it may be used from, as 192.0.2.0/24; null = all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    networks: Option<Option<Vec<String>>>,
    /// Whether it may name a target as `provider/model` instead of an alias.
    direct: Option<bool>,
    /// When it ends, as 2027-01-31T12:00:00Z; null = never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    expires_at: Option<Option<String>>,
    /// Switches it within a second.
    status: Option<WantedStatus>,
}

/// A field that is there, be it null.
fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKeyBody {
    /// Its project.
    project: String,
    /// Its name within the project.
    name: String,
    /// The only models it may ask for; all where absent.
    models: Option<Vec<String>>,
    /// The only ways its requests may be paid for: platform, developer_key, byok, local; whatever the project's policy
    /// says where absent.
    route_modes: Option<Vec<String>>,
    /// The only networks it may be used from, as 192.0.2.0/24; all where absent.
    networks: Option<Vec<String>>,
    /// Whether it may name a target as `provider/model` instead of an alias.
    #[serde(default)]
    direct: bool,
    /// When it ends, as 2027-01-31T12:00:00Z; never where absent.
    expires_at: Option<String>,
}

/// How a key is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// How long the old secret goes on, in seconds; 0 = not at all.
    #[schema(maximum = 2_592_000)]
    overlap_seconds: Option<u64>,
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
struct KeyView {
    id: String,
    project: String,
    name: String,
    /// The beginning of its secret, to know it by.
    prefix: String,
    /// `active`, `disabled`, `suspended_by_operator`, `expired` or `revoked`.
    status: &'static str,
    models: Option<Vec<String>>,
    route_modes: Option<Vec<String>>,
    networks: Option<Vec<String>>,
    direct: bool,
    /// Where it came from: api, file, default or demo.
    origin: String,
    rotated_from: Option<String>,
    created_at: String,
    expires_at: Option<String>,
}

/// A key that was made.
#[derive(Debug, Serialize, ToSchema)]
struct MadeKey {
    /// The secret. It is shown this once.
    secret: String,
    #[serde(flatten)]
    about: KeyView,
}

/// Which keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListFilter {
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Of this project only.
    project: Option<String>,
    /// Of this name only.
    name: Option<String>,
}

impl KeyView {
    fn of(row: KeyRow, off: Option<&Off>) -> Self {
        let limits = row.limits;
        let over = limits.expires_ms.is_some_and(|end| end <= now_ms());
        let status = match off {
            _ if row.revoked => "revoked",
            _ if over => "expired",
            Some(off) if off.by == By::Owner => "disabled",
            Some(_) => "suspended_by_operator",
            None => "active",
        };
        let modes =
            limits.route_modes.map(|modes| modes.iter().map(|mode| mode.as_str().to_owned()).collect());
        Self {
            id: row.id,
            project: row.project,
            name: row.name,
            prefix: limits.prefix,
            status,
            models: limits.models,
            route_modes: modes,
            networks: limits.networks.map(|all| all.iter().map(ToString::to_string).collect()),
            direct: limits.direct,
            origin: row.origin,
            rotated_from: limits.rotated_from,
            created_at: time(row.created_ms),
            expires_at: limits.expires_ms.map(time),
        }
    }

    async fn now(app: &App, row: KeyRow) -> Result<Self, Problem> {
        let off = switches::get(&app.db, SwitchKind::Key, &row.id).await?;
        Ok(Self::of(row, off.as_ref()))
    }
}

/// Lists the keys
#[utoipa::path(get, path = "/admin/v1/keys", tag = "keys", params(ListFilter),
    responses((status = 200, description = "The keys", body = Page<KeyView>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Params(params): Params<ListFilter>,
) -> Result<Json<Page<KeyView>>, Problem> {
    let paging = Paging::new(params.limit, params.cursor.as_deref())?;
    let wanted =
        KeyFilter { project: filter("project", params.project)?, name: filter("name", params.name)? };
    let rows = key_rows::page(&app.db, &paging.after, &wanted, paging.one_more()).await?;
    let off = switches::of_kind(&app.db, SwitchKind::Key).await?;
    let page = paging.page(rows, |row| row.id.clone());
    Ok(Json(page.map(|row| {
        let off = off.iter().find(|off| off.id == row.id);
        KeyView::of(row, off)
    })))
}

/// Makes a key
#[utoipa::path(post, path = "/admin/v1/keys", tag = "keys",
    responses((status = 201, description = "The key, with its secret", body = MadeKey)))]
async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(body): Body<NewKeyBody>,
) -> Result<(StatusCode, Json<MadeKey>), Problem> {
    checked_name("name", &body.name)?;
    let document = app.document().await?;
    let project = document.as_ref().and_then(|document| document.project(&body.project));
    let project =
        project.ok_or_else(|| Problem::field("project", "`project` names one that there is not."))?;
    let limits = Limits {
        models: body.models.map(models).transpose()?,
        route_modes: body.route_modes.map(route_modes).transpose()?,
        networks: body.networks.map(networks).transpose()?,
        direct: body.direct,
        expires_ms: body.expires_at.as_deref().map(|text| future_ms("expires_at", text)).transpose()?,
    };
    let new = NewKey { project: body.project, name: body.name, limits };
    let developer = project.developer.clone();
    let mut tx = store::begin(&app.db).await?;
    let made = keys::create(&mut tx, &app.secrets, new).await?;
    let act = act(&admin, &context, "key.create", &made.row.id).of_developer(developer);
    app.commit(tx, &made.rows, act.changed(None, shown(&made.row))).await?;
    Ok((StatusCode::CREATED, Json(made_key(made))))
}

/// Shows a key
#[utoipa::path(get, path = "/admin/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The key", body = KeyView)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<KeyView>, Problem> {
    Ok(Json(KeyView::now(&app, found(&app, id).await?).await?))
}

/// Changes what a key may do
#[utoipa::path(patch, path = "/admin/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The key", body = KeyView)))]
async fn update(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
    Body(body): Body<KeyChange>,
) -> Result<Json<KeyView>, Problem> {
    let before = found(&app, id).await?;
    if before.revoked {
        return Err(Problem::conflict("The key is revoked, and stays so."));
    }
    let mut row = before.clone();
    if let Some(list) = body.models {
        row.limits.models = list.map(models).transpose()?;
    }
    if let Some(list) = body.route_modes {
        row.limits.route_modes = list.map(route_modes).transpose()?;
    }
    if let Some(list) = body.networks {
        row.limits.networks = list.map(networks).transpose()?;
    }
    if let Some(end) = body.expires_at {
        row.limits.expires_ms = end.as_deref().map(|text| future_ms("expires_at", text)).transpose()?;
    }
    row.limits.direct = body.direct.unwrap_or(row.limits.direct);
    if row != before {
        let mut tx = store::begin(&app.db).await?;
        key_rows::update(&mut tx, &row).await?;
        let act = act(&admin, &context, "key.update", &row.id).changed(shown(&before), shown(&row));
        app.commit(tx, &[keys::entry(&row)?], act).await?;
    }
    if let Some(wanted) = body.status {
        let (kind, by, actor) = (SwitchKind::Key, By::Operator, admin.actor());
        let switching = Switching { kind, id: &row.id, by, actor, developer: None };
        app.switch(&context, switching, wanted).await?;
    }
    Ok(Json(KeyView::now(&app, row).await?))
}

/// Revokes a key
///
/// It opens nothing any more within a second, and what it has waiting is not done.
#[utoipa::path(delete, path = "/admin/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The key, revoked", body = KeyView)))]
async fn revoke(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Json<KeyView>, Problem> {
    let row = found(&app, id).await?;
    if row.revoked {
        return Ok(Json(KeyView::of(row, None)));
    }
    let mut tx = store::begin(&app.db).await?;
    let (revoked, rows) = keys::revoke(&mut tx, &row, &admin.name).await?;
    app.commit(tx, &rows, act(&admin, &context, "key.revoke", &row.id)).await?;
    Ok(Json(KeyView::of(revoked, None)))
}

/// Puts a new secret in a key's place
///
/// The new key has the name and the limits of the old one, which goes on under another name for as long as is asked.
#[utoipa::path(post, path = "/admin/v1/keys/{id}/rotate", tag = "keys",
    params(("id" = String, Path, description = "Id of the old one")),
    responses((status = 201, description = "The new key, with its secret", body = MadeKey)))]
async fn rotate(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
    Body(body): Body<Rotation>,
) -> Result<(StatusCode, Json<MadeKey>), Problem> {
    let seconds = body.overlap_seconds.unwrap_or(OVERLAP_SECONDS);
    if seconds > OVERLAP_SECONDS_MAX {
        let message = format!("`overlap_seconds` must be 0 to {OVERLAP_SECONDS_MAX}.");
        return Err(Problem::field("overlap_seconds", message));
    }
    let old = found(&app, id).await?;
    if old.revoked {
        return Err(Problem::conflict("The key is revoked: make another one."));
    }
    let mut tx = store::begin(&app.db).await?;
    let (made, former) = keys::rotate(&mut tx, &app.secrets, &old, seconds * 1000).await?;
    let act = act(&admin, &context, "key.rotate", &made.row.id).changed(shown(&former), shown(&made.row));
    app.commit(tx, &made.rows, act).await?;
    Ok((StatusCode::CREATED, Json(made_key(made))))
}

fn made_key(made: Made) -> MadeKey {
    let secret = made.secret.expose().clone();
    MadeKey { secret, about: KeyView::of(made.row, None) }
}

async fn found(app: &App, id: String) -> Result<KeyRow, Problem> {
    let id = id_of(id, "key")?;
    key_rows::get(&app.db, &id).await?.ok_or_else(|| Problem::not_found("key"))
}

fn bounded<T>(field: &'static str, list: Vec<T>) -> Result<Vec<T>, Problem> {
    let fits = (1..=LIST_MAX).contains(&list.len());
    if fits { Ok(list) } else { Err(Problem::field(field, format!("`{field}` must hold 1 to {LIST_MAX}."))) }
}

fn models(list: Vec<String>) -> Result<Vec<String>, Problem> {
    list.iter().try_for_each(|model| checked("models", model, 1..=256))?;
    bounded("models", list)
}

fn route_modes(list: Vec<String>) -> Result<Vec<RouteMode>, Problem> {
    let wrong =
        || Problem::field("route_modes", "`route_modes` must hold platform, developer_key, byok or local.");
    let read = |name: String| {
        let known = ROUTE_MODES.contains(&name.as_str());
        let mode = serde_json::from_value::<RouteMode>(Value::String(name)).ok();
        mode.filter(|_| known).ok_or_else(wrong)
    };
    bounded("route_modes", list)?.into_iter().map(read).collect()
}

fn networks(list: Vec<String>) -> Result<Vec<IpNet>, Problem> {
    let read = |text: String| {
        text.parse()
            .map_err(|_| Problem::field("networks", "`networks` must hold networks such as 192.0.2.0/24."))
    };
    bounded("networks", list)?.into_iter().map(read).collect()
}

/// What the audit log says about a key.
fn shown(row: &KeyRow) -> Option<Value> {
    let limits = &row.limits;
    Some(json!({
        "project": row.project, "name": row.name, "models": limits.models, "route_modes": limits.route_modes,
        "networks": limits.networks, "direct": limits.direct, "expires_at": limits.expires_ms.map(time),
        "rotated_from": limits.rotated_from, "revoked": row.revoked,
    }))
}
