//! `/admin/v1/requests`: what is on the books about requests.

use axum::Json;
use axum::extract::State;
use ledger::replay::{self, Query};
use proto::ctl::RequestView;
use proto::id::RequestId;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{filter, time_ms};
use crate::error::Error;
use crate::http::auth::Admin;
use crate::http::page::{Page, Paging};
use crate::http::read::{Params, Segments};
use crate::http::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(retrieve))
}

/// Which requests.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RequestFilter {
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Of this project only.
    project: Option<String>,
    /// Of this status only: in_progress, success, failed, cancelled, unknown, …
    status: Option<String>,
    /// Those that a caller named so in x-request-id; with `project` and nothing else.
    client_request_id: Option<String>,
    /// Accepted at or after this time, as 2027-01-31T12:00:00Z.
    from: Option<String>,
    /// Accepted before this time.
    to: Option<String>,
}

/// Lists the requests, oldest first
#[utoipa::path(get, path = "/admin/v1/requests", tag = "books", params(RequestFilter),
    responses((status = 200, description = "The requests, as their owners see them", body = Page<Value>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Params(params): Params<RequestFilter>,
) -> Result<Json<Page<Value>>, Problem> {
    let paging = Paging::new(params.limit, params.cursor.as_deref())?;
    let project = Some(filter("project", params.project)?).filter(|name| !name.is_empty());
    let client = filter("client_request_id", params.client_request_id)?;
    let views = if client.is_empty() {
        let at = |field, text: Option<&str>| text.map(|text| time_ms(field, text)).transpose();
        let after = Some(&paging.after).filter(|after| !after.is_empty());
        let wrong = |_| Problem::field("cursor", "`cursor` is not one that a list has given out.");
        let query = Query {
            from_ms: at("from", params.from.as_deref())?.unwrap_or_default(),
            to_ms: at("to", params.to.as_deref())?,
            project,
            status: Some(filter("status", params.status)?).filter(|status| !status.is_empty()),
            after: after.map(|after| after.parse()).transpose().map_err(wrong)?,
            limit: u64::from(paging.limit) + 1,
        };
        replay::list(&app.db, &query).await.map_err(Error::Books)?.requests
    } else {
        named(&app, &client, project.as_deref()).await?
    };
    let page = paging.page(views, |view| view.id.to_string());
    let data = page.data.iter().map(value).collect::<Result<_, _>>()?;
    Ok(Json(Page { data, next_cursor: page.next_cursor }))
}

/// The requests that a caller named so.
async fn named(app: &App, client: &str, project: Option<&str>) -> Result<Vec<RequestView>, Problem> {
    let ids = replay::by_client_request_id(&app.db, client, project).await.map_err(Error::Books)?;
    let mut views = Vec::new();
    for id in ids {
        views.extend(replay::request(&app.db, id).await.map_err(Error::Books)?.map(|life| life.view));
    }
    Ok(views)
}

/// Shows a request, with every attempt
#[utoipa::path(get, path = "/admin/v1/requests/{id}", tag = "books",
    params(("id" = String, Path, description = "The request")),
    responses((status = 200, description = "The request, as its owner sees it", body = Value)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<Value>, Problem> {
    let unknown = || Problem::not_found("request");
    let id: RequestId = id.parse().map_err(|_| unknown())?;
    let life = replay::request(&app.db, id).await.map_err(Error::Books)?;
    Ok(Json(value(&life.ok_or_else(unknown)?.view)?))
}

fn value(view: &RequestView) -> Result<Value, Problem> {
    serde_json::to_value(view).map_err(|error| Problem::internal(error.to_string()))
}
