//! The dated price table. A row holds from its day on, until a later row of the same pattern does.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{load, names};
use crate::config::ProviderKind;
use crate::money::Price;

const MS_PER_DAY: u64 = 86_400_000;

/// What a model costs at a vendor from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceRow {
    /// The vendor.
    pub kind: ProviderKind,
    /// The model's name, `*` for any text; dates and versions at its end may be left out.
    pub model: String,
    /// The day (UTC) it begins with.
    pub from: Day,
    /// The price.
    pub price: Price,
}

impl PriceRow {
    /// Whether the row is about `model`.
    pub fn matches(&self, model: &str) -> bool {
        names::candidates(self.kind, model).iter().any(|name| names::fits(&self.model, name))
    }
}

/// A day, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

/// Text that is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a day such as 2026-12-01")]
pub struct DayError;

impl Day {
    /// Its first millisecond since the Unix epoch; 0 for days before that.
    fn starts_ms(self) -> u64 {
        let days = self.0.since(Date::constant(1970, 1, 1)).map_or(0, |span| span.get_days());
        u64::try_from(days).unwrap_or(0).saturating_mul(MS_PER_DAY)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        text.parse().map(Self).map_err(|_| DayError)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The rows of a vendor that ship with this release. Azure's are OpenAI's.
pub fn prices(kind: ProviderKind) -> Vec<PriceRow> {
    load::prices(kind)
}

/// The price of `model` at a vendor, by the row that says most about its name and of those the latest that has
/// begun at `at_ms` milliseconds since the Unix epoch.
pub fn price_in<'a>(rows: &'a [PriceRow], kind: ProviderKind, model: &str, at_ms: u64) -> Option<&'a Price> {
    let names = names::candidates(kind, model);
    rows.iter()
        .filter(|row| row.kind == kind && names.iter().any(|name| names::fits(&row.model, name)))
        .filter(|row| row.from.starts_ms() <= at_ms)
        .max_by_key(|row| (names::weight(&row.model), row.from))
        .map(|row| &row.price)
}
