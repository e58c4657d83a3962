//! What admission needs to know of a caller's request, found in one pass without a tree.
//!
//! | member | must be |
//! |---|---|
//! | `model` | a string of 1 to 256 characters |
//! | `messages` | an array of at least one message |
//! | `max_tokens` | a whole number from 0 on (0 only warms the cache); not asked for when counting |
//! | `stream` | a boolean or absent |

use super::Scan;
use crate::dialect::json;
use crate::dialect::openai_chat::estimate;
use crate::dialect::openai_chat::request::{
    OUTPUT_TOKENS_MAX, expected, flag, members_of, messages, missing, model,
};
use crate::fault::Fault;
use crate::usage::{Estimate, estimate_tokens};

/// The members that matter, as written.
#[derive(Default)]
struct Wanted<'a> {
    model: Option<&'a str>,
    messages: Option<&'a str>,
    system: Option<&'a str>,
    tools: Option<&'a str>,
    stream: Option<&'a str>,
    max_tokens: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Fault> {
        let mut wanted = Self::default();
        members_of(body, |name, value| wanted.note(name, value))?;
        Ok(wanted)
    }

    fn note(&mut self, name: &str, value: &'a str) {
        let place = match name {
            "model" => &mut self.model,
            "messages" => &mut self.messages,
            "system" => &mut self.system,
            "tools" => &mut self.tools,
            "stream" => &mut self.stream,
            "max_tokens" => &mut self.max_tokens,
            _ => return,
        };
        *place = Some(value);
    }

    fn max_tokens(&self) -> Result<u64, Fault> {
        const WHAT: &str = "a whole number of 0 or more";
        let raw = self.max_tokens.ok_or_else(|| missing("max_tokens", WHAT))?;
        json::count(raw).ok_or_else(|| expected("max_tokens", WHAT))
    }

    fn input_tokens(&self) -> u64 {
        let texts = [self.messages, self.system, self.tools];
        estimate_tokens(texts.into_iter().flatten().map(estimate::text_chars).sum())
    }
}

/// Reads the body of a request for an answer. The estimate takes the input from the text of messages, instructions
/// and tools (an image or a file counts as about 1,000 tokens), the output from `max_tokens`.
///
/// # Errors
/// [`FaultCode::InvalidRequest`](crate::fault::FaultCode::InvalidRequest) naming what was expected and where, unless
/// the body is UTF-8, one JSON object without duplicate keys, nested at most [`JSON_DEPTH_MAX`](crate::dialect::JSON_DEPTH_MAX) deep, and its members
/// are as the table above says.
pub fn scan(body: &[u8]) -> Result<Scan, Fault> {
    let wanted = Wanted::read(body)?;
    let model = model(wanted.model)?;
    messages(wanted.messages)?;
    let output_tokens = wanted.max_tokens()?.min(OUTPUT_TOKENS_MAX);
    let stream = flag(wanted.stream, "stream")?;
    let estimate = Estimate { input_tokens: wanted.input_tokens(), output_tokens };
    Ok(Scan { model, stream, include_usage: false, estimate })
}

/// Reads the body of a request to count tokens: the same without `max_tokens`, and never a stream.
///
/// # Errors
/// As [`scan`].
pub fn scan_count(body: &[u8]) -> Result<Scan, Fault> {
    let wanted = Wanted::read(body)?;
    let model = model(wanted.model)?;
    messages(wanted.messages)?;
    let estimate = Estimate { input_tokens: wanted.input_tokens(), output_tokens: 0 };
    Ok(Scan { model, stream: false, include_usage: false, estimate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_admission_needs() {
        let body = br#"{"model":"claude","max_tokens":100,"messages":[{"role":"user","content":"Hi"}],
            "system":"Be brief.","stream":true,"metadata":{"max_tokens":1}}"#;
        let scan = scan(body).unwrap();
        assert_eq!((scan.model.as_str(), scan.stream, scan.include_usage), ("claude", true, false));
        assert_eq!(scan.estimate, Estimate { input_tokens: 11, output_tokens: 100 });
        let warm = br#"{"model":"claude","max_tokens":0,"messages":[1]}"#;
        assert_eq!(super::scan(warm).unwrap().estimate.output_tokens, 0);
    }

    #[test]
    fn a_member_that_does_not_fit_is_named() {
        let cases = [
            (r#"{"messages":[1],"max_tokens":1}"#, "model"),
            (r#"{"model":"m","max_tokens":1}"#, "messages"),
            (r#"{"model":"m","messages":[],"max_tokens":1}"#, "messages"),
            (r#"{"model":"m","messages":[1]}"#, "max_tokens"),
            (r#"{"model":"m","messages":[1],"max_tokens":null}"#, "max_tokens"),
            (r#"{"model":"m","messages":[1],"max_tokens":-1}"#, "max_tokens"),
            (r#"{"model":"m","messages":[1],"max_tokens":1.5}"#, "max_tokens"),
            (r#"{"model":"m","messages":[1],"max_tokens":"9"}"#, "max_tokens"),
            (r#"{"model":"m","messages":[1],"max_tokens":1,"stream":1}"#, "stream"),
            (r#"{"model":"m","messages":[1],"max_tokens":1,"max_tokens":2}"#, "max_tokens"),
        ];
        for (body, param) in cases {
            assert_eq!(scan(body.as_bytes()).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
        let deep = format!(r#"{{"model":"m","messages":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        assert!(scan(deep.as_bytes()).unwrap_err().message.contains("128 levels"));
        assert!(scan(b"{\"model\":\"\xff\"}").unwrap_err().message.contains("byte 10"));
    }

    #[test]
    fn counting_needs_no_limit() {
        let scan = scan_count(br#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true}"#);
        let scan = scan.unwrap();
        assert_eq!((scan.stream, scan.estimate.output_tokens), (false, 0));
        assert_eq!(scan_count(b"{}").unwrap_err().param.as_deref(), Some("model"));
    }
}
