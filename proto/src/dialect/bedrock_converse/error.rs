//! What Bedrock says when it refuses: the body has the message, a header has the exception's name.

use crate::dialect::UpstreamError;
use crate::dialect::openai_chat;

/// The longest name of an exception that is taken for one.
const NAME_BYTES_MAX: usize = 100;

/// Reads the body of an answer that was not a success. `error_type` is the header `x-amzn-errortype`
/// (`ThrottlingException:http://…`): its name becomes the code. Without it the body's `__type` is looked at.
pub fn read_error(status: u16, body: &[u8], error_type: Option<&str>) -> UpstreamError {
    #[derive(serde::Deserialize)]
    struct Body {
        #[serde(rename = "__type", default)]
        kind: Option<String>,
        #[serde(rename = "Message", default)]
        message: Option<String>,
    }

    let mut error = openai_chat::read_error(status, body);
    let named = serde_json::from_slice::<Body>(body).ok();
    if let Some(Body { message: Some(message), .. }) = &named {
        // Errors of the front door (authentication) spell it with a capital; read again for its redaction.
        let body = serde_json::json!({ "message": message }).to_string();
        error.message = openai_chat::read_error(status, body.as_bytes()).message;
    }
    let name = error_type.and_then(name).or_else(|| name(&named?.kind?));
    if let Some(name) = name {
        error.kind = Some(name.clone());
        error.code = Some(name);
    }
    error
}

/// The exception that arrived in a stream.
pub(super) fn exception(name_header: &str, message: Option<&str>, payload: &[u8]) -> UpstreamError {
    let mut error = match message {
        Some(message) => {
            let body = serde_json::json!({ "message": message }).to_string();
            read_error(200, body.as_bytes(), None)
        }
        None => read_error(200, payload, None),
    };
    if error.message == "The provider answered with status 200." {
        "The provider broke off with an exception.".clone_into(&mut error.message);
    }
    let name = name(name_header);
    error.kind.clone_from(&name);
    error.code = name;
    error
}

/// An error of ours in the provider's name.
pub(super) fn named(code: &str, message: &str) -> UpstreamError {
    UpstreamError {
        message: message.to_owned(),
        kind: Some(code.to_owned()),
        code: Some(code.to_owned()),
        param: None,
    }
}

/// The bare name of an exception: what stands before a `:` and behind a `#`.
fn name(text: &str) -> Option<String> {
    let name = text.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default().trim();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    (plain && !name.is_empty() && name.len() <= NAME_BYTES_MAX).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, header: Option<&str>) -> (String, Option<String>) {
        let error = read_error(400, body.as_bytes(), header);
        assert_eq!(error.kind, error.code);
        (error.message, error.code)
    }

    #[test]
    fn the_header_names_the_exception() {
        let code = Some("ThrottlingException".to_owned());
        let header = "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/";
        let slow = r#"{"message":"Too many requests, please wait."}"#;
        assert_eq!(read(slow, Some(header)), ("Too many requests, please wait.".to_owned(), code.clone()));
        assert_eq!(read("{}", Some("ThrottlingException")).1, code);
        let typed = r#"{"__type":"com.amazon.coral#ThrottlingException","Message":"Slow down."}"#;
        assert_eq!(read(typed, None), ("Slow down.".to_owned(), code));
        assert_eq!(read("<html>", None), ("The provider answered with status 400.".to_owned(), None));
        assert_eq!(read("{}", Some("<b>: no name")).1, None);
    }

    #[test]
    fn account_ids_are_cut_out() {
        let body = r#"{"Message":"User: arn:aws:iam::123456789012:user/bob is not authorized"}"#;
        let (message, code) = read(body, Some("AccessDeniedException"));
        assert_eq!(message, "User: [redacted] is not authorized");
        assert_eq!(code.as_deref(), Some("AccessDeniedException"));
    }

    #[test]
    fn an_exception_without_words_still_says_what_it_is() {
        let error = exception("modelStreamErrorException", None, b"{}");
        assert_eq!(error.message, "The provider broke off with an exception.");
        assert_eq!(error.code.as_deref(), Some("modelStreamErrorException"));
        let error = exception("InternalFailure", Some("Went wrong."), b"");
        assert_eq!((error.message.as_str(), error.code.as_deref()), ("Went wrong.", Some("InternalFailure")));
    }
}
