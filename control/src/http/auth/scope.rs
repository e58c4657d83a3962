//! The nine scopes of developers' tokens, and which one each path asks for.

use http::Method;

/// What a developer's token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    AppsRead,
    AppsWrite,
    FeaturesRead,
    FeaturesWrite,
    ProviderKeysRead,
    ProviderKeysWrite,
    TokensRead,
    TokensWrite,
    OperationsRead,
}

impl Scope {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::AppsRead,
        Self::AppsWrite,
        Self::FeaturesRead,
        Self::FeaturesWrite,
        Self::ProviderKeysRead,
        Self::ProviderKeysWrite,
        Self::TokensRead,
        Self::TokensWrite,
        Self::OperationsRead,
    ];

    /// The scope's name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AppsRead => "developer:apps:read",
            Self::AppsWrite => "developer:apps:write",
            Self::FeaturesRead => "developer:features:read",
            Self::FeaturesWrite => "developer:features:write",
            Self::ProviderKeysRead => "developer:provider_keys:read",
            Self::ProviderKeysWrite => "developer:provider_keys:write",
            Self::TokensRead => "developer:tokens:read",
            Self::TokensWrite => "developer:tokens:write",
            Self::OperationsRead => "developer:operations:read",
        }
    }

    /// The scope of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    /// What a path below `/v1/developer` or `/v1/apps` asks for, whether or not there is such a path.
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let read = *method == Method::GET || *method == Method::HEAD;
        let choose = |reading, writing| if read { reading } else { writing };
        let mut parts = path.split('/').skip(2);
        match (parts.next(), parts.next(), parts.nth(1)) {
            (Some("developer"), Some("apps"), Some("features")) => {
                choose(Self::FeaturesRead, Self::FeaturesWrite)
            }
            (Some("developer"), Some("apps"), _) => choose(Self::AppsRead, Self::AppsWrite),
            (Some("developer"), Some("provider-keys"), _) => {
                choose(Self::ProviderKeysRead, Self::ProviderKeysWrite)
            }
            (Some("developer"), Some("tokens"), _) => choose(Self::TokensRead, Self::TokensWrite),
            // Whatever else there may be to write belongs to apps.
            _ => choose(Self::OperationsRead, Self::AppsWrite),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_scope() {
        for (method, path, scope) in [
            (Method::GET, "/v1/developer/apps", Scope::AppsRead),
            (Method::PATCH, "/v1/developer/apps/a", Scope::AppsWrite),
            (Method::POST, "/v1/developer/apps/a/secrets", Scope::AppsWrite),
            (Method::GET, "/v1/developer/apps/a/features", Scope::FeaturesRead),
            (Method::DELETE, "/v1/developer/apps/a/features/f", Scope::FeaturesWrite),
            (Method::HEAD, "/v1/developer/provider-keys", Scope::ProviderKeysRead),
            (Method::POST, "/v1/developer/tokens", Scope::TokensWrite),
            (Method::GET, "/v1/developer/operations", Scope::OperationsRead),
            (Method::GET, "/v1/apps/a/usage", Scope::OperationsRead),
        ] {
            assert_eq!(Scope::of(&method, path), scope, "{method} {path}");
        }
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
    }
}
