//! `GET /v1/apps/{publicAppId}/usage`: what an app has used.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use proto::money::NanoUsd;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{current_app, invalid_app, time};
use crate::http::auth::{Caller, Developer};
use crate::http::read::Segments;
use crate::http::{App, Problem};
use crate::store::usage::{self, Row};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// What an app has used.
#[derive(Debug, Serialize, ToSchema)]
struct Usage {
    public_app_id: String,
    totals: Totals,
    /// The newest 100 calls.
    data: Vec<Call>,
}

/// Sums over all calls.
#[derive(Debug, Serialize, ToSchema)]
struct Totals {
    /// Calls to providers.
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    /// What the app was charged.
    retail_price_usd: String,
    /// What its developer has earned of that.
    developer_revenue_usd: String,
}

/// One call to a provider.
#[derive(Debug, Serialize, ToSchema)]
struct Call {
    request_id: String,
    created_at: String,
    feature_key: Option<String>,
    route_mode: Option<String>,
    provider: String,
    model: String,
    requested_model: String,
    status: String,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    retail_price_usd: String,
}

impl Call {
    fn of(row: Row) -> Self {
        let (feature_key, route_mode) = row.particulars();
        Self {
            request_id: row.id.split('.').next().unwrap_or_default().to_owned(),
            created_at: time(row.accepted_ms),
            feature_key,
            route_mode,
            provider: row.provider,
            model: row.model,
            requested_model: row.requested_model,
            status: row.state,
            input_tokens: row.input_tokens,
            output_tokens: row.output_tokens,
            retail_price_usd: usd(row.charged),
        }
    }
}

/// An amount as the contract writes it.
pub(crate) fn usd(nano: i64) -> String {
    NanoUsd(nano).to_string()
}

/// Shows what an app has used
#[utoipa::path(get, path = "/v1/apps/{publicAppId}/usage", tag = "developer",
    params(("publicAppId" = String, Path, description = "The app's public id")),
    responses((status = 200, description = "Sums, and the newest calls", body = Usage)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Result<Json<Usage>, Problem> {
    let caller = match caller {
        Caller::Developer(developer) => developer,
        // An administrator sees every developer's apps, and changes nothing here.
        Caller::Admin(admin) => Developer { name: admin.name, developer: None, scopes: BTreeSet::new() },
        Caller::Session(_) | Caller::Project(_) => return Err(invalid_app()),
    };
    let project = current_app(&app, &caller, &id).await?;
    let sums = usage::totals(&app.db, &project.name).await?;
    let rows = usage::newest(&app.db, &project.name).await?;
    let earned = match &project.developer {
        Some(developer) => usage::balance(&app.db, &format!("developer:{developer}")).await?,
        None => 0,
    };
    let totals = Totals {
        calls: sums.calls,
        input_tokens: sums.input_tokens,
        output_tokens: sums.output_tokens,
        retail_price_usd: usd(sums.charged),
        developer_revenue_usd: usd(earned),
    };
    let data = rows.into_iter().map(Call::of).collect();
    Ok(Json(Usage { public_app_id: project.public_app_id().to_owned(), totals, data }))
}
