//! One choice of an answer or of a chunk: is there anything in it, has it ended, how much text is it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::json;

/// A choice, whole (`message`) or a piece of one (`delta`).
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice<'a> {
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow, alias = "message")]
    delta: Option<Delta<'a>>,
}

/// The members of a message that are part of its content; anything else (role, annotations) is about it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking_blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
    #[serde(borrow)]
    images: Option<&'a RawValue>,
}

impl Choice<'_> {
    /// The choice's number, where it gives one.
    pub(super) fn index(&self) -> Option<u64> {
        json::count(self.index?.get())
    }

    /// Whether it says why it ended. Some servers write an empty reason into every chunk.
    pub(super) fn finished(&self) -> bool {
        self.finish_reason.is_some_and(|reason| !json::is_empty(reason.get()))
    }

    /// Whether there is anything in it that a caller would miss.
    pub(super) fn has_content(&self) -> bool {
        self.delta.as_ref().is_some_and(|d| {
            let members = [
                d.content,
                d.tool_calls,
                d.reasoning_content,
                d.reasoning,
                d.refusal,
                d.function_call,
                d.audio,
                d.reasoning_details,
                d.thinking_blocks,
                d.images,
            ];
            members.into_iter().flatten().any(|raw| !json::is_empty(raw.get()))
        })
    }

    /// Characters of text in it. Reasoning is often given in more than one form; the longest counts.
    pub(super) fn text_chars(&self) -> u64 {
        let Some(d) = &self.delta else { return 0 };
        let count = |raw: Option<&RawValue>| raw.map_or(0, |raw| text_chars(raw.get()));
        let reasoning = [d.reasoning, d.reasoning_content, d.reasoning_details, d.thinking_blocks];
        [d.content, d.refusal, d.tool_calls, d.function_call, d.audio].into_iter().map(count).sum::<u64>()
            + reasoning.into_iter().map(count).max().unwrap_or(0)
    }
}

/// Members that hold no text of the model's, but identifiers and encoded bytes.
const NOT_TEXT: [&[u8]; 9] =
    [b"id", b"type", b"data", b"format", b"signature", b"url", b"index", b"status", b"encrypted_content"];

/// Characters in the string values of a JSON text, an escape counted as one, keys and [`NOT_TEXT`] left out.
pub(in crate::dialect) fn text_chars(raw: &str) -> u64 {
    let mut rest = raw.as_bytes();
    let mut total = 0;
    let mut key: &[u8] = b"";
    while let Some(quote) = memchr::memchr(b'"', rest) {
        rest = &rest[quote + 1..];
        let (inside, after) = rest.split_at(json::string_len(rest));
        rest = after.get(1..).unwrap_or_default();
        if rest.trim_ascii_start().first() == Some(&b':') {
            key = inside;
        } else if !NOT_TEXT.contains(&key) {
            total += unescaped_chars(inside);
        }
    }
    total
}

fn unescaped_chars(mut inside: &[u8]) -> u64 {
    let mut total = 0;
    while let Some(at) = memchr::memchr(b'\\', inside) {
        let len = if inside.get(at + 1) == Some(&b'u') { 6 } else { 2 };
        total += json::chars(&inside[..at]) + 1;
        inside = inside.get(at + len..).unwrap_or_default();
    }
    total + json::chars(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Choice<'_> {
        serde_json::from_str(raw).unwrap()
    }

    #[test]
    fn only_what_a_caller_would_miss_is_content() {
        for nothing in [
            r#"{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}"#,
            r#"{"delta":{"role":"assistant","tool_calls":[ ],"audio":{},"reasoning":""},"finish_reason":""}"#,
            r#"{"index":0,"delta":null}"#,
            r#"{}"#,
        ] {
            assert!(!read(nothing).has_content() && !read(nothing).finished(), "{nothing}");
        }
        for member in [
            r#""content":"a""#,
            r#""content":[{"type":"text","text":"x"}]"#,
            r#""refusal":"no""#,
            r#""reasoning":"hm""#,
            r#""reasoning_content":"hm""#,
            r#""tool_calls":[{"index":0}]"#,
            r#""function_call":{"name":"f"}"#,
            r#""audio":{"id":"a"}"#,
        ] {
            assert!(read(&format!(r#"{{"delta":{{{member}}}}}"#)).has_content(), "{member}");
        }
        assert!(read(r#"{"delta":{},"finish_reason":"stop"}"#).finished());
    }

    #[test]
    fn text_is_counted_as_it_reads() {
        let chars = |delta: &str| read(&format!(r#"{{"delta":{delta}}}"#)).text_chars();
        assert_eq!(chars(r#"{"role":"assistant","content":"a\n\u00e9\"漢"}"#), 5);
        assert_eq!(chars(r#"{"reasoning":"four","reasoning_content":"four"}"#), 4);
        let call = r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function",
            "function":{"name":"get","arguments":"{\"a\":1}"}}]}"#;
        assert_eq!(chars(call), 3 + 7);
        assert_eq!(chars(r#"{"audio":{"id":"x","data":"AAAA","transcript":"hey"}}"#), 3);
    }
}
