//! What a model's name means to the fake provider.
//!
//! A name is one or more parts joined by `+`; later parts change what earlier ones said. So
//! `s64x5+no-usage` streams 64 chunks, one each 5 ms, and reports no usage.
//!
//! | part | meaning |
//! |---|---|
//! | `ok`, and every name that starts with `gpt-` | five chunks at once |
//! | `sNxM` | N chunks, M ms before each |
//! | `slow-N`, `slow-first-N` | N ms before the head of the answer; of the first one of each `user` alone |
//! | `echo` | the answer is JSON: SHA-256 and length of the body received |
//! | `big-N` | an answer of N MiB |
//! | `tools`, `json` | a tool call; a JSON document that fits a `{"city": string}` schema |
//! | `split-utf8` | a stream whose writes end within characters and within lines |
//! | `no-usage`, `bad-usage`, `part-usage` | no usage; a total that is no sum; no output count |
//! | `status-CODE` | an error; `-retry-S` or `-retry-ms-M` adds the wait header, `-then-ok` fails once per `user` |
//! | `quota` | 429 that no waiting helps |
//! | `hang`, `hang-K` | no answer ever; nothing more after K chunks |
//! | `cut-at-once`, `cut`, `cut-K` | the connection drops before the head; after 2 chunks; after K |
//! | `midstream-error`, `error-K` | an error event after 2 chunks; after K |
//! | `nodone` | a stream that ends without `[DONE]` |

use std::time::Duration;

/// How a call is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// An error instead of an answer.
    pub refusal: Option<Refusal>,
    /// Before the head of the answer.
    pub delay: Duration,
    /// The delay is for the first call of each `user` alone.
    pub delay_once: bool,
    /// Pieces of content.
    pub chunks: u32,
    /// Before each piece of a stream.
    pub every: Duration,
    /// What the content is.
    pub content: Content,
    /// What is said about tokens.
    pub usage: UsageShape,
    /// How it ends.
    pub ending: Ending,
    /// Writes end within characters and lines.
    pub split: bool,
}

/// What the content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A word for each chunk.
    Words,
    /// SHA-256 and length of the body received.
    Echo,
    /// That many MiB of text.
    Big(u32),
    /// A call of the first tool offered.
    Tools,
    /// A document for a schema.
    Json,
}

/// What is said about tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageShape {
    /// All of it.
    Full,
    /// Nothing.
    Missing,
    /// A total that is not the sum of its parts.
    Mismatch,
    /// No output count.
    Part,
}

/// How an answer ends. Counts are pieces of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Properly.
    Done,
    /// Without `[DONE]`.
    NoDone,
    /// The connection drops before the head.
    CutAtOnce,
    /// The connection drops after so many.
    CutAfter(u32),
    /// An error event after so many.
    ErrorAfter(u32),
    /// Silence before the head.
    Hang,
    /// Silence after so many.
    HangAfter(u32),
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Wait header: its name and value.
    pub wait: Option<(&'static str, String)>,
    /// Only the first call of each `user`.
    pub once: bool,
    /// The account is used up, rather than too fast.
    pub quota: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            refusal: None,
            delay: Duration::ZERO,
            delay_once: false,
            chunks: 5,
            every: Duration::ZERO,
            content: Content::Words,
            usage: UsageShape::Full,
            ending: Ending::Done,
            split: false,
        }
    }
}

impl Script {
    /// What `model` asks for; `None` if there is no such model here.
    pub fn of(model: &str) -> Option<Self> {
        let mut script = Self::default();
        for part in model.split('+') {
            script.apply(part)?;
        }
        Some(script)
    }

    fn apply(&mut self, part: &str) -> Option<()> {
        match part {
            "ok" => {}
            "echo" => self.content = Content::Echo,
            "tools" => self.content = Content::Tools,
            "json" => self.content = Content::Json,
            "split-utf8" => self.split = true,
            "no-usage" => self.usage = UsageShape::Missing,
            "bad-usage" => self.usage = UsageShape::Mismatch,
            "part-usage" => self.usage = UsageShape::Part,
            "quota" => {
                self.refusal = Some(Refusal { status: 429, wait: None, once: false, quota: true });
            }
            "hang" => self.ending = Ending::Hang,
            "cut-at-once" => self.ending = Ending::CutAtOnce,
            "cut" => self.ending = Ending::CutAfter(2),
            "midstream-error" => self.ending = Ending::ErrorAfter(2),
            "nodone" => self.ending = Ending::NoDone,
            _ => self.apply_numbered(part)?,
        }
        Some(())
    }

    fn apply_numbered(&mut self, part: &str) -> Option<()> {
        if part.starts_with("gpt-") {
            return Some(());
        }
        if let Some(rest) = part.strip_prefix("status-") {
            self.refusal = Some(refusal(rest)?);
            return Some(());
        }
        if let Some((chunks, every)) = part.strip_prefix('s').and_then(|r| r.split_once('x')) {
            self.chunks = chunks.parse().ok()?;
            self.every = Duration::from_millis(every.parse().ok()?);
            return Some(());
        }
        let (name, number) = part.rsplit_once('-')?;
        let number: u32 = number.parse().ok()?;
        match name {
            "slow" => self.delay = Duration::from_millis(number.into()),
            "slow-first" => {
                self.delay = Duration::from_millis(number.into());
                self.delay_once = true;
            }
            "big" => self.content = Content::Big(number),
            "hang" => self.ending = Ending::HangAfter(number),
            "cut" => self.ending = Ending::CutAfter(number),
            "error" => self.ending = Ending::ErrorAfter(number),
            _ => return None,
        }
        Some(())
    }
}

fn refusal(text: &str) -> Option<Refusal> {
    let (text, once) = match text.strip_suffix("-then-ok") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (code, wait) = match text.split_once("-retry-") {
        Some((code, wait)) => (code, Some(wait)),
        None => (text, None),
    };
    let wait = wait.map(|wait| match wait.strip_prefix("ms-") {
        Some(ms) => ("retry-after-ms", ms.to_owned()),
        None => ("retry-after", wait.to_owned()),
    });
    let status = code.parse().ok().filter(|s| (400..600).contains(s))?;
    Some(Refusal { status, wait, once, quota: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_combine() {
        let script = Script::of("s64x5+no-usage").unwrap();
        assert_eq!((script.chunks, script.every), (64, Duration::from_millis(5)));
        assert_eq!(script.usage, UsageShape::Missing);
    }

    #[test]
    fn statuses_carry_waits() {
        let refusal = Script::of("status-429-retry-2-then-ok").unwrap().refusal.unwrap();
        assert_eq!((refusal.status, refusal.once), (429, true));
        assert_eq!(refusal.wait, Some(("retry-after", "2".to_owned())));
        let refusal = Script::of("status-503-retry-ms-20").unwrap().refusal.unwrap();
        assert_eq!(refusal.wait, Some(("retry-after-ms", "20".to_owned())));
    }

    #[test]
    fn there_is_no_model_of_any_other_name() {
        for name in ["", "claude", "status-200", "s5", "slow-x", "big", "ok+what"] {
            assert_eq!(Script::of(name), None, "{name}");
        }
    }
}
