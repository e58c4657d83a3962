//! Every group of routes, the document that describes them, and the layers around them.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::read::BODY_BYTES_MAX;
use super::{App, Problem, admin, auth, config, context, cors, developer, openapi, sessions, user};
use crate::error::Error;

/// Every described route. Each group owns its paths whole.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(admin::routes())
        .merge(config::routes())
        .merge(developer::routes())
        .merge(sessions::routes())
        .merge(user::routes())
}

/// The document at `/openapi.json`.
pub(crate) fn document() -> OpenApi {
    openapi::finish(described().into_openapi())
}

/// The whole control plane: the described routes behind their guards, and the operators' own beside them.
pub(crate) fn router(
    app: App,
    operators: Router,
    origins: &[String],
    production: bool,
) -> Result<Router, Error> {
    let cors = cors::layer(origins, production)?;
    let document = Arc::new(Bytes::from(serde_json::to_vec(&document())?));
    let (routes, _) = described().split_for_parts();
    let routes = routes
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(context::note_route))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), auth::guard))
        .with_state(app);
    let document = Router::new().route("/openapi.json", get(openapi_json)).with_state(document);
    Ok(routes.merge(document).merge(operators).layer(cors).layer(middleware::from_fn(context::layer)))
}

async fn openapi_json(State(document): State<Arc<Bytes>>) -> Response {
    ([(CONTENT_TYPE, "application/json")], Bytes::clone(&document)).into_response()
}

async fn unknown_path() -> Problem {
    Problem::not_found("route")
}

async fn wrong_method() -> Problem {
    let message = "This path does not take that method.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
