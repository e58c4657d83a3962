//! `/admin/v1/audit`: who did what, newest first.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{checked, time_ms};
use crate::audit::{self, Entry, Filter};
use crate::http::auth::Admin;
use crate::http::page::{Page, Paging};
use crate::http::read::{Params, Segments};
use crate::http::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(retrieve))
}

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditFilter {
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// By this actor only: `scope:name`.
    actor: Option<String>,
    /// This act only, as key.revoke.
    action: Option<String>,
    /// On this kind of thing only.
    resource: Option<String>,
    /// On this thing only.
    resource_id: Option<String>,
    /// Concerning this developer only.
    developer: Option<String>,
    /// success, denied or failed.
    outcome: Option<String>,
    /// Asked for by this request.
    request_id: Option<String>,
    /// At or after this time, as 2027-01-31T12:00:00Z.
    since: Option<String>,
    /// Before this time.
    until: Option<String>,
}

/// Lists the records, newest first
#[utoipa::path(get, path = "/admin/v1/audit", tag = "audit", params(AuditFilter),
    responses((status = 200, description = "The records, each with its hash", body = Page<Value>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Params(params): Params<AuditFilter>,
) -> Result<Json<Page<Value>>, Problem> {
    let paging = Paging::new(params.limit, params.cursor.as_deref())?;
    let wrong = |_| Problem::field("cursor", "`cursor` is not one that a list has given out.");
    let before = Some(&paging.after).filter(|after| !after.is_empty());
    let before = before.map(|after| after.parse::<u64>()).transpose().map_err(wrong)?;
    let at = |field, text: Option<String>| text.map(|text| time_ms(field, &text)).transpose();
    let text = |field, text: Option<String>| match text {
        Some(text) => checked(field, &text, 1..=320).map(|()| Some(text)),
        None => Ok(None),
    };
    let filter = Filter {
        actor: text("actor", params.actor)?,
        action: text("action", params.action)?,
        resource: text("resource", params.resource)?,
        resource_id: text("resource_id", params.resource_id)?,
        developer: text("developer", params.developer)?,
        outcome: text("outcome", params.outcome)?,
        request_id: text("request_id", params.request_id)?,
        since_ms: at("since", params.since)?,
        until_ms: at("until", params.until)?,
    };
    let limit = u64::from(paging.limit) + 1;
    let entries = audit::list(&app.db, &filter, before, limit).await?;
    let page = paging.page(entries, |entry| entry.record.seq.to_string());
    let data = page.data.iter().map(value).collect::<Result<_, _>>()?;
    Ok(Json(Page { data, next_cursor: page.next_cursor }))
}

/// Shows a record
#[utoipa::path(get, path = "/admin/v1/audit/{id}", tag = "audit",
    params(("id" = String, Path, description = "Its number")),
    responses((status = 200, description = "The record with its hash", body = Value)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<Value>, Problem> {
    let unknown = || Problem::not_found("record");
    let seq: u64 = id.parse().map_err(|_| unknown())?;
    let next = seq.checked_add(1).ok_or_else(unknown)?;
    let entries = audit::list(&app.db, &Filter::default(), Some(next), 1).await?;
    let found = entries.into_iter().find(|entry| entry.record.seq == seq).ok_or_else(unknown)?;
    Ok(Json(value(&found)?))
}

fn value(entry: &Entry) -> Result<Value, Problem> {
    serde_json::to_value(entry).map_err(|error| Problem::internal(error.to_string()))
}
