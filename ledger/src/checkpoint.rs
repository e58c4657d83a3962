//! Checkpoints: the state before the first event of a UTC day, so that the books can be derived again without the
//! events before it. A pure function of the stream, like everything it holds.

use std::collections::BTreeMap;

use proto::config::Config;
use proto::id::RequestId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::account::{Account, Totals};
use crate::book::request::Request;
use crate::book::{At, Books};
use crate::error::Error;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// Whether the UTC day of `next_ms` is later than that of `last_ms`.
pub(crate) fn new_day(last_ms: u64, next_ms: u64) -> bool {
    next_ms / DAY_MS > last_ms / DAY_MS
}

/// What a checkpoint holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The last event that is in it.
    pub seq: u64,
    /// That event's stream time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Every account's totals.
    pub accounts: BTreeMap<Account, Totals>,
    /// The configuration in force.
    pub config: Option<Config>,
    /// Every request with an attempt that is not over, whole.
    pub open: BTreeMap<RequestId, Request>,
}

impl State {
    /// The state before the first event of all.
    pub(crate) fn beginning() -> Self {
        Self { seq: 0, at_ms: 0, accounts: BTreeMap::new(), config: None, open: BTreeMap::new() }
    }
}

/// A stored checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// See [`State::seq`].
    pub seq: u64,
    /// See [`State::at_ms`].
    pub at_ms: u64,
    /// SHA-256 of `document`, in hexadecimal digits.
    pub hash: String,
    /// The [`State`] as JSON.
    pub document: String,
}

impl Checkpoint {
    /// The checkpoint after event `at`.
    pub(crate) fn of(at: At, accounts: BTreeMap<Account, Totals>, books: &Books) -> Result<Self, Error> {
        let open = books.requests().filter(|(_, request)| request.open());
        let state = State {
            seq: at.seq,
            at_ms: at.ms,
            accounts,
            config: books.config().map(|config| config.as_ref().clone()),
            open: open.map(|(id, request)| (id, request.clone())).collect(),
        };
        let document = serde_json::to_string(&state).map_err(Error::Encode)?;
        Ok(Self { seq: at.seq, at_ms: at.ms, hash: digest(&document), document })
    }

    /// What it holds, if it is whole.
    pub(crate) fn open(&self) -> Option<State> {
        let state: State = serde_json::from_str(&self.document).ok()?;
        (digest(&self.document) == self.hash && state.seq == self.seq).then_some(state)
    }
}

fn digest(document: &str) -> String {
    Sha256::digest(document.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc() {
        assert!(!new_day(0, DAY_MS - 1));
        assert!(new_day(DAY_MS - 1, DAY_MS));
        assert!(!new_day(DAY_MS + 5, DAY_MS));
    }

    #[test]
    fn a_checkpoint_that_was_touched_does_not_open() {
        let at = At { seq: 7, ms: 9 };
        let accounts = BTreeMap::from([(Account::Loss, Totals::default())]);
        let checkpoint = Checkpoint::of(at, accounts, &Books::default()).unwrap();
        assert_eq!(checkpoint.open().unwrap().seq, 7);
        let document = checkpoint.document.replace("\"seq\":7", "\"seq\":8");
        assert!(Checkpoint { document, ..checkpoint }.open().is_none());
    }
}
