//! Background responses: kept as queued, then stored like any request, and answered with at once. Nobody waits for
//! the worker; the kept record is where the answer will be.

use std::sync::Arc;

use bytes::Bytes;
use proto::clock::now_ms;
use proto::dialect::openai_responses::{self, Mark, marked, queued, response_event, response_id};
use proto::envelope::Envelope;
use proto::fault::{Fault, FaultCode};
use proto::nats::{Replaces, Tail};
use proto::stored::{About, Key, Status, Stored};

use super::kept::{PATIENCE, failed, find};
use crate::body::Held;
use crate::call::Call;
use crate::dispatch::enqueue;
use crate::state::App;

/// A response that was accepted.
pub(in crate::routes) struct Queued {
    /// Where it is kept.
    pub(in crate::routes) key: Key,
    /// The response object.
    pub(in crate::routes) response: Bytes,
}

/// Accepts a background response. Errs with 400 or 503; then nothing of it is kept.
pub(in crate::routes) async fn queue(
    app: &Arc<App>,
    call: &Call,
    envelope: Envelope,
    body: Held,
) -> Result<Queued, Fault> {
    let previous = envelope.kept.as_ref().and_then(|kept| kept.previous.clone());
    if let Some(previous) = &previous {
        go_on_from(app, call, &Key::new(&envelope.project, previous)).await?;
    }
    let (request, id) = (envelope.request, response_id(envelope.request));
    let key = Key::new(&envelope.project, &id);
    let created_ms = now_ms();
    let response: Bytes = queued(&id, &body.bytes, created_ms / 1000).to_string().into();
    let response = marked(&response, &Mark { id: None, previous, background: true });
    let stored = Stored {
        about: About {
            request,
            project: envelope.project.clone(),
            id,
            status: Status::Queued,
            model: envelope.model.clone(),
            created_ms,
            background: true,
            stream: envelope.stream,
            token: None,
        },
        input: openai_responses::input_of_body(&body.bytes),
        response: response.clone(),
        end: Bytes::new(),
    };
    let ring = app.projection.ring();
    let written = app.results.write(&key, &ring, stored, Replaces::Nothing, "queued", PATIENCE).await;
    let found = written.map_err(|error| failed(call, &error))?;
    let stream = envelope.stream;
    let stored = async {
        if stream {
            let event = response_event("response.queued", 0, &response);
            let appended = app.replays.append(request, &ring, &event, None, Tail::default(), PATIENCE).await;
            appended.map_err(|error| failed(call, &error))?;
        }
        enqueue(app, envelope, body).await
    };
    if let Err(fault) = stored.await {
        // Should the request be stored after all, its worker finds no record and does nothing.
        if let Err(error) = app.results.remove(&key, &found, PATIENCE).await {
            failed(call, &error);
        }
        return Err(fault);
    }
    Ok(Queued { key, response })
}

/// The response to go on from must be there and answered: the caller learns it now rather than later.
async fn go_on_from(app: &App, call: &Call, key: &Key) -> Result<(), Fault> {
    let (code, message) = match find(app, call, key).await? {
        Some(found) if found.stored.about.status.is_answered() => return Ok(()),
        Some(_) => {
            (FaultCode::InvalidRequest, format!("The response `{}` has no answer to go on from.", key.id()))
        }
        None => (
            FaultCode::PreviousResponseNotFound,
            format!("Previous response with id '{}' not found.", key.id()),
        ),
    };
    Err(Fault::new(code, message).with_param("previous_response_id"))
}
