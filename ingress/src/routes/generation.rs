//! What all requests that a model answers have in common: in, onto the stream, and back as one answer or as events.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::HeaderMap;
use proto::config::{Config, KeyRecord};
use proto::fault::Fault;

use super::enter;
use crate::body::Held;
use crate::call::Call;
use crate::dispatch::{Seat, dispatch};
use crate::metrics::Route;
use crate::state::App;
use crate::{admit, body, respond};

/// Answers in the dialect of `route`, whole or as a stream.
pub(super) async fn answer(app: Arc<App>, route: Route, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut call = Call::begin(&app.metrics, route, &parts.headers);
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
    let (key, config, body) = take_in(app, call, headers, body).await?;
    let envelope = admit::request(app, &config, call, &key, headers, &body.bytes)?;
    let stream = envelope.stream;
    Ok((dispatch(app, envelope, body).await?, stream))
}

/// Who calls, and the body. A caller without a key is refused first, and its body read away.
pub(super) async fn take_in(
    app: &Arc<App>,
    call: &mut Call,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Arc<KeyRecord>, Arc<Config>, Held), Fault> {
    let (key, config) = match enter(app, call, headers).await {
        Ok(entered) => entered,
        Err(fault) => {
            body::linger(pin!(body), headers).await;
            return Err(fault);
        }
    };
    let reading = Instant::now();
    let body = body::read(call, body, headers, &app.config, &app.bodies).await;
    call.reading = reading.elapsed();
    Ok((key, config, body?))
}
