//! A provider's answer, streamed or whole, as canonical events.
//!
//! | Chat Completions | event |
//! |---|---|
//! | first chunk with an id or a choice (Azure's first has neither) | `Start` |
//! | `content` | text; a new item where something else came between |
//! | `reasoning_content`, else `reasoning`, else the texts of `reasoning_details` | reasoning |
//! | pieces of `reasoning_details` with a signature or data | opaque data of the reasoning, the JSON of the piece |
//! | `refusal` | refusal; an answer that ends with `stop` then ends with a refusal |
//! | `tool_calls[]` by `index`, else by a new id or name; `function_call` | tool call |
//! | `extra_content.google.thought_signature` | opaque data of the call |
//! | `annotations` | citation, flat as the Responses API has them |
//! | `usage`, in whatever chunk, with the tier of `service_tier` | `Usage` |
//! | `finish_reason` and then `[DONE]` or the end | items end, `Finish` |
//!
//! Only the first choice is read. Servers that write only half of this are understood as far as it goes; an
//! answer without a reason of its end counts as complete only where `[DONE]` says so.

mod answer;
mod call;
mod details;
mod wire;

use self::answer::Answering;
use super::error::{named_error, truthy_error};
use super::stream::EVENT_BYTES_MAX;
use super::{BadAnswer, BrokenStream};
use crate::canonical::Event;
use crate::dialect::codec::Decoder;
use crate::dialect::sse::{self, Splitter};

/// An answer that is not what the dialect says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Odd;

/// A decoder of a stream of which nothing has arrived.
pub fn decoder() -> Box<dyn Decoder> {
    Box::new(ChatDecoder {
        splitter: Splitter::new(EVENT_BYTES_MAX),
        reader: Reader { answering: Answering::streamed(), done: false },
        broken: false,
    })
}

/// Reads a whole answer.
///
/// # Errors
/// [`BadAnswer`] unless it is a JSON object with at least one choice and without a truthy `error`.
pub fn decode_response(body: &[u8], out: &mut Vec<Event>) -> Result<(), BadAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| BadAnswer::NotACompletion)?;
    let answer = wire::read(text).ok_or(BadAnswer::NotACompletion)?;
    if let Some(error) = answer.error.and_then(|raw| truthy_error(raw.get())) {
        return Err(BadAnswer::Upstream(error));
    }
    if answer.choices.as_ref().is_none_or(Vec::is_empty) {
        return Err(BadAnswer::NotACompletion);
    }
    let mut answering = Answering::whole();
    answering.note(&answer, out).map_err(|Odd| BadAnswer::NotACompletion)?;
    answering.end(out);
    Ok(())
}

#[derive(Debug)]
struct ChatDecoder {
    splitter: Splitter,
    reader: Reader,
    broken: bool,
}

#[derive(Debug)]
struct Reader {
    answering: Answering,
    done: bool,
}

impl Decoder for ChatDecoder {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.broken {
            return Err(BrokenStream::CutShort);
        }
        let result = self.splitter.split(bytes, |raw| self.reader.block(raw, out));
        self.broken = result.is_err();
        result
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.broken {
            return Err(BrokenStream::CutShort);
        }
        self.broken = true;
        if let Some(mut tail) = self.splitter.finish() {
            if !tail.complete {
                let end: &[u8] = if tail.raw.ends_with(b"\n") { b"\n" } else { b"\n\n" };
                tail.raw.extend_from_slice(end);
            }
            match self.reader.block(&tail.raw, out) {
                // Half an event is what a broken connection leaves behind.
                Err(BrokenStream::NotAChunk) if !tail.complete => {}
                result => result?,
            }
        }
        if self.reader.done {
            return Ok(());
        }
        if !self.reader.answering.is_finished() {
            return Err(BrokenStream::CutShort);
        }
        self.reader.done = true;
        self.reader.answering.end(out);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.reader.done
    }
}

impl Reader {
    fn block(&mut self, raw: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.done {
            return Ok(());
        }
        let fields = sse::fields(raw);
        let data = fields.data.as_deref().unwrap_or_default();
        let text = std::str::from_utf8(data).map_err(|_| BrokenStream::NotAChunk)?.trim_ascii();
        if text.is_empty() {
            return Ok(());
        }
        if text == "[DONE]" {
            if !self.answering.is_started() {
                return Err(BrokenStream::CutShort);
            }
            self.done = true;
            self.answering.end(out);
            return Ok(());
        }
        let chunk = match wire::read(text) {
            Some(chunk) => chunk,
            None if fields.event == Some(b"error") => {
                return Err(BrokenStream::Upstream(named_error(text)));
            }
            None => return Err(BrokenStream::NotAChunk),
        };
        if let Some(error) = chunk.error.and_then(|raw| truthy_error(raw.get())) {
            return Err(BrokenStream::Upstream(error));
        }
        if fields.event == Some(b"error") {
            return Err(BrokenStream::Upstream(named_error(text)));
        }
        self.answering.note(&chunk, out).map_err(|Odd| BrokenStream::NotAChunk)
    }
}

#[cfg(test)]
mod tests;
