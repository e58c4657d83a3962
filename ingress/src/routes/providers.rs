//! `GET /health/providers`: how the providers did in the latest calls. Nobody is called for it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::state::App;

/// The answer.
#[derive(Debug, Serialize)]
pub(crate) struct Providers {
    ok: bool,
    providers: Vec<Provider>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    ok: bool,
    provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    latency_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// When it was last called, in milliseconds since the Unix epoch; absent = not since the workers started,
    /// and then it counts as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_ms: Option<u64>,
}

/// Every configured provider with what was last seen of it.
pub(crate) async fn providers(State(app): State<Arc<App>>) -> Json<Providers> {
    let mut seen = app.presence.providers();
    let config = app.projection.config();
    let names = config.iter().flat_map(|config| &config.providers).map(|provider| &provider.name);
    let providers: Vec<Provider> = names
        .map(|name| match seen.remove(name) {
            Some(beat) => Provider {
                ok: beat.ok,
                provider: beat.provider,
                status_code: beat.status,
                latency_ms: beat.latency_ms,
                error: beat.error,
                observed_ms: Some(beat.at_ms),
            },
            None => Provider {
                ok: true,
                provider: name.clone(),
                status_code: None,
                latency_ms: 0,
                error: None,
                observed_ms: None,
            },
        })
        .collect();
    Json(Providers { ok: providers.iter().all(|provider| provider.ok), providers })
}
