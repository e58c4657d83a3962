//! What Gemini says when it fails: `{"error":{code,message,status,details[]}}`, maybe within an array of one.
//!
//! Its particulars stand in `details`: `ErrorInfo.reason` tells a bad key from a bad request, both of which are 400,
//! and `RetryInfo.retryDelay` is the wait that others put in a header.

use std::time::Duration;

use serde_json::Value;

use crate::dialect::UpstreamError;
use crate::dialect::openai_chat;

/// The largest error body that is read, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// What `ErrorInfo.reason` says when the account or its key is refused, whatever the request.
const ACCOUNT_REASONS: [&str; 12] = [
    "API_KEY_INVALID",
    "API_KEY_EXPIRED",
    "API_KEY_SERVICE_BLOCKED",
    "API_KEY_HTTP_REFERRER_BLOCKED",
    "API_KEY_IP_ADDRESS_BLOCKED",
    "API_KEY_ANDROID_APP_BLOCKED",
    "API_KEY_IOS_APP_BLOCKED",
    "BILLING_DISABLED",
    "SERVICE_DISABLED",
    "CONSUMER_INVALID",
    "CONSUMER_SUSPENDED",
    "CREDENTIALS_MISSING",
];

/// Reads the body of an answer that was not a success: the type is Google's status (`INVALID_ARGUMENT`), the code
/// the reason where one is given, else the status again.
pub fn read_error(status: u16, body: &[u8]) -> UpstreamError {
    let mut error = openai_chat::read_error(status, body);
    let reason = error_of(body).and_then(|found| reason(&found).map(|reason| short(reason.to_owned())));
    error.code = reason.or_else(|| error.kind.clone()).or(error.code);
    error
}

/// How long the provider wants to be left alone: `RetryInfo.retryDelay`.
pub fn retry_delay(body: &[u8]) -> Option<Duration> {
    let error = error_of(body)?;
    let delay = details(&error).find_map(|detail| detail["retryDelay"].as_str())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Whether the provider refused the gateway's account or key, not the request.
pub fn is_account_error(status: u16, body: &[u8]) -> bool {
    if matches!(status, 401..=403) {
        return true;
    }
    let Some(error) = error_of(body).filter(|_| status == 400) else { return false };
    let message = error["message"].as_str().unwrap_or_default().to_ascii_lowercase();
    reason(&error).is_some_and(|reason| ACCOUNT_REASONS.contains(&reason))
        || message.contains("api key not valid")
        || message.contains("api key expired")
        || (error["status"] == "FAILED_PRECONDITION" && message.contains("billing"))
}

/// Whether the provider refused a thought signature: the same request may pass without any.
pub fn is_signature_error(status: u16, body: &[u8]) -> bool {
    let Some(error) = error_of(body).filter(|_| status == 400) else { return false };
    let message = error["message"].as_str().unwrap_or_default().to_ascii_lowercase();
    message.contains("thought signature")
        || message.contains("thought_signature")
        || message.contains("thoughtsignature")
}

fn error_of(body: &[u8]) -> Option<Value> {
    if body.len() > BODY_BYTES_MAX {
        return None;
    }
    let mut value: Value = serde_json::from_slice(body).ok()?;
    if let Value::Array(list) = &mut value {
        value = list.first_mut()?.take();
    }
    Some(value.get_mut("error")?.take())
}

fn details(error: &Value) -> impl Iterator<Item = &Value> {
    error["details"].as_array().into_iter().flatten()
}

fn reason(error: &Value) -> Option<&str> {
    details(error).find_map(|detail| detail["reason"].as_str()).filter(|reason| !reason.is_empty())
}

/// A reason is a short constant; of anything else not more than that much is passed on.
fn short(mut reason: String) -> String {
    reason.retain(|c| c.is_ascii_alphanumeric() || c == '_');
    reason.truncate(100);
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD_KEY: &str = r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.",
        "status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",
        "reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}]"#;

    const QUOTA: &str = r#"{"error":{"code":429,"message":"You exceeded your current quota.",
        "status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"PerDay"}]},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37.5s"}]}}"#;

    #[test]
    fn a_bad_key_is_an_account_error_though_it_is_a_400() {
        let error = read_error(400, BAD_KEY.as_bytes());
        assert_eq!(error.code.as_deref(), Some("API_KEY_INVALID"));
        assert_eq!(error.kind.as_deref(), Some("INVALID_ARGUMENT"));
        assert!(is_account_error(400, BAD_KEY.as_bytes()));
        let plain = br#"{"error":{"code":400,"message":"Bad.","status":"INVALID_ARGUMENT"}}"#;
        assert!(!is_account_error(400, plain) && !is_account_error(500, BAD_KEY.as_bytes()));
        assert!(is_account_error(403, b"") && is_account_error(401, plain));
        let unpaid =
            br#"{"error":{"code":400,"message":"Please enable billing.","status":"FAILED_PRECONDITION"}}"#;
        assert!(is_account_error(400, unpaid));
    }

    #[test]
    fn the_wait_stands_in_the_body() {
        assert_eq!(retry_delay(QUOTA.as_bytes()), Some(Duration::from_millis(37_500)));
        let error = read_error(429, QUOTA.as_bytes());
        assert_eq!(error.code.as_deref(), Some("RESOURCE_EXHAUSTED"));
        assert_eq!(error.message, "You exceeded your current quota.");
        for bad in ["37", "-1s", "NaNs", "1e300s", "", "s"] {
            let body = format!(r#"{{"error":{{"details":[{{"retryDelay":"{bad}"}}]}}}}"#);
            assert_eq!(retry_delay(body.as_bytes()), None, "{bad}");
        }
        assert_eq!(retry_delay(b"<html>"), None);
    }

    #[test]
    fn a_refused_signature_is_recognised() {
        let body = br#"{"error":{"code":400,"message":"Function call is missing a thought_signature in functionCall parts.","status":"INVALID_ARGUMENT"}}"#;
        assert!(is_signature_error(400, body) && !is_signature_error(500, body));
        assert!(is_signature_error(400, br#"{"error":{"message":"Corrupted thought signature."}}"#));
        assert!(!is_signature_error(400, BAD_KEY.as_bytes()));
    }
}
