//! `POST /v1/sessions`: opens a session for an end user. What it is bound to bounds every request made with it.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use proto::clock::now_ms;
use proto::config::{Project, Purse, RoutePolicy};
use proto::secret::random_secret;
use proto::subject::KEYS_BUCKET;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::error::Error;
use crate::http::auth::{ProjectServer, SESSION_PREFIX, open_project};
use crate::http::developer::shape::{commit, feature_not_found, invalid_app, new_id};
use crate::http::developer::usd;
use crate::http::read::Body;
use crate::http::{App, Problem};
use crate::store::records::SessionRow;
use crate::store::{self, NewRow, sessions, usage};

/// What a session may do at all.
const SCOPES: [&str; 5] = ["chat", "byok:read", "byok:write", "local:read", "wallet:read"];
/// What a session may do that anybody could open: nothing with what belongs to the user of that id.
const OPEN_SCOPES: [&str; 1] = ["chat"];
const USER_ID_MAX: usize = 512;
const METADATA_BYTES_MAX: usize = 8_192;

/// A session to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    /// The app.
    #[schema(min_length = 1, max_length = 128)]
    public_app_id: String,
    /// The app's own id of the user. Only its hash is kept.
    #[schema(min_length = 1, max_length = 512)]
    external_user_id: String,
    /// The only feature that it is for.
    feature_key: Option<String>,
    /// Added to what is known of the user.
    metadata: Option<Map<String, Value>>,
    /// What it may do: `chat`, `byok:read`, `byok:write`, `local:read`, `wallet:read`; all that the caller may grant
    /// where absent.
    scopes: Option<Vec<String>>,
}

/// A session that was opened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenedSession {
    /// Its secret. It is shown this once.
    session_token: String,
    session_id: String,
    /// In so many seconds it ends.
    expires_in: u64,
    gateway_base_url: String,
    /// Who may pay for its requests: `platform`, `developer_key`, `byok`, `local`.
    available_modes: Vec<&'static str>,
    wallet_balance_usd: String,
    scopes: Vec<String>,
}

/// Opens a session
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = NewSession,
    responses((status = 201, description = "The session", body = OpenedSession)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Option<ProjectServer>,
    body: Result<Body<NewSession>, Problem>,
) -> Result<(StatusCode, Json<OpenedSession>), Problem> {
    // Whoever has no credential learns nothing, neither of the body nor of what apps there are.
    let stranger =
        || Problem::unauthenticated("This needs a project's secret or an assertion signed with it.");
    let Body(body) = body.map_err(|problem| if caller.is_none() { stranger() } else { problem })?;
    let document = app.document().await?;
    let mut projects = document.iter().flat_map(|document| &document.projects);
    let found = projects.find(|project| project.public_app_id() == body.public_app_id);
    let project = match (&caller, found) {
        (None, Some(project)) if project.open_sessions => {
            open_project(&app, &project.name).await?;
            project
        }
        (None, _) => return Err(stranger()),
        (Some(_), None) => return Err(invalid_app()),
        (Some(server), Some(project)) if server.project != project.name => {
            return Err(Problem::forbidden("The credential is another app's."));
        }
        (Some(_), Some(project)) => project,
    };
    let bound = bounds(project, caller.as_ref(), &body)?;
    open(&app, project, bound, body).await
}

/// What a session is bound to.
struct Bounds {
    feature: Option<String>,
    scopes: Vec<String>,
}

/// The feature and the scopes that the caller may give, of those that are asked for.
fn bounds(project: &Project, caller: Option<&ProjectServer>, body: &NewSession) -> Result<Bounds, Problem> {
    if !(1..=USER_ID_MAX).contains(&body.external_user_id.chars().count()) {
        let message = format!("`external_user_id` must have 1 to {USER_ID_MAX} characters.");
        return Err(Problem::field("external_user_id", message));
    }
    let assertion = caller.and_then(|caller| caller.assertion.as_ref());
    if assertion.is_some_and(|assertion| assertion.sub != body.external_user_id) {
        return Err(Problem::forbidden("The assertion is for another user."));
    }
    let asserted = assertion.and_then(|assertion| assertion.feature_key.clone());
    let feature = match (asserted, body.feature_key.clone()) {
        (Some(bound), Some(wanted)) if bound != wanted => {
            return Err(Problem::forbidden("The assertion is for another feature."));
        }
        (bound, wanted) => bound.or(wanted),
    };
    if feature.as_deref().is_some_and(|key| project.feature(key).is_none()) {
        return Err(feature_not_found());
    }
    let grantable: &[&str] = if caller.is_some() { &SCOPES } else { &OPEN_SCOPES };
    let asserted = assertion.and_then(|assertion| assertion.scopes.as_ref());
    let may = |scope: &str| {
        grantable.contains(&scope) && asserted.is_none_or(|scopes| scopes.iter().any(|one| one == scope))
    };
    let Some(wanted) = &body.scopes else {
        let scopes = SCOPES.into_iter().filter(|scope| may(scope)).map(str::to_owned).collect();
        return Ok(Bounds { feature, scopes });
    };
    if let Some(unknown) = wanted.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        let message = format!("`scopes` holds one that there is not; there are {}.", SCOPES.join(", "));
        return Err(Problem::field("scopes", message).with_details(json!({ "scope": unknown })));
    }
    if let Some(scope) = wanted.iter().find(|scope| !may(scope)) {
        return Err(Problem::forbidden(format!("The scope {scope} is not yours to grant.")));
    }
    let asked = |scope: &&str| wanted.iter().any(|one| one == scope);
    Ok(Bounds { feature, scopes: SCOPES.into_iter().filter(asked).map(str::to_owned).collect() })
}

async fn open(
    app: &App,
    project: &Project,
    bound: Bounds,
    body: NewSession,
) -> Result<(StatusCode, Json<OpenedSession>), Problem> {
    let policy = RoutePolicy::of(Some(project), bound.feature.as_deref());
    let policy =
        policy.map_err(|error| Problem::conflict(format!("The app's policy cannot be used: {error}.")))?;
    let secret = random_secret(SESSION_PREFIX).map_err(|_| Error::Random)?;
    let (now, hash) = (now_ms(), app.secrets.pepper.hash(&secret));
    let digest = Sha256::digest(body.external_user_id.as_bytes());
    let external: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut tx = store::begin(&app.db).await?;
    let (end_user, known) =
        sessions::end_user(&mut tx, &new_id("usr"), &project.name, &external, now).await?;
    if let Some(metadata) = body.metadata.filter(|metadata| !metadata.is_empty()) {
        sessions::set_metadata(&mut tx, &end_user, &merged(&known, metadata)?).await?;
    }
    let session = SessionRow {
        id: new_id("ses"),
        project: project.name.clone(),
        end_user,
        hash,
        feature: bound.feature,
        scopes: bound.scopes,
        expires_ms: now.saturating_add(app.sessions.ttl_s.saturating_mul(1000)),
        revoked: false,
    };
    sessions::insert(&mut tx, &session, now).await?;
    let row = NewRow::put(KEYS_BUCKET, &session.hash, &session.record())?;
    commit(app, tx, &[row]).await?;
    let balance = usage::balance(&app.db, &format!("end_user:{}", session.end_user)).await?;
    let opened = OpenedSession {
        session_token: secret,
        session_id: session.id,
        expires_in: app.sessions.ttl_s,
        gateway_base_url: app.sessions.gateway_base_url.clone(),
        available_modes: policy.order.iter().copied().map(mode).collect(),
        wallet_balance_usd: usd(balance),
        scopes: session.scopes,
    };
    Ok((StatusCode::CREATED, Json(opened)))
}

/// What is known of a user with what is added.
fn merged(known: &str, added: Map<String, Value>) -> Result<String, Problem> {
    let mut all: Map<String, Value> = serde_json::from_str(known).map_err(Error::from)?;
    all.extend(added);
    let text = serde_json::to_string(&all).map_err(Error::from)?;
    if text.len() > METADATA_BYTES_MAX {
        let message = format!("`metadata` of a user is at most {METADATA_BYTES_MAX} bytes altogether.");
        return Err(Problem::field("metadata", message));
    }
    Ok(text)
}

fn mode(purse: Purse) -> &'static str {
    match purse {
        Purse::Platform => "platform",
        Purse::Developer => "developer_key",
        Purse::EndUser => "byok",
        Purse::Local => "local",
    }
}
