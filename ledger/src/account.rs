//! Accounts: whose money it is, and what has moved. Totals in nano-USD; a balance is derived from them.
#![deny(clippy::float_arithmetic)]

use std::fmt;
use std::str::FromStr;

use proto::money::NanoUsd;
use serde::{Deserialize, Serialize};

/// One account of the books.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// A customer: debited with what its requests cost.
    Project(String),
    /// A provider: credited with what it is owed.
    Provider(String),
    /// The platform's own pocket: debited with what no customer pays.
    Loss,
}

/// Text that names no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an account: {0:?}")]
pub struct AccountError(String);

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(name) => write!(f, "project:{name}"),
            Self::Provider(name) => write!(f, "provider:{name}"),
            Self::Loss => f.write_str("platform:loss"),
        }
    }
}

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        match text.split_once(':') {
            Some(("project", name)) => Ok(Self::Project(name.to_owned())),
            Some(("provider", name)) => Ok(Self::Provider(name.to_owned())),
            Some(("platform", "loss")) => Ok(Self::Loss),
            _ => Err(AccountError(text.to_owned())),
        }
    }
}

impl Serialize for Account {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What has moved through an account since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Sum of all transfers that debit it.
    pub debits: NanoUsd,
    /// Sum of all transfers that credit it.
    pub credits: NanoUsd,
}

impl Totals {
    /// Adds `other` to both sums. Nine thousand million USD fit; what does not is cut to the largest sum.
    pub fn add(&mut self, other: Self) {
        self.debits.0 = self.debits.0.saturating_add(other.debits.0);
        self.credits.0 = self.credits.0.saturating_add(other.credits.0);
    }

    /// Nothing but a debit.
    pub fn debit(amount: NanoUsd) -> Self {
        Self { debits: amount, credits: NanoUsd(0) }
    }

    /// Nothing but a credit.
    pub fn credit(amount: NanoUsd) -> Self {
        Self { debits: NanoUsd(0), credits: amount }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_read_back_what_they_print() {
        for account in [Account::Project("acme".into()), Account::Provider("a:b".into()), Account::Loss] {
            assert_eq!(account.to_string().parse(), Ok(account));
        }
        assert!("platform:gain".parse::<Account>().is_err());
    }
}
