//! `/admin/v1`: what operators see and do. Objects of the document change by new versions of it; what is switched on
//! and off is no part of it.

mod audit;
mod credentials;
mod developers;
mod features;
mod health;
mod keys;
mod models;
mod projects;
mod providers;
mod requests;
mod sessions;
pub(crate) mod shape;
mod tokens;
mod usage;
mod wallets;

use utoipa_axum::router::OpenApiRouter;

use super::App;

/// The group's routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(providers::routes())
        .merge(models::routes())
        .merge(developers::routes())
        .merge(projects::routes())
        .merge(features::routes())
        .merge(keys::routes())
        .merge(credentials::routes())
        .merge(sessions::routes())
        .merge(wallets::routes())
        .merge(usage::routes())
        .merge(requests::routes())
        .merge(audit::routes())
        .merge(tokens::routes())
        .merge(health::routes())
}
