//! What Anthropic says when it refuses: the shape is one that Chat's reader knows, but for the code, which stands in
//! `error.details.error_code` (vendor docs, read 2026-11).

use serde::Deserialize;

use super::wire::Text;
use crate::dialect::{UpstreamError, openai_chat};

/// The longest code that is passed on, in bytes.
const CODE_BYTES_MAX: usize = 100;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    error: Inner<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner<'a> {
    #[serde(borrow)]
    details: Option<Details<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    error_code: Option<Text<'a>>,
}

/// Reads the body of an answer that was not a success.
pub fn read_error(status: u16, body: &[u8]) -> UpstreamError {
    let mut error = openai_chat::read_error(status, body);
    if error.code.is_none()
        && let Ok(Body { error: Inner { details: Some(Details { error_code: Some(code) }) } }) =
            serde_json::from_slice(body)
        && code.len() <= CODE_BYTES_MAX
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    {
        error.code = Some(code.into_owned());
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_in_the_details() {
        let body = br#"{"type":"error","error":{"type":"rate_limit_error","message":"Slow down.",
            "details":{"error_code":"ramp_limit_exceeded"}},"request_id":"req_1"}"#;
        let error = read_error(429, body);
        assert_eq!(
            (error.kind.as_deref(), error.code.as_deref()),
            (Some("rate_limit_error"), Some("ramp_limit_exceeded"))
        );
        assert_eq!(error.message, "Slow down.");
        for other in [
            &b"<html>"[..],
            br#"{"error":{"message":"x","details":{"error_code":"Bearer sk-1"}}}"#,
            br#"{"error":"x"}"#,
        ] {
            assert_eq!(read_error(500, other).code, None);
        }
    }
}
