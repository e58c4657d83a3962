//! The words an attempt's row is searched by: its state, who pays, whether it has a cost.

use proto::event::Ending;
use serde::{Deserialize, Serialize};

/// Who pays for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payer {
    /// The project whose request it was.
    Customer,
    /// The platform: no customer owes it.
    Platform,
    /// Nobody: it cost nothing, or it is not over.
    None,
}

impl Payer {
    /// The payer as a column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Platform => "platform",
            Self::None => "none",
        }
    }

    /// The payer of a column.
    pub fn of(text: &str) -> Option<Self> {
        [Self::Customer, Self::Platform, Self::None].into_iter().find(|p| p.as_str() == text)
    }
}

/// Whether an attempt has a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pricing {
    /// It is not over.
    Pending,
    /// It has one.
    Priced,
    /// It has none, because its price is not known. Never taken for free.
    Unpriced,
    /// It used nothing that costs anything.
    Free,
}

impl Pricing {
    const ALL: [Self; 4] = [Self::Pending, Self::Priced, Self::Unpriced, Self::Free];

    /// The pricing as a column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Priced => "priced",
            Self::Unpriced => "unpriced",
            Self::Free => "free",
        }
    }

    /// The pricing of a column.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == text)
    }
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Announced and not over.
    Open,
    /// Over, as its outcome says.
    Ended(Ending),
    /// Given up: nobody knows what it used.
    Unknown,
}

impl State {
    /// The state as a column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended(ending) => ending.as_str(),
            Self::Unknown => "unknown",
        }
    }
}
