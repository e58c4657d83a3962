//! One chunk of a stream: what it says, and the one edit it may need.

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, SeqAccess, Visitor};

use super::UpstreamError;
use super::choice::{self, Choice};
use super::error::truthy_error;
use super::usage;
use crate::dialect::json::{self, Edit, Member};
use crate::usage::Tier;

/// A chunk as written.
pub(super) struct Chunk<'a> {
    text: &'a str,
    choices: Option<&'a str>,
    usage: Option<Member<'a>>,
    error: Option<&'a str>,
    tier: Option<&'a str>,
}

/// What is to be done with a chunk.
pub(super) enum Forward {
    /// Forwarded as it came.
    AsIs,
    /// Forwarded with one edit to its JSON text.
    Edited(Edit),
    /// Not forwarded.
    Not,
}

impl<'a> Chunk<'a> {
    /// Reads the data of an event. `None` unless it is a JSON object whose `choices`, if given, is an array
    /// or null, and which gives nothing twice that matters here.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let mut chunk = Self { text, choices: None, usage: None, error: None, tier: None };
        let mut twice = false;
        json::members(text, |member| match &*member.name() {
            "choices" => twice |= chunk.choices.replace(member.value).is_some(),
            "usage" => twice |= chunk.usage.replace(member).is_some(),
            "error" => twice |= chunk.error.replace(member.value).is_some(),
            "service_tier" => chunk.tier = Some(member.value),
            _ => {}
        })
        .ok()?;
        chunk.choices = chunk.choices.filter(|raw| *raw != "null");
        let array = chunk.choices.is_none_or(|raw| raw.starts_with('['));
        (array && !twice).then_some(chunk)
    }

    /// The error that the chunk is, if it is one.
    pub(super) fn error(&self) -> Option<UpstreamError> {
        self.error.and_then(truthy_error)
    }

    /// The tier the chunk names, if it names one.
    pub(super) fn tier(&self) -> Option<Option<Tier>> {
        self.tier.and_then(json::string).map(|word| usage::tier_of(&word))
    }

    /// The value of `usage`, unless absent or null.
    pub(super) fn usage(&self) -> Option<&'a str> {
        self.usage.map(|member| member.value).filter(|raw| *raw != "null")
    }

    /// Calls `each` for every choice with its place. Where a choice is none, the whole counts as one opaque
    /// piece of content: the answer is its characters of text, else `None`.
    pub(super) fn each_choice(&self, each: impl FnMut(u64, &Choice<'_>)) -> Option<u64> {
        let raw = self.choices?;
        each_choice(raw, each).is_err().then(|| choice::text_chars(raw))
    }

    /// The chunk as it goes to a caller who did not ask for usage: as if never asked.
    pub(super) fn without_usage(&self) -> Forward {
        let Some(member) = self.usage else { return Forward::AsIs };
        if member.value != "null" && self.choices.is_none_or(json::is_empty) {
            return Forward::Not;
        }
        Forward::Edited(Edit::remove(self.text, member))
    }

    /// The chunk with `cost_usd` in its usage.
    pub(super) fn with_cost(&self, cost_usd: &str) -> Forward {
        let Some(usage) = self.usage().filter(|raw| raw.starts_with('{')) else { return Forward::AsIs };
        let mut given = None;
        let read = json::members(usage, |member| {
            if member.name() == "cost_usd" {
                given = Some(member.value);
            }
        });
        if read.is_err() {
            return Forward::AsIs;
        }
        Forward::Edited(match given {
            Some(given) => Edit::replace(self.text, given, format!("\"{cost_usd}\"")),
            None => {
                let end = json::span(self.text.as_bytes(), usage.as_bytes()).end - 1;
                let comma = if json::is_empty(usage) { "" } else { "," };
                Edit::insert(end, format!("{comma}\"cost_usd\":\"{cost_usd}\""))
            }
        })
    }
}

/// Calls `each` for every choice of the array `raw`, with its place. Errs at the first that is none.
pub(super) fn each_choice(raw: &str, each: impl FnMut(u64, &Choice<'_>)) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(raw);
    Choices(each).deserialize(&mut reader)
}

struct Choices<F>(F);

impl<'de, F: FnMut(u64, &Choice<'_>)> DeserializeSeed<'de> for Choices<F> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(u64, &Choice<'_>)> Visitor<'de> for Choices<F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of choices")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let mut place = 0;
        while let Some(choice) = seq.next_element::<Choice<'de>>()? {
            (self.0)(place, &choice);
            place += 1;
        }
        Ok(())
    }
}

/// How many elements the array `raw` has, whatever they are.
pub(super) fn array_len(raw: &str) -> Option<usize> {
    struct Len;

    impl<'de> Visitor<'de> for Len {
        type Value = usize;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
            let mut len = 0;
            while seq.next_element::<IgnoredAny>()?.is_some() {
                len += 1;
            }
            Ok(len)
        }
    }

    serde_json::Deserializer::from_str(raw).deserialize_seq(Len).ok()
}
