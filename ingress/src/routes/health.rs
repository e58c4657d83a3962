//! `GET /health`: the process is alive.

use axum::Json;
use serde_json::{Value, json};

/// Always well: a process that is not does not answer.
pub(crate) async fn health() -> Json<Value> {
    Json(json!({"ok": true, "service": "ingress"}))
}
