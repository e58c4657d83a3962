//! What the streams keep, and what an operator may change about it.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Durability;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long accepted requests are kept, in hours. Above the longest deadline (1), so that no request goes while it
/// is open.
const WINDOW_HOURS: (&str, RangeInclusive<u64>) = ("FOREBAY_AUDIT_WINDOW_HOURS", 2..=8784);
/// What accepted requests may take, in bytes.
const REQUESTS_BYTES: (&str, RangeInclusive<u64>) = ("FOREBAY_REQUESTS_MAX_BYTES", 64 << 20..=1 << 50);
/// How long events are kept, in days. Above what the newest checkpoint's age and its margin come to on an
/// ordinary day.
const EVENTS_DAYS: (&str, RangeInclusive<u64>) = ("FOREBAY_EVENTS_MAX_AGE_DAYS", 14..=3660);

/// What the streams keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOptions {
    /// How safe acknowledged messages are.
    pub durability: Durability,
    /// How long accepted requests are kept: the audit window. `FOREBAY_AUDIT_WINDOW_HOURS`, default 24.
    pub requests_max_age: Duration,
    /// The most that accepted requests may take, far above any backlog, in bytes. `FOREBAY_REQUESTS_MAX_BYTES`,
    /// default 64 GiB.
    pub requests_max_bytes: i64,
    /// How long events are kept; what is older must stand behind a checkpoint. `FOREBAY_EVENTS_MAX_AGE_DAYS`,
    /// default 90.
    pub events_max_age: Duration,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Fast,
            requests_max_age: DAY,
            requests_max_bytes: 64 << 30,
            events_max_age: 90 * DAY,
        }
    }
}

/// A variable that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{name}: expected a whole number from {min} to {max}")]
pub struct OptionError {
    name: &'static str,
    min: u64,
    max: u64,
}

impl StreamOptions {
    /// The defaults, changed by the environment variables named above. Errs on a value that is no number or out
    /// of range.
    pub fn from_env() -> Result<Self, OptionError> {
        Self::from(|name| std::env::var(name).ok())
    }

    fn from(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, OptionError> {
        let mut options = Self::default();
        if let Some(hours) = number(&lookup, WINDOW_HOURS)? {
            options.requests_max_age = HOUR * u32::try_from(hours).unwrap_or(u32::MAX);
        }
        if let Some(bytes) = number(&lookup, REQUESTS_BYTES)? {
            options.requests_max_bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        }
        if let Some(days) = number(&lookup, EVENTS_DAYS)? {
            options.events_max_age = DAY * u32::try_from(days).unwrap_or(u32::MAX);
        }
        Ok(options)
    }
}

/// The variable's value, if it is set and not empty.
fn number(
    lookup: impl Fn(&str) -> Option<String>,
    (name, range): (&'static str, RangeInclusive<u64>),
) -> Result<Option<u64>, OptionError> {
    let Some(text) = lookup(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.trim().parse().ok().filter(|number| range.contains(number));
    number.map(Some).ok_or(OptionError { name, min: *range.start(), max: *range.end() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_change_the_defaults_within_their_ranges() {
        let set = |name: &'static str, value: &'static str| {
            StreamOptions::from(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(set("OTHER", "1").unwrap(), StreamOptions::default());
        assert_eq!(set("FOREBAY_AUDIT_WINDOW_HOURS", "").unwrap(), StreamOptions::default());
        assert_eq!(set("FOREBAY_AUDIT_WINDOW_HOURS", "48").unwrap().requests_max_age, 2 * DAY);
        assert_eq!(set("FOREBAY_REQUESTS_MAX_BYTES", "1073741824").unwrap().requests_max_bytes, 1 << 30);
        assert_eq!(set("FOREBAY_EVENTS_MAX_AGE_DAYS", " 365 ").unwrap().events_max_age, 365 * DAY);
        for (name, bad) in [
            ("FOREBAY_AUDIT_WINDOW_HOURS", "1"),
            ("FOREBAY_AUDIT_WINDOW_HOURS", "1.5"),
            ("FOREBAY_REQUESTS_MAX_BYTES", "64GiB"),
            ("FOREBAY_EVENTS_MAX_AGE_DAYS", "13"),
            ("FOREBAY_EVENTS_MAX_AGE_DAYS", "-1"),
        ] {
            let error = set(name, bad).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains("whole number"), "{error}");
        }
    }
}
