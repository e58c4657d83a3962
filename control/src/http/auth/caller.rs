//! Who calls, as handlers see it. Each kind is an extractor, so that a handler says in its signature who it is for.

use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use http::request::Parts;
use proto::audit::{Actor, ActorScope};

use super::{Assertion, Scope};
use crate::http::Problem;

/// Somebody whose credential is valid.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// An administrator.
    Admin(Admin),
    /// A developer.
    Developer(Developer),
    /// An end user.
    Session(Session),
    /// A project's own server.
    Project(ProjectServer),
}

/// What an administrator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Admin,
    /// Read, without what is redacted.
    Viewer,
}

/// An administrator.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    /// The token's name; `bootstrap` for `ADMIN_TOKEN`.
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// A developer, or the operator in their place.
#[derive(Debug, Clone)]
pub(crate) struct Developer {
    /// The token's name; `developer-bootstrap` for `DEVELOPER_ADMIN_TOKEN`.
    pub(crate) name: String,
    /// Whose it is: every query is filtered by it. `None` = the bootstrap token, which sees every developer's.
    pub(crate) developer: Option<String>,
    pub(crate) scopes: BTreeSet<Scope>,
}

/// An end user with a session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) end_user: String,
    /// The only feature it is for.
    pub(crate) feature: Option<String>,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) expires_ms: u64,
}

/// A project's own server, with one of the project's secrets.
#[derive(Debug, Clone)]
pub(crate) struct ProjectServer {
    pub(crate) project: String,
    /// Id of the secret.
    pub(crate) secret: String,
    /// What the server has signed, where an assertion was sent in place of the secret.
    pub(crate) assertion: Option<Assertion>,
}

impl Role {
    /// The role of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Admin, Self::Viewer].into_iter().find(|role| role.as_str() == name)
    }

    /// The role as a column.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
        }
    }
}

impl Admin {
    /// As an audit record names them.
    pub(crate) fn actor(&self) -> Actor {
        Actor { scope: ActorScope::Admin, name: self.name.clone() }
    }
}

impl Developer {
    /// As an audit record names them.
    pub(crate) fn actor(&self) -> Actor {
        Actor { scope: ActorScope::Developer, name: self.name.clone() }
    }
}

impl Session {
    /// As an audit record names them.
    pub(crate) fn actor(&self) -> Actor {
        Actor { scope: ActorScope::EndUser, name: self.end_user.clone() }
    }
}

impl ProjectServer {
    /// As an audit record names them: by the secret, because a project has no name of a person.
    pub(crate) fn actor(&self) -> Actor {
        Actor { scope: ActorScope::Developer, name: self.secret.clone() }
    }
}

impl Caller {
    /// As an audit record names them.
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::Admin(admin) => admin.actor(),
            Self::Developer(developer) => developer.actor(),
            Self::Session(session) => session.actor(),
            Self::Project(project) => project.actor(),
        }
    }

    /// Whom it concerns, where the caller is a developer.
    pub(crate) fn developer(&self) -> Option<&str> {
        match self {
            Self::Developer(developer) => developer.developer.as_deref(),
            Self::Admin(_) | Self::Session(_) | Self::Project(_) => None,
        }
    }
}

/// Makes an extractor of one kind of caller. The guard has let nobody else through.
macro_rules! extractor {
    ($kind:ident, $variant:ident) => {
        impl<S: Send + Sync> FromRequestParts<S> for $kind {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                match parts.extensions.get::<Caller>() {
                    Some(Caller::$variant(caller)) => Ok(caller.clone()),
                    _ => Err(Problem::internal("a route stands behind the wrong guard")),
                }
            }
        }
    };
}

/// Whoever it is.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::internal("a route stands behind the wrong guard"))
    }
}

extractor!(Admin, Admin);
extractor!(Developer, Developer);
extractor!(Session, Session);

/// The project's server, or nobody in particular where no credential was sent.
impl<S: Send + Sync> axum::extract::OptionalFromRequestParts<S> for ProjectServer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        match parts.extensions.get::<Caller>() {
            Some(Caller::Project(caller)) => Ok(Some(caller.clone())),
            None => Ok(None),
            Some(Caller::Admin(_) | Caller::Developer(_) | Caller::Session(_)) => {
                Err(Problem::internal("a route stands behind the wrong guard"))
            }
        }
    }
}
