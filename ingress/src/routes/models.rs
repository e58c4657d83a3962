//! `GET /v1/models` and `GET /v1/models/{id}`

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use proto::config::{KeyRecord, WILDCARD};
use proto::dialect::Dialect;
use proto::dialect::caller::{model, models_list};
use proto::fault::{Fault, FaultCode};

use super::enter;
use crate::call::Call;
use crate::known::Known;
use crate::metrics::Route;
use crate::respond;
use crate::state::App;

/// The names that the key may use.
pub(crate) async fn list(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, Call::of(&app.metrics, Route::Models, &request), request.headers(), |dialect, known, key| {
        let names = known.config.models.iter().map(|model| model.alias.as_str());
        let names: Vec<&str> = names.filter(|name| known.lists(key, name)).collect();
        Ok(Bytes::from(models_list(dialect, &names, known.config.published_ms / 1000).into_owned()))
    })
    .await
}

/// One of them; any name, where one alias serves them all.
pub(crate) async fn retrieve(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // A name that cannot even be decoded is an unknown one.
    let id = id.map_or_else(|_| WILDCARD.to_owned(), |Path(id)| id);
    answer(&app, Call::of(&app.metrics, Route::Models, &request), request.headers(), |dialect, known, key| {
        if id == WILDCARD || known.asked(key, &id).is_err() {
            let message = "There is no model of this name.";
            return Err(Fault::new(FaultCode::ModelNotFound, message).with_param("model"));
        }
        Ok(Bytes::from(model(dialect, &id, known.config.published_ms / 1000)))
    })
    .await
}

async fn answer(
    app: &App,
    mut call: Call,
    headers: &HeaderMap,
    render: impl FnOnce(Dialect, &Known, &KeyRecord) -> Result<Bytes, Fault>,
) -> Response {
    let (dialect, entered) = (call.dialect, enter(app, &mut call, headers).await);
    match entered.and_then(|(key, known)| render(dialect, &known, &key)) {
        Ok(body) => respond::json(call, body, None),
        Err(fault) => respond::refuse(call, &fault, None),
    }
}
