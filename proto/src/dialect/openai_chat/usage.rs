//! A provider's usage object, read into our meaning of it.
//!
//! OpenAI: `prompt_tokens` includes cached and cache-written tokens and `completion_tokens` includes reasoning,
//! which is our meaning too. Servers that speak the dialect differ in where they put details:
//!
//! | ours | read from, first that is given |
//! |---|---|
//! | input | `prompt_tokens`, `input_tokens` |
//! | output | `completion_tokens`, `output_tokens` |
//! | cached input | `prompt_tokens_details.cached_tokens`, `cache_read_input_tokens` (LiteLLM), `prompt_cache_hit_tokens` (DeepSeek), `cached_tokens` (Moonshot) |
//! | cache write | `prompt_tokens_details.cache_write_tokens`, `prompt_tokens_details.cache_creation_tokens`, `cache_creation_input_tokens` (both LiteLLM) |
//! | reasoning | `completion_tokens_details.reasoning_tokens`, `reasoning_tokens` |
//!
//! The tier stands beside the usage, in `service_tier`: `flex`; `priority`, `fast` → priority; `ultrafast` → fast.
//! A number that is null, negative, not whole or absurd counts as not given.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::json;
use crate::usage::{Reported, Tier};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    prompt_tokens: Count<'a>,
    #[serde(borrow)]
    input_tokens: Count<'a>,
    #[serde(borrow)]
    completion_tokens: Count<'a>,
    #[serde(borrow)]
    output_tokens: Count<'a>,
    #[serde(borrow)]
    total_tokens: Count<'a>,
    #[serde(borrow)]
    reasoning_tokens: Count<'a>,
    #[serde(borrow)]
    cached_tokens: Count<'a>,
    #[serde(borrow)]
    prompt_cache_hit_tokens: Count<'a>,
    #[serde(borrow)]
    cache_read_input_tokens: Count<'a>,
    #[serde(borrow)]
    cache_creation_input_tokens: Count<'a>,
    #[serde(borrow)]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    completion_tokens_details: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    cached_tokens: Count<'a>,
    #[serde(borrow)]
    cache_write_tokens: Count<'a>,
    #[serde(borrow)]
    cache_creation_tokens: Count<'a>,
    #[serde(borrow)]
    reasoning_tokens: Count<'a>,
}

#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Count<'a>(#[serde(borrow)] Option<&'a RawValue>);

impl Count<'_> {
    fn get(&self) -> Option<u64> {
        json::count(self.0?.get())
    }
}

/// Reads the value of a `usage` member. `None` if it is no object or gives no number.
pub(super) fn reported(raw: &str) -> Option<Reported> {
    let wire: Wire<'_> = serde_json::from_str(raw).ok()?;
    let details = |raw: Option<&RawValue>| Reading::of(raw);
    let input = details(wire.prompt_tokens_details);
    let output = details(wire.completion_tokens_details);
    let reported = Reported {
        input_tokens: wire.prompt_tokens.get().or_else(|| wire.input_tokens.get()),
        output_tokens: wire.completion_tokens.get().or_else(|| wire.output_tokens.get()),
        total_tokens: wire.total_tokens.get(),
        cached_input_tokens: input
            .cached
            .or_else(|| wire.cache_read_input_tokens.get())
            .or_else(|| wire.prompt_cache_hit_tokens.get())
            .or_else(|| wire.cached_tokens.get()),
        cache_write_tokens: input.written.or_else(|| wire.cache_creation_input_tokens.get()),
        reasoning_tokens: output.reasoning.or_else(|| wire.reasoning_tokens.get()),
        ..Reported::default()
    };
    (reported != Reported::default()).then_some(reported)
}

/// The tier that an answer's `service_tier` names; `None` is the standard one.
pub(super) fn tier_of(word: &str) -> Option<Tier> {
    match word {
        "flex" => Some(Tier::Flex),
        "priority" | "fast" => Some(Tier::Priority),
        "ultrafast" => Some(Tier::Fast),
        "batch" => Some(Tier::Batch),
        _ => None,
    }
}

#[derive(Default)]
struct Reading {
    cached: Option<u64>,
    written: Option<u64>,
    reasoning: Option<u64>,
}

impl Reading {
    fn of(raw: Option<&RawValue>) -> Self {
        let Some(Ok(details)) = raw.map(|raw| serde_json::from_str::<Details<'_>>(raw.get())) else {
            return Self::default();
        };
        Self {
            cached: details.cached_tokens.get(),
            written: details.cache_write_tokens.get().or_else(|| details.cache_creation_tokens.get()),
            reasoning: details.reasoning_tokens.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openai_numbers_and_details() {
        let usage = r#"{"prompt_tokens":1200,"completion_tokens":80,"total_tokens":1280,
            "prompt_tokens_details":{"cached_tokens":1024,"cache_write_tokens":128,"audio_tokens":0},
            "completion_tokens_details":{"reasoning_tokens":64,"audio_tokens":null}}"#;
        let expected = Reported {
            input_tokens: Some(1200),
            output_tokens: Some(80),
            total_tokens: Some(1280),
            cached_input_tokens: Some(1024),
            cache_write_tokens: Some(128),
            reasoning_tokens: Some(64),
            ..Reported::default()
        };
        assert_eq!(reported(usage), Some(expected));
    }

    #[test]
    fn oddities_count_as_not_given() {
        let usage = r#"{"prompt_tokens":12.0,"completion_tokens":-3,"total_tokens":null,
            "prompt_tokens_details":[],"completion_tokens_details":null,"cache_read_input_tokens":4}"#;
        let expected =
            Reported { input_tokens: Some(12), cached_input_tokens: Some(4), ..Reported::default() };
        assert_eq!(reported(usage), Some(expected));
        for nothing in ["null", "{}", "7", "[]", r#"{"prompt_tokens":"many"}"#, r#"{"cost":1}"#] {
            assert_eq!(reported(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn details_are_found_where_vendors_put_them() {
        let cached = |usage: &str| reported(usage).unwrap().cached_input_tokens;
        assert_eq!(cached(r#"{"prompt_tokens":9,"prompt_cache_hit_tokens":5}"#), Some(5));
        assert_eq!(cached(r#"{"prompt_tokens":9,"cached_tokens":6}"#), Some(6));
        let litellm = r#"{"input_tokens":9,"cache_creation_input_tokens":3,
            "prompt_tokens_details":{"cached_tokens":null,"cache_creation_tokens":2}}"#;
        assert_eq!(reported(litellm).unwrap().cache_write_tokens, Some(2));
    }
}
