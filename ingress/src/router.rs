//! Every route, one line each.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::HeaderMap;
use proto::fault::Fault;

use crate::auth::authenticate;
use crate::call::Call;
use crate::metrics::Route;
use crate::respond::{method_not_allowed, not_found, refuse};
use crate::routes::{
    chat_completions, embeddings, health, messages, metrics, models, providers, ready, requests, responses,
};
use crate::state::App;

/// What needs a key lives below this.
const PUBLIC_PREFIX: &str = "/v1/";

/// The whole data plane.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat_completions::create))
        .route("/v1/responses", post(responses::create))
        .route("/v1/responses/{id}", get(responses::retrieve).delete(responses::delete))
        .route("/v1/responses/{id}/cancel", post(responses::cancel))
        .route("/v1/responses/{id}/input_items", get(responses::input_items))
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/count_tokens", post(messages::count_tokens))
        .route("/v1/embeddings", post(embeddings::create))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::retrieve))
        .route("/v1/requests/{id}", get(requests::retrieve))
        .route("/health", get(health::health))
        .route("/health/providers", get(providers::providers))
        .route("/ready", get(ready::ready))
        .route("/metrics", get(metrics::metrics))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

/// Whether a path is for callers with a key.
pub(crate) fn is_public(path: &str) -> bool {
    path.starts_with(PUBLIC_PREFIX)
}

async fn unknown_path(State(app): State<Arc<App>>, request: Request) -> Response {
    nothing_here(&app, request.uri().path(), request.headers(), not_found()).await
}

async fn wrong_method(State(app): State<Arc<App>>, request: Request) -> Response {
    nothing_here(&app, request.uri().path(), request.headers(), method_not_allowed()).await
}

/// Without a key nobody learns which paths there are.
async fn nothing_here(app: &App, path: &str, headers: &HeaderMap, fault: Fault) -> Response {
    let mut call = Call::begin(&app.metrics, Route::Other, headers);
    if is_public(path) {
        match authenticate(app, headers).await {
            Ok(key) => call.key = Some(key),
            Err(refused) => return refuse(call, &refused, None),
        }
    }
    refuse(call, &fault, None)
}
