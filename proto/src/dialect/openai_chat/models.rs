//! The list of models.

use bytes::Bytes;

/// The answer to `GET /v1/models`; `created_s` is in seconds since the Unix epoch.
pub fn models_list(models: &[&str], created_s: u64) -> Bytes {
    let data: Vec<_> = models
        .iter()
        .map(|id| serde_json::json!({"id": id, "object": "model", "created": created_s, "owned_by": "forebay"}))
        .collect();
    Bytes::from(serde_json::json!({"object": "list", "data": data}).to_string())
}
