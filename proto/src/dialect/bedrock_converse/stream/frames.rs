//! The binary framing `application/vnd.amazon.eventstream`: length, checksum, headers, payload, checksum. The
//! frames themselves are read by AWS's own crate; here is only how many bytes make one, and the limit.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use bytes::{Buf, BytesMut};

use crate::dialect::BrokenStream;

/// The largest frame, in bytes.
pub(super) const FRAME_BYTES_MAX: usize = 16 << 20;

/// Lengths, their checksum, and the checksum of it all.
const FRAME_BYTES_MIN: usize = 16;

/// Splits a byte stream that arrives in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Frames {
    held: BytesMut,
}

impl Frames {
    /// Takes in the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole frame, checksums verified.
    pub(super) fn next(&mut self) -> Result<Option<Message>, BrokenStream> {
        let Some(length) = self.held.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(BrokenStream::TooLarge);
        }
        if length < FRAME_BYTES_MIN {
            return Err(BrokenStream::NotAChunk);
        }
        if self.held.len() < length {
            return Ok(None);
        }
        let frame = self.held.split_to(length).freeze();
        let mut rest = frame;
        let message = read_message_from(&mut rest).map_err(|_| BrokenStream::NotAChunk)?;
        if rest.has_remaining() { Err(BrokenStream::NotAChunk) } else { Ok(Some(message)) }
    }

    /// Forgets what is held.
    pub(super) fn clear(&mut self) {
        self.held.clear();
    }
}
