//! What a provider says when it refuses or fails, made fit for the caller: read from whatever shape it has,
//! redacted, and bounded.

use serde_json::Value;

use crate::fault::{Fault, FaultCode};
use crate::redact::redact;

/// The longest message that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// The longest type, code or parameter that is passed on, in characters.
const NAME_CHARS_MAX: usize = 200;

/// The largest error body that is read, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// A provider's error: redacted and bounded, fit to be shown to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamError {
    /// A sentence for a person, at most 2,000 characters.
    pub message: String,
    /// The provider's error type.
    pub kind: Option<String>,
    /// The provider's error code.
    pub code: Option<String>,
    /// The field at fault.
    pub param: Option<String>,
}

impl UpstreamError {
    /// The error as a fault of ours.
    pub fn fault(&self, code: FaultCode) -> Fault {
        let mut fault = Fault::new(code, self.message.clone());
        fault.param.clone_from(&self.param);
        fault.upstream_code.clone_from(&self.code);
        fault
    }
}

/// Reads the body of an answer that was not a success.
///
/// Known shapes: OpenAI's `{"error":{message,type,param,code}}` (LiteLLM's and Azure's too), the same within an
/// array (Gemini), `{"error":"…"}`, `{"message":…}` (Mistral, vLLM), `{"detail":…}` (FastAPI) and
/// `{"errors":[…]}`. Of anything else, HTML or plain text, only the status is told.
pub fn read_error(status: u16, body: &[u8]) -> UpstreamError {
    let value = (body.len() <= BODY_BYTES_MAX).then(|| serde_json::from_slice::<Value>(body).ok());
    let mut error = value.flatten().map(|value| read(&value)).unwrap_or_default();
    if error.message.is_empty() {
        error.message = format!("The provider answered with status {status}.");
    }
    error.finished()
}

/// The error that a member `error` means: `None` for null, false, zero and whatever is empty.
pub(in crate::dialect) fn truthy_error(raw: &str) -> Option<UpstreamError> {
    let value = serde_json::from_str::<Value>(raw).unwrap_or(Value::Null);
    let falsy = match &value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) => false,
    };
    // A value that is JSON but more than a tree can hold (it nests too deeply) is still an error.
    (!falsy || (value.is_null() && raw != "null")).then(|| read_value(&value).or_unnamed())
}

/// The error that the object of an event named `error` means.
pub(in crate::dialect) fn named_error(raw: &str) -> UpstreamError {
    serde_json::from_str::<Value>(raw).map(|value| read(&value)).unwrap_or_default().or_unnamed()
}

impl Default for UpstreamError {
    /// An error that says nothing.
    fn default() -> Self {
        Self { message: String::new(), kind: None, code: None, param: None }
    }
}

impl UpstreamError {
    fn or_unnamed(mut self) -> Self {
        if self.message.is_empty() {
            "The provider reported an error without a message.".clone_into(&mut self.message);
        }
        self.finished()
    }

    /// Redacted first and cut then, so that no cut leaves half a secret that no longer looks like one.
    fn finished(self) -> Self {
        let name = |text: Option<String>| text.map(|text| cut(redact(&text).into_owned(), NAME_CHARS_MAX));
        Self {
            message: cut(redact(&self.message).into_owned(), MESSAGE_CHARS_MAX),
            kind: name(self.kind),
            code: name(self.code),
            param: name(self.param),
        }
    }
}

/// Finds the error in a whole body.
fn read(body: &Value) -> UpstreamError {
    match body {
        Value::Array(list) => list.first().map(read).unwrap_or_default(),
        Value::Object(map) => {
            let inner =
                ["error", "errors", "detail"].iter().find_map(|key| map.get(*key).filter(|v| !v.is_null()));
            match inner {
                Some(inner) => {
                    let outer = read_object(body);
                    let inner = read_value(inner);
                    UpstreamError {
                        message: if inner.message.is_empty() { outer.message } else { inner.message },
                        kind: inner.kind.or(outer.kind),
                        code: inner.code.or(outer.code),
                        param: inner.param.or(outer.param),
                    }
                }
                None => read_object(body),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => UpstreamError::default(),
    }
}

/// Reads what stands under `error`: an object, a text, or a list of either.
fn read_value(value: &Value) -> UpstreamError {
    match value {
        Value::String(text) => UpstreamError { message: text.clone(), ..UpstreamError::default() },
        Value::Array(list) => list.first().map(read_value).unwrap_or_default(),
        Value::Object(_) => read_object(value),
        Value::Null | Value::Bool(_) | Value::Number(_) => UpstreamError::default(),
    }
}

fn read_object(value: &Value) -> UpstreamError {
    let message = ["message", "msg", "detail", "error"].iter().find_map(|key| match &value[*key] {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        nested @ (Value::Object(_) | Value::Array(_)) => {
            Some(read_value(nested).message).filter(|text| !text.is_empty())
        }
        _ => None,
    });
    UpstreamError {
        message: message.unwrap_or_default(),
        kind: word(&value["type"]).or_else(|| word(&value["status"])),
        code: word(&value["code"]),
        param: word(&value["param"]).or_else(|| place(&value["loc"])),
    }
}

/// A short text or a number; LiteLLM writes an absent one as "None".
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !matches!(text.as_str(), "" | "None" | "null") => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// FastAPI's place of a mistake, `["body", "messages", 0]`, as a path.
fn place(value: &Value) -> Option<String> {
    let parts: Vec<String> =
        value.as_array()?.iter().filter_map(word).filter(|part| part != "body").collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

fn cut(mut text: String, chars: usize) -> String {
    if let Some((at, _)) = text.char_indices().nth(chars) {
        text.truncate(at);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(body: &str) -> (String, Option<String>, Option<String>, Option<String>) {
        let e = read_error(400, body.as_bytes());
        (e.message, e.kind, e.code, e.param)
    }

    fn own(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn every_known_shape_is_read() {
        let cases = [
            (
                r#"{"error":{"message":"Bad role.","type":"invalid_request_error","param":"messages","code":"invalid_value"}}"#,
                ("Bad role.".to_owned(), own("invalid_request_error"), own("invalid_value"), own("messages")),
            ),
            (
                r#"{"error":{"message":"litellm.BadRequestError: no","type":"None","param":"None","code":"400"}}"#,
                ("litellm.BadRequestError: no".to_owned(), None, own("400"), None),
            ),
            (
                r#"[{"error":{"code":400,"message":"Bad.","status":"INVALID_ARGUMENT"}}]"#,
                ("Bad.".to_owned(), own("INVALID_ARGUMENT"), own("400"), None),
            ),
            (
                r#"{"object":"error","message":"Too long.","type":"invalid","param":null,"code":40001}"#,
                ("Too long.".to_owned(), own("invalid"), own("40001"), None),
            ),
            (r#"{"detail":"Not here."}"#, ("Not here.".to_owned(), None, None, None)),
            (
                r#"{"detail":[{"loc":["body","messages",0,"role"],"msg":"field required","type":"missing"}]}"#,
                ("field required".to_owned(), own("missing"), None, own("messages.0.role")),
            ),
            (
                r#"{"error":"model is loading","code":"busy"}"#,
                ("model is loading".to_owned(), None, own("busy"), None),
            ),
            (r#"{"errors":[{"message":"nope","code":7003}]}"#, ("nope".to_owned(), None, own("7003"), None)),
            (r#"{"message":{"detail":[{"msg":"deep"}]}}"#, ("deep".to_owned(), None, None, None)),
        ];
        for (body, expected) in cases {
            assert_eq!(read_as(body), expected, "{body}");
        }
    }

    #[test]
    fn anything_else_tells_the_status_alone() {
        for body in [
            "",
            "<html>nginx at gateway-7</html>",
            "upstream connect error",
            "{}",
            "[]",
            "null",
            "3",
            "{\"error\":{}}",
        ] {
            assert_eq!(read_as(body).0, "The provider answered with status 400.", "{body}");
        }
        let huge = format!(r#"{{"error":{{"message":"{}"}}}}"#, "x".repeat(BODY_BYTES_MAX));
        assert_eq!(read_as(&huge).0, "The provider answered with status 400.");
    }

    #[test]
    fn messages_are_redacted_and_cut_on_a_character() {
        let body = format!(
            r#"{{"error":{{"message":"Incorrect API key provided: sk-proj-abc123XYZ. {}"}}}}"#,
            "é".repeat(3_000)
        );
        let message = read_as(&body).0;
        assert!(message.starts_with("Incorrect API key provided: [redacted]. éé"), "{message}");
        assert_eq!(message.chars().count(), MESSAGE_CHARS_MAX);
    }

    #[test]
    fn an_error_member_counts_when_truthy() {
        for falsy in ["null", "false", "0", "\"\"", "{}", "[]"] {
            assert_eq!(truthy_error(falsy), None, "{falsy}");
        }
        for truthy in ["true", "1", "\"x\"", r#"{"a":1}"#, r#"[{"message":"x"}]"#] {
            assert!(truthy_error(truthy).is_some(), "{truthy}");
        }
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        assert!(truthy_error(&deep).is_some());
    }
}
