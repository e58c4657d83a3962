//! Provider credentials as the workers see them: sealed secrets with what may be done with each.

use serde::{Deserialize, Serialize};

use crate::config::ProviderKind;

/// A credential in its bucket, under its id. The secret is sealed to the workers' key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRecord {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner: Owner,
    /// What it opens: the name of a provider of the configuration (platform), else the vendor's kind.
    pub provider: String,
    /// What that provider speaks.
    pub kind: ProviderKind,
    /// Where it is, for a tenant's own endpoint; never a private address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The sealed secret, as text.
    pub sealed: String,
    /// The only models it may be used for; empty = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models_allowed: Vec<String>,
    /// Lower goes first; 1 to 1000.
    pub priority: u32,
    /// Its share among those of the same priority; 1 to 1000.
    pub weight: u32,
    /// Whether the platform may step in when a call with it fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fallback_to_platform: bool,
    /// When it was made, in milliseconds since the Unix epoch: of equals, the newest goes first.
    pub created_ms: u64,
}

impl CredentialRecord {
    /// What its sealed secret is bound to; see [`about`].
    pub fn about(&self) -> String {
        about(&self.id, &self.owner)
    }
}

/// What the sealed secret of a credential is bound to: its id, the scope of its owner and, of a tenant, the owner's id.
pub fn about(id: &str, owner: &Owner) -> String {
    format!("{id} {} {}", owner.scope(), owner.id()).trim_end().to_owned()
}

/// Whose a credential is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "scope", content = "id", rename_all = "snake_case")]
pub enum Owner {
    /// The operator's: any request may be served with it.
    Platform,
    /// A developer's: for requests of this project of theirs.
    Project(String),
    /// An end user's.
    EndUser(String),
}

impl Owner {
    /// The scope as a column.
    pub fn scope(&self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Project(_) => "developer",
            Self::EndUser(_) => "end_user",
        }
    }

    /// The owner's id; empty for the platform.
    pub fn id(&self) -> &str {
        match self {
            Self::Platform => "",
            Self::Project(id) | Self::EndUser(id) => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_bound_to_its_id_and_owner() {
        assert_eq!(about("cred_1", &Owner::Platform), "cred_1 platform");
        assert_eq!(about("cred_1", &Owner::Project("acme".into())), "cred_1 developer acme");
        assert_eq!(about("cred_1", &Owner::EndUser("eu_1".into())), "cred_1 end_user eu_1");
    }
}
