//! What admission needs to know of a caller's request, found in one pass without a tree.
//!
//! Only members that Forebay acts on are checked; what the rest should be is between caller and provider.

use std::borrow::Cow;

use super::estimate;
use crate::dialect::json::{self, Member};
use crate::dialect::{JSON_DEPTH_MAX, nested_too_deep};
use crate::fault::{Fault, FaultCode};
use crate::usage::{Estimate, estimate_tokens};

/// The longest model name, in characters.
const MODEL_CHARS_MAX: usize = 256;

/// The most members an object that is read here may have; requests have a few dozen.
pub(in crate::dialect) const MEMBERS_MAX: usize = 512;

/// What a choice may use where the caller sets no limit, in tokens.
const OUTPUT_TOKENS_DEFAULT: u64 = 1_024;

/// The most output tokens an estimate claims, whatever limit the caller sets.
pub(in crate::dialect) const OUTPUT_TOKENS_MAX: u64 = 1 << 24;

/// What a request says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The model asked for: an alias of 1 to 256 characters.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether a stream is to end with a usage chunk.
    pub include_usage: bool,
    /// What the call may use: input from the text of messages and tools, where an image, a recording or a file
    /// counts as about 1,000 tokens; output from `max_completion_tokens` or `max_tokens`, else 1,024, times `n`.
    pub estimate: Estimate,
}

/// The members that matter, as written.
#[derive(Default)]
struct Wanted<'a> {
    model: Option<&'a str>,
    messages: Option<&'a str>,
    tools: Option<&'a str>,
    stream: Option<&'a str>,
    stream_options: Option<&'a str>,
    max_completion_tokens: Option<&'a str>,
    max_tokens: Option<&'a str>,
    n: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn note(&mut self, name: &str, value: &'a str) {
        let place = match name {
            "model" => &mut self.model,
            "messages" => &mut self.messages,
            "tools" => &mut self.tools,
            "stream" => &mut self.stream,
            "stream_options" => &mut self.stream_options,
            "max_completion_tokens" => &mut self.max_completion_tokens,
            "max_tokens" => &mut self.max_tokens,
            "n" => &mut self.n,
            _ => return,
        };
        *place = Some(value);
    }

    fn estimate(&self) -> Estimate {
        let chars = [self.messages, self.tools].into_iter().flatten().map(estimate::text_chars).sum();
        let count = |raw: Option<&str>| raw.and_then(json::count).filter(|n| *n > 0);
        let each =
            count(self.max_completion_tokens).or(count(self.max_tokens)).unwrap_or(OUTPUT_TOKENS_DEFAULT);
        let output_tokens = each.saturating_mul(count(self.n).unwrap_or(1)).min(OUTPUT_TOKENS_MAX);
        Estimate { input_tokens: estimate_tokens(chars), output_tokens }
    }
}

/// Reads a caller's body.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] naming what was expected and where, unless the body is UTF-8, one JSON object
/// without duplicate keys, nested at most [`JSON_DEPTH_MAX`] deep, with a `model`, `messages`, and `stream` and
/// `stream_options` of their types.
pub fn scan(body: &[u8]) -> Result<Scan, Fault> {
    let mut wanted = Wanted::default();
    members_of(body, |name, value| wanted.note(name, value))?;
    let model = model(wanted.model)?;
    messages(wanted.messages)?;
    let stream = flag(wanted.stream, "stream")?;
    let include_usage = include_usage(wanted.stream_options)?;
    Ok(Scan { model, stream, include_usage, estimate: wanted.estimate() })
}

/// Hands every member of a caller's body to `note`, by its name and as written. A fault where the body is no readable
/// JSON object, nests too deeply, or names a key twice.
pub(in crate::dialect) fn members_of<'a>(
    body: &'a [u8],
    mut note: impl FnMut(&str, &'a str),
) -> Result<(), Fault> {
    let text = utf8(body)?;
    if nested_too_deep(body, JSON_DEPTH_MAX) {
        return Err(invalid(format!(
            "The body nests objects and arrays deeper than the {JSON_DEPTH_MAX} levels allowed."
        )));
    }
    let mut names = Vec::with_capacity(16);
    object(text, |member| {
        let name = member.name();
        note(&name, member.value);
        if names.len() <= MEMBERS_MAX {
            names.push(name);
        }
    })?;
    refuse_duplicates(names, "")
}

/// Whether a body, known to be readable, offers function tools and does not switch reasoning off.
///
/// Some models take both together on the Responses API alone (OpenAI's models page, read 2026-11).
pub fn tools_with_reasoning(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let (mut tools, mut off) = (false, false);
    let read = json::members(text, |member| match &*member.name() {
        "tools" | "functions" => tools |= member.value.starts_with('[') && !json::is_empty(member.value),
        "reasoning_effort" => off = member.value == "\"none\"",
        _ => {}
    });
    read.is_ok() && tools && !off
}

/// The members of a body; a fault that names the place where it is no JSON object.
pub(in crate::dialect) fn object<'a>(text: &'a str, each: impl FnMut(Member<'a>)) -> Result<(), Fault> {
    match text.trim_ascii_start().as_bytes().first() {
        None => return Err(invalid("The body is empty. Expected a JSON object.")),
        Some(b'{') => {}
        Some(_) => return Err(invalid("The body must be a JSON object; it does not begin with `{`.")),
    }
    json::members(text, each).map_err(|error| invalid(format!("The body is not valid JSON: {error}.")))
}

/// The body as text.
pub(in crate::dialect) fn utf8(body: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(body).map_err(|error| {
        invalid(format!("The body is not valid UTF-8: byte {} cannot be decoded.", error.valid_up_to()))
    })
}

pub(in crate::dialect) fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(FaultCode::InvalidRequest, message)
}

pub(in crate::dialect) fn expected(param: &str, what: &str) -> Fault {
    invalid(format!("Invalid value for `{param}`: expected {what}.")).with_param(param)
}

pub(in crate::dialect) fn missing(param: &str, what: &str) -> Fault {
    invalid(format!("Missing required parameter `{param}`: expected {what}.")).with_param(param)
}

/// A key given twice may mean one thing to us and another to the provider.
pub(in crate::dialect) fn refuse_duplicates(mut names: Vec<Cow<'_, str>>, prefix: &str) -> Result<(), Fault> {
    if names.len() > MEMBERS_MAX {
        return Err(invalid(format!("Expected an object with at most {MEMBERS_MAX} keys; there are more.")));
    }
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => {
            let param: String = format!("{prefix}{}", pair[0]).chars().take(MODEL_CHARS_MAX).collect();
            let message = format!("Duplicate key `{param}`: expected each key at most once.");
            Err(invalid(message).with_param(param))
        }
    }
}

pub(in crate::dialect) fn model(raw: Option<&str>) -> Result<String, Fault> {
    const WHAT: &str = "a string of 1 to 256 characters";
    let raw = raw.ok_or_else(|| missing("model", WHAT))?;
    let model = json::string(raw).ok_or_else(|| expected("model", WHAT))?;
    if model.is_empty() || model.chars().nth(MODEL_CHARS_MAX).is_some() {
        return Err(expected("model", WHAT));
    }
    Ok(model.into_owned())
}

pub(in crate::dialect) fn messages(raw: Option<&str>) -> Result<(), Fault> {
    const WHAT: &str = "an array of at least one message";
    let raw = raw.ok_or_else(|| missing("messages", WHAT))?;
    if raw.starts_with('[') && !json::is_empty(raw) { Ok(()) } else { Err(expected("messages", WHAT)) }
}

pub(in crate::dialect) fn flag(raw: Option<&str>, param: &str) -> Result<bool, Fault> {
    match raw {
        Some("true") => Ok(true),
        Some("false" | "null") | None => Ok(false),
        Some(_) => Err(expected(param, "a boolean")),
    }
}

fn include_usage(raw: Option<&str>) -> Result<bool, Fault> {
    let options = match raw {
        None | Some("null") => return Ok(false),
        Some(options) if options.starts_with('{') => options,
        Some(_) => return Err(expected("stream_options", "an object")),
    };
    let mut value = None;
    let mut names = Vec::new();
    object(options, |member| {
        let name = member.name();
        if name == "include_usage" {
            value = Some(member.value);
        }
        if names.len() <= MEMBERS_MAX {
            names.push(name);
        }
    })?;
    refuse_duplicates(names, "stream_options.")?;
    flag(value, "stream_options.include_usage")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: &str) -> Fault {
        let fault = scan(body.as_bytes()).unwrap_err();
        assert_eq!(fault.code, FaultCode::InvalidRequest);
        fault
    }

    #[test]
    fn tools_go_with_reasoning_unless_it_is_off() {
        let with = |body: &str| tools_with_reasoning(body.as_bytes());
        assert!(with(r#"{"tools":[{"type":"function"}]}"#));
        assert!(with(r#"{"tools":[{}],"reasoning_effort":"low"}"#));
        for without in [
            r#"{"tools":[{}],"reasoning_effort":"none"}"#,
            r#"{"tools":[],"reasoning_effort":"low"}"#,
            r#"{"tools":null}"#,
            "{}",
            "nonsense",
        ] {
            assert!(!with(without), "{without}");
        }
    }

    #[test]
    fn reads_what_admission_needs() {
        let body = br#"{ "messages":[{"role":"user","content":"Hello"}], "mod\u0065l":"fa\u0073t",
            "stream":true, "stream_options":{"include_usage":true,"x":1}, "max_tokens":100, "n":3, "z":{"model":1}}"#;
        let scan = scan(body).unwrap();
        assert_eq!((scan.model.as_str(), scan.stream, scan.include_usage), ("fast", true, true));
        assert_eq!(scan.estimate, Estimate { input_tokens: 9, output_tokens: 300 });
    }

    #[test]
    fn absent_and_null_options_are_defaults() {
        let scan =
            scan(br#"{"model":"m","messages":[1],"stream":null,"stream_options":null,"n":null}"#).unwrap();
        assert_eq!((scan.stream, scan.include_usage), (false, false));
        assert_eq!(scan.estimate.output_tokens, 1_024);
    }

    #[test]
    fn limits_are_read_in_order_and_capped() {
        let output = |rest: &str| {
            let body = format!(r#"{{"model":"m","messages":[1],{rest}}}"#);
            scan(body.as_bytes()).unwrap().estimate.output_tokens
        };
        assert_eq!(output(r#""max_tokens":5,"max_completion_tokens":7"#), 7);
        assert_eq!(output(r#""max_tokens":5,"max_completion_tokens":null"#), 5);
        assert_eq!(output(r#""n":2"#), 2_048);
        assert_eq!(output(r#""max_tokens":9007199254740992,"n":9007199254740992"#), OUTPUT_TOKENS_MAX);
        assert_eq!(output(r#""max_tokens":-5"#), 1_024);
    }

    #[test]
    fn a_member_that_does_not_fit_is_named() {
        let cases = [
            (r#"{"messages":[1]}"#, "model"),
            (r#"{"model":"","messages":[1]}"#, "model"),
            (r#"{"model":7,"messages":[1]}"#, "model"),
            (r#"{"model":"\ud800","messages":[1]}"#, "model"),
            (r#"{"model":"m"}"#, "messages"),
            (r#"{"model":"m","messages":[ ]}"#, "messages"),
            (r#"{"model":"m","messages":"hi"}"#, "messages"),
            (r#"{"model":"m","messages":{"a":1}}"#, "messages"),
            (r#"{"model":"m","messages":[1],"stream":"true"}"#, "stream"),
            (r#"{"model":"m","messages":[1],"stream":1}"#, "stream"),
            (r#"{"model":"m","messages":[1],"stream_options":[]}"#, "stream_options"),
            (
                r#"{"model":"m","messages":[1],"stream_options":{"include_usage":1}}"#,
                "stream_options.include_usage",
            ),
            (r#"{"model":"m","messages":[1],"model":"x"}"#, "model"),
            (r#"{"model":"m","messages":[1],"m\u006fdel":"x"}"#, "model"),
            (r#"{"model":"m","messages":[1],"x":1,"x":2}"#, "x"),
            (
                r#"{"model":"m","messages":[1],"stream_options":{"include_usage":true,"include_usage":false}}"#,
                "stream_options.include_usage",
            ),
        ];
        for (body, param) in cases {
            let fault = fault(body);
            assert_eq!(fault.param.as_deref(), Some(param), "{body}");
            assert!(fault.message.contains("expected"), "{}", fault.message);
        }
        let long = |n: usize| format!(r#"{{"model":"{}","messages":[1]}}"#, "é".repeat(n));
        assert!(scan(long(256).as_bytes()).is_ok());
        assert_eq!(fault(&long(257)).param.as_deref(), Some("model"));
    }

    #[test]
    fn too_many_members_are_refused() {
        let with = |n: usize| {
            let rest: String = (0..n).map(|i| format!(",\"k{i}\":1")).collect();
            format!(r#"{{"model":"m","messages":[1]{rest}}}"#)
        };
        assert!(scan(with(510).as_bytes()).is_ok());
        assert!(fault(&with(511)).message.contains("at most 512 keys"));
    }

    #[test]
    fn what_is_no_json_object_is_told_where_it_breaks() {
        assert!(fault("").message.contains("empty"));
        assert!(fault("[1]").message.contains("JSON object"));
        assert!(fault("{\"model\":\"m\",\n\"messages\":[1,]}").message.contains("line 2 column"));
        assert!(fault(r#"{"model":"m","messages":[1]"#).message.contains("EOF"));
        assert!(fault(r#"{"model":"m","messages":[1]} x"#).message.contains("trailing characters"));
        let deep = format!(r#"{{"model":"m","messages":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert!(fault(&deep).message.contains("128 levels"));
        let error = scan(b"{\"model\":\"\xff\"}").unwrap_err();
        assert!(error.message.contains("byte 10"), "{}", error.message);
    }
}
