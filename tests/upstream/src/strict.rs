//! What the fake provider accepts: what OpenAI's own service accepts and nothing it refuses.

use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Value, json};

/// A call that was accepted.
#[derive(Debug, Clone, Deserialize)]
pub struct Asked {
    /// The model.
    pub model: String,
    /// The conversation.
    pub messages: Vec<Message>,
    /// Whether a stream is wanted.
    #[serde(default)]
    pub stream: Option<bool>,
    /// Options of the stream.
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    /// Tools offered.
    #[serde(default)]
    pub tools: Option<Vec<Value>>,
    /// The caller's marker: what fails once fails once for each.
    #[serde(default)]
    pub user: Option<String>,
}

/// A message of the conversation.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    #[serde(default)]
    pub content: Value,
    /// Calls that the assistant made.
    #[serde(default)]
    pub tool_calls: Option<Vec<Value>>,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Role {
    Developer,
    System,
    User,
    Assistant,
    Tool,
    Function,
}

/// Options of a stream.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct StreamOptions {
    /// Whether a usage chunk is wanted at the end.
    #[serde(default)]
    pub include_usage: bool,
}

/// An error in OpenAI's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

impl Refused {
    /// An error of that status, type, code and message.
    pub fn new(status: u16, kind: &str, code: Option<&str>, message: &str) -> Self {
        let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
        Self { status, body }
    }

    fn invalid(message: &str) -> Self {
        Self::new(400, "invalid_request_error", None, message)
    }
}

impl Asked {
    /// Whether a stream is wanted.
    pub fn wants_stream(&self) -> bool {
        self.stream == Some(true)
    }

    /// Whether a usage chunk is wanted.
    pub fn wants_usage(&self) -> bool {
        self.stream_options.is_some_and(|o| o.include_usage)
    }
}

/// The credential of a call.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").filter(|key| !key.is_empty())
}

/// Checks the credential: any where none is expected. Like the real one it shows what it was given.
pub fn check_key(headers: &HeaderMap, expected: Option<&str>) -> Result<(), Refused> {
    let refused =
        |message: &str| Refused::new(401, "invalid_request_error", Some("invalid_api_key"), message);
    let given = bearer(headers).ok_or_else(|| refused("You didn't provide an API key."))?;
    match expected {
        Some(expected) if expected != given => Err(refused(&format!("Incorrect API key provided: {given}."))),
        _ => Ok(()),
    }
}

/// Checks the body of a completion.
pub fn check_body(headers: &HeaderMap, body: &[u8]) -> Result<Asked, Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Refused::invalid("the content type must be application/json"));
    }
    let asked: Asked = serde_json::from_slice(body)
        .map_err(|error| Refused::invalid(&format!("We could not parse the JSON body: {error}")))?;
    if asked.messages.is_empty() {
        return Err(Refused::invalid("[] is too short - 'messages'"));
    }
    if asked.stream_options.is_some() && !asked.wants_stream() {
        return Err(Refused::invalid(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ));
    }
    for message in &asked.messages {
        let calls = message.role == Role::Assistant && message.tool_calls.is_some();
        match &message.content {
            Value::String(_) => {}
            Value::Array(parts) if parts.iter().all(|p| p.get("type").is_some_and(Value::is_string)) => {}
            Value::Null if calls => {}
            _ => return Err(Refused::invalid("Invalid type for 'messages[].content'")),
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str) -> Result<Asked, Refused> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        check_body(&headers, body.as_bytes())
    }

    #[test]
    fn takes_what_the_real_one_takes() {
        assert!(check(r#"{"model":"m","messages":[{"role":"user","content":"x"}],"new_field":1}"#).is_ok());
    }

    #[test]
    fn refuses_what_the_real_one_refuses() {
        for bad in [
            r#"{"model":"m","messages":[]}"#,
            r#"{"messages":[{"role":"user","content":"x"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":7}]}"#,
            r#"{"model":"m","model":"m","messages":[{"role":"user","content":"x"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream_options":{}}"#,
            "{",
        ] {
            assert_eq!(check(bad).unwrap_err().status, 400, "{bad}");
        }
        assert_eq!(check_body(&HeaderMap::new(), b"{}").unwrap_err().status, 400);
    }

    #[test]
    fn checks_the_key() {
        let mut headers = HeaderMap::new();
        assert_eq!(check_key(&headers, None).unwrap_err().status, 401);
        headers.insert(header::AUTHORIZATION, "Bearer k".parse().unwrap());
        assert!(check_key(&headers, None).is_ok());
        assert!(check_key(&headers, Some("k")).is_ok());
        assert_eq!(check_key(&headers, Some("other")).unwrap_err().status, 401);
    }
}
