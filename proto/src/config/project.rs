//! Projects: what keys and sessions belong to, what usage is booked on, and what may be done with their requests.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::envelope::OnDisconnect;

/// A tenant's project, which the hosted contract calls an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Its name; see [`crate::subject::valid_project`].
    pub name: String,
    /// What it is called on developer and session routes; its name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_app_id: Option<String>,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The trade it is in, as its developer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vertical: Option<String>,
    /// Id of the developer it belongs to; `None` = the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub developer: Option<String>,
    /// Whether streaming answers are served to it; the deployment's switch must be on as well.
    pub streaming: bool,
    /// What becomes of an upstream call whose caller went away.
    pub on_disconnect: OnDisconnect,
    /// Whether anybody who knows its public id may open a session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open_sessions: bool,
    /// The web origins that may call with its keys and sessions, exactly as browsers send them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cors_origins: Vec<String>,
    /// Route policy of every request that no feature says otherwise for, as its owner wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
    /// The developer's share of margins, in basis points, where no feature says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue_share_bps: Option<u32>,
    /// What it uses models for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Feature>,
}

/// One thing a project uses models for, with a policy and prices of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Its name within the project.
    pub key: String,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Its route policy, as its owner wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Value>,
    /// Its pricing, as its owner wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Value>,
}

/// Whether `text` is a web origin exactly as browsers send it: scheme, host and perhaps a port, in lower case, without
/// a path, and without the port that the scheme has anyway. `*` and `null` are none.
pub fn valid_origin(text: &str) -> bool {
    const BYTES_MAX: usize = 300;
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !rest.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let named = !host.is_empty() && host.bytes().all(|b| letters(b) || matches!(b, b'.' | b'-' | b'_'));
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let usual = matches!((scheme, port), ("https", Some("443")) | ("http", Some("80")));
    let port = port
        .is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port));
    text.len() <= BYTES_MAX
        && scheme.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && scheme.bytes().all(|b| letters(b) || matches!(b, b'+' | b'-' | b'.'))
        && (named || address.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok()))
        && port
        && !usual
}

impl Project {
    /// A project of the operator's own with everything as usual.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            public_app_id: None,
            display_name: None,
            vertical: None,
            developer: None,
            streaming: true,
            on_disconnect: OnDisconnect::default(),
            open_sessions: false,
            cors_origins: Vec::new(),
            policy: None,
            revenue_share_bps: None,
            features: Vec::new(),
        }
    }

    /// What it is called on developer and session routes.
    pub fn public_app_id(&self) -> &str {
        self.public_app_id.as_deref().unwrap_or(&self.name)
    }

    /// The feature of that name.
    pub fn feature(&self, key: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_origins_are_origins() {
        for good in [
            "https://app.example.com",
            "http://localhost:5173",
            "http://127.0.0.1:8080",
            "http://[::1]:3000",
            "https://[2001:db8::1]",
            "capacitor://localhost",
        ] {
            assert!(valid_origin(good), "{good}");
        }
        for bad in [
            "*",
            "null",
            "",
            "app.example.com",
            "https://",
            "https://app.example.com/",
            "https://App.example.com",
            "https://*.example.com",
            "https://user@app.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "https://app.example.com:0443",
            "https://app.example.com:",
            "https://app.example.com?x",
            "https://[::1",
            "://app.example.com",
        ] {
            assert!(!valid_origin(bad), "{bad}");
        }
    }
}
