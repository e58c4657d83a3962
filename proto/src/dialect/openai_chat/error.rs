//! What a provider says when it refuses or fails, made fit for the caller.

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

/// Reads the body of an answer that was not a success.
pub fn read_error(status: u16, _body: &[u8]) -> UpstreamError {
    UpstreamError {
        message: format!("The provider answered with status {status}."),
        kind: None,
        code: None,
        param: None,
    }
}
