//! ConverseStream: frames to events.
//!
//! The answer is complete when `messageStop` was there and either `metadata`, which follows it and has the
//! numbers, or the end of the connection. An exception is a frame like any other; the status was 200 by then.

mod frames;
#[cfg(test)]
mod tests;

use aws_smithy_types::event_stream::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

use self::frames::Frames;
use super::answer::{Answer, Numbers, Stop, ToolHead, WireDelta};
use super::error::exception;
use crate::canonical::Event;
use crate::dialect::BrokenStream;
use crate::dialect::codec::Decoder;

/// A decoder for a stream of any model but OpenAI's.
pub fn decoder() -> Box<dyn Decoder> {
    Box::new(ConverseStream::new(false))
}

/// A decoder for a stream of this model. Streams of `openai.*` models count their input in another way.
pub fn decoder_of(model: &str) -> Box<dyn Decoder> {
    Box::new(ConverseStream::new(model.contains("openai.")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStart<'a> {
    #[serde(default)]
    content_block_index: u64,
    #[serde(borrow)]
    start: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow, default)]
    tool_use: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta<'a> {
    #[serde(default)]
    content_block_index: u64,
    #[serde(borrow)]
    delta: WireDelta<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStop {
    #[serde(default)]
    content_block_index: u64,
}

/// The state machine.
#[derive(Debug)]
struct ConverseStream {
    frames: Frames,
    answer: Answer,
    metadata: bool,
    done: bool,
    broken: bool,
}

impl ConverseStream {
    fn new(inclusive: bool) -> Self {
        Self {
            frames: Frames::default(),
            answer: Answer::new(inclusive),
            metadata: false,
            done: false,
            broken: false,
        }
    }

    fn run(&mut self, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        while let Some(message) = self.frames.next()? {
            self.message(&message, out)?;
            if self.metadata && self.answer.is_stopped() {
                self.frames.clear();
                self.answer.end(out)?;
                self.done = true;
                return Ok(());
            }
        }
        Ok(())
    }

    fn message(&mut self, message: &Message, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        match header(message, ":message-type") {
            Some("event") => {}
            Some("exception") => {
                let name = header(message, ":exception-type").unwrap_or_default();
                return Err(BrokenStream::Upstream(exception(name, None, message.payload())));
            }
            Some("error") => {
                let code = header(message, ":error-code").unwrap_or_default();
                let text = header(message, ":error-message").unwrap_or_default();
                return Err(BrokenStream::Upstream(exception(code, Some(text), b"")));
            }
            _ => return Err(BrokenStream::NotAChunk),
        }
        let Some(name) = header(message, ":event-type") else { return Err(BrokenStream::NotAChunk) };
        self.event(name, message.payload(), out)
    }

    /// Events of a name unknown to us are left out: the service adds some over time.
    fn event(&mut self, name: &str, payload: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        match name {
            "messageStart" => self.answer.start(out),
            "contentBlockStart" => {
                let block: BlockStart<'_> = read(payload)?;
                let start: Start<'_> = read(block.start.get().as_bytes())?;
                match start.tool_use {
                    Some(raw) => {
                        let head: ToolHead = read(raw.get().as_bytes())?;
                        self.answer.call(block.content_block_index, head, block.start, out)?;
                    }
                    None => {
                        self.answer.other(block.content_block_index, block.start, out)?;
                    }
                }
            }
            "contentBlockDelta" => {
                let block: BlockDelta<'_> = read(payload)?;
                self.answer.delta(block.content_block_index, block.delta, out)?;
            }
            "contentBlockStop" => {
                let block: BlockStop = read(payload)?;
                self.answer.close(block.content_block_index, out);
            }
            "messageStop" => {
                let stop: Stop = read(payload)?;
                self.answer.stop(stop, out);
            }
            "metadata" => {
                let numbers: Numbers<'_> = read(payload)?;
                self.answer.numbers(&numbers);
                self.metadata = true;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Decoder for ConverseStream {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.broken {
            return Err(BrokenStream::CutShort);
        }
        if self.done {
            return Ok(());
        }
        self.frames.feed(bytes);
        let run = self.run(out);
        self.broken = run.is_err();
        run
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.done {
            return Ok(());
        }
        self.frames.clear();
        if std::mem::replace(&mut self.broken, true) {
            return Err(BrokenStream::CutShort);
        }
        self.answer.end(out)?;
        self.done = true;
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
    Some(header.value().as_string().ok()?.as_str())
}

fn read<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, BrokenStream> {
    serde_json::from_slice(payload).map_err(|_| BrokenStream::NotAChunk)
}
