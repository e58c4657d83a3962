//! `/admin/v1/probe`: one call that nobody but an operator wants, made by a worker.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use proto::health::{HealthAnswer, HealthAsk, ProbeResult};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ask, note, time};
use crate::audit::Act;
use crate::http::auth::Admin;
use crate::http::context::Context;
use crate::http::read::Body;
use crate::http::{App, Problem};

/// What a model is told unless the operator says otherwise.
const PROMPT: &str = "Reply with exactly ok.";
const PROMPT_CHARS_MAX: usize = 2000;
const NAME_CHARS_MAX: usize = 300;
const TIMEOUT_MS: u64 = 10_000;
const TIMEOUT_MS_MAX: u64 = 20_000;
/// How long a worker may take beside the call: the books come first.
const BESIDE: Duration = Duration::from_secs(8);
/// How long the question to a provider may take.
const PROVIDER_PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(provider)).routes(routes!(model))
}

/// Which provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProviderWish {
    /// Its name.
    #[schema(min_length = 1, max_length = 300)]
    provider: String,
}

/// Which model, and what it is told.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ModelWish {
    /// The provider's name.
    #[schema(min_length = 1, max_length = 300)]
    provider: String,
    /// The model there.
    #[schema(min_length = 1, max_length = 300)]
    model: String,
    /// What it is told; `Reply with exactly ok.` if absent.
    #[schema(min_length = 1, max_length = 2000)]
    prompt: Option<String>,
    /// How long it may take, in milliseconds; 10,000 if absent.
    #[schema(minimum = 100, maximum = 20000)]
    timeout_ms: Option<u64>,
}

/// What the call saw.
#[derive(Debug, Serialize, ToSchema)]
struct ProbeView {
    /// `provider` or `model`.
    diagnostic: String,
    /// The provider's HTTP status, where it answered.
    status_code: Option<u16>,
    latency_ms: u64,
    /// Whether it answered as it should.
    healthy: bool,
    /// What was wrong: a class of failure, or `no_model_list`.
    error: Option<String>,
    /// The beginning of its answer, redacted, at most 512 bytes.
    response_excerpt: String,
    probed_at: String,
}

impl From<ProbeResult> for ProbeView {
    fn from(result: ProbeResult) -> Self {
        Self {
            diagnostic: result.diagnostic,
            status_code: result.status_code,
            latency_ms: result.latency_ms,
            healthy: result.healthy,
            error: result.error,
            response_excerpt: result.response_excerpt,
            probed_at: time(result.probed_ms),
        }
    }
}

/// Asks a provider whether it answers, with the cheapest question that its kind has
#[utoipa::path(post, path = "/admin/v1/probe/provider", tag = "health",
    responses((status = 200, description = "What the call saw", body = ProbeView)))]
async fn provider(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(wish): Body<ProviderWish>,
) -> Result<Json<ProbeView>, Problem> {
    known(&app, &wish.provider).await?;
    let act = Act::new(admin.actor(), "probe.provider").on(&wish.provider);
    let asked = HealthAsk::Provider { provider: wish.provider };
    seen(&app, &admin, &context, act, &asked, PROVIDER_PATIENCE).await
}

/// Makes one small call of a model: past its breaker, without another try or another target
///
/// What it costs is booked as a loss of the platform.
#[utoipa::path(post, path = "/admin/v1/probe/model", tag = "health",
    responses((status = 200, description = "What the call saw", body = ProbeView)))]
async fn model(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(wish): Body<ModelWish>,
) -> Result<Json<ProbeView>, Problem> {
    let prompt = wish.prompt.unwrap_or_else(|| PROMPT.to_owned());
    let timeout_ms = wish.timeout_ms.unwrap_or(TIMEOUT_MS);
    if !(1..=PROMPT_CHARS_MAX).contains(&prompt.chars().count()) {
        return Err(Problem::field(
            "prompt",
            format!("`prompt` must have 1 to {PROMPT_CHARS_MAX} characters."),
        ));
    }
    if !(1..=NAME_CHARS_MAX).contains(&wish.model.chars().count()) {
        return Err(Problem::field("model", format!("`model` must have 1 to {NAME_CHARS_MAX} characters.")));
    }
    if !(100..=TIMEOUT_MS_MAX).contains(&timeout_ms) {
        return Err(Problem::field(
            "timeout_ms",
            format!("`timeout_ms` must be from 100 to {TIMEOUT_MS_MAX}."),
        ));
    }
    known(&app, &wish.provider).await?;
    let act = Act::new(admin.actor(), "probe.model").on(format!("{}/{}", wish.provider, wish.model));
    let asked = HealthAsk::Model { provider: wish.provider, model: wish.model, prompt, timeout_ms };
    let patience = Duration::from_millis(timeout_ms) + BESIDE;
    seen(&app, &admin, &context, act, &asked, patience).await
}

/// Refuses a provider that the configuration does not have.
async fn known(app: &App, name: &str) -> Result<(), Problem> {
    let document = app.document().await?;
    let there = document.is_some_and(|document| document.providers.iter().any(|row| row.name == name));
    if there { Ok(()) } else { Err(Problem::not_found("provider")) }
}

async fn seen(
    app: &App,
    admin: &Admin,
    context: &Context,
    act: Act,
    asked: &HealthAsk,
    patience: Duration,
) -> Result<Json<ProbeView>, Problem> {
    let HealthAnswer::Probed(result) = ask::workers(&app.link, asked, patience).await? else {
        return Err(Problem::internal("a worker answered another question"));
    };
    let found =
        json!({ "healthy": result.healthy, "status_code": result.status_code, "error": result.error });
    note(app, admin, context, act.changed(None, Some(found))).await?;
    Ok(Json(result.into()))
}
