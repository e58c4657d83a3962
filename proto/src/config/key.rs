//! Who calls: a virtual key or the session of an end user, as the ingress sees it.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::event::RouteMode;

/// A virtual key or a session as the ingress sees it, stored under the keyed hash of its secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its id, for books and logs.
    pub id: String,
    /// The project it belongs to.
    pub project: String,
    /// Its name within the project.
    pub name: String,
    /// Whether it has been revoked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// When it ends, in milliseconds since the Unix epoch; `None` = never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// The only models it may ask for; `None` = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// The only ways its requests may be paid for; `None` = whatever the project's policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_modes: Option<Vec<RouteMode>>,
    /// The only networks it may be used from; `None` = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<IpNet>>,
    /// Whether it may name a target as `provider/model` instead of an alias.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
    /// What only a session has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRecord>,
}

/// What a session is bound to. Feature and scopes are an upper bound: a request may not name others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Id of the end user.
    pub end_user: String,
    /// The project's feature that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    /// What it may do: `chat`, `byok:read`, `byok:write`, `local:read`, `wallet:read`.
    #[serde(default)]
    pub scopes: Vec<String>,
}
