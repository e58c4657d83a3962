//! `POST /v1/responses/{id}/cancel`: a background response is not wanted any more. What the record says counts; the
//! workers are told so that they stop sooner than they would find out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use proto::ctl::{Cancel, CancelReason};
use proto::dialect::openai_responses::cancelled;
use proto::fault::{Fault, FaultCode};
use proto::nats::{Replaces, ResultError};
use proto::stored::Status;

use super::kept::{Id, PATIENCE, failed, find, own, unknown};
use crate::call::Call;
use crate::metrics::Route;
use crate::respond;
use crate::state::App;

/// A worker may change the record at the same time, but only so often.
const TRIES: u32 = 8;

/// Answers with the response as it is then; one that is over stays what it is.
pub(crate) async fn cancel(State(app): State<Arc<App>>, id: Id, request: Request) -> Response {
    let mut call = Call::begin(&app.metrics, Route::Responses, request.headers());
    match end(&app, &mut call, request.headers(), id).await {
        Ok(response) => respond::json(call, response, None),
        Err(fault) => respond::refuse(call, &fault, None),
    }
}

async fn end(app: &App, call: &mut Call, headers: &HeaderMap, id: Id) -> Result<Bytes, Fault> {
    let (key, mut found) = own(app, call, headers, id).await?;
    if !found.stored.about.background {
        let message = "Only a response that was created with `background` can be cancelled.";
        return Err(Fault::new(FaultCode::InvalidRequest, message).with_param("response_id"));
    }
    for tries in 0..TRIES {
        if found.stored.about.status.is_over() {
            return Ok(found.stored.response);
        }
        let mut next = found.stored.clone();
        next.about.status = Status::Cancelled;
        next.response = cancelled(next.object()).to_string().into();
        let by = format!("{}.cancelled.{tries}", call.id_text());
        let ring = app.projection.ring();
        match app.results.write(&key, &ring, next, Replaces::Exactly(&found), &by, PATIENCE).await {
            Ok(now) => {
                let about = &now.stored.about;
                app.outbox.cancel(Cancel { request: about.request, token: None, why: CancelReason::Asked });
                if about.stream {
                    app.replays.wake(about.request).await;
                }
                return Ok(now.stored.response);
            }
            Err(ResultError::Changed) => {
                found = find(app, call, &key).await?.ok_or_else(|| unknown(key.id()))?;
            }
            Err(error) => return Err(failed(call, &error)),
        }
    }
    Err(failed(call, &ResultError::Changed))
}
