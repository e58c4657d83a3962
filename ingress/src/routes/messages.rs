//! `POST /v1/messages` and `POST /v1/messages/count_tokens`

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use proto::dialect::anthropic_messages::{count_answer, scan_count};
use proto::fault::Fault;

use super::generation;
use crate::call::Call;
use crate::metrics::Route;
use crate::respond;
use crate::state::App;

/// What a count is: nobody upstream was asked.
const ESTIMATED: HeaderValue = HeaderValue::from_static("estimated;field=input_tokens");

/// Answers with a message, whole or as a stream.
pub(crate) async fn create(State(app): State<Arc<App>>, request: Request) -> Response {
    generation::answer(app, Route::Messages, request).await
}

/// Answers with an estimate of a prompt's tokens.
pub(crate) async fn count_tokens(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut call = Call::begin(&app.metrics, Route::CountTokens, &parts.headers);
    match count(&app, &mut call, &parts.headers, body).await {
        Ok(answer) => respond::json(call, answer, Some(ESTIMATED)),
        Err(fault) => respond::refuse(call, &fault, None),
    }
}

async fn count(app: &Arc<App>, call: &mut Call, headers: &HeaderMap, body: Body) -> Result<Bytes, Fault> {
    let (_, config, body) = generation::take_in(app, call, headers, body).await?;
    let scan = scan_count(&body.bytes)?;
    crate::admit::known_model(&config, &scan.model)?;
    Ok(count_answer(scan.estimate.input_tokens).into())
}
