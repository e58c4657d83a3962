//! Converse's numbers in our meaning. Its `inputTokens` leave out what was read from and written to the cache;
//! ours include both. Its output has no split for reasoning. One exception was measured by others: streams of
//! `openai.*` models report input with the cached part in it (maximhq/bifrost#6942, read 2026-11).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::json;
use crate::usage::{Reported, Tier};

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    input_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    total_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_read_input_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_write_input_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(default)]
    ttl: Option<String>,
    #[serde(borrow, default)]
    input_tokens: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ServiceTier {
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

/// Reads a `usage` object. `inclusive` = its input may have the cached tokens in it already: they are then not
/// added again. `None` without any number.
pub(super) fn reported(usage: &str, tier: Option<&str>, inclusive: bool) -> Option<Reported> {
    let wire: Wire<'_> = serde_json::from_str(usage).ok()?;
    let count = |raw: Option<&RawValue>| raw.and_then(|raw| json::count(raw.get()));
    let (short, long) = written(wire.cache_details);
    let read = count(wire.cache_read_input_tokens);
    let write = count(wire.cache_write_input_tokens).or_else(|| short.or(long).map(|_| sum(short, long)));
    let cached = sum(read, write);
    let bare = count(wire.input_tokens);
    let included = inclusive && cached > 0 && bare.is_some_and(|bare| bare >= cached);
    let reported = Reported {
        input_tokens: bare.map(|bare| if included { bare } else { bare.saturating_add(cached) }),
        output_tokens: count(wire.output_tokens),
        // Counted with the cached part twice where the input has it already: of no use then.
        total_tokens: count(wire.total_tokens).filter(|_| !included),
        cached_input_tokens: read,
        cache_write_tokens: write,
        cache_write_long_tokens: long,
        ..Reported::default()
    };
    (reported != Reported::default()).then(|| Reported { tier: tier.and_then(tier_of), ..reported })
}

fn sum(a: Option<u64>, b: Option<u64>) -> u64 {
    a.unwrap_or(0).saturating_add(b.unwrap_or(0))
}

/// Tokens written for minutes and for hours, where the answer tells them apart.
fn written(details: Option<&RawValue>) -> (Option<u64>, Option<u64>) {
    let details: Vec<Detail<'_>> =
        details.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let (mut short, mut long) = (None, None);
    for detail in details {
        let Some(tokens) = detail.input_tokens.and_then(|raw| json::count(raw.get())) else { continue };
        let place = if detail.ttl.as_deref() == Some("1h") { &mut long } else { &mut short };
        *place = Some(place.unwrap_or(0u64).saturating_add(tokens));
    }
    (short, long)
}

/// The tier that served the answer; the standard one is not said.
fn tier_of(raw: &str) -> Option<Tier> {
    match serde_json::from_str::<ServiceTier>(raw).ok()?.kind?.as_str() {
        "priority" => Some(Tier::Priority),
        "flex" => Some(Tier::Flex),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_are_added_to_the_input() {
        let usage = r#"{"inputTokens":4,"outputTokens":20,"totalTokens":1324,"cacheReadInputTokens":1000,
            "cacheWriteInputTokens":300,"cacheDetails":[{"ttl":"5m","inputTokens":100},{"ttl":"1h","inputTokens":200}]}"#;
        let expected = Reported {
            input_tokens: Some(1304),
            output_tokens: Some(20),
            total_tokens: Some(1324),
            cached_input_tokens: Some(1000),
            cache_write_tokens: Some(300),
            cache_write_long_tokens: Some(200),
            tier: Some(Tier::Flex),
            ..Reported::default()
        };
        assert_eq!(reported(usage, Some(r#"{"type":"flex"}"#), false), Some(expected));
    }

    #[test]
    fn writes_are_found_in_the_details_alone() {
        let usage = r#"{"inputTokens":1,"outputTokens":1,"cacheDetails":[{"ttl":"1h","inputTokens":7}]}"#;
        let reported = reported(usage, Some(r#"{"type":"default"}"#), false).unwrap();
        assert_eq!((reported.input_tokens, reported.cache_write_tokens), (Some(8), Some(7)));
        assert_eq!((reported.cache_write_long_tokens, reported.tier), (Some(7), None));
    }

    #[test]
    fn a_stream_that_counts_the_cache_twice_is_put_right() {
        let usage =
            r#"{"inputTokens":4995,"outputTokens":19,"totalTokens":10007,"cacheWriteInputTokens":4993}"#;
        let both = |inclusive| {
            let reported = reported(usage, None, inclusive).unwrap();
            (reported.input_tokens, reported.total_tokens)
        };
        assert_eq!(both(true), (Some(4995), None));
        assert_eq!(both(false), (Some(9988), Some(10007)));
        let exclusive = r#"{"inputTokens":2,"outputTokens":19,"cacheWriteInputTokens":4993}"#;
        assert_eq!(reported(exclusive, None, true).unwrap().input_tokens, Some(4995));
    }

    #[test]
    fn nonsense_is_no_number_and_never_a_panic() {
        for nothing in ["null", "{}", "[]", "7", r#"{"inputTokens":-1}"#, r#"{"outputTokens":"9"}"#] {
            assert_eq!(reported(nothing, None, false), None, "{nothing}");
        }
        let huge =
            r#"{"inputTokens":9007199254740992,"cacheReadInputTokens":9007199254740992,"cacheDetails":{}}"#;
        assert!(reported(huge, None, false).is_some());
    }
}
