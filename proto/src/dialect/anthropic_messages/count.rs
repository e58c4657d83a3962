//! Counting a prompt's tokens: the body is that of a request for an answer without what is about the answer.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::encode_request;
use crate::canonical::{Request, Warnings};
use crate::dialect::codec::{Encoded, Target};
use crate::fault::Fault;

/// The members that counting takes (SDK types, read 2026-11).
const COUNTED: [&str; 11] = [
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
    "context_management",
    "mcp_servers",
    "speed",
];

#[derive(Serialize, Deserialize)]
struct Count {
    input_tokens: u64,
}

/// Writes a request to count tokens for a provider.
///
/// # Errors
/// As [`encode_request`].
pub fn encode_count(
    request: &Request,
    target: &Target<'_>,
    warnings: &mut Warnings,
) -> Result<Encoded, Fault> {
    let mut encoded = encode_request(request, target, warnings)?;
    // It was written a moment ago.
    let mut body: Map<String, Value> = serde_json::from_slice(&encoded.body).unwrap_or_default();
    body.retain(|key, _| COUNTED.contains(&key.as_str()));
    encoded.body = Bytes::from(serde_json::to_vec(&body).unwrap_or_default());
    Ok(encoded)
}

/// The answer to a caller who asked for a count.
pub fn count_answer(input_tokens: u64) -> Vec<u8> {
    serde_json::to_vec(&Count { input_tokens }).unwrap_or_default()
}

/// The count in a provider's answer, if it holds one.
pub fn read_count(body: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Count>(body).ok().map(|count| count.input_tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_comes_back() {
        assert_eq!(count_answer(42), br#"{"input_tokens":42}"#);
        assert_eq!(read_count(&count_answer(42)), Some(42));
        assert_eq!(read_count(br#"{"input_tokens":7,"context_management":null}"#), Some(7));
        assert_eq!(read_count(b"{}"), None);
    }
}
