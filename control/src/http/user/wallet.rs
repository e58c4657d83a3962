//! `GET /v1/user/wallet`: what an end user has left.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::auth::Session;
use crate::http::developer::{Wallet, usd};
use crate::http::{App, Problem};
use crate::store::usage;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Shows the end user's wallet
#[utoipa::path(get, path = "/v1/user/wallet", tag = "user",
    responses((status = 200, description = "The wallet", body = Wallet)))]
async fn show(State(app): State<App>, caller: Session) -> Result<Json<Wallet>, Problem> {
    let wallet_id = format!("end_user:{}", caller.end_user);
    let balance_usd = usd(usage::balance(&app.db, &wallet_id).await?);
    Ok(Json(Wallet { wallet_id, owner_scope: "end_user", owner_id: caller.end_user, balance_usd }))
}
