//! `/v1/developer` and `/v1/apps`: what a developer sees and does; `POST /v1/developers`, which makes one.
//!
//! Everything is filtered by the token's developer where it is read and where it is changed: another tenant's things
//! are answered as if they were not there.

mod apps;
mod developers;
mod features;
mod operations;
mod pricing;
mod provider_keys;
mod secrets;
pub(crate) mod shape;
mod tokens;
mod usage;

use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::operations::Wallet;
pub(crate) use self::usage::usd;
use super::App;

/// The group's routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(developers::routes())
        .merge(tokens::routes())
        .merge(apps::routes())
        .merge(secrets::routes())
        .merge(features::routes())
        .merge(provider_keys::routes())
        .merge(operations::routes())
        .merge(usage::routes())
}
