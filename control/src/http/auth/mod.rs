//! The guards: who calls, and whether they may, decided before path, query and body are looked at.
//!
//! Each prefix asks for one kind of credential. Without one, or with one that nobody has, the answer is 401, and with
//! one that lacks the right 403, whether or not there is such a path: a stranger learns nothing about what there is.

mod assertion;
mod caller;
mod find;
mod guard;
mod scope;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;

pub(crate) use self::assertion::{Assertion, secret_of};
pub(crate) use self::caller::{Admin, Caller, Developer, ProjectServer, Role, Session};
pub(crate) use self::find::open_project;
pub(crate) use self::guard::{Guard, Need};
pub(crate) use self::scope::Scope;
use super::{App, Problem};

/// What tokens of each kind begin with.
pub(crate) const ADMIN_PREFIX: &str = "fb_adm_";
pub(crate) const DEVELOPER_PREFIX: &str = "mf_dev_";
pub(crate) const SESSION_PREFIX: &str = "mf_sess_";
pub(crate) const PROJECT_PREFIX: &str = "fb_app_";

/// The longest credential that is looked at, in bytes: a signed assertion.
const TOKEN_BYTES_MAX: usize = 4096;

/// The layer around every described route.
pub(super) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if let Some(guard) = Guard::of(path) {
        let need = guard.need(request.method(), path);
        match admit(&app, guard, need, request.headers()).await {
            Ok(Some(caller)) => {
                request.extensions_mut().insert(caller);
            }
            Ok(None) => {}
            Err(problem) => return refused(problem),
        }
    }
    next.run(request).await
}

/// Who calls, if they may; `None` where nobody in particular may.
async fn admit(app: &App, guard: Guard, need: Need, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
    let Some(token) = bearer(headers) else {
        if need == Need::ProjectOrNobody && !headers.contains_key(AUTHORIZATION) {
            return Ok(None);
        }
        return Err(Problem::unauthenticated(format!("This needs {}.", guard.description())));
    };
    let found = find::caller(app, token, guard).await?;
    let Some(caller) = found else {
        return Err(Problem::unauthenticated("The credential is unknown, revoked or over."));
    };
    guard::allows(&caller, guard, need)?;
    Ok(Some(caller))
}

/// The credential of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    let fits = !token.is_empty() && token.len() <= TOKEN_BYTES_MAX;
    (scheme.eq_ignore_ascii_case("bearer") && fits).then_some(token)
}

fn refused(problem: Problem) -> Response {
    let unauthenticated = problem.status == http::StatusCode::UNAUTHORIZED;
    let mut response = problem.into_response();
    if unauthenticated {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
