//! `GET /v1/developer/operations`: what went on with a developer's money and things, at a glance.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{names_of, time};
use super::usage::usd;
use crate::audit::{self, Entry, Filter};
use crate::http::auth::Developer;
use crate::http::{App, Problem};
use crate::store::usage;

const WALLETS_MAX: usize = 100;
const AUDIT_LOGS: u64 = 50;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// What went on.
#[derive(Debug, Serialize, ToSchema)]
struct Operations {
    /// The developer's own wallet and those of their apps, at most 100.
    wallets: Vec<Wallet>,
    /// Top-ups, at most 50. None can be made yet.
    topups: Vec<Value>,
    /// Payouts, at most 50. None can be made yet.
    payouts: Vec<Value>,
    /// The newest 50 acts that concern the developer.
    audit_logs: Vec<AuditLog>,
}

/// What is in a wallet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Wallet {
    pub(crate) wallet_id: String,
    /// `developer`, `app` or `end_user`.
    pub(crate) owner_scope: &'static str,
    pub(crate) owner_id: String,
    pub(crate) balance_usd: String,
}

/// One act.
#[derive(Debug, Serialize, ToSchema)]
struct AuditLog {
    id: u64,
    created_at: String,
    actor_scope: &'static str,
    actor_id: String,
    action: String,
    resource_type: String,
    resource_id: Option<String>,
    outcome: &'static str,
    request_id: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
}

impl AuditLog {
    fn of(entry: Entry) -> Self {
        let record = entry.record;
        Self {
            id: record.seq,
            created_at: time(record.at_ms),
            actor_scope: record.actor.scope.as_str(),
            actor_id: record.actor.name,
            action: record.action,
            resource_type: record.resource,
            resource_id: record.resource_id,
            outcome: record.outcome.as_str(),
            request_id: record.request_id,
            before: record.before,
            after: record.after,
        }
    }
}

/// Shows wallets, top-ups, payouts and the audit log
#[utoipa::path(get, path = "/v1/developer/operations", tag = "developer",
    responses((status = 200, description = "What went on", body = Operations)))]
async fn show(State(app): State<App>, caller: Developer) -> Result<Json<Operations>, Problem> {
    let document = app.document().await?;
    let apps = document.map(|document| names_of(&document, &caller)).unwrap_or_default();
    let own = caller.developer.iter().map(|id| ("developer", format!("developer:{id}"), id.clone()));
    let theirs = apps.into_iter().map(|name| ("app", format!("project:{name}"), name));
    let mut wallets = Vec::new();
    for (owner_scope, wallet_id, owner_id) in own.chain(theirs).take(WALLETS_MAX) {
        let balance_usd = usd(usage::balance(&app.db, &wallet_id).await?);
        wallets.push(Wallet { wallet_id, owner_scope, owner_id, balance_usd });
    }
    let filter = Filter { developer: caller.developer, ..Filter::default() };
    let audit_logs = audit::list(&app.db, &filter, None, AUDIT_LOGS).await?;
    Ok(Json(Operations {
        wallets,
        topups: Vec::new(),
        payouts: Vec::new(),
        audit_logs: audit_logs.into_iter().map(AuditLog::of).collect(),
    }))
}
