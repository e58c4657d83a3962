//! Reply frames: how an answer travels from a worker to the ingress that waits for it.
//!
//! One core NATS message is one frame: `version (1) | token (8) | sequence (4) | sections`. A section is
//! `kind (1) | length (4) | bytes`; numbers are big-endian. An unary answer is one frame with head, data and
//! end; a stream is a first frame with head and data, more data, and a last frame with the end. Bodies larger
//! than a message are cut into several data frames. Core NATS may drop frames silently, so sequence numbers
//! count from 0 without gaps within one token: a gap fails the request loudly.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::id::Token;
use crate::money::NanoUsd;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 1 + 8 + 4;
const HEAD: u8 = 1;
const DATA: u8 = 2;
const FAULT: u8 = 3;
const END: u8 = 4;

/// The most bytes of body that one frame carries.
pub const FRAME_DATA_MAX: usize = 512 * 1024;

/// What is known when the first byte of an answer can go out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Head {
    /// HTTP status for the caller.
    pub status: u16,
    /// Content type of the data.
    pub content_type: String,
    /// The provider that serves it.
    pub provider: String,
    /// The model at that provider.
    pub model: String,
    /// How the request came to be served there.
    pub route_mode: String,
    /// Upstream calls made for the request by this delivery.
    pub attempts: u32,
    /// The configuration version the worker routed with.
    pub config: u64,
    /// From the stream timestamp to the first upstream call, in milliseconds.
    pub queue_ms: u64,
    /// From the first upstream call to this head, in milliseconds: what Forebay did not add.
    pub upstream_ms: u64,
    /// What could not be carried to the provider as it was, as the header says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<String>,
    /// The cost, where it is known already (not for streams).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<NanoUsd>,
}

/// One part of a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Section {
    /// Status and headers; first and once.
    Head(Head),
    /// Bytes of the body, in the caller's dialect.
    Data(Bytes),
    /// The request failed: before a head it becomes the answer, after it the dialect's error event.
    Fault(Fault),
    /// Nothing follows. Carries the event (JSON of [`crate::event::Event`]) that puts the request on the books,
    /// so that another worker can write the *same* event if this one dies first.
    End(Bytes),
}

/// One numbered frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The delivery that sent it.
    pub token: Token,
    /// Its place among that delivery's frames, from 0.
    pub seq: u32,
    /// What it says.
    pub sections: Vec<Section>,
}

/// Bytes that are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Cut short, of another version, or with an unknown section.
    #[error("the reply frame is damaged")]
    Damaged,
    /// A head or fault that does not decode.
    #[error("the reply frame holds a section that does not decode")]
    Section(#[from] serde_json::Error),
}

impl Frame {
    /// The frame as a message payload.
    pub fn encode(&self) -> Result<Bytes, FrameError> {
        let data: usize = self.sections.iter().map(Section::len_hint).sum();
        let mut out = BytesMut::with_capacity(HEADER_BYTES + data);
        out.put_u8(VERSION);
        out.put_u64(self.token.0);
        out.put_u32(self.seq);
        for section in &self.sections {
            match section {
                Section::Head(head) => put(&mut out, HEAD, &serde_json::to_vec(head)?)?,
                Section::Data(bytes) => put(&mut out, DATA, bytes)?,
                Section::Fault(fault) => put(&mut out, FAULT, &serde_json::to_vec(fault)?)?,
                Section::End(event) => put(&mut out, END, event)?,
            }
        }
        Ok(out.freeze())
    }

    /// Reads a message payload; data sections share its memory.
    pub fn decode(payload: &Bytes) -> Result<Self, FrameError> {
        let (header, _) = payload.split_first_chunk::<HEADER_BYTES>().ok_or(FrameError::Damaged)?;
        let [version, rest @ ..] = header;
        let (token, seq) = rest.split_first_chunk::<8>().ok_or(FrameError::Damaged)?;
        let seq: [u8; 4] = seq.try_into().map_err(|_| FrameError::Damaged)?;
        if *version != VERSION {
            return Err(FrameError::Damaged);
        }
        let mut sections = Vec::with_capacity(3);
        let mut at = HEADER_BYTES;
        while at < payload.len() {
            let kind = payload[at];
            let length = payload.get(at + 1..at + 5).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
            let end = length.and_then(|l| (at + 5).checked_add(usize::try_from(l).ok()?));
            let end = end.filter(|end| *end <= payload.len()).ok_or(FrameError::Damaged)?;
            let bytes = payload.slice(at + 5..end);
            sections.push(match kind {
                HEAD => Section::Head(serde_json::from_slice(&bytes)?),
                DATA => Section::Data(bytes),
                FAULT => Section::Fault(serde_json::from_slice(&bytes)?),
                END => Section::End(bytes),
                _ => return Err(FrameError::Damaged),
            });
            at = end;
        }
        Ok(Self { token: Token(u64::from_be_bytes(*token)), seq: u32::from_be_bytes(seq), sections })
    }

    /// Whether nothing follows this frame.
    pub fn is_last(&self) -> bool {
        self.sections.iter().any(|s| matches!(s, Section::End(_)))
    }
}

impl Section {
    fn len_hint(&self) -> usize {
        5 + match self {
            Self::Data(bytes) | Self::End(bytes) => bytes.len(),
            Self::Head(_) | Self::Fault(_) => 256,
        }
    }
}

fn put(out: &mut BytesMut, kind: u8, bytes: &[u8]) -> Result<(), FrameError> {
    out.put_u8(kind);
    out.put_u32(u32::try_from(bytes.len()).map_err(|_| FrameError::Damaged)?);
    out.put_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultCode;

    fn frame() -> Frame {
        Frame {
            token: Token(7),
            seq: 3,
            sections: vec![
                Section::Head(Head { status: 200, provider: "p".into(), ..Head::default() }),
                Section::Data(Bytes::from_static(b"data: {}\n\n")),
                Section::Fault(Fault::new(FaultCode::UpstreamError, "broke off")),
                Section::End(Bytes::from_static(b"{}")),
            ],
        }
    }

    #[test]
    fn a_frame_reads_back() {
        let bytes = frame().encode().unwrap();
        assert_eq!(Frame::decode(&bytes).unwrap(), frame());
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let bytes = frame().encode().unwrap();
        for cut in 1..bytes.len() {
            // A cut between two sections leaves a valid, shorter frame; any other is refused.
            if let Ok(short) = Frame::decode(&bytes.slice(..cut)) {
                assert!(short.sections.len() < 4);
            }
        }
        for at in 0..bytes.len() {
            let mut bent = bytes.to_vec();
            bent[at] ^= 0xff;
            drop(Frame::decode(&bent.into()));
        }
    }
}
