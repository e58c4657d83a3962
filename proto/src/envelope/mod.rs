//! What travels beside a request's sealed body, in one NATS header: readable without any key, and it holds no
//! secret and no prompt. Versions stand in their own modules; every version ever published must still decode.

mod v1;

pub use v1::{Body, Envelope, Hold, Kept, OnDisconnect};

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every envelope ever published, as it stood in its header.
    const V1: [&str; 3] = [
        include_str!("../../fixtures/envelope/v1/minimal.json"),
        include_str!("../../fixtures/envelope/v1/full.json"),
        include_str!("../../fixtures/envelope/v1/kept.json"),
    ];

    fn headers(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ENVELOPE_HEADER, text);
        headers
    }

    #[test]
    fn version_1_decodes_and_is_written_the_same() {
        for text in V1.map(str::trim_end) {
            let envelope = Envelope::from_headers(Some(&headers(text))).unwrap();
            let written = envelope.to_headers().unwrap();
            assert_eq!(written.get(ENVELOPE_HEADER).unwrap().as_str(), text);
            let id = written.get(async_nats::header::NATS_MESSAGE_ID).unwrap().as_str();
            assert_eq!(id, envelope.request.to_string());
            assert_eq!(Envelope::from_headers(Some(&written)).unwrap(), envelope);
        }
    }

    #[test]
    fn a_member_from_a_later_build_is_passed_over() {
        let later = V1[0].trim_end().replacen('{', "{\"later\":[1],", 1);
        assert!(Envelope::from_headers(Some(&headers(&later))).is_ok());
    }

    #[test]
    fn what_is_no_envelope_is_told_apart() {
        let read = |text: &str| Envelope::from_headers(Some(&headers(text)));
        assert!(matches!(Envelope::from_headers(None), Err(EnvelopeError::Missing)));
        assert!(matches!(
            read(&V1[0].trim_end().replace("\"v\":1", "\"v\":2")),
            Err(EnvelopeError::Version(2))
        ));
        assert!(matches!(read("{\"v\":1}"), Err(EnvelopeError::Malformed(_))));
        assert!(matches!(read("gibberish"), Err(EnvelopeError::Malformed(_))));
    }
}
