//! `/v1/sessions`: a project's server opens sessions for its end users.

use utoipa_axum::router::OpenApiRouter;

use super::App;

/// The group's routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
}
