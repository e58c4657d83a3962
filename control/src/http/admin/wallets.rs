//! `/admin/v1/wallets`: what has moved through every account of the books.

use axum::Json;
use axum::extract::State;
use ledger::report::{self, AccountLine};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::id_of;
use crate::error::Error;
use crate::http::auth::Admin;
use crate::http::page::{Page, PageParams};
use crate::http::read::{Params, Segments};
use crate::http::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(retrieve))
}

/// An account of the books.
#[derive(Debug, Serialize, ToSchema)]
struct WalletView {
    /// `project:NAME`, `provider:NAME` or `platform:loss`.
    id: String,
    /// All that was taken from it, in decimal US dollars.
    debits_usd: String,
    /// All that was put into it.
    credits_usd: String,
    /// Credits less debits: below zero is owed.
    balance_usd: String,
}

impl WalletView {
    fn of(line: AccountLine) -> Self {
        Self {
            debits_usd: line.debits.to_string(),
            credits_usd: line.credits.to_string(),
            balance_usd: line.balance().to_string(),
            id: line.id,
        }
    }
}

/// Lists the wallets
#[utoipa::path(get, path = "/admin/v1/wallets", tag = "books", params(PageParams),
    responses((status = 200, description = "The wallets", body = Page<WalletView>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<WalletView>>, Problem> {
    let paging = params.paging()?;
    let lines = report::accounts(&app.db, &paging.after, paging.one_more()).await.map_err(Error::Books)?;
    Ok(Json(paging.page(lines, |line| line.id.clone()).map(WalletView::of)))
}

/// Shows a wallet
#[utoipa::path(get, path = "/admin/v1/wallets/{id}", tag = "books",
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, description = "The wallet", body = WalletView)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<WalletView>, Problem> {
    let id = id_of(id, "wallet")?;
    let line = report::account(&app.db, &id).await.map_err(Error::Books)?;
    Ok(Json(WalletView::of(line.ok_or_else(|| Problem::not_found("wallet"))?)))
}
