//! `GET /v1/models` and `GET /v1/models/{id}`

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use proto::config::{Config, WILDCARD};
use proto::dialect::Dialect;
use proto::dialect::caller::{model, models_list};
use proto::fault::{Fault, FaultCode};

use super::enter;
use crate::call::Call;
use crate::metrics::Route;
use crate::respond;
use crate::state::App;

/// The names that callers may use.
pub(crate) async fn list(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request.headers(), |dialect, config| {
        let names: Vec<&str> =
            config.models.iter().map(|model| model.alias.as_str()).filter(|name| *name != WILDCARD).collect();
        Ok(Bytes::from(models_list(dialect, &names, config.published_ms / 1000).into_owned()))
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
    answer(&app, request.headers(), |dialect, config| {
        if id == WILDCARD || config.model(&id).is_none() {
            let message = "There is no model of this name.";
            return Err(Fault::new(FaultCode::ModelNotFound, message).with_param("model"));
        }
        Ok(Bytes::from(model(dialect, &id, config.published_ms / 1000)))
    })
    .await
}

async fn answer(
    app: &App,
    headers: &HeaderMap,
    render: impl FnOnce(Dialect, &Config) -> Result<Bytes, Fault>,
) -> Response {
    let mut call = Call::begin(&app.metrics, Route::Models, headers);
    let dialect = call.dialect;
    match enter(app, &mut call, headers).await.and_then(|(_, config)| render(dialect, &config)) {
        Ok(body) => respond::json(call, body, None),
        Err(fault) => respond::refuse(call, &fault, None),
    }
}
