//! Kill switches: what is switched off, and how every process knows within a second.
//!
//! A bucket holds one entry for each thing that is off and none for what is on, so that it stays small however much
//! there is. An ingress looks before it takes a request in, a worker before it makes a call: what was queued when the
//! switch was thrown does not run either.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::config::KeyRecord;
use crate::envelope::Who;
use crate::fault::{Fault, FaultCode};

/// What can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchKind {
    /// A developer with everything that is theirs.
    Developer,
    /// A project with its keys and sessions.
    Project,
    /// A feature; its id is `<project>/<feature>`.
    Feature,
    /// A session.
    Session,
    /// An end user with all sessions.
    EndUser,
    /// A virtual key.
    Key,
    /// A provider credential.
    Credential,
    /// A wallet.
    Wallet,
}

impl SwitchKind {
    /// The kind as a column and the first part of an entry's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::Project => "project",
            Self::Feature => "feature",
            Self::Session => "session",
            Self::EndUser => "end_user",
            Self::Key => "key",
            Self::Credential => "credential",
            Self::Wallet => "wallet",
        }
    }
}

/// What the caller is told whose request is stopped.
pub fn fault(kind: SwitchKind) -> Fault {
    let (code, message) = match kind {
        SwitchKind::Key => (FaultCode::InvalidApiKey, "The API key is switched off."),
        SwitchKind::Session => (FaultCode::InvalidSession, "The session has been ended."),
        SwitchKind::EndUser => (FaultCode::InvalidSession, "The sessions of this user are switched off."),
        SwitchKind::Developer | SwitchKind::Project => (FaultCode::Forbidden, "The project is switched off."),
        SwitchKind::Feature => (FaultCode::Forbidden, "The feature is switched off."),
        SwitchKind::Wallet => (FaultCode::Forbidden, "The wallet is switched off."),
        SwitchKind::Credential => (FaultCode::Forbidden, "The credential is switched off."),
    };
    Fault::new(code, message)
}

/// An entry of the bucket: this is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchedOff {
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// The name of an entry. Bytes that a bucket's keys cannot have stand as `=` and two digits.
pub fn entry(kind: SwitchKind, id: &str) -> String {
    let mut name = format!("{}.", kind.as_str());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/') {
            name.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(name, "={byte:02x}").ok();
        }
    }
    name
}

/// What is switched off at present, as far as this process has heard. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Switches(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    off: RwLock<HashSet<String>>,
    /// How many those are: nothing is looked up while nothing is off.
    count: AtomicUsize,
}

impl Switches {
    /// Takes in what the bucket says about one entry.
    pub fn set(&self, entry: &str, off: bool) {
        let mut all = self.0.off.write().unwrap_or_else(PoisonError::into_inner);
        if off {
            all.insert(entry.to_owned());
        } else {
            all.remove(entry);
        }
        self.0.count.store(all.len(), Ordering::Release);
    }

    /// Whether nothing is switched off at all.
    pub fn none(&self) -> bool {
        self.0.count.load(Ordering::Acquire) == 0
    }

    /// Whether this is switched off.
    pub fn is_off(&self, kind: SwitchKind, id: &str) -> bool {
        self.0.count.load(Ordering::Acquire) > 0
            && self.0.off.read().unwrap_or_else(PoisonError::into_inner).contains(&entry(kind, id))
    }

    /// What of those that a request is made for is switched off, if anything is: the outermost.
    pub fn stops(&self, project: &str, key: &str, who: Option<&Who>) -> Option<SwitchKind> {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let off = |kind, id: &str| self.is_off(kind, id).then_some(kind);
        let given = |kind, id: Option<&String>| id.and_then(|id| off(kind, id));
        let feature = who.and_then(|who| who.feature.as_ref()).map(|feature| format!("{project}/{feature}"));
        given(SwitchKind::Developer, who.and_then(|who| who.developer.as_ref()))
            .or_else(|| off(SwitchKind::Project, project))
            .or_else(|| given(SwitchKind::Feature, feature.as_ref()))
            .or_else(|| given(SwitchKind::EndUser, who.and_then(|who| who.end_user.as_ref())))
            .or_else(|| given(SwitchKind::Session, who.and_then(|who| who.session.as_ref())))
            .or_else(|| off(SwitchKind::Key, key))
    }

    /// Whether the key itself is switched off, before anything else is known of the request.
    pub fn stops_key(&self, key: &KeyRecord) -> bool {
        let kind = if key.session.is_some() { SwitchKind::Session } else { SwitchKind::Key };
        self.is_off(kind, &key.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_a_bucket_and_stay_apart() {
        assert_eq!(entry(SwitchKind::Key, "key_1-a"), "key.key_1-a");
        assert_eq!(entry(SwitchKind::Feature, "acme/write:it"), "feature.acme/write=3ait");
        assert_ne!(entry(SwitchKind::Project, "a=3a"), entry(SwitchKind::Project, "a:"));
    }

    #[test]
    fn the_outermost_is_told() {
        let switches = Switches::default();
        let who = Who { developer: Some("d".into()), feature: Some("f".into()), ..Who::default() };
        let stops = || switches.stops("acme", "key_1", Some(&who));
        assert_eq!(stops(), None);
        for (kind, id) in [
            (SwitchKind::Key, "key_1"),
            (SwitchKind::Feature, "acme/f"),
            (SwitchKind::Project, "acme"),
            (SwitchKind::Developer, "d"),
        ] {
            switches.set(&entry(kind, id), true);
            assert_eq!(stops(), Some(kind));
        }
        for name in ["developer.d", "project.acme", "feature.acme/f", "key.key_1"] {
            assert!(stops().is_some());
            switches.set(name, false);
        }
        assert_eq!(stops(), None);
    }
}
