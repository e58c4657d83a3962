//! Transfers: immutable movements between two accounts. Corrected by adding another one, never by changing.
//!
//! A transfer's id is derived from its cause (`<event>/cost`, `<attempt>:unknown/reversal`), so that a replay
//! cannot post it twice.
#![deny(clippy::float_arithmetic)]

use std::collections::BTreeMap;

use proto::id::AttemptId;
use proto::money::NanoUsd;

use crate::account::{Account, Totals};
use crate::outcome::Outcome;

/// Why money moved. The numbers are stored and never used again for anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// A customer pays for an upstream call.
    Usage,
    /// The platform pays for an upstream call that no customer owes.
    Loss,
    /// The platform pays what a call that nobody knows about may have cost.
    Unknown,
    /// Takes back [`Code::Unknown`], because the call's true usage became known.
    UnknownReversal,
}

impl Code {
    /// Every code with its number.
    const ALL: [(Self, i64); 4] =
        [(Self::Usage, 1), (Self::Loss, 2), (Self::Unknown, 3), (Self::UnknownReversal, 4)];

    /// The stored number.
    pub fn number(self) -> i64 {
        match self {
            Self::Usage => 1,
            Self::Loss => 2,
            Self::Unknown => 3,
            Self::UnknownReversal => 4,
        }
    }

    /// The code of a stored number.
    pub fn of(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, n)| *n == number).map(|(code, _)| code)
    }

    /// The code's name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Loss => "loss",
            Self::Unknown => "unknown",
            Self::UnknownReversal => "unknown_reversal",
        }
    }
}

/// One movement of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Derived from the cause.
    pub id: String,
    /// The account that gives.
    pub debit: Account,
    /// The account that takes.
    pub credit: Account,
    /// How much; always more than nothing.
    pub amount: NanoUsd,
    /// Why.
    pub code: Code,
    /// The upstream call it is about.
    pub attempt: AttemptId,
    /// The event that caused it.
    pub seq: u64,
    /// That event's stream time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl Transfer {
    /// What posting `self` means where `there` has the same id.
    pub fn against(&self, there: &Self) -> Outcome {
        let differs = [
            ("debit", self.debit != there.debit),
            ("credit", self.credit != there.credit),
            ("amount", self.amount != there.amount),
            ("code", self.code != there.code),
            ("attempt", self.attempt != there.attempt),
        ];
        Outcome::of(differs)
    }
}

/// What `transfers` add to each account, in the order of account ids, so that ledgers lock rows alike.
pub fn totals<'a>(transfers: impl IntoIterator<Item = &'a Transfer>) -> BTreeMap<&'a Account, Totals> {
    let mut totals: BTreeMap<&Account, Totals> = BTreeMap::new();
    for transfer in transfers {
        totals.entry(&transfer.debit).or_default().add(Totals::debit(transfer.amount));
        totals.entry(&transfer.credit).or_default().add(Totals::credit(transfer.amount));
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_numbers() {
        for (code, number) in Code::ALL {
            assert_eq!((code.number(), Code::of(number)), (number, Some(code)));
        }
        assert_eq!(Code::of(0), None);
    }
}
