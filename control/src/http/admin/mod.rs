//! `/admin/v1`: what operators see and do.

use utoipa_axum::router::OpenApiRouter;

use super::App;

/// The group's routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
}
