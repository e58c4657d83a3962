//! Gemini's `generateContent`: a dialect of providers alone (ai.google.dev/api, read 2026-11).
//!
//! | file | owns |
//! |---|---|
//! | `encode` | the provider's request from a canonical one |
//! | `decode` | the provider's answer, whole or streamed, as canonical events |
//! | `error` | what Gemini says when it fails, and how long to wait then |

mod decode;
mod encode;
mod error;

pub use decode::{decode_response, decoder};
pub use encode::encode_request;
pub use error::{is_account_error, is_signature_error, read_error, retry_delay};

use serde_json::Value;

/// Stands in for a signature that Gemini did not make (ai.google.dev, thought signatures, read 2026-11).
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// A picture that the model made, out of a part that no other dialect has: its media type and its base64.
pub(in crate::dialect) fn picture(part: &Value) -> Option<(&str, &str)> {
    let inline = part.get("inlineData").filter(|_| part["thought"] != true)?;
    let kind = inline["mimeType"].as_str().filter(|kind| kind.starts_with("image/"))?;
    Some((kind, inline["data"].as_str()?))
}
