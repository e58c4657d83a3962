//! Answers of `generateContent`, whole or streamed, as canonical events.
//!
//! A stream is server-sent events with CRLF, no names and no end marker: it is complete once a `finishReason` was seen
//! and the connection closed. An error comes as an event, or as bare JSON between or behind the events, maybe within an
//! array. A whole answer goes through the same machine as a single chunk.
//!
//! | file | owns |
//! |---|---|
//! | `machine` | what chunks become, one after the other |
//! | `finish` | why answers end |
//! | `usage` | the numbers |
//! | `ids` | ids of calls that came without one |
//! | `wire` | the shapes of Gemini's JSON |

mod finish;
mod ids;
mod machine;
#[cfg(test)]
mod tests;
mod usage;
mod wire;

use self::machine::Machine;
use crate::canonical::Event;
use crate::dialect::codec::Decoder;
use crate::dialect::sse::{self, Splitter};
use crate::dialect::{BadAnswer, BrokenStream};

/// The largest event, in bytes: images and sound come as one.
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The state machine for a streamed answer.
pub fn decoder() -> Box<dyn Decoder> {
    Box::new(GeminiStream {
        splitter: Splitter::new(EVENT_BYTES_MAX),
        machine: Machine::default(),
        broken: false,
    })
}

/// Reads a whole answer; on an error what was read before it is in `out`.
///
/// # Errors
/// [`BadAnswer`] if it is an error, or nothing that is complete.
pub fn decode_response(body: &[u8], out: &mut Vec<Event>) -> Result<(), BadAnswer> {
    let mut machine = Machine::default();
    machine.json(body, out).and_then(|()| machine.end(out)).map_err(|broken| match broken {
        BrokenStream::Upstream(error) => BadAnswer::Upstream(error),
        BrokenStream::TooLarge | BrokenStream::NotAChunk | BrokenStream::CutShort => {
            BadAnswer::NotACompletion
        }
    })
}

#[derive(Debug)]
struct GeminiStream {
    splitter: Splitter,
    machine: Machine,
    broken: bool,
}

impl Decoder for GeminiStream {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.broken {
            return Err(BrokenStream::CutShort);
        }
        let result = self.splitter.split(bytes, |raw| block(&mut self.machine, raw, out));
        self.broken = result.is_err();
        result
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(BrokenStream::CutShort);
        }
        if let Some(tail) = self.splitter.finish() {
            match block(&mut self.machine, &tail.raw, out) {
                // Half an event is what a broken connection leaves behind.
                Err(BrokenStream::NotAChunk) if !tail.complete => return Err(BrokenStream::CutShort),
                result => result?,
            }
        }
        self.machine.end(out)
    }

    /// Never: the dialect ends with the connection, and the last numbers come with its last event.
    fn is_done(&self) -> bool {
        false
    }
}

fn block(machine: &mut Machine, raw: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
    let fields = sse::fields(raw);
    let json = match &fields.data {
        Some(data) => data.trim_ascii(),
        // Bare JSON, in lines that are no fields.
        None => raw.trim_ascii(),
    };
    let bare = fields.data.is_none() && !json.starts_with(b"{") && !json.starts_with(b"[");
    if !fields.any || bare || json.is_empty() || json == b"[DONE]" {
        return Ok(());
    }
    machine.json(json, out)
}
