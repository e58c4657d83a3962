//! `usageMetadata` in our meaning of it. Every chunk of a stream has the numbers so far; the last ones count.
//!
//! | ours | Gemini |
//! |---|---|
//! | input, cached included | `promptTokenCount` (cached included) + `toolUsePromptTokenCount` |
//! | cached input | `cachedContentTokenCount` |
//! | output, reasoning included | `candidatesTokenCount` (thoughts excluded) + `thoughtsTokenCount` |
//! | reasoning | `thoughtsTokenCount` |
//! | total | `totalTokenCount` |
//! | tier | `serviceTier`, else the end of `trafficType` |
//!
//! Cache writes have no count. A number that is negative, not whole or absurd counts as not given.
//!
//! Zeros are left out, and so is `candidatesTokenCount` early in a stream. Without it output is nothing as long as
//! nothing came, else what the total says, else unknown: an answer that is cut then is estimated, not free.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::json;
use crate::usage::{Reported, Tier};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    prompt_token_count: Count<'a>,
    #[serde(borrow)]
    cached_content_token_count: Count<'a>,
    #[serde(borrow)]
    candidates_token_count: Count<'a>,
    #[serde(borrow)]
    thoughts_token_count: Count<'a>,
    #[serde(borrow)]
    tool_use_prompt_token_count: Count<'a>,
    #[serde(borrow)]
    total_token_count: Count<'a>,
    #[serde(borrow)]
    service_tier: Count<'a>,
    #[serde(borrow)]
    traffic_type: Count<'a>,
}

/// A member as written.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Count<'a>(#[serde(borrow)] Option<&'a RawValue>);

impl Count<'_> {
    fn get(&self) -> Option<u64> {
        json::count(self.0?.get())
    }

    fn is_absent(&self) -> bool {
        self.0.is_none_or(|raw| raw.get() == "null")
    }

    fn word(&self) -> Option<String> {
        json::string(self.0?.get()).map(|word| word.to_ascii_lowercase())
    }
}

/// Reads the value of a `usageMetadata` member; `came` says whether any text or call has come. `None` if it is no
/// object or gives no number.
pub(super) fn reported(raw: &str, came: bool) -> Option<Reported> {
    let wire: Wire<'_> = serde_json::from_str(raw).ok()?;
    let thoughts = wire.thoughts_token_count.get();
    let mut reported = Reported {
        input_tokens: sum(wire.prompt_token_count.get(), wire.tool_use_prompt_token_count.get()),
        output_tokens: sum(wire.candidates_token_count.get(), thoughts),
        total_tokens: wire.total_token_count.get(),
        cached_input_tokens: wire.cached_content_token_count.get(),
        reasoning_tokens: thoughts,
        ..Reported::default()
    };
    if reported == Reported::default() {
        return None;
    }
    if wire.candidates_token_count.get().is_none() {
        let known = sum(reported.input_tokens, thoughts).unwrap_or(0);
        let told = reported.total_tokens.is_some_and(|total| total > known);
        let nothing = !came && wire.candidates_token_count.is_absent();
        match thoughts {
            _ if told && came => reported.output_tokens = None,
            None if nothing && reported.input_tokens.is_some() => reported.output_tokens = Some(0),
            None if !nothing => reported.total_tokens = None,
            _ => {}
        }
    }
    reported.tier = tier(&wire);
    Some(reported)
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (None, None) => None,
        (one, other) => Some(one.unwrap_or(0).saturating_add(other.unwrap_or(0))),
    }
}

fn tier(wire: &Wire<'_>) -> Option<Tier> {
    let word = wire.service_tier.word().or_else(|| wire.traffic_type.word())?;
    match word.rsplit('_').next()? {
        "flex" => Some(Tier::Flex),
        "priority" => Some(Tier::Priority),
        "batch" => Some(Tier::Batch),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_includes_tool_prompts_and_output_includes_thoughts() {
        let usage = r#"{"promptTokenCount":1200,"cachedContentTokenCount":1000,"candidatesTokenCount":20,
            "thoughtsTokenCount":60,"toolUsePromptTokenCount":5,"totalTokenCount":1285,
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":1200}],"trafficType":"ON_DEMAND_FLEX"}"#;
        let expected = Reported {
            input_tokens: Some(1205),
            output_tokens: Some(80),
            total_tokens: Some(1285),
            cached_input_tokens: Some(1000),
            reasoning_tokens: Some(60),
            tier: Some(Tier::Flex),
            ..Reported::default()
        };
        assert_eq!(reported(usage, true), Some(expected));
    }

    #[test]
    fn oddities_count_as_not_given_and_never_overflow() {
        for nothing in
            ["null", "{}", "7", "[]", r#"{"trafficType":"ON_DEMAND"}"#, r#"{"promptTokenCount":-1}"#]
        {
            assert_eq!(reported(nothing, false), None, "{nothing}");
        }
        let huge = r#"{"candidatesTokenCount":9007199254740992,"thoughtsTokenCount":9007199254740992}"#;
        assert_eq!(reported(huge, true).unwrap().output_tokens, Some(1 << 54));
        let negative = r#"{"promptTokenCount":5,"candidatesTokenCount":-3,"totalTokenCount":2}"#;
        for came in [false, true] {
            let read = reported(negative, came).unwrap();
            assert_eq!((read.output_tokens, read.total_tokens), (None, None), "nonsense is not free");
        }
    }

    #[test]
    fn output_that_is_not_told_is_nothing_or_unknown() {
        let output = |usage: &str, came| {
            let read = reported(usage, came).unwrap();
            (read.output_tokens, read.total_tokens)
        };
        let blocked = r#"{"promptTokenCount":9,"totalTokenCount":9,"serviceTier":"standard"}"#;
        assert_eq!(output(blocked, false), (Some(0), Some(9)));
        assert_eq!(output(blocked, true), (None, None), "to be estimated");
        let total = r#"{"promptTokenCount":9,"totalTokenCount":12}"#;
        assert_eq!(output(total, true), (None, Some(12)), "to be derived");
        let thoughts = r#"{"promptTokenCount":9,"thoughtsTokenCount":4,"totalTokenCount":13}"#;
        assert_eq!(output(thoughts, false), (Some(4), Some(13)));
        assert_eq!(output(thoughts, true), (Some(4), Some(13)));
    }
}
