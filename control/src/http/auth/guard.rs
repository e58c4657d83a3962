//! Which credential each prefix asks for, and what it must allow.

use http::Method;

use super::caller::{Caller, Role};
use super::scope::Scope;
use crate::http::Problem;

/// The guard of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Administrators.
    Admin,
    /// Developers.
    Developer,
    /// End users.
    Session,
    /// Projects' servers.
    Project,
}

/// What a request needs of its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// An administrator of any role.
    Read,
    /// An administrator who may change things.
    Write,
    /// A developer's token with this scope.
    Developer(Scope),
    /// A session with this scope; any where there is none.
    Session(Option<&'static str>),
    /// A developer's token with this scope, or an administrator.
    DeveloperOrAdmin(Scope),
    /// A project's secret, if anything is sent.
    ProjectOrNobody,
    /// A project's secret, or a developer's token with this scope.
    ProjectOrDeveloper(Scope),
}

/// Prefixes and their guards.
const PREFIXES: [(&str, Guard); 7] = [
    ("/admin", Guard::Admin),
    ("/v1/admin", Guard::Admin),
    ("/v1/developers", Guard::Admin),
    ("/v1/developer", Guard::Developer),
    ("/v1/apps", Guard::Developer),
    ("/v1/user", Guard::Session),
    ("/v1/sessions", Guard::Project),
];

impl Guard {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Admin, Self::Developer, Self::Session, Self::Project];

    /// The guard of a path; `None` if anybody may ask.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        PREFIXES.into_iter().find(|(prefix, _)| below(prefix)).map(|(_, guard)| guard)
    }

    /// What a request needs.
    pub(crate) fn need(self, method: &Method, path: &str) -> Need {
        let read = *method == Method::GET || *method == Method::HEAD;
        match self {
            Self::Admin if read => Need::Read,
            Self::Admin => Need::Write,
            Self::Developer if path.starts_with("/v1/apps") => {
                Need::DeveloperOrAdmin(Scope::of(method, path))
            }
            Self::Developer => Need::Developer(Scope::of(method, path)),
            Self::Session => Need::Session(session_scope(read, path)),
            // To open a session is one thing, whatever is done with those that there are another.
            Self::Project if *method == Method::POST && path == "/v1/sessions" => Need::ProjectOrNobody,
            Self::Project => Need::ProjectOrDeveloper(Scope::AppsWrite),
        }
    }

    /// The credential, in a sentence and in the document.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Admin => "an administrator's token",
            Self::Developer => "a developer's token",
            Self::Session => "the token of a session",
            Self::Project => "a project's secret",
        }
    }

    /// The name of its scheme in the document.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Session => "session",
            Self::Project => "project",
        }
    }
}

/// The scope of a session that a path below `/v1/user` asks for.
fn session_scope(read: bool, path: &str) -> Option<&'static str> {
    match path.split('/').nth(3) {
        Some("wallet") => Some("wallet:read"),
        Some("provider-keys") => Some(if read { "byok:read" } else { "byok:write" }),
        _ => None,
    }
}

/// Whether the caller may.
pub(super) fn allows(caller: &Caller, guard: Guard, need: Need) -> Result<(), Problem> {
    match (need, caller) {
        (Need::Read | Need::DeveloperOrAdmin(_), Caller::Admin(_)) => Ok(()),
        (Need::ProjectOrNobody, Caller::Project(_)) => Ok(()),
        // What is signed for one user opens sessions and ends none.
        (Need::ProjectOrDeveloper(_), Caller::Project(server)) if server.assertion.is_none() => Ok(()),
        (Need::Write, Caller::Admin(admin)) => match admin.role {
            Role::Admin => Ok(()),
            Role::Viewer => Err(Problem::forbidden("The role viewer may read and nothing else.")),
        },
        (
            Need::Developer(scope) | Need::DeveloperOrAdmin(scope) | Need::ProjectOrDeveloper(scope),
            Caller::Developer(developer),
        ) => lacking(scope.as_str(), developer.scopes.contains(&scope)),
        (Need::Session(scope), Caller::Session(session)) => match scope {
            Some(scope) => lacking(scope, session.scopes.contains(scope)),
            None => Ok(()),
        },
        (_, Caller::Admin(_) | Caller::Developer(_) | Caller::Session(_) | Caller::Project(_)) => {
            Err(Problem::forbidden(format!("This needs {}.", guard.description())))
        }
    }
}

fn lacking(scope: &str, has: bool) -> Result<(), Problem> {
    if has {
        return Ok(());
    }
    let problem = Problem::forbidden(format!("The credential lacks the scope {scope}."));
    Err(problem.with_details(serde_json::json!({ "scope": scope })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_at_a_slash() {
        assert_eq!(Guard::of("/admin"), Some(Guard::Admin));
        assert_eq!(Guard::of("/admin/v1/x"), Some(Guard::Admin));
        assert_eq!(Guard::of("/v1/developer/apps"), Some(Guard::Developer));
        assert_eq!(Guard::of("/v1/sessions"), Some(Guard::Project));
        for open in ["/administrator", "/openapi.json", "/v1/usernames", "/health"] {
            assert_eq!(Guard::of(open), None, "{open}");
        }
    }
}
