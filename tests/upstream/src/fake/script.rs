//! What a fake provider is asked to do: the same words at every dialect.
//!
//! The words stand behind `--` in the model's name (`claude-opus-5-5--thinking+tools`) or, before that, as
//! `[[thinking+tools]]` in the last text of the user. Words combine with `+`.
//!
//! | word | meaning |
//! |---|---|
//! | `text` | six words of text, some of several bytes a character; with `tools`: text before the call |
//! | `long` | a hundred times those words |
//! | `tools`, `parallel`, `empty_args` | one call of the first (or named) tool, two, one without arguments; once there is a result, text that quotes it |
//! | `sequential` | as `parallel`; only that at Chat the fragments of the two do not take turns (helpers of OpenAI's own SDKs cannot read those that do) |
//! | `thinking`, `redacted` | reasoning and its signature first, as far as the request has the model think and show it; reasoning that is not shown |
//! | `refusal`, `safety`, `prompt_block` | the model refuses; a filter ends the answer; a filter stops the prompt |
//! | `length`, `stop_sequence` | it ends early for that reason |
//! | `json` | JSON that fits the schema asked for (also without this word, where a schema is given) |
//! | `cached`, `no_usage`, `odd_usage` | every token class; none reported; numbers that contradict each other |
//! | `split_utf8`, `pings`, `slow` | writes cut within characters; pings between events; 30 ms before each event |
//! | `e400` … `e529`, `quota`, `context` | an error of that status in the provider's words; spent account; prompt too long |
//! | `flaky:N` (also `flaky-N`) | status 500 N times for the same model and text, then the rest |
//! | `hang`, `cut`, `mid_error` | no answer; the connection ends half-way; an error half-way |

use std::num::NonZeroU32;

/// How a call is to be answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// Text was asked for by name.
    pub text: bool,
    /// Much text.
    pub long: bool,
    /// Tools to call.
    pub tools: Tools,
    /// Calls stream one after the other at Chat too, as OpenAI's own do.
    pub in_turn: bool,
    /// Thoughts before the answer.
    pub thoughts: Thoughts,
    /// The answer is JSON.
    pub json: bool,
    /// How the content ends.
    pub end: End,
    /// What is said about tokens.
    pub numbers: Numbers,
    /// An error instead of an answer.
    pub error: Option<Failure>,
    /// So many failures first.
    pub flaky: Option<NonZeroU32>,
    /// What goes wrong on the way.
    pub trouble: Trouble,
    /// Writes end within characters.
    pub split: bool,
    /// Pings between events.
    pub pings: bool,
    /// A wait before each event.
    pub slow: bool,
}

/// Tools to call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tools {
    #[default]
    None,
    One,
    Two,
    NoArguments,
}

/// Thoughts before the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Thoughts {
    #[default]
    None,
    Shown,
    Redacted,
}

/// How the content ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum End {
    #[default]
    Done,
    Refusal,
    Safety,
    PromptBlock,
    Length,
    StopSequence,
}

/// What is said about tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Numbers {
    #[default]
    Plain,
    Cached,
    Missing,
    Odd,
}

/// An error instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Of this status (529 where the provider has it, else its 503).
    Status(u16),
    /// The account is spent: no waiting helps.
    Quota,
    /// The prompt does not fit the model.
    Context,
    /// The prompt is stopped by a filter.
    PromptBlock,
}

/// What goes wrong on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Trouble {
    #[default]
    None,
    Hang,
    Cut,
    MidError,
}

impl Script {
    /// The script of a call; `Err` names the word that is none.
    pub fn of(model: &str, last_text: &str) -> Result<Self, String> {
        let marker = last_text.rsplit_once("[[").and_then(|(_, rest)| rest.split_once("]]")).map(|(m, _)| m);
        let marker =
            marker.filter(|words| words.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:+".contains(&b)));
        let words = marker.or_else(|| model.split_once("--").map(|(_, words)| words)).unwrap_or_default();
        let mut script = Self::default();
        for word in words.split('+').flat_map(|part| part.split("--")).filter(|word| !word.is_empty()) {
            script.apply(word).ok_or_else(|| word.to_owned())?;
        }
        Ok(script)
    }

    /// The name of a model without the script behind it.
    pub fn base(model: &str) -> &str {
        model.split_once("--").map_or(model, |(base, _)| base)
    }

    fn apply(&mut self, word: &str) -> Option<()> {
        match word {
            "text" => self.text = true,
            "long" => self.long = true,
            "tools" => self.tools = Tools::One,
            "parallel" => self.tools = Tools::Two,
            "sequential" => (self.tools, self.in_turn) = (Tools::Two, true),
            "empty_args" => self.tools = Tools::NoArguments,
            "thinking" => self.thoughts = Thoughts::Shown,
            "redacted" => self.thoughts = Thoughts::Redacted,
            "json" => self.json = true,
            "refusal" => self.end = End::Refusal,
            "safety" => self.end = End::Safety,
            "prompt_block" => self.end = End::PromptBlock,
            "length" => self.end = End::Length,
            "stop_sequence" => self.end = End::StopSequence,
            "cached" => self.numbers = Numbers::Cached,
            "no_usage" => self.numbers = Numbers::Missing,
            "odd_usage" => self.numbers = Numbers::Odd,
            "split_utf8" => self.split = true,
            "pings" => self.pings = true,
            "slow" => self.slow = true,
            "hang" => self.trouble = Trouble::Hang,
            "cut" => self.trouble = Trouble::Cut,
            "mid_error" => self.trouble = Trouble::MidError,
            "quota" => self.error = Some(Failure::Quota),
            "context" => self.error = Some(Failure::Context),
            _ => self.apply_numbered(word)?,
        }
        Some(())
    }

    fn apply_numbered(&mut self, word: &str) -> Option<()> {
        if let Some(times) = word.strip_prefix("flaky:").or_else(|| word.strip_prefix("flaky-")) {
            self.flaky = Some(times.parse().ok()?);
            return Some(());
        }
        let status = word.strip_prefix('e')?.parse().ok()?;
        let known = [400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504, 529];
        self.error = known.contains(&status).then_some(Failure::Status(status));
        self.error.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_markers_say_the_same() {
        let by_name = Script::of("m-1.0:2--thinking+tools--cached", "hello").unwrap();
        let by_text = Script::of("m--e500", "please [[thinking+tools+cached]]").unwrap();
        assert_eq!(by_name, by_text);
        assert_eq!((by_name.thoughts, by_name.tools), (Thoughts::Shown, Tools::One));
        assert_eq!(Script::base("m-1.0:2--thinking+tools"), "m-1.0:2");
        assert_eq!(Script::of("m", "hello").unwrap(), Script::default());
        assert_eq!(Script::of("m", "[[1, 2], [3]]").unwrap(), Script::default());
        assert_eq!(Script::of("m--flaky-2", "").unwrap().flaky, NonZeroU32::new(2));
        assert_eq!(Script::of("m", "[[flaky:2]]").unwrap().flaky, NonZeroU32::new(2));
    }

    #[test]
    fn a_word_that_is_none_is_named() {
        assert_eq!(Script::of("m--txet", ""), Err("txet".to_owned()));
        assert_eq!(Script::of("m--e418", ""), Err("e418".to_owned()));
        assert_eq!(Script::of("m--flaky:0", ""), Err("flaky:0".to_owned()));
    }
}
