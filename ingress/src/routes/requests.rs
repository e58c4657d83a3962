//! `GET /v1/requests/{id}`: what became of a request, as the books have it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use proto::clock::now_ms;
use proto::config::KeyRecord;
use proto::ctl::{Lookup, RequestView};
use proto::envelope::Envelope;
use proto::fault::{Fault, FaultCode};
use proto::id::RequestId;
use proto::subject::CTL_LOOKUP;

use super::enter;
use crate::call::Call;
use crate::metrics::Route;
use crate::respond;
use crate::state::App;

/// How long all look-ups for one request may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The ledger books in batches: a request that has just ended is asked for again after this.
const BOOKING: Duration = Duration::from_millis(150);
const BOOKING_TRIES: u32 = 5;
/// A request older than this would be on the books by now.
const RECENT_MS: u64 = 10_000;
const RETRY_AFTER_MS: u64 = 1000;

/// Answers for the key's own project alone; another's request is as good as none.
pub(crate) async fn retrieve(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let mut call = Call::begin(&app.metrics, Route::Requests, request.headers());
    // An id that cannot even be decoded is an unknown one.
    let id = id.map_or_else(|_| String::new(), |Path(id)| id);
    match view(&app, &mut call, request.headers(), &id).await {
        Ok(view) => respond::json(call, view, None),
        Err(fault) => respond::refuse(call, &fault, None),
    }
}

async fn view(app: &App, call: &mut Call, headers: &HeaderMap, id: &str) -> Result<Bytes, Fault> {
    let (key, _) = enter(app, call, headers).await?;
    let id: RequestId = id.parse().map_err(|_| unknown())?;
    let view = match tokio::time::timeout(PATIENCE, find(app, call, &key, id)).await {
        Ok(found) => found?.ok_or_else(unknown)?,
        Err(_) => return Err(unreachable_ledger()),
    };
    serde_json::to_vec(&view)
        .map(Bytes::from)
        .map_err(|_| Fault::new(FaultCode::Internal, "The request cannot be shown."))
}

async fn find(app: &App, call: &Call, key: &KeyRecord, id: RequestId) -> Result<Option<RequestView>, Fault> {
    for _ in 0..BOOKING_TRIES {
        if let Some(view) = look_up(app, call, key, id).await? {
            return Ok(Some(view));
        }
        if let Some(envelope) = app.slots.find(id) {
            return Ok((envelope.project == key.project).then(|| in_progress(&envelope)));
        }
        if now_ms().saturating_sub(made_ms(id)) > RECENT_MS {
            return Ok(None);
        }
        tokio::time::sleep(BOOKING).await;
    }
    Ok(None)
}

async fn look_up(
    app: &App,
    call: &Call,
    key: &KeyRecord,
    id: RequestId,
) -> Result<Option<RequestView>, Fault> {
    let lookup = Lookup { request: id, project: key.project.clone() };
    let question = serde_json::to_vec(&lookup).map_err(|_| unreachable_ledger())?;
    let answer = app.link.client.request(CTL_LOOKUP, question.into()).await.map_err(|error| {
        let (request_id, traceparent) = (call.id_text(), &call.traceparent);
        tracing::debug!(request_id, traceparent, about = %id, error = %error, "no ledger answered");
        unreachable_ledger()
    })?;
    if answer.payload.is_empty() {
        return Ok(None);
    }
    let view: Option<RequestView> = serde_json::from_slice(&answer.payload).map_err(|error| {
        let (request_id, traceparent) = (call.id_text(), &call.traceparent);
        tracing::warn!(request_id, traceparent, about = %id, error = %error, "a ledger's answer does not decode");
        unreachable_ledger()
    })?;
    Ok(view.filter(|view| view.project == key.project))
}

/// A request that waits here and is not on the books yet.
fn in_progress(envelope: &Envelope) -> RequestView {
    RequestView {
        id: envelope.request,
        object: "request".to_owned(),
        status: "in_progress".to_owned(),
        project: envelope.project.clone(),
        key: envelope.key.clone(),
        client_request_id: envelope.client_request_id.clone(),
        requested_model: envelope.model.clone(),
        route_mode: None,
        config: envelope.config,
        accepted_ms: made_ms(envelope.request),
        used: None,
        cost_usd: None,
        attempts: Vec::new(),
    }
}

/// When an id was made: the first 48 bits of a UUID v7 are milliseconds since the Unix epoch (RFC 9562, 5.7).
fn made_ms(id: RequestId) -> u64 {
    u64::try_from(id.as_u128() >> 80).unwrap_or(u64::MAX)
}

fn unknown() -> Fault {
    Fault::new(FaultCode::NotFound, "There is no request of this id.")
}

fn unreachable_ledger() -> Fault {
    Fault::new(FaultCode::Unavailable, "The books cannot be read at the moment.").retry_after(RETRY_AFTER_MS)
}
