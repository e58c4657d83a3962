//! `POST /v1/developers`: the operator takes a developer in.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::clock::now_ms;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{checked, new_id, time};
use crate::audit::Act;
use crate::http::auth::Admin;
use crate::http::context::Context;
use crate::http::read::Body;
use crate::http::{App, Problem};
use crate::store;
use crate::store::developers::{self, DeveloperRow};
use crate::store::switches::Status;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// A developer to be taken in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeveloperToTakeIn {
    /// Their name.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// Their e-mail address; nobody else has it.
    #[schema(max_length = 320)]
    email: String,
}

/// A developer.
#[derive(Debug, Serialize, ToSchema)]
struct TakenInDeveloper {
    id: String,
    name: String,
    email: String,
    status: Status,
    created_at: String,
    updated_at: String,
}

/// Takes a developer in
#[utoipa::path(post, path = "/v1/developers", tag = "developer",
    responses((status = 201, description = "The developer", body = TakenInDeveloper)))]
async fn create(
    State(app): State<App>,
    caller: Admin,
    context: Context,
    Body(body): Body<DeveloperToTakeIn>,
) -> Result<(StatusCode, Json<TakenInDeveloper>), Problem> {
    checked("name", &body.name, 1..=128)?;
    checked("email", &body.email, 3..=320)?;
    let (user, host) = body.email.split_once('@').unwrap_or_default();
    if user.is_empty() || host.is_empty() || body.email.contains(char::is_whitespace) || host.contains('@') {
        return Err(Problem::field("email", "`email` must be an e-mail address."));
    }
    let now = now_ms();
    let email = body.email.to_ascii_lowercase();
    let tenant = DeveloperRow {
        id: new_id("dev"),
        name: body.name,
        email,
        payout_account_id: None,
        created_ms: now,
        updated_ms: now,
    };
    let mut tx = store::begin(&app.db).await?;
    developers::insert(&mut tx, &tenant).await?;
    let shown = json!({ "name": tenant.name, "email": tenant.email });
    let act = Act::new(caller.actor(), "developer.create").on(&tenant.id).changed(None, Some(shown));
    app.commit(tx, &[], act.of_developer(Some(tenant.id.clone())).asked_by(Some(context.id))).await?;
    let view = TakenInDeveloper {
        id: tenant.id,
        name: tenant.name,
        email: tenant.email,
        status: Status::Active,
        created_at: time(tenant.created_ms),
        updated_at: time(tenant.updated_ms),
    };
    Ok((StatusCode::CREATED, Json(view)))
}
