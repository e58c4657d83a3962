//! A provider's usage, read into our meaning of it, and written back.
//!
//! OpenAI: `input_tokens` includes cached and cache-written tokens, `output_tokens` includes reasoning, which is our
//! meaning too (openai-python 3.51 `types/responses/response_usage`, read 2026-11).
//!
//! | ours | theirs |
//! |---|---|
//! | input, output, total | `input_tokens`, `output_tokens`, `total_tokens` |
//! | cached input | `input_tokens_details.cached_tokens` |
//! | cache write | `input_tokens_details.cache_write_tokens`, else the sum of its split by lifetime |
//! | of it long | `input_tokens_details.cache_write_tokens_details.ttl_12h_tokens` |
//! | reasoning | `output_tokens_details.reasoning_tokens` |
//! | web searches | the response's `tool_usage.web_search.num_requests` |
//! | tier | the response's `service_tier`: `flex`; `priority`, `fast` → priority; `ultrafast` → fast |
//!
//! A number that is null, negative, not whole or absurd counts as not given.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::dialect::json;
use crate::usage::{Reported, Tier, Usage};

/// A value that may be anything.
type Raw<'a> = Option<&'a RawValue>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    input_tokens: Raw<'a>,
    #[serde(borrow)]
    output_tokens: Raw<'a>,
    #[serde(borrow)]
    total_tokens: Raw<'a>,
    #[serde(borrow)]
    input_tokens_details: Raw<'a>,
    #[serde(borrow)]
    output_tokens_details: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    cached_tokens: Raw<'a>,
    #[serde(borrow)]
    cache_write_tokens: Raw<'a>,
    #[serde(borrow)]
    cache_write_tokens_details: Raw<'a>,
    #[serde(borrow)]
    reasoning_tokens: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Split<'a> {
    #[serde(borrow)]
    ttl_30m_tokens: Raw<'a>,
    #[serde(borrow)]
    ttl_12h_tokens: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToolUsage<'a> {
    #[serde(borrow)]
    web_search: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Searches<'a> {
    #[serde(borrow)]
    num_requests: Raw<'a>,
}

fn count(raw: Raw<'_>) -> Option<u64> {
    json::count(raw?.get())
}

/// An object read leniently: one of another shape says nothing.
fn lenient<'a, T: Default + Deserialize<'a>>(raw: Option<&'a str>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default()
}

/// Reads a response's `usage`, `service_tier` and `tool_usage`. `None` if there is no number at all.
pub(super) fn reported(usage: Option<&str>, tier: Option<&str>, tools: Option<&str>) -> Option<Reported> {
    let wire: Wire<'_> = lenient(usage);
    let input: Details<'_> = lenient(wire.input_tokens_details.map(RawValue::get));
    let output: Details<'_> = lenient(wire.output_tokens_details.map(RawValue::get));
    let split: Split<'_> = lenient(input.cache_write_tokens_details.map(RawValue::get));
    let (short, long) = (count(split.ttl_30m_tokens), count(split.ttl_12h_tokens));
    let tools: ToolUsage<'_> = lenient(tools);
    let searches: Searches<'_> = lenient(tools.web_search.map(RawValue::get));
    let sum =
        || (short.is_some() || long.is_some()).then(|| short.unwrap_or(0).saturating_add(long.unwrap_or(0)));
    let reported = Reported {
        input_tokens: count(wire.input_tokens),
        output_tokens: count(wire.output_tokens),
        total_tokens: count(wire.total_tokens),
        cached_input_tokens: count(input.cached_tokens),
        cache_write_tokens: count(input.cache_write_tokens).or_else(sum),
        cache_write_long_tokens: long,
        reasoning_tokens: count(output.reasoning_tokens),
        web_searches: count(searches.num_requests),
        ..Reported::default()
    };
    let tier = tier.and_then(json::string).and_then(|word| read_tier(&word));
    (reported != Reported::default()).then_some(Reported { tier, ..reported })
}

fn read_tier(word: &str) -> Option<Tier> {
    match word {
        "flex" => Some(Tier::Flex),
        "priority" | "fast" => Some(Tier::Priority),
        "ultrafast" => Some(Tier::Fast),
        "batch" => Some(Tier::Batch),
        _ => None,
    }
}

/// The word for a tier in an answer.
pub(super) fn tier_word(tier: Option<Tier>) -> &'static str {
    match tier {
        None => "default",
        Some(Tier::Flex) => "flex",
        Some(Tier::Priority) => "priority",
        Some(Tier::Fast) => "ultrafast",
        Some(Tier::Batch) => "batch",
    }
}

/// The `usage` of a response. Official clients require both details objects.
pub(super) fn written(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": { "reasoning_tokens": usage.reasoning_tokens },
        "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_read() {
        let usage = r#"{"input_tokens":1200,"input_tokens_details":{"cached_tokens":1024,"cache_write_tokens":128,
            "cache_write_tokens_details":{"ttl_30m_tokens":100,"ttl_12h_tokens":28}},
            "output_tokens":80,"output_tokens_details":{"reasoning_tokens":64},"total_tokens":1280}"#;
        let tools = r#"{"web_search":{"num_requests":2},"image_gen":{"x":1}}"#;
        let wanted = Reported {
            input_tokens: Some(1200),
            output_tokens: Some(80),
            total_tokens: Some(1280),
            cached_input_tokens: Some(1024),
            cache_write_tokens: Some(128),
            cache_write_long_tokens: Some(28),
            reasoning_tokens: Some(64),
            web_searches: Some(2),
            tier: Some(Tier::Priority),
        };
        assert_eq!(reported(Some(usage), Some("\"fast\""), Some(tools)), Some(wanted));
    }

    #[test]
    fn nonsense_says_nothing() {
        for usage in
            [None, Some("null"), Some("[]"), Some("{}"), Some(r#"{"input_tokens":-1,"output_tokens":"7"}"#)]
        {
            assert_eq!(reported(usage, Some("\"flex\""), Some("[]")), None, "{usage:?}");
        }
        let split = r#"{"input_tokens":1,"input_tokens_details":{"cache_write_tokens_details":{"ttl_12h_tokens":5}},
            "output_tokens_details":7}"#;
        let read = reported(Some(split), None, None).unwrap();
        assert_eq!((read.cache_write_tokens, read.cache_write_long_tokens), (Some(5), Some(5)));
    }
}
