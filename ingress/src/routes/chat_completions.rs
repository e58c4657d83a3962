//! `POST /v1/chat/completions`

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderMap;
use proto::fault::Fault;

use super::enter;
use crate::call::Call;
use crate::dispatch::{Seat, dispatch};
use crate::metrics::Route;
use crate::state::App;
use crate::{admit, body, respond};

/// Answers with a completion, whole or as a stream.
pub(crate) async fn create(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut call = Call::begin(&app.metrics, Route::ChatCompletions, &parts.headers);
    let (seat, stream) = match accept(&app, &mut call, &parts.headers, body).await {
        Ok(accepted) => accepted,
        Err(fault) => return respond::refuse(call, &fault, None),
    };
    if stream {
        match seat.first().await {
            Ok(head) => respond::stream(call, &head, seat),
            Err(failure) => respond::failure(call, &failure),
        }
    } else {
        match seat.whole().await {
            Ok(whole) => respond::whole(call, whole),
            Err(failure) => respond::failure(call, &failure),
        }
    }
}

/// Brings the request as far as its stream. The flag says whether a stream is wanted.
async fn accept(
    app: &Arc<App>,
    call: &mut Call,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Seat, bool), Fault> {
    let (key, config) = match enter(app, call, headers).await {
        Ok(entered) => entered,
        Err(fault) => {
            body::linger(pin!(body), headers).await;
            return Err(fault);
        }
    };
    let budget = admit::budget(headers, app.config.budget_default, app.config.budget_max);
    let reading = Instant::now();
    let body = body::read(call, body, headers, &app.config, &app.bodies).await;
    call.reading = reading.elapsed();
    let body = body?;
    let envelope = admit::chat(app, &config, call, &key, &body.bytes, budget)?;
    let stream = envelope.stream;
    Ok((dispatch(app, envelope, body).await?, stream))
}
