//! What the fake provider says: bodies and streams as OpenAI's service words them.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::script::{Content, Ending, Script, UsageShape};
use crate::strict::{Asked, Refused};

/// Input tokens of every call.
pub const INPUT_TOKENS: u64 = 11;
/// How many of them come from the prompt cache.
pub const CACHED_TOKENS: u64 = 3;

const CREATED: u64 = 1_790_000_000;
const WORDS: [&str; 6] = ["Water ", "höher ", "than ", "水 ", "rises ", "🌊 "];
const BIG_PIECE: usize = 256 * 1024;
const SPLIT_BYTES: usize = 7;

/// A write of a stream: bytes, the tokens they bring, and the wait before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is written.
    pub bytes: Bytes,
    /// Tokens of output in it.
    pub tokens: u64,
    /// How long to wait before it.
    pub wait: Duration,
}

/// An answer to a call.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// Its id.
    pub id: &'a str,
    /// The call.
    pub asked: &'a Asked,
    /// How it is to be answered.
    pub script: &'a Script,
    /// The body received.
    pub body: &'a [u8],
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

/// The words that `chunks` pieces of content make.
pub fn words(chunks: u32) -> String {
    (0..chunks as usize).map(|i| WORDS[i % WORDS.len()]).collect()
}

/// The error of a refusal, worded by its status.
pub fn refusal(status: u16, quota: bool) -> Refused {
    const CALLER: &str = "invalid_request_error";
    let (kind, code, message) = match status {
        429 if quota => ("insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
        400 => (CALLER, "invalid_value", "Invalid value."),
        401 => (CALLER, "invalid_api_key", "Incorrect API key provided."),
        403 => (CALLER, "unsupported_country_region_territory", "Country not supported."),
        404 => (CALLER, "model_not_found", "The model does not exist."),
        408 => ("server_error", "timeout", "The request timed out."),
        409 => (CALLER, "conflict", "The resource is locked."),
        413 => (CALLER, "request_too_large", "The request is too large."),
        422 => (CALLER, "unprocessable", "The request cannot be processed."),
        429 => ("requests", "rate_limit_exceeded", "Rate limit reached."),
        503 => ("service_unavailable_error", "server_is_overloaded", "The server is overloaded."),
        _ => ("server_error", "server_error", "The server had an error."),
    };
    Refused::new(status, kind, Some(code), message)
}

impl Answer<'_> {
    /// Pieces of content, and the tokens they are billed as.
    fn pieces(&self) -> Vec<String> {
        match self.script.content {
            Content::Words => {
                (0..self.script.chunks as usize).map(|i| WORDS[i % WORDS.len()].to_owned()).collect()
            }
            Content::Echo => {
                vec![json!({"sha256": sha256(self.body), "bytes": self.body.len()}).to_string()]
            }
            Content::Big(mib) => vec!["x".repeat(BIG_PIECE); (mib as usize) << 2],
            Content::Json => vec!["{\"city\":".to_owned(), " \"Köln\"}".to_owned()],
            Content::Tools => vec!["{\"city\":".to_owned(), "\"Paris\"}".to_owned()],
        }
    }

    fn tool(&self) -> &str {
        let named = |tool: &Value| tool.pointer("/function/name").is_some();
        let tool = self.asked.tools.iter().flatten().find(|t| named(t));
        tool.and_then(|t| t.pointer("/function/name")).and_then(Value::as_str).unwrap_or("get_weather")
    }

    fn finish_reason(&self) -> &'static str {
        if self.script.content == Content::Tools { "tool_calls" } else { "stop" }
    }

    fn usage(&self, output: u64) -> Value {
        let mut usage = json!({
            "prompt_tokens": INPUT_TOKENS, "completion_tokens": output, "total_tokens": INPUT_TOKENS + output,
            "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        });
        match self.script.usage {
            UsageShape::Full | UsageShape::Missing => {}
            UsageShape::Mismatch => usage["total_tokens"] = json!(999),
            UsageShape::Part => usage["completion_tokens"] = Value::Null,
        }
        usage
    }

    /// The body of an answer that is no stream, and its output tokens.
    pub fn unary(&self) -> (Bytes, u64) {
        let pieces = self.pieces();
        let tokens = pieces.len() as u64;
        let message = match self.script.content {
            Content::Tools => json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": [{
                "id": "call_1", "type": "function",
                "function": {"name": self.tool(), "arguments": pieces.concat()}}]}),
            Content::Words | Content::Echo | Content::Big(_) | Content::Json => {
                json!({"role": "assistant", "content": pieces.concat(), "refusal": null, "annotations": []})
            }
        };
        let mut body = json!({
            "id": self.id, "object": "chat.completion", "created": CREATED, "model": self.asked.model,
            "service_tier": "default", "system_fingerprint": null,
            "choices": [{"index": 0, "message": message, "logprobs": null,
                         "finish_reason": self.finish_reason()}],
        });
        if self.script.usage != UsageShape::Missing {
            body["usage"] = self.usage(tokens);
        }
        (body.to_string().into(), tokens)
    }

    fn event(&self, choices: &Value, usage: Option<Value>) -> Bytes {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": CREATED,
            "model": self.asked.model, "service_tier": "default", "system_fingerprint": null,
            "choices": choices,
        });
        if self.asked.wants_usage() {
            chunk["usage"] = usage.unwrap_or(Value::Null);
        }
        format!("data: {chunk}\n\n").into()
    }

    fn delta(&self, delta: &Value, finish: Option<&str>) -> Bytes {
        self.event(&json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]), None)
    }

    fn content_delta(&self, n: usize, piece: &str) -> Value {
        match (self.script.content, n) {
            (Content::Tools, 0) => json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
                "function": {"name": self.tool(), "arguments": piece}}]}),
            (Content::Tools, _) => {
                json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            }
            _ => json!({"content": piece}),
        }
    }

    /// The writes of a stream, up to where the script ends it.
    pub fn stream(&self) -> Vec<Item> {
        let now = |bytes: Bytes| Item { bytes, tokens: 0, wait: Duration::ZERO };
        let mut items =
            vec![now(self.delta(&json!({"role": "assistant", "content": "", "refusal": null}), None))];
        let pieces = self.pieces();
        let tokens = pieces.len() as u64;
        let shown = match self.script.ending {
            Ending::CutAfter(n) | Ending::ErrorAfter(n) | Ending::HangAfter(n) => n as usize,
            Ending::Done | Ending::NoDone | Ending::CutAtOnce | Ending::Hang => usize::MAX,
        };
        for (n, piece) in pieces.iter().enumerate().take(shown) {
            let bytes = self.delta(&self.content_delta(n, piece), None);
            items.push(Item { bytes, tokens: 1, wait: self.script.every });
        }
        match self.script.ending {
            Ending::ErrorAfter(_) => {
                let error = refusal(500, false).body;
                items.push(now(format!("data: {error}\n\n").into()));
            }
            Ending::Done | Ending::NoDone => {
                items.push(now(self.delta(&json!({}), Some(self.finish_reason()))));
                if self.asked.wants_usage() && self.script.usage != UsageShape::Missing {
                    items.push(now(self.event(&json!([]), Some(self.usage(tokens)))));
                }
                if self.script.ending == Ending::Done {
                    items.push(now(Bytes::from_static(b"data: [DONE]\n\n")));
                }
            }
            Ending::CutAfter(_) | Ending::HangAfter(_) | Ending::CutAtOnce | Ending::Hang => {}
        }
        if self.script.split { split(&items) } else { items }
    }
}

/// The same bytes in writes of seven, each a moment after the one before.
fn split(items: &[Item]) -> Vec<Item> {
    let bytes: Vec<u8> = items.iter().flat_map(|i| i.bytes.iter().copied()).collect();
    let mut tokens: u64 = items.iter().map(|i| i.tokens).sum();
    let wait = Duration::from_micros(200);
    bytes
        .chunks(SPLIT_BYTES)
        .map(|part| {
            let bytes = Bytes::copy_from_slice(part);
            Item { bytes, tokens: std::mem::take(&mut tokens), wait }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(model: &str, stream: bool) -> Asked {
        let options = if stream { json!({"include_usage": true}) } else { Value::Null };
        serde_json::from_value(json!({
            "model": model, "stream": stream, "stream_options": options,
            "messages": [{"role": "user", "content": "x"}],
        }))
        .unwrap()
    }

    fn text(model: &str) -> String {
        let (asked, script) = (asked(model, true), Script::of(model).unwrap());
        let answer = Answer { id: "c", asked: &asked, script: &script, body: b"x" };
        let bytes: Vec<u8> = answer.stream().iter().flat_map(|i| i.bytes.to_vec()).collect();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_stream_ends_as_scripted() {
        assert!(text("ok").ends_with("data: [DONE]\n\n"));
        assert!(text("ok").contains("\"total_tokens\":16"));
        assert!(!text("nodone").contains("[DONE]"));
        assert!(!text("cut").contains("finish_reason\":\"stop"));
        assert!(text("midstream-error").contains("data: {\"error\""));
        assert!(!text("ok+no-usage").contains("prompt_tokens"));
    }

    #[test]
    fn splitting_keeps_the_bytes() {
        assert_eq!(text("split-utf8+s20x0"), text("s20x0").replace("s20x0", "split-utf8+s20x0"));
    }

    #[test]
    fn a_unary_answer_is_one_document() {
        let (asked, script) = (asked("s3x1", false), Script::of("s3x1").unwrap());
        let answer = Answer { id: "c", asked: &asked, script: &script, body: b"x" };
        let (body, tokens) = answer.unary();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["choices"][0]["message"]["content"], words(3));
        assert_eq!((tokens, &body["usage"]["completion_tokens"]), (3, &json!(3)));
    }
}
