//! `/admin/v1/usage`: every upstream attempt with what it used and cost.

use axum::Json;
use axum::extract::State;
use ledger::report::{self, AttemptFilter, AttemptLine};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{filter, id_of, time, time_ms};
use crate::error::Error;
use crate::http::auth::Admin;
use crate::http::page::{Page, Paging};
use crate::http::read::{Params, Segments};
use crate::http::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(retrieve))
}

/// An upstream attempt.
#[derive(Debug, Serialize, ToSchema)]
struct UsageView {
    /// The attempt: the request, a dot, the delivery and the number within it.
    id: String,
    request_id: String,
    project: String,
    /// Id of the key or session.
    key: String,
    requested_model: String,
    provider: String,
    /// The model at the provider.
    model: String,
    route_mode: String,
    /// The project's feature that it was for.
    feature: Option<String>,
    /// Id of the sealed credential it was made with.
    credential: Option<String>,
    /// open, success, failed, cancelled or unknown.
    state: String,
    /// customer, platform or none.
    payer: String,
    /// pending, priced, unpriced or free.
    pricing: String,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    /// In decimal US dollars.
    cost_usd: Option<String>,
    /// The configuration version that admitted the request.
    config: u64,
    accepted_at: String,
}

/// Which attempts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsageFilter {
    /// How many, 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Of this project only.
    project: Option<String>,
    /// With this key only.
    key: Option<String>,
    /// At this provider only.
    provider: Option<String>,
    /// For this requested model only.
    model: Option<String>,
    /// In this state only.
    state: Option<String>,
    /// Accepted at or after this time, as 2027-01-31T12:00:00Z.
    from: Option<String>,
    /// Accepted before this time.
    to: Option<String>,
}

impl UsageView {
    fn of(line: AttemptLine) -> Self {
        Self {
            request_id: line.id.split('.').next().unwrap_or_default().to_owned(),
            id: line.id,
            project: line.project,
            key: line.key,
            requested_model: line.requested_model,
            provider: line.provider,
            model: line.model,
            route_mode: line.route_mode.as_str().to_owned(),
            feature: line.feature,
            credential: line.credential,
            state: line.state,
            payer: line.payer,
            pricing: line.pricing,
            input_tokens: line.input_tokens,
            output_tokens: line.output_tokens,
            cost_usd: line.cost.map(|cost| cost.to_string()),
            config: line.config,
            accepted_at: time(line.accepted_ms),
        }
    }
}

/// Lists the attempts, oldest first
#[utoipa::path(get, path = "/admin/v1/usage", tag = "books", params(UsageFilter),
    responses((status = 200, description = "The attempts", body = Page<UsageView>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Params(params): Params<UsageFilter>,
) -> Result<Json<Page<UsageView>>, Problem> {
    let paging = Paging::new(params.limit, params.cursor.as_deref())?;
    let at = |field, text: Option<&str>| text.map(|text| time_ms(field, text)).transpose();
    let wanted = AttemptFilter {
        project: filter("project", params.project)?,
        key: filter("key", params.key)?,
        provider: filter("provider", params.provider)?,
        requested_model: filter("model", params.model)?,
        state: filter("state", params.state)?,
        from_ms: at("from", params.from.as_deref())?,
        to_ms: at("to", params.to.as_deref())?,
    };
    let lines = report::attempts(&app.db, &paging.after, &wanted, paging.one_more()).await;
    Ok(Json(paging.page(lines.map_err(Error::Books)?, |line| line.id.clone()).map(UsageView::of)))
}

/// Shows an attempt
#[utoipa::path(get, path = "/admin/v1/usage/{id}", tag = "books",
    params(("id" = String, Path, description = "The attempt")),
    responses((status = 200, description = "The attempt", body = UsageView)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<UsageView>, Problem> {
    let id = id_of(id, "attempt")?;
    let line = report::attempt(&app.db, &id).await.map_err(Error::Books)?;
    Ok(Json(UsageView::of(line.ok_or_else(|| Problem::not_found("attempt"))?)))
}
