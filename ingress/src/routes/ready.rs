//! `GET /ready`: 200 only once a request with a configured key would be answered.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::state::App;

/// Every check by name; a failing one says in a sentence what is missing.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> (StatusCode, Json<Value>) {
    let now = Instant::now();
    let config = app.projection.config();
    let version = config.as_ref().map_or(0, |config| config.version);
    let checks = [
        ("nats", app.health.down_for().is_none(), "The connection to NATS is down."),
        (
            "configuration",
            config.is_some(),
            "No configuration has been published, or none has been seen yet.",
        ),
        (
            "keys",
            version > 0 && app.keys.projected() >= version,
            "The keys of this configuration have not been seen yet.",
        ),
        ("payload_keys", !app.projection.ring().is_empty(), "No payload key has been seen yet."),
        (
            "workers",
            app.presence.worker_ready(version, now),
            "No worker takes requests with this configuration at the moment.",
        ),
        ("ledger", app.presence.ledger_ready(now), "No ledger reads events at the moment."),
    ];
    let ok = checks.iter().all(|(_, holds, _)| *holds);
    let checks: Map<String, Value> = checks
        .into_iter()
        .map(|(name, holds, missing)| (name.to_owned(), Value::from(if holds { "ok" } else { missing })))
        .collect();
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let durability = app.config.durability.as_str();
    (status, Json(json!({"ok": ok, "service": "ingress", "durability": durability, "checks": checks})))
}
