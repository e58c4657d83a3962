//! `GET` and `DELETE /v1/responses/{id}`: a key sees its own project's responses; another's is as good as none.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use proto::fault::{Fault, FaultCode};
use proto::nats::{Found, ResultError};
use proto::stored::Key;
use serde::Deserialize;

use super::super::enter;
use super::Replay;
use crate::call::Call;
use crate::metrics::Route;
use crate::respond;
use crate::state::App;

/// How long a kept response may take to be found or changed.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
const RETRY_AFTER_MS: u64 = 1000;

/// The id in a path. One that cannot even be decoded is an unknown one.
pub(super) type Id = Result<Path<String>, PathRejection>;

/// How a response is asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// As its events.
    #[serde(default)]
    stream: bool,
    /// Those behind this one.
    starting_after: Option<u64>,
}

/// Answers with the response object as it is now, or with the events that make it.
pub(crate) async fn retrieve(
    State(app): State<Arc<App>>,
    id: Id,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Response {
    let mut call = Call::begin(&app.metrics, Route::Responses, request.headers());
    let (key, found) = match own(&app, &mut call, request.headers(), id).await {
        Ok(own) => own,
        Err(fault) => return respond::refuse(call, &fault, None),
    };
    match asked {
        Ok(Query(Asked { stream: false, .. })) => respond::json(call, found.stored.response, None),
        Ok(Query(Asked { starting_after, .. })) if found.stored.about.stream => {
            Replay::new(app, call, key, found.stored.about.request, starting_after).answer()
        }
        Ok(_) => {
            let message = "Only a response that was created with `background` and `stream` can be streamed.";
            let fault = Fault::new(FaultCode::InvalidRequest, message).with_param("stream");
            respond::refuse(call, &fault, None)
        }
        Err(_) => {
            let message = "`starting_after`: expected a number; `stream`: expected true or false.";
            let fault = Fault::new(FaultCode::InvalidRequest, message).with_param("starting_after");
            respond::refuse(call, &fault, None)
        }
    }
}

/// Forgets a response.
pub(crate) async fn delete(State(app): State<Arc<App>>, id: Id, request: Request) -> Response {
    let mut call = Call::begin(&app.metrics, Route::Responses, request.headers());
    match remove(&app, &mut call, request.headers(), id).await {
        Ok(body) => respond::json(call, body, None),
        Err(fault) => respond::refuse(call, &fault, None),
    }
}

async fn remove(app: &App, call: &mut Call, headers: &HeaderMap, id: Id) -> Result<Bytes, Fault> {
    let (key, found) = own(app, call, headers, id).await?;
    if !found.stored.about.status.is_over() {
        let message = "The response is still being worked on: cancel it before you delete it.";
        return Err(Fault::new(FaultCode::InvalidRequest, message).with_param("response_id"));
    }
    match app.results.remove(&key, &found, PATIENCE).await {
        Ok(()) => {}
        // Whoever was first has removed it.
        Err(ResultError::Changed) => return Err(unknown(key.id())),
        Err(error) => return Err(failed(call, &error)),
    }
    let about = &found.stored.about;
    if about.stream
        && let Err(error) = app.replays.remove(about.request).await
    {
        // They die by age, and nobody finds them without the record.
        failed(call, &error);
    }
    let said = serde_json::json!({ "id": key.id(), "object": "response", "deleted": true });
    Ok(said.to_string().into())
}

/// The response that a path names, if it is the caller's.
pub(super) async fn own(
    app: &App,
    call: &mut Call,
    headers: &HeaderMap,
    id: Id,
) -> Result<(Key, Found), Fault> {
    let (key, _) = enter(app, call, headers).await?;
    let id = id.map_or_else(|_| String::new(), |Path(id)| id);
    let key = Key::new(&key.project, id);
    let found = find(app, call, &key).await?;
    found.map(|found| (key.clone(), found)).ok_or_else(|| unknown(key.id()))
}

/// The response under a key.
pub(super) async fn find(app: &App, call: &Call, key: &Key) -> Result<Option<Found>, Fault> {
    match app.results.read(key, &app.projection.ring(), PATIENCE).await {
        Ok(found) => Ok(found),
        Err(ResultError::Damaged(error)) => {
            // Its payload key may be forgotten already, and the response with it.
            let (request_id, traceparent) = (call.id_text(), &call.traceparent);
            tracing::warn!(request_id, traceparent, error = %error, "a stored response does not open");
            Ok(None)
        }
        Err(error) => Err(failed(call, &error)),
    }
}

/// The fault of a store that does not answer.
pub(super) fn failed(call: &Call, error: &ResultError) -> Fault {
    let (request_id, traceparent) = (call.id_text(), &call.traceparent);
    tracing::warn!(request_id, traceparent, error = %error, "stored responses cannot be reached");
    Fault::new(FaultCode::Unavailable, "Stored responses cannot be reached at the moment.")
        .retry_after(RETRY_AFTER_MS)
}

/// The fault of a response that is not there.
pub(super) fn unknown(id: &str) -> Fault {
    let id: String = id.chars().take(128).collect();
    Fault::new(FaultCode::NotFound, format!("Response with id '{id}' not found."))
}
