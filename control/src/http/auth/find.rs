//! From a credential to whoever holds it. Credentials are compared and looked up by their keyed hashes alone.

use proto::clock::now_ms;
use proto::switch::SwitchKind;

use super::assertion;
use super::caller::{Admin, Caller, Developer, ProjectServer, Role, Session};
use super::guard::Guard;
use super::scope::Scope;
use super::{ADMIN_PREFIX, DEVELOPER_PREFIX, PROJECT_PREFIX, SESSION_PREFIX};
use crate::http::{App, Problem};
use crate::store::{callers, switches};

const BOOTSTRAP: &str = "bootstrap";
const DEVELOPER_BOOTSTRAP: &str = "developer-bootstrap";

/// Whose credential it is; `None` = nobody's. One that is right and may do nothing at present is an error.
pub(super) async fn caller(app: &App, token: &str, guard: Guard) -> Result<Option<Caller>, Problem> {
    let hash = app.secrets.pepper.hash(token);
    // The kind that the prefix asks for goes first, in case an operator made both of one string.
    let bootstraps = match guard {
        Guard::Developer => [bootstrap_developer(app, &hash), bootstrap_admin(app, &hash)],
        Guard::Admin | Guard::Session | Guard::Project => {
            [bootstrap_admin(app, &hash), bootstrap_developer(app, &hash)]
        }
    };
    if let Some(caller) = bootstraps.into_iter().flatten().next() {
        return Ok(Some(caller));
    }
    if token.starts_with(ADMIN_PREFIX) {
        admin(app, &hash).await
    } else if token.starts_with(DEVELOPER_PREFIX) {
        developer(app, &hash).await
    } else if token.starts_with(SESSION_PREFIX) {
        session(app, &hash).await
    } else if token.starts_with(PROJECT_PREFIX) {
        project(app, &hash).await
    } else {
        match assertion::signed_with(token) {
            Some(secret) => asserted(app, token, &secret).await,
            None => Ok(None),
        }
    }
}

fn bootstrap_admin(app: &App, hash: &str) -> Option<Caller> {
    let is = same(app.secrets.admin_token.as_deref(), hash);
    is.then(|| Caller::Admin(Admin { name: BOOTSTRAP.to_owned(), role: Role::Admin }))
}

fn bootstrap_developer(app: &App, hash: &str) -> Option<Caller> {
    same(app.secrets.developer_admin_token.as_deref(), hash).then(|| {
        Caller::Developer(Developer {
            name: DEVELOPER_BOOTSTRAP.to_owned(),
            developer: None,
            scopes: Scope::ALL.into_iter().collect(),
        })
    })
}

/// Whether two hashes are equal, in a time that does not tell how far they are.
fn same(expected: Option<&str>, given: &str) -> bool {
    let Some(expected) = expected.filter(|expected| expected.len() == given.len()) else { return false };
    expected.bytes().zip(given.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

async fn admin(app: &App, hash: &str) -> Result<Option<Caller>, Problem> {
    let Some(token) = callers::admin_token(&app.db, hash).await? else { return Ok(None) };
    let (Some(role), true) = (Role::parse(&token.role), token.life.is_live(now_ms())) else {
        return Ok(None);
    };
    callers::touch_admin(&app.db, &token.id, token.last_used_ms, now_ms()).await?;
    Ok(Some(Caller::Admin(Admin { name: token.name, role })))
}

async fn developer(app: &App, hash: &str) -> Result<Option<Caller>, Problem> {
    let Some(token) = callers::developer_token(&app.db, hash).await? else { return Ok(None) };
    if !token.life.is_live(now_ms()) {
        return Ok(None);
    }
    if switches::is_off(&app.db, SwitchKind::Developer, &token.developer).await? {
        return Err(Problem::forbidden("The developer is suspended by the operator."));
    }
    callers::touch_developer(&app.db, &token.id, token.last_used_ms, now_ms()).await?;
    let scopes = token.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect();
    Ok(Some(Caller::Developer(Developer { name: token.name, developer: Some(token.developer), scopes })))
}

async fn session(app: &App, hash: &str) -> Result<Option<Caller>, Problem> {
    let Some(session) = callers::session(&app.db, hash).await? else { return Ok(None) };
    if session.life.revoked {
        return Ok(None);
    }
    if !session.life.is_live(now_ms()) {
        return Err(Problem::unauthenticated("The session is over.").with_code("expired_session"));
    }
    for (kind, id) in [(SwitchKind::Session, &session.id), (SwitchKind::EndUser, &session.end_user)] {
        if switches::is_off(&app.db, kind, id).await? {
            return Ok(None);
        }
    }
    open_project(app, &session.project).await?;
    Ok(Some(Caller::Session(Session {
        id: session.id,
        project: session.project,
        end_user: session.end_user,
        feature: session.feature,
        scopes: session.scopes.into_iter().collect(),
        expires_ms: session.life.expires_ms.unwrap_or_default(),
    })))
}

async fn project(app: &App, hash: &str) -> Result<Option<Caller>, Problem> {
    let Some(secret) = callers::project_secret(&app.db, hash).await? else { return Ok(None) };
    if !secret.life.is_live(now_ms()) {
        return Ok(None);
    }
    open_project(app, &secret.project).await?;
    Ok(Some(Caller::Project(ProjectServer { project: secret.project, secret: secret.id, assertion: None })))
}

/// The project's server by what it has signed.
async fn asserted(app: &App, token: &str, secret: &str) -> Result<Option<Caller>, Problem> {
    let text = assertion::secret_of(&app.secrets.pepper, secret);
    let Some(assertion) = assertion::verified(token, &text) else { return Ok(None) };
    // That it is one of ours, and still holds, is known by its hash as for a secret that is sent.
    let found = project(app, &app.secrets.pepper.hash(&text)).await?;
    Ok(found.map(|caller| match caller {
        Caller::Project(server) => Caller::Project(ProjectServer { assertion: Some(assertion), ..server }),
        other => other,
    }))
}

/// Refuses what belongs to a project that is switched off, by itself or with its developer.
pub(crate) async fn open_project(app: &App, name: &str) -> Result<(), Problem> {
    let document = app.document().await?;
    let project = document.as_ref().and_then(|document| document.project(name));
    let developer = project.and_then(|project| project.developer.as_deref());
    let mut off = switches::is_off(&app.db, SwitchKind::Project, name).await?;
    if let (false, Some(developer)) = (off, developer) {
        off = switches::is_off(&app.db, SwitchKind::Developer, developer).await?;
    }
    if project.is_none() || off { Err(Problem::forbidden("The app is not active.")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_hash_is_the_same() {
        assert!(same(Some("abcd"), "abcd"));
        for (expected, given) in
            [(None, "abcd"), (Some("abcd"), "abce"), (Some("abc"), "abcd"), (Some(""), "a")]
        {
            assert!(!same(expected, given));
        }
    }
}
