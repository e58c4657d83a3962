//! `POST /v1/embeddings`

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::generation;
use crate::metrics::Route;
use crate::state::App;

/// Answers as `POST /v1/embeddings` does.
pub(crate) async fn create(State(app): State<Arc<App>>, request: Request) -> Response {
    generation::answer(app, Route::Embeddings, request).await
}
