//! One pass over the chain: what is wrong with it, and with which record first. No I/O.

use std::collections::BTreeSet;

use proto::audit::AuditRecord;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::events::Copies;
use crate::store::audit_log::Row;

/// What was done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tampering {
    /// It does not say any more what it said.
    Changed,
    /// It is gone.
    Removed,
    /// It was never written by the gateway.
    Inserted,
}

/// The first record that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was done to it.
    pub kind: Tampering,
    /// Its number.
    pub seq: u64,
    /// How it shows.
    pub note: String,
}

/// What a pass knows beside the rows.
pub(super) struct Known {
    /// What EVENTS holds.
    pub(super) copies: Copies,
    /// Records whose copy is still on its way.
    pub(super) on_the_way: BTreeSet<u64>,
    /// Up to here a record must have a copy, unless that is older than what EVENTS keeps.
    pub(super) copied_to: u64,
}

impl Known {
    /// Whether the copies know this hash under this number; `None` if they know nothing of the number.
    fn agrees(&self, seq: u64, hash: &str) -> Option<bool> {
        self.copies.get(&seq).map(|hashes| hashes.iter().any(|known| known == hash))
    }

    /// Whether a record of this number should have a copy and has none.
    fn lacks(&self, seq: u64) -> bool {
        let oldest = self.copies.keys().next().is_some_and(|oldest| *oldest <= seq);
        oldest && seq <= self.copied_to && !self.on_the_way.contains(&seq) && !self.copies.contains_key(&seq)
    }
}

/// The state between two rows.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Number of the last row.
    pub(super) last: u64,
    /// Its hash.
    pub(super) hash: String,
    /// The hash of the one before it.
    before: String,
}

impl Walk {
    /// Takes the next row; an error is the finding.
    pub(super) fn step(&mut self, row: &Row, known: &Known) -> Result<(), Finding> {
        let expected = self.last + 1;
        if row.seq != expected {
            return Err(removed(expected, format!("the record after {} is {}", self.last, row.seq)));
        }
        let hash: String =
            Sha256::digest(row.document.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        if hash != row.hash {
            return Err(changed(row.seq, "its text does not have its hash".to_owned()));
        }
        let Ok(record) = serde_json::from_str::<AuditRecord>(&row.document) else {
            return Err(changed(row.seq, "its text is no record".to_owned()));
        };
        if record.previous != self.hash {
            return Err(self.broken(row, &record, &hash, known));
        }
        if !row.says(&record) {
            return Err(changed(row.seq, "its columns and its text differ".to_owned()));
        }
        if known.agrees(row.seq, &hash) == Some(false) {
            return Err(changed(row.seq, "EVENTS holds another record of that number".to_owned()));
        }
        if known.lacks(row.seq) {
            return Err(inserted(row.seq, "EVENTS does not know it".to_owned()));
        }
        self.before = std::mem::replace(&mut self.hash, hash);
        self.last = row.seq;
        Ok(())
    }

    /// Which record is to blame where one does not repeat the hash of the one before it.
    fn broken(&self, row: &Row, record: &AuditRecord, hash: &str, known: &Known) -> Finding {
        let last_is = known.agrees(self.last, &self.hash);
        if last_is == Some(false) {
            return changed(self.last, "EVENTS holds another record of that number".to_owned());
        }
        if self.last > 0 && last_is.is_none() && record.previous == self.before {
            return inserted(self.last, format!("record {} was written without it", row.seq));
        }
        if record.seq > row.seq {
            return removed(row.seq, format!("record {} stands in its place", record.seq));
        }
        let trusted = last_is == Some(true) || self.last == 0;
        match known.agrees(row.seq, hash) {
            Some(false) => changed(row.seq, "EVENTS holds another record of that number".to_owned()),
            None if trusted => inserted(row.seq, "it does not follow the one before it".to_owned()),
            _ => changed(self.last, format!("record {} was written after another one", row.seq)),
        }
    }

    /// After the last row: what else says where the log ends.
    pub(super) fn end(&self, head: Option<&(u64, String)>, known: &Known) -> Result<(), Finding> {
        let newest = known.copies.keys().next_back().copied().unwrap_or_default();
        if newest > self.last {
            return Err(removed(self.last + 1, format!("EVENTS knows records up to {newest}")));
        }
        match head {
            Some((seq, _)) if *seq > self.last => {
                Err(removed(self.last + 1, format!("{seq} records were written")))
            }
            Some((seq, _)) if *seq < self.last => {
                Err(inserted(seq + 1, format!("only {seq} records were written")))
            }
            Some((_, hash)) if *hash != self.hash => {
                Err(changed(self.last, "it is not the record that was written last".to_owned()))
            }
            None if self.last > 0 => Err(changed(self.last, "nothing says what was written last".to_owned())),
            _ => Ok(()),
        }
    }
}

fn changed(seq: u64, note: String) -> Finding {
    Finding { kind: Tampering::Changed, seq, note }
}

fn removed(seq: u64, note: String) -> Finding {
    Finding { kind: Tampering::Removed, seq, note }
}

fn inserted(seq: u64, note: String) -> Finding {
    Finding { kind: Tampering::Inserted, seq, note }
}
