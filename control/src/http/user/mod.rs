//! `/v1/user`: what an end user does with a session.

mod provider_keys;
mod wallet;

use utoipa_axum::router::OpenApiRouter;

use super::App;

/// The group's routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(wallet::routes()).merge(provider_keys::routes())
}
