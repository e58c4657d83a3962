//! What admission needs to know of a caller's request, found in one pass without a tree.

use super::input;
use crate::dialect::json;
use crate::dialect::openai_chat::Scan;
use crate::dialect::openai_chat::request::{MEMBERS_MAX, expected, members_of, model};
use crate::fault::Fault;
use crate::usage::{Estimate, estimate_tokens};

/// The members that matter, as written.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    pub(super) model: Option<&'a str>,
    pub(super) input: Option<&'a str>,
    pub(super) dimensions: Option<&'a str>,
    pub(super) encoding_format: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    /// Names of all others.
    pub(super) rest: Vec<String>,
}

/// Reads a caller's body. The estimate counts four characters or one token id as a token, and no output.
///
/// # Errors
/// [`FaultCode::InvalidRequest`](crate::fault::FaultCode::InvalidRequest) naming what was expected and where, unless
/// the body is UTF-8, one JSON object without duplicate keys, with a `model`, an `input` of at most 2048 texts or lists
/// of token ids none of which is empty, `dimensions` above zero and a known `encoding_format` where they are given.
pub fn scan(body: &[u8]) -> Result<Scan, Fault> {
    let wanted = wanted(body)?;
    let model = model(wanted.model)?;
    let measure = input::measure(wanted.input)?;
    dimensions(wanted.dimensions)?;
    base64(wanted.encoding_format)?;
    let of_text = if measure.chars > 0 { estimate_tokens(measure.chars) } else { 0 };
    let input_tokens = of_text.saturating_add(measure.tokens);
    let estimate = Estimate { input_tokens, output_tokens: 0 };
    Ok(Scan { model, stream: false, include_usage: false, estimate })
}

/// The members of a body.
pub(super) fn wanted(body: &[u8]) -> Result<Wanted<'_>, Fault> {
    let mut wanted = Wanted::default();
    members_of(body, |name, value| match name {
        "model" => wanted.model = Some(value),
        "input" => wanted.input = Some(value),
        "dimensions" => wanted.dimensions = Some(value),
        "encoding_format" => wanted.encoding_format = Some(value),
        "user" => wanted.user = Some(value),
        other if wanted.rest.len() < MEMBERS_MAX => wanted.rest.push(other.to_owned()),
        _ => {}
    })?;
    Ok(wanted)
}

/// How many numbers a vector is to have.
pub(super) fn dimensions(raw: Option<&str>) -> Result<Option<u64>, Fault> {
    let Some(raw) = raw.filter(|raw| *raw != "null") else { return Ok(None) };
    match json::count(raw) {
        Some(n) if n > 0 => Ok(Some(n)),
        _ => Err(expected("dimensions", "a whole number above zero")),
    }
}

/// Whether vectors are wanted in base64.
pub(super) fn base64(raw: Option<&str>) -> Result<bool, Fault> {
    let Some(raw) = raw.filter(|raw| *raw != "null") else { return Ok(false) };
    match json::string(raw).as_deref() {
        Some("float") => Ok(false),
        Some("base64") => Ok(true),
        _ => Err(expected("encoding_format", "`float` or `base64`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: &str) -> u64 {
        let body = format!(r#"{{"input":{input},"model":"m"}}"#);
        let scan = scan(body.as_bytes()).unwrap();
        assert_eq!((scan.model.as_str(), scan.stream, scan.estimate.output_tokens), ("m", false, 0));
        scan.estimate.input_tokens
    }

    #[test]
    fn every_kind_of_input_is_measured() {
        assert_eq!(tokens(r#""Hello""#), 2);
        assert_eq!(tokens(r#"["Hello", "漢字é"]"#), 2);
        assert_eq!(tokens("[1, 2,3]"), 3);
        assert_eq!(tokens("[[1,2],[3]]"), 3);
        assert_eq!(tokens(&format!("[{}1]", "1,".repeat(5000))), 5001);
        assert_eq!(tokens(&format!("[{}\"x\"]", "\"x\",".repeat(2047))), 512);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let cases = [
            (r#"{"input":"a"}"#, "model"),
            (r#"{"model":"m"}"#, "input"),
            (r#"{"model":"m","input":""}"#, "input"),
            (r#"{"model":"m","input":[]}"#, "input"),
            (r#"{"model":"m","input":null}"#, "input"),
            (r#"{"model":"m","input":7}"#, "input"),
            (r#"{"model":"m","input":{"a":1}}"#, "input"),
            (r#"{"model":"m","input":["a",""]}"#, "input[1]"),
            (r#"{"model":"m","input":["a",1]}"#, "input[1]"),
            (r#"{"model":"m","input":[1,"a"]}"#, "input[1]"),
            (r#"{"model":"m","input":[null]}"#, "input[0]"),
            (r#"{"model":"m","input":[-1]}"#, "input[0]"),
            (r#"{"model":"m","input":[1.5]}"#, "input[0]"),
            (r#"{"model":"m","input":[[1],[]]}"#, "input[1]"),
            (r#"{"model":"m","input":[[1],["a"]]}"#, "input[1]"),
            (r#"{"model":"m","input":"a","dimensions":0}"#, "dimensions"),
            (r#"{"model":"m","input":"a","dimensions":"8"}"#, "dimensions"),
            (r#"{"model":"m","input":"a","encoding_format":"hex"}"#, "encoding_format"),
            (r#"{"model":"m","input":"a","input":"b"}"#, "input"),
            (r#"{"model":"m","input":"a","x":1,"x":1}"#, "x"),
        ];
        for (body, param) in cases {
            assert_eq!(scan(body.as_bytes()).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
        let many = format!(r#"{{"model":"m","input":[{}"x"]}}"#, "\"x\",".repeat(2048));
        assert!(scan(many.as_bytes()).unwrap_err().message.contains("2048"));
        let nulls = br#"{"model":"m","input":"a","dimensions":null,"encoding_format":null,"user":"u"}"#;
        assert!(scan(nulls).is_ok());
        for bad in
            [&b""[..], b"[]", b"{\"model\":\"m\",\"input\":\"\xff\"}", br#"{"model":"m","input":["a",]}"#]
        {
            assert!(scan(bad).is_err());
        }
    }
}
