//! `/admin/v1/tokens`: named tokens of administrators and viewers. A secret is shown once.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::clock::now_ms;
use proto::secret::random_secret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{act, checked, future_ms, id_of, new_id, time};
use crate::error::Error;
use crate::http::auth::{ADMIN_PREFIX, Admin};
use crate::http::context::Context;
use crate::http::page::{Page, PageParams};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};
use crate::store;
use crate::store::admin_tokens::{self, TokenRow};

const PREFIX_SHOWN: usize = 12;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(retrieve, revoke))
}

/// What the holder may do.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RoleName {
    /// Everything.
    Admin,
    /// Read, without what is redacted.
    Viewer,
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// As the audit log names its holder; no other token has it.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// What its holder may do.
    role: RoleName,
    /// When it ends, as 2027-01-31T12:00:00Z; never where absent.
    expires_at: Option<String>,
}

/// A token.
#[derive(Debug, Serialize, ToSchema)]
struct TokenView {
    id: String,
    name: String,
    role: String,
    /// The beginning of its secret, to know it by.
    prefix: String,
    /// `active`, `expired` or `revoked`.
    status: &'static str,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
struct MadeToken {
    /// The secret. It is shown this once.
    token: String,
    #[serde(flatten)]
    about: TokenView,
}

impl TokenView {
    fn of(row: TokenRow) -> Self {
        let over = row.expires_ms.is_some_and(|end| end <= now_ms());
        let status = match row.revoked_ms {
            Some(_) => "revoked",
            None if over => "expired",
            None => "active",
        };
        Self {
            id: row.id,
            name: row.name,
            role: row.role,
            prefix: row.prefix,
            status,
            created_at: time(row.created_ms),
            expires_at: row.expires_ms.map(time),
            revoked_at: row.revoked_ms.map(time),
            last_used_at: row.last_used_ms.map(time),
        }
    }
}

/// Lists the tokens
#[utoipa::path(get, path = "/admin/v1/tokens", tag = "tokens", params(PageParams),
    responses((status = 200, description = "The tokens", body = Page<TokenView>)))]
async fn list(
    State(app): State<App>,
    _: Admin,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<TokenView>>, Problem> {
    let paging = params.paging()?;
    let rows = admin_tokens::page(&app.db, &paging.after, paging.one_more()).await?;
    Ok(Json(paging.page(rows, |row| row.id.clone()).map(TokenView::of)))
}

/// Makes a token
#[utoipa::path(post, path = "/admin/v1/tokens", tag = "tokens",
    responses((status = 201, description = "The token, with its secret", body = MadeToken)))]
async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Body(body): Body<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    checked("name", &body.name, 1..=128)?;
    let expires_ms = body.expires_at.as_deref().map(|text| future_ms("expires_at", text)).transpose()?;
    let secret = random_secret(ADMIN_PREFIX).map_err(|_| Error::Random)?;
    let role = match body.role {
        RoleName::Admin => "admin",
        RoleName::Viewer => "viewer",
    };
    let row = TokenRow {
        id: new_id("atok"),
        name: body.name,
        role: role.to_owned(),
        prefix: secret.chars().take(PREFIX_SHOWN).collect(),
        created_ms: now_ms(),
        expires_ms,
        revoked_ms: None,
        last_used_ms: None,
    };
    let mut tx = store::begin(&app.db).await?;
    admin_tokens::insert(&mut tx, &row, &app.secrets.pepper.hash(&secret)).await?;
    let shown = json!({ "name": row.name, "role": row.role, "expires_at": row.expires_ms.map(time) });
    let act = act(&admin, &context, "admin_token.create", &row.id).changed(None, Some(shown));
    app.commit(tx, &[], act).await?;
    Ok((StatusCode::CREATED, Json(MadeToken { token: secret, about: TokenView::of(row) })))
}

/// Shows a token
#[utoipa::path(get, path = "/admin/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The token", body = TokenView)))]
async fn retrieve(
    State(app): State<App>,
    _: Admin,
    Segments(id): Segments<String>,
) -> Result<Json<TokenView>, Problem> {
    Ok(Json(TokenView::of(found(&app, id).await?)))
}

/// Revokes a token
#[utoipa::path(delete, path = "/admin/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The token, revoked", body = TokenView)))]
async fn revoke(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Json<TokenView>, Problem> {
    let row = found(&app, id).await?;
    if row.revoked_ms.is_some() {
        return Ok(Json(TokenView::of(row)));
    }
    let now = now_ms();
    let mut tx = store::begin(&app.db).await?;
    admin_tokens::revoke(&mut tx, &row.id, now).await?;
    app.commit(tx, &[], act(&admin, &context, "admin_token.revoke", &row.id)).await?;
    Ok(Json(TokenView::of(TokenRow { revoked_ms: Some(now), ..row })))
}

async fn found(app: &App, id: String) -> Result<TokenRow, Problem> {
    let id = id_of(id, "token")?;
    admin_tokens::get(&app.db, &id).await?.ok_or_else(|| Problem::not_found("token"))
}
