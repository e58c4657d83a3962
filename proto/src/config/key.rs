//! Who calls: a virtual key or the session of an end user, as the ingress sees it.

use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::event::RouteMode;
use crate::secret::Pepper;

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
    /// Of an imported key: the bcrypt hash of its secret, of which nothing else is known. It is stored under
    /// [`imported_entry`] of the secret's beginning then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bcrypt: Option<String>,
}

/// How many characters the known beginning of an imported key's secret may have.
pub const IMPORTED_PREFIX_CHARS: RangeInclusive<usize> = 6..=64;
/// How many different lengths of beginnings there may be: an unknown key costs a look-up for each.
pub const IMPORTED_LENGTHS_MAX: usize = 4;
/// The highest cost of a bcrypt hash that is imported: each step doubles the work of checking a key for the first
/// time.
pub const IMPORTED_COST_MAX: u32 = 14;

/// The entry of the bucket `keys` that holds an imported key whose secret begins with `prefix`; also its `hash` in SQL,
/// which makes beginnings unique.
pub fn imported_entry(pepper: &Pepper, prefix: &str) -> String {
    // Apart from the names of other keys, which are hexadecimal digits alone.
    format!("imported.{}", pepper.hash(prefix))
}

/// The lengths of the beginnings of imported keys, in characters, as they stand in [`KEYS_IMPORTED`]. What is out of
/// bounds is left out.
///
/// [`KEYS_IMPORTED`]: crate::subject::KEYS_IMPORTED
pub fn imported_lengths(text: &str) -> Vec<usize> {
    let numbers = text.split_ascii_whitespace().filter_map(|number| number.parse().ok());
    numbers.filter(|length| IMPORTED_PREFIX_CHARS.contains(length)).take(IMPORTED_LENGTHS_MAX).collect()
}

/// Whether `hash` is a bcrypt hash that can be imported: `$2a$`, `$2b$` or `$2y$`, a cost from 4 to
/// [`IMPORTED_COST_MAX`], 22 characters of salt and 31 of hash.
pub fn importable_hash(hash: &str) -> bool {
    let digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/');
    let mut parts = hash.split('$');
    let (before, version, cost, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
    let cost = cost.filter(|cost| cost.len() == 2).and_then(|cost| cost.parse::<u32>().ok());
    parts.next().is_none()
        && before == Some("")
        && matches!(version, Some("2a" | "2b" | "2y"))
        && cost.is_some_and(|cost| (4..=IMPORTED_COST_MAX).contains(&cost))
        && rest.is_some_and(|rest| rest.len() == 53 && rest.bytes().all(digit))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_hashes_of_a_bearable_cost_are_imported() {
        let hash = |head: &str| format!("{head}{}", "abcdefghijklmnopqrstu./ABCDEFGHIJKLMNOPQRSTUVWXYZ0123");
        for head in ["$2a$04$", "$2b$12$", "$2y$14$"] {
            assert!(importable_hash(&hash(head)), "{head}");
        }
        for head in ["$2b$03$", "$2b$15$", "$2x$10$", "2b$10$", "$2b$+9$", "$2b$10"] {
            assert!(!importable_hash(&hash(head)), "{head}");
        }
        assert!(!importable_hash("$2b$10$short") && !importable_hash(&format!("{}$", hash("$2b$10$"))));
    }

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(imported_lengths("8 12"), [8, 12]);
        assert_eq!(imported_lengths("5 x 65 8 9 10 11 12"), [8, 9, 10, 11]);
        assert!(imported_lengths("").is_empty());
    }
}
