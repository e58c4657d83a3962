//! A provider's numbers, read into our meaning of them, and ours as a caller reads them.
//!
//! Theirs exclude the cache from `input_tokens`; ours include it.
//!
//! | ours | theirs |
//! |---|---|
//! | input | `input_tokens` + `cache_creation_input_tokens` + `cache_read_input_tokens` |
//! | cached input | `cache_read_input_tokens` |
//! | cache write | `cache_creation_input_tokens`, else the sum of `cache_creation` |
//! | cache write, long | `cache_creation.ephemeral_1h_input_tokens` |
//! | output | `output_tokens` (thinking included) |
//! | reasoning | `output_tokens_details.thinking_tokens` |
//! | web searches | `server_tool_use.web_search_requests` |
//! | tier | `speed` fast, else `service_tier` |
//!
//! Entries of `iterations` other than `message` and `fallback_message` are billed on top of the totals and are added
//! to both sides (SDK types, read 2026-11). A number that is null, negative, not whole or absurd counts as not given.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::wire::Text;
use crate::dialect::json;
use crate::usage::{Estimate, Reported, Tier, reconcile};

#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Count<'a>(#[serde(borrow)] Option<&'a RawValue>);

impl Count<'_> {
    fn get(&self) -> Option<u64> {
        json::count(self.0?.get())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    input_tokens: Count<'a>,
    #[serde(borrow)]
    cache_creation_input_tokens: Count<'a>,
    #[serde(borrow)]
    cache_read_input_tokens: Count<'a>,
    #[serde(borrow)]
    output_tokens: Count<'a>,
    #[serde(borrow)]
    cache_creation: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    server_tool_use: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    speed: Option<&'a RawValue>,
    #[serde(borrow)]
    iterations: Option<&'a RawValue>,
}

/// What stands in the objects within; each member is known by one place alone.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    ephemeral_5m_input_tokens: Count<'a>,
    #[serde(borrow)]
    ephemeral_1h_input_tokens: Count<'a>,
    #[serde(borrow)]
    thinking_tokens: Count<'a>,
    #[serde(borrow)]
    web_search_requests: Count<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Iteration<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    input_tokens: Count<'a>,
    #[serde(borrow)]
    cache_creation_input_tokens: Count<'a>,
    #[serde(borrow)]
    cache_read_input_tokens: Count<'a>,
    #[serde(borrow)]
    output_tokens: Count<'a>,
}

/// The numbers of one answer, merged as they come: a later number replaces an earlier one, an absent one keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    input: Option<u64>,
    written: Option<u64>,
    read: Option<u64>,
    output: Option<u64>,
    short: Option<u64>,
    long: Option<u64>,
    thinking: Option<u64>,
    searches: Option<u64>,
    tier: Option<Tier>,
    more_input: u64,
    more_read: u64,
    more_written: u64,
    more_output: u64,
}

impl Numbers {
    /// Merges the value of a `usage` member. Returns whether it was one.
    pub(super) fn merge(&mut self, raw: &str) -> bool {
        let Ok(wire) = serde_json::from_str::<Wire<'_>>(raw) else { return false };
        let ttl = details(wire.cache_creation);
        let set = |place: &mut Option<u64>, count: Option<u64>| *place = count.or(*place);
        set(&mut self.input, wire.input_tokens.get());
        set(&mut self.written, wire.cache_creation_input_tokens.get());
        set(&mut self.read, wire.cache_read_input_tokens.get());
        set(&mut self.output, wire.output_tokens.get());
        set(&mut self.short, ttl.ephemeral_5m_input_tokens.get());
        set(&mut self.long, ttl.ephemeral_1h_input_tokens.get());
        set(&mut self.thinking, details(wire.output_tokens_details).thinking_tokens.get());
        set(&mut self.searches, details(wire.server_tool_use).web_search_requests.get());
        self.tier = tier(wire.speed, wire.service_tier).or(self.tier);
        if let Some(Ok(all)) =
            wire.iterations.map(|raw| serde_json::from_str::<Vec<Iteration<'_>>>(raw.get()))
        {
            self.add_iterations(&all);
        }
        true
    }

    /// What `message_start` gives as output is a placeholder: it is not the answer's.
    pub(super) fn forget_output(&mut self) {
        self.output = None;
    }

    fn add_iterations(&mut self, all: &[Iteration<'_>]) {
        let outside = |iteration: &&Iteration<'_>| {
            !matches!(iteration.kind.as_deref(), None | Some("message" | "fallback_message"))
        };
        let sum = |count: fn(&Iteration<'_>) -> Option<u64>| {
            all.iter().filter(outside).filter_map(count).fold(0, u64::saturating_add)
        };
        self.more_input = sum(|iteration| iteration.input_tokens.get());
        self.more_read = sum(|iteration| iteration.cache_read_input_tokens.get());
        self.more_written = sum(|iteration| iteration.cache_creation_input_tokens.get());
        self.more_output = sum(|iteration| iteration.output_tokens.get());
    }

    /// In our meaning; `None` if nothing was given.
    pub(super) fn reported(&self) -> Option<Reported> {
        let plus = |count: Option<u64>, more: u64| {
            (count.is_some() || more > 0).then(|| count.unwrap_or(0).saturating_add(more))
        };
        let split = match (self.short, self.long) {
            (None, None) => None,
            (short, long) => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
        };
        let read = plus(self.read, self.more_read);
        let written = plus(self.written.or(split), self.more_written);
        let input_tokens = plus(self.input, self.more_input)
            .map(|input| input.saturating_add(read.unwrap_or(0)).saturating_add(written.unwrap_or(0)));
        let reported = Reported {
            input_tokens,
            output_tokens: plus(self.output, self.more_output),
            total_tokens: None,
            cached_input_tokens: read,
            cache_write_tokens: written,
            cache_write_long_tokens: self.long,
            reasoning_tokens: self.thinking,
            web_searches: self.searches,
            tier: self.tier,
        };
        (reported != Reported::default()).then_some(reported)
    }
}

fn details(raw: Option<&RawValue>) -> Details<'_> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn tier(speed: Option<&RawValue>, service: Option<&RawValue>) -> Option<Tier> {
    match (speed.map(RawValue::get), service.map(RawValue::get)) {
        (Some("\"fast\""), _) => Some(Tier::Fast),
        (_, Some("\"priority\"")) => Some(Tier::Priority),
        (_, Some("\"batch\"")) => Some(Tier::Batch),
        _ => None,
    }
}

/// The numbers as a caller reads them.
#[derive(Debug, Serialize)]
pub(super) struct Usage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: CacheCreation,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    server_tool_use: Option<ServerTools>,
    service_tier: &'static str,
}

#[derive(Debug, Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

#[derive(Debug, Serialize)]
struct ServerTools {
    web_search_requests: u64,
}

impl Usage {
    /// What was reported, with the gaps filled as the books fill them.
    pub(super) fn new(reported: Option<&Reported>, estimate: Estimate) -> Self {
        let usage = reconcile(reported, estimate).usage;
        let (read, written) = (usage.cached_input_tokens, usage.cache_write_tokens);
        Self {
            input_tokens: usage.input_tokens.saturating_sub(read).saturating_sub(written),
            cache_creation_input_tokens: written,
            cache_read_input_tokens: read,
            cache_creation: CacheCreation {
                ephemeral_5m_input_tokens: written.saturating_sub(usage.cache_write_long_tokens),
                ephemeral_1h_input_tokens: usage.cache_write_long_tokens,
            },
            output_tokens: usage.output_tokens,
            output_tokens_details: reported
                .and_then(|reported| reported.reasoning_tokens)
                .map(|_| OutputDetails { thinking_tokens: usage.reasoning_tokens }),
            server_tool_use: (usage.web_searches > 0)
                .then_some(ServerTools { web_search_requests: usage.web_searches }),
            service_tier: match usage.tier {
                Some(Tier::Priority) => "priority",
                Some(Tier::Batch) => "batch",
                Some(Tier::Flex | Tier::Fast) | None => "standard",
            },
        }
    }

    /// The numbers a stream begins with: nothing is answered yet.
    pub(super) fn at_start(reported: Option<&Reported>, input_estimate: u64) -> Self {
        let estimate = Estimate { input_tokens: input_estimate, output_tokens: 0 };
        Self { output_tokens: 0, output_tokens_details: None, ..Self::new(reported, estimate) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn merged(raws: &[Value]) -> Reported {
        let mut numbers = Numbers::default();
        for raw in raws {
            assert!(numbers.merge(&raw.to_string()));
        }
        numbers.reported().unwrap()
    }

    #[test]
    fn input_is_the_sum_of_all_classes() {
        let usage = json!({"input_tokens": 50, "cache_creation_input_tokens": 1000, "cache_read_input_tokens": 8000,
            "cache_creation": {"ephemeral_5m_input_tokens": 600, "ephemeral_1h_input_tokens": 400},
            "output_tokens": 120, "output_tokens_details": {"thinking_tokens": 90},
            "server_tool_use": {"web_search_requests": 2}, "service_tier": "priority", "speed": "standard"});
        let expected = Reported {
            input_tokens: Some(9050),
            output_tokens: Some(120),
            cached_input_tokens: Some(8000),
            cache_write_tokens: Some(1000),
            cache_write_long_tokens: Some(400),
            reasoning_tokens: Some(90),
            web_searches: Some(2),
            tier: Some(Tier::Priority),
            total_tokens: None,
        };
        assert_eq!(merged(std::slice::from_ref(&usage)), expected);
        // And back: the classes are disjoint again.
        let back = serde_json::to_value(Usage::new(Some(&expected), Estimate::default())).unwrap();
        for key in [
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "cache_creation",
            "output_tokens",
            "output_tokens_details",
            "server_tool_use",
            "service_tier",
        ] {
            assert_eq!(back[key], usage[key], "{key}");
        }
    }

    #[test]
    fn later_numbers_replace_and_absent_ones_stay() {
        let start = json!({"input_tokens": 50, "cache_read_input_tokens": 8, "output_tokens": 2,
            "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3}});
        let reported =
            merged(&[start, json!({"output_tokens": 7}), json!({"input_tokens": 51, "output_tokens": 9})]);
        assert_eq!((reported.input_tokens, reported.output_tokens), (Some(63), Some(9)));
        assert_eq!((reported.cache_write_tokens, reported.cache_write_long_tokens), (Some(4), Some(3)));
    }

    #[test]
    fn what_is_billed_beside_the_totals_is_added() {
        let reported = merged(&[json!({"input_tokens": 10, "output_tokens": 5, "iterations": [
            {"type": "compaction", "input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 7},
            {"type": "message", "input_tokens": 10, "output_tokens": 5}]})]);
        assert_eq!((reported.input_tokens, reported.output_tokens), (Some(117), Some(25)));
        assert_eq!(reported.cached_input_tokens, Some(7));
    }

    #[test]
    fn nonsense_is_not_given() {
        let mut numbers = Numbers::default();
        for raw in [
            "null",
            "7",
            "[]",
            "\"x\"",
            "{",
            r#"{"input_tokens":-1,"output_tokens":1.5,"cache_creation":[]}"#,
        ] {
            numbers.merge(raw);
        }
        assert_eq!(numbers.reported(), None);
        let huge = r#"{"input_tokens":9007199254740992,"cache_read_input_tokens":9007199254740992,"output_tokens":1}"#;
        assert!(numbers.merge(huge) && numbers.reported().unwrap().input_tokens.is_some());
    }
}
