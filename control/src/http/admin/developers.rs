//! `/admin/v1/developers`: who owns projects.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::clock::now_ms;
use proto::switch::SwitchKind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{act, checked, filter, id_of, new_id, time, value};
use crate::http::auth::Admin;
use crate::http::commit::{Switching, WantedStatus};
use crate::http::context::Context;
use crate::http::page::{Page, Paging};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};
use crate::store;
use crate::store::developers::{self, DeveloperRow};
use crate::store::switches::{self, By, Status};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(retrieve, update, remove))
}

/// A developer to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDeveloper {
    /// Their name.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// Their e-mail address; no other developer has it.
    #[schema(min_length = 3, max_length = 320)]
    email: String,
    /// Where they are paid.
    payout_account_id: Option<String>,
}

/// What changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeveloperChange {
    /// Their name.
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    /// Their e-mail address.
    #[schema(min_length = 3, max_length = 320)]
    email: Option<String>,
    /// Where they are paid.
    payout_account_id: Option<String>,
    /// Switches them, with everything that is theirs, within a second.
    status: Option<WantedStatus>,
}

/// A developer.
#[derive(Debug, Serialize, ToSchema)]
struct DeveloperView {
    id: String,
    name: String,
    email: String,
    payout_account_id: Option<String>,
    /// Whether they, and everything that is theirs, are in use.
    status: Status,
    created_at: String,
    updated_at: String,
}

/// Which developers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeveloperFilter {
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// With this e-mail address only.
    email: Option<String>,
}

impl DeveloperView {
    fn of(row: DeveloperRow, status: Status) -> Self {
        Self {
            id: row.id,
            name: row.name,
            email: row.email,
            payout_account_id: row.payout_account_id,
            status,
            created_at: time(row.created_ms),
            updated_at: time(row.updated_ms),
        }
    }

    async fn now(app: &App, row: DeveloperRow) -> Result<Self, Problem> {
        let off = switches::get(&app.db, SwitchKind::Developer, &row.id).await?;
        Ok(Self::of(row, Status::of(off.as_ref())))
    }
}

/// Lists the developers
#[utoipa::path(get, path = "/admin/v1/developers", tag = "developers", params(DeveloperFilter),
    responses((status = 200, description = "The developers", body = Page<DeveloperView>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Params(params): Params<DeveloperFilter>,
) -> Result<Json<Page<DeveloperView>>, Problem> {
    let paging = Paging::new(params.limit, params.cursor.as_deref())?;
    let email = filter("email", params.email)?;
    let rows = developers::page(&app.db, &paging.after, &email, paging.one_more()).await?;
    let off = switches::of_kind(&app.db, SwitchKind::Developer).await?;
    let page = paging.page(rows, |row| row.id.clone());
    Ok(Json(page.map(|row| {
        let status = Status::of(off.iter().find(|off| off.id == row.id));
        DeveloperView::of(row, status)
    })))
}

/// Adds a developer
#[utoipa::path(post, path = "/admin/v1/developers", tag = "developers",
    responses((status = 201, description = "The developer", body = DeveloperView)))]
async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(body): Body<NewDeveloper>,
) -> Result<(StatusCode, Json<DeveloperView>), Problem> {
    let now = now_ms();
    let row = DeveloperRow {
        id: new_id("dev"),
        name: body.name,
        email: body.email,
        payout_account_id: body.payout_account_id,
        created_ms: now,
        updated_ms: now,
    };
    check(&row)?;
    let mut tx = store::begin(&app.db).await?;
    developers::insert(&mut tx, &row).await?;
    let act = act(&admin, &context, "developer.create", &row.id).of_developer(Some(row.id.clone()));
    app.commit(tx, &[], act.changed(None, value(&row))).await?;
    Ok((StatusCode::CREATED, Json(DeveloperView::of(row, Status::Active))))
}

/// Shows a developer
#[utoipa::path(get, path = "/admin/v1/developers/{id}", tag = "developers",
    params(("id" = String, Path, description = "Their id")),
    responses((status = 200, description = "The developer", body = DeveloperView)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<DeveloperView>, Problem> {
    Ok(Json(DeveloperView::now(&app, found(&app, id).await?).await?))
}

/// Changes a developer
#[utoipa::path(patch, path = "/admin/v1/developers/{id}", tag = "developers",
    params(("id" = String, Path, description = "Their id")),
    responses((status = 200, description = "The developer", body = DeveloperView)))]
async fn update(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
    Body(body): Body<DeveloperChange>,
) -> Result<Json<DeveloperView>, Problem> {
    let before = found(&app, id).await?;
    let mut row = before.clone();
    if body.name.is_some() || body.email.is_some() || body.payout_account_id.is_some() {
        row.name = body.name.unwrap_or(row.name);
        row.email = body.email.unwrap_or(row.email);
        row.payout_account_id = body.payout_account_id.or(row.payout_account_id);
        row.updated_ms = now_ms();
        check(&row)?;
        let mut tx = store::begin(&app.db).await?;
        developers::update(&mut tx, &row).await?;
        let act = act(&admin, &context, "developer.update", &row.id).of_developer(Some(row.id.clone()));
        app.commit(tx, &[], act.changed(value(&before), value(&row))).await?;
    }
    if let Some(wanted) = body.status {
        switch(&app, &admin, &context, &row.id, wanted).await?;
    }
    Ok(Json(DeveloperView::now(&app, row).await?))
}

/// Switches a developer off
///
/// With everything that is theirs. Nothing is deleted.
#[utoipa::path(delete, path = "/admin/v1/developers/{id}", tag = "developers",
    params(("id" = String, Path, description = "Their id")),
    responses((status = 200, description = "The developer, switched off", body = DeveloperView)))]
async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Json<DeveloperView>, Problem> {
    let row = found(&app, id).await?;
    switch(&app, &admin, &context, &row.id, WantedStatus::Disabled).await?;
    Ok(Json(DeveloperView::now(&app, row).await?))
}

async fn switch(
    app: &App,
    admin: &Admin,
    context: &Context,
    id: &str,
    wanted: WantedStatus,
) -> Result<(), Problem> {
    let switching = Switching {
        kind: SwitchKind::Developer,
        id,
        by: By::Operator,
        actor: admin.actor(),
        developer: Some(id.to_owned()),
    };
    app.switch(context, switching, wanted).await
}

async fn found(app: &App, id: String) -> Result<DeveloperRow, Problem> {
    let id = id_of(id, "developer")?;
    developers::get(&app.db, &id).await?.ok_or_else(|| Problem::not_found("developer"))
}

fn check(row: &DeveloperRow) -> Result<(), Problem> {
    checked("name", &row.name, 1..=128)?;
    checked("email", &row.email, 3..=320)?;
    let well_formed = row.email.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && !host.is_empty()
            && !host.contains('@')
            && !row.email.contains(char::is_whitespace)
    });
    if !well_formed {
        return Err(Problem::field("email", "`email` must be an e-mail address."));
    }
    row.payout_account_id.as_deref().map_or(Ok(()), |id| checked("payout_account_id", id, 1..=256))
}
