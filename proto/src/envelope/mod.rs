//! What travels beside a request's sealed body, in one NATS header: readable without any key, and it holds no
//! secret and no prompt. Versions stand in their own modules; every version ever published must still decode.

mod v1;

pub use v1::{Body, Envelope, Hold, OnDisconnect};

use async_nats::HeaderMap;

use crate::subject::{ENVELOPE_HEADER, TRACEPARENT_HEADER};

/// Headers that are not an envelope.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// No envelope header.
    #[error("the message carries no envelope")]
    Missing,
    /// A version this build does not know.
    #[error("envelope version {0} is not known to this build")]
    Version(u32),
    /// Not an envelope of its version.
    #[error("the envelope does not decode")]
    Malformed(#[source] serde_json::Error),
}

#[derive(serde::Deserialize)]
struct VersionOnly {
    v: u32,
}

impl Envelope {
    /// The headers of the message that carries this envelope, `Nats-Msg-Id` included.
    pub fn to_headers(&self) -> Result<HeaderMap, EnvelopeError> {
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, self.request.to_string());
        headers.insert(ENVELOPE_HEADER, serde_json::to_string(self).map_err(EnvelopeError::Malformed)?);
        if let Some(traceparent) = &self.traceparent {
            headers.insert(TRACEPARENT_HEADER, traceparent.as_str());
        }
        Ok(headers)
    }

    /// Reads the envelope of a delivered message.
    pub fn from_headers(headers: Option<&HeaderMap>) -> Result<Self, EnvelopeError> {
        let text = headers.and_then(|h| h.get(ENVELOPE_HEADER)).ok_or(EnvelopeError::Missing)?.as_str();
        match serde_json::from_str(text) {
            Ok(envelope) => Ok(envelope),
            Err(error) => Err(match serde_json::from_str::<VersionOnly>(text) {
                Ok(VersionOnly { v }) if v != v1::VERSION => EnvelopeError::Version(v),
                _ => EnvelopeError::Malformed(error),
            }),
        }
    }
}
