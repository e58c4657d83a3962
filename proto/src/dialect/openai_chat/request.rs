//! What admission needs to know of a caller's request.

use crate::fault::{Fault, FaultCode};
use crate::usage::{Estimate, estimate_tokens};

/// What a request says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The model asked for: an alias.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether a stream is to end with a usage chunk.
    pub include_usage: bool,
    /// What the call may use at most, roughly.
    pub estimate: Estimate,
}

/// Reads a caller's body.
pub fn scan(body: &[u8]) -> Result<Scan, Fault> {
    let bad = |what: &str| Fault::new(FaultCode::InvalidRequest, what);
    let value: serde_json::Value =
        serde_json::from_slice(body).map_err(|_| bad("expected a JSON object as the body"))?;
    let model = value["model"].as_str().ok_or_else(|| bad("expected a string").with_param("model"))?;
    Ok(Scan {
        model: model.to_owned(),
        stream: value["stream"].as_bool().unwrap_or(false),
        include_usage: value["stream_options"]["include_usage"].as_bool().unwrap_or(false),
        estimate: Estimate { input_tokens: estimate_tokens(body.len() as u64), output_tokens: 1024 },
    })
}
