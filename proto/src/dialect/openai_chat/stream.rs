//! A provider's stream, forwarded event by event.

use bytes::BytesMut;

use super::UpstreamError;
use crate::fault::{Fault, FaultCode};
use crate::money::Price;
use crate::usage::Reported;

/// How a stream is to be forwarded.
#[derive(Debug, Clone, Default)]
pub struct StreamOptions {
    /// Whether the caller asked for the usage chunk.
    pub include_usage: bool,
    /// What the model costs, for the cost in the usage chunk.
    pub price: Option<Price>,
    /// Estimated input tokens, used where the provider does not say.
    pub input_estimate: u64,
}

/// Why a stream cannot be forwarded any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenStream {
    /// The provider sent an error in its stream.
    #[error("the provider broke off with an error: {}", .0.message)]
    Upstream(UpstreamError),
    /// An event above the size limit.
    #[error("the provider sent an event that is too large")]
    TooLarge,
    /// An event whose data is not a JSON object.
    #[error("the provider sent an event that is not a chat completion chunk")]
    NotAChunk,
    /// The stream ended before the answer did.
    #[error("the provider ended its stream before the answer was complete")]
    CutShort,
}

impl BrokenStream {
    /// The fault the caller sees.
    pub fn fault(&self) -> Fault {
        Fault::new(FaultCode::UpstreamError, self.to_string())
    }
}

/// The state machine between a provider's stream and the caller's.
#[derive(Debug)]
pub struct ChatStream {
    done: bool,
}

impl ChatStream {
    /// A stream of which nothing has arrived yet.
    pub fn new(_options: StreamOptions) -> Self {
        Self { done: false }
    }

    /// Takes in bytes as they arrive and appends the whole events to forward to `out`.
    pub fn push(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), BrokenStream> {
        out.extend_from_slice(chunk);
        self.done |= memchr::memmem::find(chunk, b"[DONE]").is_some();
        Ok(())
    }

    /// Whether anything was seen that the caller would call an answer.
    pub fn has_content(&self) -> bool {
        true
    }

    /// Whether the stream has said that it is complete.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The provider's numbers so far.
    pub fn reported(&self) -> Option<Reported> {
        None
    }

    /// Characters of text so far, for an estimate.
    pub fn output_chars(&self) -> u64 {
        0
    }

    /// The provider closed the connection.
    pub fn finish(&mut self, _out: &mut BytesMut) -> Result<(), BrokenStream> {
        if self.done { Ok(()) } else { Err(BrokenStream::CutShort) }
    }
}
