//! What administrators, developers and the system itself did: one record an act, chained by hashes so that a record
//! that was changed, removed or put in shows.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// One act. It holds no secret: what was changed is redacted before it becomes a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Counted up from 1, without gaps.
    pub seq: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who did it.
    pub actor: Actor,
    /// What was done: `<kind>.<verb>`, as in `key.revoke`.
    pub action: String,
    /// To what kind of thing.
    pub resource: String,
    /// To which one, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// The developer that it concerns, where it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub developer: Option<String>,
    /// Whether it was done.
    pub outcome: AuditOutcome,
    /// The request that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What it was before, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is now, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Hexadecimal SHA-256 of the record before this one; of nothing for the first.
    pub previous: String,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// In which role.
    pub scope: ActorScope,
    /// By what name: of the token, the developer, or the role of the process.
    pub name: String,
}

/// In which role somebody acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorScope {
    /// With an administrator's token.
    Admin,
    /// With a developer's token.
    Developer,
    /// With a session of an end user.
    EndUser,
    /// At the command line of the machine.
    Operator,
    /// The gateway by itself.
    System,
}

/// Whether an act was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It was.
    Success,
    /// Whoever asked may not.
    Denied,
    /// It could not be done.
    Failed,
}

impl AuditRecord {
    /// Hexadecimal SHA-256 of the record as JSON: what the next one calls `previous`.
    pub fn hash(&self) -> String {
        // A record is a tree of plain values, which always serialises.
        let text = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl ActorScope {
    /// The scope as a column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::EndUser => "end_user",
            Self::Operator => "operator",
            Self::System => "system",
        }
    }
}

impl AuditOutcome {
    /// The outcome as a column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scope.as_str(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AuditRecord {
        AuditRecord {
            seq: 1,
            at_ms: 5,
            actor: Actor { scope: ActorScope::Admin, name: "ops".into() },
            action: "key.revoke".into(),
            resource: "key".into(),
            resource_id: Some("key_1".into()),
            developer: None,
            outcome: AuditOutcome::Success,
            request_id: None,
            before: None,
            after: Some(serde_json::json!({"b": 1, "a": 2})),
            previous: String::new(),
        }
    }

    #[test]
    fn every_change_changes_the_hash_and_reading_back_does_not() {
        let one = record();
        let read: AuditRecord = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
        assert_eq!((read.hash(), one.hash().len()), (one.hash(), 64));
        let others = [
            AuditRecord { at_ms: 6, ..record() },
            AuditRecord { outcome: AuditOutcome::Denied, ..record() },
            AuditRecord { previous: "0".into(), ..record() },
            AuditRecord { after: None, ..record() },
        ];
        for other in others {
            assert_ne!(other.hash(), one.hash());
        }
    }
}
