//! `GET /admin/v1/diagnostics`: one bundle of what helps to find out what is wrong, fit to be handed on.

use axum::Json;
use axum::extract::State;
use proto::config::SecretRef;
use proto::subject::PRESENCE_BUCKET;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{BreakerView, breakers, bucket, note, time};
use crate::audit::{self, Act};
use crate::http::auth::Admin;
use crate::http::context::Context;
use crate::http::{App, Problem};

/// Records of the audit log that are shown.
const AUDIT_TAIL: u64 = 20;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(diagnostics))
}

/// Everything at a glance.
#[derive(Debug, Serialize, ToSchema)]
struct Diagnostics {
    generated_at: String,
    /// Always true: there is no secret in it.
    redacted: bool,
    status: StatusView,
    runtime: Runtime,
    /// The newest records of the audit log, newest first.
    audit_tail: Vec<Value>,
}

/// The configuration and whether everything is there.
#[derive(Debug, Serialize, ToSchema)]
struct StatusView {
    build: &'static str,
    production: bool,
    /// The newest configuration version; null = none was ever published.
    config: Option<u64>,
    /// How many projects, models and providers it has.
    projects: usize,
    models: usize,
    providers: Vec<ProviderView>,
    /// Whether the connection to NATS stands.
    nats: bool,
    nats_server: String,
}

/// A provider without its secret.
#[derive(Debug, Serialize, ToSchema)]
struct ProviderView {
    name: String,
    kind: &'static str,
    disabled: bool,
    /// Where its secret is kept: `env`, `file`, `credential` or null.
    secret: Option<&'static str>,
}

/// What runs.
#[derive(Debug, Serialize, ToSchema)]
struct Runtime {
    /// Every process with the configuration that it runs with, as it said last.
    processes: Vec<Value>,
    breakers: Vec<BreakerView>,
}

/// Puts together what helps to find out what is wrong, without secrets
#[utoipa::path(get, path = "/admin/v1/diagnostics", tag = "health",
    responses((status = 200, description = "The bundle", body = Diagnostics)))]
async fn diagnostics(
    State(app): State<App>,
    admin: Admin,
    context: Context,
) -> Result<Json<Diagnostics>, Problem> {
    note(&app, &admin, &context, Act::new(admin.actor(), "diagnostics.generate")).await?;
    let processes = bucket::entries(&app.link, PRESENCE_BUCKET).await?;
    let processes = processes.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok());
    let tail = audit::list(&app.db, &audit::Filter::default(), None, AUDIT_TAIL).await?;
    Ok(Json(Diagnostics {
        generated_at: time(proto::clock::now_ms()),
        redacted: true,
        status: status(&app).await?,
        runtime: Runtime {
            processes: processes.map(audit::redacted).collect(),
            breakers: breakers(&app).await?,
        },
        audit_tail: tail.iter().filter_map(|entry| serde_json::to_value(entry).ok()).collect(),
    }))
}

async fn status(app: &App) -> Result<StatusView, Problem> {
    let document = app.document().await?;
    let server = app.link.client.server_info();
    let providers = document.iter().flat_map(|document| &document.providers).map(|row| ProviderView {
        name: row.name.clone(),
        kind: row.kind.as_str(),
        disabled: row.disabled,
        secret: row.api_key.as_ref().map(|secret| match secret {
            SecretRef::Env(_) => "env",
            SecretRef::File(_) => "file",
            SecretRef::Credential(_) => "credential",
        }),
    });
    Ok(StatusView {
        build: env!("CARGO_PKG_VERSION"),
        production: app.production,
        config: document.as_ref().map(|document| document.version),
        projects: document.as_ref().map_or(0, |document| document.projects.len()),
        models: document.as_ref().map_or(0, |document| document.models.len()),
        providers: providers.collect(),
        nats: app.link.state().connected,
        nats_server: server.version,
    })
}
