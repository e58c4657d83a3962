//! `/v1/sessions`: sessions of end users, opened by a project's server, or by the user's own client with an assertion
//! that the server has signed; by anybody only where the project says so.

mod mint;
mod revoke;
mod settings;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::settings::Settings;
use super::App;

/// The group's routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(mint::create)).routes(routes!(revoke::revoke))
}
