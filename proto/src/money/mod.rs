//! Money: nano-USD in `i64`, rates in nano-USD per million tokens, and the only rounding function.
//!
//! A call's cost is summed over its token classes first and rounded once, up, to a whole nano-USD. There is no
//! floating point here and decimal text is read digit by digit.
#![deny(clippy::float_arithmetic)]

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

mod price;

pub use price::{Above, Price, TierPrice, Times, TimesError};

const NANO_PER_USD: i64 = 1_000_000_000;

/// Text that is not an amount of US dollars.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum MoneyError {
    /// Not of the form `12` or `12.345`, without sign or exponent.
    #[error("expected a decimal amount of US dollars such as \"0.15\"")]
    NotDecimal,
    /// More digits behind the point than a nano-USD has.
    #[error("at most 9 digits may stand behind the decimal point")]
    TooPrecise,
    /// More than an `i64` of nano-USD can hold (about 9.2 thousand million USD).
    #[error("the amount is too large")]
    TooLarge,
}

/// An amount of money in nano-USD (1e-9 USD).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(pub i64);

impl fmt::Display for NanoUsd {
    /// US dollars as decimal text without trailing zeros: `0.0000125`, `3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = self.0.unsigned_abs() / NANO_PER_USD.unsigned_abs();
        let fraction = self.0.unsigned_abs() % NANO_PER_USD.unsigned_abs();
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{fraction:09}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl FromStr for NanoUsd {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        decimal(text).map(Self)
    }
}

/// A price in nano-USD per million tokens; written in configuration as USD per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rate(pub i64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NanoUsd(self.0).fmt(f)
    }
}

impl FromStr for Rate {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        decimal(text).map(Self)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Reads `12.345` USD as nano-USD, exactly.
fn decimal(text: &str) -> Result<i64, MoneyError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(MoneyError::NotDecimal);
    }
    if fraction.len() > 9 {
        return Err(MoneyError::TooPrecise);
    }
    let whole: i64 = whole.parse().map_err(|_| MoneyError::TooLarge)?;
    let fraction: i64 = format!("{fraction:0<9}").parse().map_err(|_| MoneyError::NotDecimal)?;
    whole.checked_mul(NANO_PER_USD).and_then(|n| n.checked_add(fraction)).ok_or(MoneyError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_is_exact() {
        assert_eq!("0.15".parse(), Ok(NanoUsd(150_000_000)));
        assert_eq!("25".parse(), Ok(NanoUsd(25_000_000_000)));
        assert_eq!(NanoUsd(12_500).to_string(), "0.0000125");
        assert_eq!(NanoUsd(-3_000_000_000).to_string(), "-3");
        for bad in ["", "-1", "1.", ".5", "1e3", " 1", "0.1234567890"] {
            assert!(bad.parse::<NanoUsd>().is_err(), "{bad:?}");
        }
        assert_eq!("9999999999999".parse::<NanoUsd>(), Err(MoneyError::TooLarge));
    }
}
