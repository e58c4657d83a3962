//! The operators' listener of the roles that serve no clients: `/health`, `/ready`, `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use proto::nats::Link;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::MetricsText;

/// How long answers under way may take when the process ends.
const DRAIN: Duration = Duration::from_secs(1);

/// Whether something works now; an error is the sentence to show.
pub(crate) type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the listener answers with.
pub(crate) struct Ops {
    /// The role, or `up`.
    pub(crate) service: &'static str,
    /// What `/ready` asks, by name.
    pub(crate) checks: Vec<(&'static str, Check)>,
    /// What `/metrics` says.
    pub(crate) metrics: MetricsText,
}

/// Whether a connection stands.
pub(crate) fn nats_check(link: Link) -> Check {
    Box::new(
        move || {
            if link.state().connected { Ok(()) } else { Err("the connection to NATS is broken".to_owned()) }
        },
    )
}

/// Serves until `shutdown`, and a little longer for answers under way.
pub(crate) async fn serve(
    listener: TcpListener,
    ops: Ops,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(ops));
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let too_long = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = served => served,
        () = too_long => Ok(()),
    }
}

async fn health(State(ops): State<Arc<Ops>>) -> Response {
    Json(json!({ "ok": true, "service": ops.service })).into_response()
}

async fn ready(State(ops): State<Arc<Ops>>) -> Response {
    let results: BTreeMap<_, _> = ops.checks.iter().map(|(name, check)| (*name, check())).collect();
    let ok = results.values().all(Result::is_ok);
    let checks: BTreeMap<_, _> = results
        .into_iter()
        .map(|(name, result)| (name, result.err().unwrap_or_else(|| "ok".to_owned())))
        .collect();
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ok": ok, "service": ops.service, "checks": checks }))).into_response()
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (ops.metrics)()).into_response()
}
