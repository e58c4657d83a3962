//! A provider's stream, forwarded event by event as it came.
//!
//! What changes on the way is only usage: it is always asked of the provider, so a caller who did not ask must
//! not see it, and one who did sees what it cost. Every other event is forwarded byte for byte, comments too.
//! Fields without data (an `event:` or `retry:` of its own) and empty data are dropped: official clients try to
//! read them as JSON and fail. Nothing is forwarded behind `[DONE]`.

mod forward;

use bytes::BytesMut;

use self::forward::Forwarder;
use super::UpstreamError;
use crate::dialect::codec::Relay;
use crate::dialect::sse::{Splitter, TooLarge};
use crate::fault::{Fault, FaultCode};
use crate::money::Price;
use crate::usage::Reported;

/// The largest event, in bytes: images and sound come as one.
pub(in crate::dialect) const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

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
    /// An event above the size limit of 16 MiB.
    #[error("the provider sent an event that is too large")]
    TooLarge,
    /// An event that is not what its dialect says.
    #[error("the provider sent an event that is not of its dialect")]
    NotAChunk,
    /// The stream ended before the answer did.
    #[error("the provider ended its stream before the answer was complete")]
    CutShort,
}

impl BrokenStream {
    /// The fault the caller sees.
    pub fn fault(&self) -> Fault {
        let message = match self {
            Self::Upstream(error) => return error.fault(FaultCode::UpstreamError),
            Self::TooLarge => "The provider sent an event that is larger than 16 MiB.",
            Self::NotAChunk => "The provider sent an event that cannot be read as one of its dialect.",
            Self::CutShort => "The provider ended its stream before the answer was complete.",
        };
        Fault::new(FaultCode::UpstreamError, message)
    }
}

impl From<TooLarge> for BrokenStream {
    fn from(TooLarge: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// The state machine between a provider's stream and the caller's.
#[derive(Debug)]
pub struct ChatStream {
    splitter: Splitter,
    forwarder: Forwarder,
    broken: bool,
}

impl Relay for ChatStream {
    fn push(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<(), BrokenStream> {
        Self::push(self, bytes, out)
    }

    fn finish(&mut self, out: &mut BytesMut) -> Result<(), BrokenStream> {
        Self::finish(self, out)
    }

    fn is_done(&self) -> bool {
        Self::is_done(self)
    }

    fn has_content(&self) -> bool {
        Self::has_content(self)
    }

    fn reported(&self) -> Option<Reported> {
        Self::reported(self)
    }

    fn output_chars(&self) -> u64 {
        Self::output_chars(self)
    }
}

impl ChatStream {
    /// A stream of which nothing has arrived yet.
    pub fn new(options: StreamOptions) -> Self {
        Self { splitter: Splitter::new(EVENT_BYTES_MAX), forwarder: Forwarder::new(options), broken: false }
    }

    /// Takes in bytes as they arrive and appends the whole events to forward to `out`.
    ///
    /// # Errors
    /// [`BrokenStream`]; the events before the broken one are in `out` by then, and whatever else is done with
    /// the stream gives [`BrokenStream::CutShort`]. Its numbers stay readable.
    pub fn push(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), BrokenStream> {
        if self.broken {
            return Err(BrokenStream::CutShort);
        }
        let result = self.splitter.split(chunk, |raw| self.forwarder.block(raw, out));
        self.broken = result.is_err();
        result
    }

    /// The provider closed the connection: appends what is still to be forwarded.
    ///
    /// A stream without `[DONE]` counts as complete, and gets one, if every choice seen has said why it ended.
    ///
    /// # Errors
    /// [`BrokenStream::CutShort`] if it is not complete; others as for [`Self::push`].
    pub fn finish(&mut self, out: &mut BytesMut) -> Result<(), BrokenStream> {
        if self.broken {
            return Err(BrokenStream::CutShort);
        }
        if let Some(mut tail) = self.splitter.finish() {
            if !tail.complete {
                let end: &[u8] = if tail.raw.ends_with(b"\n") { b"\n" } else { b"\n\n" };
                tail.raw.extend_from_slice(end);
            }
            match self.forwarder.block(&tail.raw, out) {
                // Half an event is what a broken connection leaves behind.
                Err(BrokenStream::NotAChunk) if !tail.complete => {}
                result => result?,
            }
        }
        self.forwarder.finish(out)
    }

    /// Whether anything was seen that the caller would call an answer: content, refusal, reasoning, a tool call,
    /// sound, or the reason of an end. A role alone is not.
    pub fn has_content(&self) -> bool {
        self.forwarder.has_content
    }

    /// Whether `[DONE]` was seen. Nothing that follows is looked at.
    pub fn is_done(&self) -> bool {
        self.forwarder.done
    }

    /// The provider's numbers so far; the last it gave.
    pub fn reported(&self) -> Option<Reported> {
        self.forwarder.reported
    }

    /// Characters of text so far, for an estimate.
    pub fn output_chars(&self) -> u64 {
        self.forwarder.output_chars
    }
}

#[cfg(test)]
mod tests;
