//! `/v1/developer/tokens`: a developer's tokens. A secret is shown once, and no token makes one with more rights.

use std::collections::BTreeSet;

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

use super::shape::{checked, future_ms, is_id, new_id, time};
use crate::audit::Act;
use crate::error::Error;
use crate::http::auth::{DEVELOPER_PREFIX, Developer, Scope};
use crate::http::context::Context;
use crate::http::page::{Page, PageParams};
use crate::http::read::{Body, Params, Segments};
use crate::http::{App, Problem};
use crate::store::developer_tokens::{self as tokens, Token};
use crate::store::{self, developers};

const PREFIX_SHOWN: usize = 12;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(revoke))
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDeveloperToken {
    /// Whose; one's own where absent.
    developer_id: Option<String>,
    /// Whose, by e-mail address.
    developer_email: Option<String>,
    /// Its name, 1 to 128 characters.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// What it may do; everything that the caller may where absent.
    scopes: Option<Vec<String>>,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
struct DeveloperTokenView {
    id: String,
    developer_id: String,
    name: String,
    /// How the secret begins.
    token_prefix: String,
    scopes: Vec<String>,
    /// `active`, `expired` or `revoked`.
    status: &'static str,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
struct MadeDeveloperToken {
    /// The secret. It is shown this once.
    token: String,
    #[serde(flatten)]
    about: DeveloperTokenView,
}

impl DeveloperTokenView {
    fn of(token: Token) -> Self {
        let over = token.expires_ms.is_some_and(|end| end <= now_ms());
        let status = match token.revoked_ms {
            Some(_) => "revoked",
            None if over => "expired",
            None => "active",
        };
        Self {
            id: token.id,
            developer_id: token.developer,
            name: token.name,
            token_prefix: token.prefix,
            scopes: token.scopes,
            status,
            created_at: time(token.created_ms),
            expires_at: token.expires_ms.map(time),
            last_used_at: token.last_used_ms.map(time),
            revoked_at: token.revoked_ms.map(time),
        }
    }
}

/// Makes a token
#[utoipa::path(post, path = "/v1/developer/tokens", tag = "developer",
    responses((status = 201, description = "The token, with its secret", body = MadeDeveloperToken)))]
async fn create(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Body(body): Body<NewDeveloperToken>,
) -> Result<(StatusCode, Json<MadeDeveloperToken>), Problem> {
    checked("name", &body.name, 1..=128)?;
    let expires_ms = body.expires_at.as_deref().map(|text| future_ms("expires_at", text)).transpose()?;
    let scopes = granted(&caller, body.scopes.as_deref())?;
    let developer = whose(&app, &caller, &body).await?;
    let secret = random_secret(DEVELOPER_PREFIX).map_err(|_| Error::Random)?;
    let token = Token {
        id: new_id("dtok"),
        developer,
        name: body.name,
        prefix: secret.chars().take(PREFIX_SHOWN).collect(),
        scopes,
        created_ms: now_ms(),
        expires_ms,
        revoked_ms: None,
        last_used_ms: None,
    };
    let mut tx = store::begin(&app.db).await?;
    tokens::insert(&mut tx, &token, &app.secrets.pepper.hash(&secret)).await?;
    let shown =
        json!({ "name": token.name, "scopes": token.scopes, "expires_at": token.expires_ms.map(time) });
    let act = Act::new(caller.actor(), "developer_token.create").on(&token.id).changed(None, Some(shown));
    let act = act.of_developer(Some(token.developer.clone())).asked_by(Some(context.id));
    app.commit(tx, &[], act).await?;
    Ok((
        StatusCode::CREATED,
        Json(MadeDeveloperToken { token: secret, about: DeveloperTokenView::of(token) }),
    ))
}

/// Lists the tokens
#[utoipa::path(get, path = "/v1/developer/tokens", tag = "developer", params(PageParams),
    responses((status = 200, description = "The tokens", body = Page<DeveloperTokenView>)))]
async fn list(
    State(app): State<App>,
    caller: Developer,
    Params(params): Params<PageParams>,
) -> Result<Json<Page<DeveloperTokenView>>, Problem> {
    let paging = params.paging()?;
    let found = tokens::list(&app.db, caller.developer.as_deref(), &paging.after, paging.one_more()).await?;
    Ok(Json(paging.page(found, |token| token.id.clone()).map(DeveloperTokenView::of)))
}

/// Revokes a token
#[utoipa::path(delete, path = "/v1/developer/tokens/{id}", tag = "developer",
    params(("id" = String, Path, description = "The token's id")),
    responses((status = 200, description = "The token, revoked", body = DeveloperTokenView)))]
async fn revoke(
    State(app): State<App>,
    caller: Developer,
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Json<DeveloperTokenView>, Problem> {
    let unknown = || Problem::not_found("token");
    if !is_id(&id) {
        return Err(unknown());
    }
    let mut tx = store::begin(&app.db).await?;
    let revoked = tokens::revoke(&mut tx, &id, caller.developer.as_deref(), now_ms()).await?;
    let token = tokens::get(&mut tx, &id, caller.developer.as_deref()).await?.ok_or_else(unknown)?;
    if revoked {
        let act = Act::new(caller.actor(), "developer_token.revoke").on(&id);
        let act = act.of_developer(Some(token.developer.clone())).asked_by(Some(context.id));
        app.commit(tx, &[], act).await?;
    }
    Ok(Json(DeveloperTokenView::of(token)))
}

/// The scopes of a new token: no more than the caller's own.
fn granted(caller: &Developer, wanted: Option<&[String]>) -> Result<Vec<String>, Problem> {
    let Some(wanted) = wanted else {
        return Ok(caller.scopes.iter().map(|scope| scope.as_str().to_owned()).collect());
    };
    let mut scopes = BTreeSet::new();
    for name in wanted {
        let scope = Scope::parse(name).ok_or_else(|| {
            Problem::field(
                "scopes",
                "`scopes` holds one that there is not: there are nine, as developer:apps:read.",
            )
        })?;
        if !caller.scopes.contains(&scope) {
            let message = format!("A token cannot grant the scope {name}, which it lacks itself.");
            return Err(Problem::forbidden(message).with_details(json!({ "scope": name })));
        }
        scopes.insert(scope);
    }
    if scopes.is_empty() {
        return Err(Problem::field("scopes", "`scopes` must name one at least."));
    }
    Ok(scopes.into_iter().map(|scope| scope.as_str().to_owned()).collect())
}

/// The developer that the token is for. A developer names nobody else.
async fn whose(app: &App, caller: &Developer, body: &NewDeveloperToken) -> Result<String, Problem> {
    for (field, given) in [("developer_id", &body.developer_id), ("developer_email", &body.developer_email)] {
        if let Some(given) = given {
            checked(field, given, 1..=320)?;
        }
    }
    let found = match (&body.developer_id, &body.developer_email) {
        (Some(_), Some(_)) => {
            return Err(Problem::field(
                "developer_email",
                "Name the developer by id or by e-mail address, not both.",
            ));
        }
        (Some(id), None) => developers::get(&app.db, id).await?,
        (None, Some(email)) => developers::page(&app.db, "", &email.to_ascii_lowercase(), 1).await?.pop(),
        (None, None) => match &caller.developer {
            Some(own) => developers::get(&app.db, own).await?,
            None => {
                return Err(Problem::field(
                    "developer_id",
                    "`developer_id` must say whose token it is to be.",
                ));
            }
        },
    };
    match (&caller.developer, found) {
        (Some(own), Some(found)) if *own == found.id => Ok(found.id),
        (Some(_), _) => Err(Problem::forbidden("The tokens of another developer are not yours to make.")),
        (None, Some(found)) => Ok(found.id),
        (None, None) => Err(Problem::not_found("developer")),
    }
}
