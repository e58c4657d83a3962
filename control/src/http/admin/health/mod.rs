//! The health of what workers call, for operators: breakers as they stand, probes, and one bundle of everything that
//! helps to find out what is wrong. What a worker must do is asked over NATS; what workers know is read where they keep
//! it.

mod ask;
mod bucket;
mod diagnostics;
mod probe;
#[cfg(test)]
mod tests;

use axum::Json;
use axum::extract::State;
use proto::health::{BreakerRecord, HealthAnswer, HealthAsk, PROBED_PREFIX};
use proto::subject::HEALTH_BUCKET;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::time;
use crate::audit::{self, Act};
use crate::http::auth::Admin;
use crate::http::context::Context;
use crate::http::read::Body;
use crate::http::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(reset))
        .merge(probe::routes())
        .merge(diagnostics::routes())
}

/// Every breaker that has ever been open within a day.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    data: Vec<BreakerView>,
}

/// A breaker: one provider, credential and model.
#[derive(Debug, Serialize, ToSchema)]
struct BreakerView {
    provider: String,
    /// Id of the sealed credential; null = the one that the provider's row names.
    credential: Option<String>,
    model: String,
    /// `closed`, `half_open` or `open`.
    state: &'static str,
    /// What opened it, or last did: `quota`, `rate`, `timeout`, `server`, `transport`, `model` or `account`.
    class: &'static str,
    /// The same more exactly: the code of a fault.
    reason: Option<String>,
    /// The provider's HTTP status, where it answered.
    status: Option<u16>,
    /// How often in a row it has opened without a success in between.
    openings: u32,
    /// When it came to be so.
    since: String,
    /// Until when it stays so by itself; null = it is closed.
    until: Option<String>,
    /// The worker that changed it.
    by: String,
}

/// Which breakers; what is not named is any.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResetWish {
    /// The provider's name.
    #[schema(min_length = 1, max_length = 300)]
    provider: Option<String>,
    /// Id of the credential; `-` = the one that the provider's row names.
    #[schema(min_length = 1, max_length = 300)]
    credential: Option<String>,
    /// The model there.
    #[schema(min_length = 1, max_length = 300)]
    model: Option<String>,
}

/// What was reset.
#[derive(Debug, Serialize, ToSchema)]
struct ResetResult {
    /// How many breakers were closed.
    closed: usize,
}

impl From<BreakerRecord> for BreakerView {
    fn from(record: BreakerRecord) -> Self {
        Self {
            provider: record.provider,
            credential: record.credential,
            model: record.model,
            state: record.state.as_str(),
            class: record.class.as_str(),
            reason: record.reason,
            status: record.status,
            openings: record.openings,
            since: time(record.since_ms),
            until: (record.until_ms > 0).then(|| time(record.until_ms)),
            by: record.by.to_string(),
        }
    }
}

/// Every breaker as workers share it, by provider, credential and model.
async fn breakers(app: &App) -> Result<Vec<BreakerView>, Problem> {
    let entries = bucket::entries(&app.link, HEALTH_BUCKET).await?;
    let records = entries.into_iter().filter(|(name, _)| !name.starts_with(PROBED_PREFIX));
    let mut records: Vec<BreakerRecord> =
        records.filter_map(|(_, value)| serde_json::from_slice(&value).ok()).collect();
    records.sort_by_cached_key(|record| {
        (record.provider.clone(), record.credential.clone(), record.model.clone())
    });
    Ok(records.into_iter().map(BreakerView::from).collect())
}

/// Writes down what an operator did that no row of ours changes by.
async fn note(app: &App, admin: &Admin, context: &Context, act: Act) -> Result<(), Problem> {
    let act = Act { actor: admin.actor(), ..act }.asked_by(Some(context.id.clone()));
    audit::record(&app.db, act).await?;
    Ok(())
}

/// Shows the breakers of everything that is called
#[utoipa::path(get, path = "/admin/v1/health", tag = "health",
    responses((status = 200, description = "The breakers", body = Health)))]
async fn health(State(app): State<App>, _: Admin) -> Result<Json<Health>, Problem> {
    Ok(Json(Health { data: breakers(&app).await? }))
}

/// Closes breakers, on all workers
#[utoipa::path(post, path = "/admin/v1/health/reset", tag = "health",
    responses((status = 200, description = "How many were closed", body = ResetResult)))]
async fn reset(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(wish): Body<ResetWish>,
) -> Result<Json<ResetResult>, Problem> {
    let named = json!({ "provider": wish.provider, "credential": wish.credential, "model": wish.model });
    let asked = HealthAsk::Reset { provider: wish.provider, credential: wish.credential, model: wish.model };
    let HealthAnswer::Reset { closed } = ask::workers(&app.link, &asked, ask::PATIENCE).await? else {
        return Err(Problem::internal("a worker answered another question"));
    };
    let act =
        Act::new(admin.actor(), "health.reset").changed(None, Some(json!({ "of": named, "closed": closed })));
    note(&app, &admin, &context, act).await?;
    Ok(Json(ResetResult { closed }))
}
