//! What all requests that a model answers have in common: in, onto the stream, and back as one answer or as events.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use proto::config::{Config, KeyRecord};
use proto::fault::Fault;
use proto::stored::Key;

use super::enter;
use super::responses::{Replay, queue};
use crate::body::Held;
use crate::call::Call;
use crate::dispatch::{Seat, dispatch};
use crate::metrics::Route;
use crate::state::App;
use crate::{admit, body, respond};

/// What became of a request that was let in.
enum Accepted {
    /// A worker answers it here.
    Waiting(Seat),
    /// The same, as a stream.
    Streaming(Seat),
    /// Nobody waits for its answer.
    Queued(Bytes),
    /// Nobody does, but its events are followed.
    Followed(Key),
}

/// Answers in the dialect of `route`, whole or as a stream.
pub(super) async fn answer(app: Arc<App>, route: Route, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut call = Call::begin(&app.metrics, route, &parts.headers);
    match accept(&app, &mut call, &parts.headers, body).await {
        Ok(Accepted::Waiting(seat)) => match seat.whole().await {
            Ok(whole) => respond::whole(call, whole),
            Err(failure) => respond::failure(call, &failure),
        },
        Ok(Accepted::Streaming(seat)) => match seat.first().await {
            Ok(head) => respond::stream(call, &head, seat),
            Err(failure) => respond::failure(call, &failure),
        },
        Ok(Accepted::Queued(response)) => respond::json(call, response, None),
        Ok(Accepted::Followed(key)) => {
            let request = call.id;
            Replay::new(app, call, key, request, None).answer()
        }
        Err(fault) => respond::refuse(call, &fault, None),
    }
}

/// Brings the request as far as its stream.
async fn accept(app: &Arc<App>, call: &mut Call, headers: &HeaderMap, body: Body) -> Result<Accepted, Fault> {
    let (key, config, body) = take_in(app, call, headers, body).await?;
    let envelope = admit::request(app, &config, call, &key, headers, &body.bytes)?;
    let stream = envelope.stream;
    if envelope.kept.as_ref().is_some_and(|kept| kept.background) {
        // On the heap: few requests are of this kind, and all would carry its size.
        let queued = Box::pin(queue(app, call, envelope, body)).await?;
        return Ok(if stream { Accepted::Followed(queued.key) } else { Accepted::Queued(queued.response) });
    }
    let seat = dispatch(app, envelope, body).await?;
    Ok(if stream { Accepted::Streaming(seat) } else { Accepted::Waiting(seat) })
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
