//! `POST /v1/responses`, and what can be done with a response that is kept: fetched, listed, removed; and if nobody
//! waited for it, cancelled and followed.

mod background;
mod cancel;
mod input_items;
mod kept;
mod replay;

pub(super) use background::queue;
pub(crate) use cancel::cancel;
pub(crate) use input_items::input_items;
pub(crate) use kept::{delete, retrieve};
pub(super) use replay::Replay;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::generation;
use crate::metrics::Route;
use crate::state::App;

/// Answers as `POST /v1/responses` does.
pub(crate) async fn create(State(app): State<Arc<App>>, request: Request) -> Response {
    generation::answer(app, Route::Responses, request).await
}
