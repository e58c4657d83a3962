//! `/admin/v1/config`: drafts, previews, publications, history.

use utoipa_axum::router::OpenApiRouter;

use super::App;

/// The group's routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
}
