//! A provider's answer, streamed or whole, to events.
//!
//! | theirs | events |
//! |---|---|
//! | `message_start` | `Start`, `Usage` |
//! | block `text` | `Text` item, its citations as `Meta` |
//! | block `thinking` | `Reasoning` item, its signature as `Meta` just before its end |
//! | block `redacted_thinking` | `Reasoning` item with a `Redacted` alone |
//! | block `tool_use` | `ToolCall` item; no arguments at all are `{}` |
//! | any other block | `Hosted` item, whole, when it ends |
//! | `message_delta` | `Usage`; the reason of the end is kept |
//! | `message_stop` | `Finish`; the end |
//! | `error` | a broken stream |
//! | `ping`, anything unknown | nothing |

use std::collections::HashMap;

use serde_json::Value;

use super::wire::{self, Block, Message, Stop};
use super::{cite, stop, usage::Numbers};
use crate::canonical::{CallKind, Delta, Event, Finish, FinishReason, Item, Meta, Opaque, OpaqueKind};
use crate::dialect::codec::Decoder;
use crate::dialect::openai_chat::error::truthy_error;
use crate::dialect::openai_chat::stream::EVENT_BYTES_MAX;
use crate::dialect::sse::{self, Splitter};
use crate::dialect::{BadAnswer, BrokenStream, ITEMS_MAX, UpstreamError};

/// The most blocks that may be open at once; the dialect says one.
const OPEN_MAX: usize = 1024;

/// The most bytes of a hosted block's input and of a signature, which are held until they are complete.
const HELD_BYTES_MAX: usize = 4 << 20;

/// A decoder of a stream of which nothing has arrived.
pub fn decoder() -> Box<dyn Decoder> {
    Box::new(Messages { splitter: Splitter::new(EVENT_BYTES_MAX), state: State::default() })
}

/// Reads a whole answer to the events that its stream would have given.
///
/// # Errors
/// [`BadAnswer`] unless it is a JSON object with a `content` array, or if it is an error.
pub fn decode_response(body: &[u8], out: &mut Vec<Event>) -> Result<(), BadAnswer> {
    let message: Message<'_> = serde_json::from_slice(body).map_err(|_| BadAnswer::NotACompletion)?;
    if let Some(error) = message.error.and_then(|raw| truthy_error(raw.get())) {
        return Err(BadAnswer::Upstream(error));
    }
    let stop: Stop<'_> = serde_json::from_slice(body).map_err(|_| BadAnswer::NotACompletion)?;
    let raw = message.content.ok_or(BadAnswer::NotACompletion)?;
    let blocks: Vec<&serde_json::value::RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| BadAnswer::NotACompletion)?;
    let mut state = State::default();
    state.begin(message, out);
    for (index, block) in (0..).zip(blocks) {
        let done = state.open(index, block.get(), out).and_then(|()| state.close(index, out));
        done.map_err(|_| BadAnswer::NotACompletion)?;
    }
    out.extend(state.numbers.reported().map(Event::Usage));
    state.finish = Some(stop::finish(&stop));
    state.end(out);
    Ok(())
}

#[derive(Debug)]
struct Messages {
    splitter: Splitter,
    state: State,
}

impl Decoder for Messages {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.state.broken {
            return Err(BrokenStream::CutShort);
        }
        let result = self.splitter.split(bytes, |raw| self.state.block(raw, out));
        self.state.broken = result.is_err();
        result
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.state.broken {
            return Err(BrokenStream::CutShort);
        }
        if let Some(tail) = self.splitter.finish() {
            match self.state.block(&tail.raw, out) {
                // Half an event is what a broken connection leaves behind.
                Err(BrokenStream::NotAChunk) if !tail.complete => {}
                result => result?,
            }
        }
        if self.state.done { Ok(()) } else { Err(BrokenStream::CutShort) }
    }

    fn is_done(&self) -> bool {
        self.state.done
    }
}

/// A block that is open.
#[derive(Debug)]
enum Open {
    Text {
        i: u32,
        chars: u64,
    },
    Thinking {
        i: u32,
        signature: String,
    },
    Redacted {
        i: u32,
    },
    /// `whole`: the input as the block began with it, for servers that send no pieces.
    Call {
        i: u32,
        whole: Option<String>,
        any: bool,
    },
    Hosted {
        raw: Value,
        input: String,
    },
}

/// What is known of the answer so far.
#[derive(Debug, Default)]
struct State {
    started: bool,
    done: bool,
    broken: bool,
    next: u32,
    open: HashMap<u64, Open>,
    numbers: Numbers,
    finish: Option<Finish>,
}

impl State {
    fn block(&mut self, raw: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let fields = sse::fields(raw);
        let Some(data) = fields.data.as_deref().filter(|data| !data.trim_ascii().is_empty()) else {
            return Ok(());
        };
        if self.done || data == b"[DONE]" {
            return Ok(());
        }
        let event: wire::Event<'_> = serde_json::from_slice(data).map_err(|_| BrokenStream::NotAChunk)?;
        let named = fields.event.and_then(|name| std::str::from_utf8(name).ok());
        self.event(event, named, out)
    }

    fn event(
        &mut self,
        event: wire::Event<'_>,
        named: Option<&str>,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        let index = event.index.unwrap_or(0);
        match event.kind.as_deref().or(named).unwrap_or_default() {
            "message_start" => {
                self.begin(event.message.unwrap_or_default(), out);
                self.numbers.forget_output();
                out.extend(self.numbers.reported().map(Event::Usage));
            }
            "content_block_start" => {
                let block = event.content_block.ok_or(BrokenStream::NotAChunk)?;
                self.open(index, block.get(), out)?;
            }
            "content_block_delta" => {
                let delta = event.delta.ok_or(BrokenStream::NotAChunk)?;
                let delta = serde_json::from_str(delta.get()).map_err(|_| BrokenStream::NotAChunk)?;
                self.grow(index, delta, out)?;
            }
            "content_block_stop" => self.close(index, out)?,
            "message_delta" => {
                if let Some(usage) = event.usage
                    && self.numbers.merge(usage.get())
                {
                    out.extend(self.numbers.reported().map(Event::Usage));
                }
                if let Some(delta) = event.delta {
                    let stop: Stop<'_> =
                        serde_json::from_str(delta.get()).map_err(|_| BrokenStream::NotAChunk)?;
                    if stop.stop_reason.is_some() {
                        self.finish = Some(stop::finish(&stop));
                    }
                }
            }
            "message_stop" => self.end(out),
            "error" => return Err(BrokenStream::Upstream(error_of(event.error.map(|raw| raw.get())))),
            // Some servers forget the type.
            _ => {
                if let Some(error) = event.error.and_then(|raw| truthy_error(raw.get())) {
                    return Err(BrokenStream::Upstream(error));
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, message: Message<'_>, out: &mut Vec<Event>) {
        if let Some(usage) = message.usage {
            self.numbers.merge(usage.get());
        }
        if !std::mem::replace(&mut self.started, true) {
            let text = |text: Option<wire::Text<'_>>| text.map(wire::Text::into_owned).unwrap_or_default();
            out.push(Event::Start { id: text(message.id), model: text(message.model), created: None });
        }
    }

    fn item(&mut self, item: Item, out: &mut Vec<Event>) -> u32 {
        self.begin(Message::default(), out);
        let i = self.next;
        self.next += 1;
        out.push(Event::ItemStart { i, item });
        i
    }

    fn open(&mut self, index: u64, raw: &str, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let block: Block<'_> = serde_json::from_str(raw).map_err(|_| BrokenStream::NotAChunk)?;
        self.close(index, out)?;
        if self.open.len() >= OPEN_MAX {
            return Err(BrokenStream::NotAChunk);
        }
        if self.next >= ITEMS_MAX {
            return Err(BrokenStream::TooLarge);
        }
        let mut first = wire::Delta::default();
        let opened = match block.kind.as_deref().unwrap_or_default() {
            "text" => {
                (first.kind, first.text) = (Some("text_delta".into()), block.text);
                Open::Text { i: self.item(Item::Text, out), chars: 0 }
            }
            "thinking" => {
                (first.kind, first.thinking) = (Some("thinking_delta".into()), block.thinking);
                let signature = block.signature.map(wire::Text::into_owned).unwrap_or_default();
                Open::Thinking { i: self.item(Item::Reasoning, out), signature }
            }
            "redacted_thinking" => {
                let i = self.item(Item::Reasoning, out);
                let data = block.data.map(wire::Text::into_owned).unwrap_or_default();
                out.push(Event::Meta { i, meta: opaque(OpaqueKind::Redacted, data) });
                Open::Redacted { i }
            }
            "tool_use" => {
                let text =
                    |text: Option<wire::Text<'_>>| text.map(wire::Text::into_owned).unwrap_or_default();
                let (id, name) = (text(block.id), text(block.name));
                let item = Item::ToolCall { id, name, kind: CallKind::Function };
                let whole = block.input.map(|raw| compact(raw.get()));
                Open::Call { i: self.item(item, out), whole, any: false }
            }
            _ => {
                let raw = serde_json::from_str(raw).map_err(|_| BrokenStream::NotAChunk)?;
                Open::Hosted { raw, input: String::new() }
            }
        };
        self.open.insert(index, opened);
        self.grow(index, first, out)?;
        for raw in block.citations.into_iter().flatten() {
            let citation = wire::Delta {
                kind: Some("citations_delta".into()),
                citation: Some(raw),
                ..wire::Delta::default()
            };
            self.grow(index, citation, out)?;
        }
        Ok(())
    }

    fn grow(&mut self, index: u64, delta: wire::Delta<'_>, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let Some(open) = self.open.get_mut(&index) else { return Ok(()) };
        let kind = delta.kind.as_deref().unwrap_or_default();
        match open {
            Open::Text { i, chars } => {
                if let Some(text) = delta.text.filter(|text| !text.is_empty()) {
                    *chars += text.chars().count() as u64;
                    out.push(Event::Delta { i: *i, delta: Delta::Text(text.into_owned()) });
                } else if let Some(raw) = delta.citation {
                    let theirs = serde_json::from_str(raw.get()).map_err(|_| BrokenStream::NotAChunk)?;
                    let citation = cite::decoded(theirs, *chars);
                    out.push(Event::Meta { i: *i, meta: Meta::Citation(citation) });
                }
            }
            Open::Thinking { i, signature } => {
                if let Some(thinking) = delta.thinking.filter(|text| !text.is_empty()) {
                    out.push(Event::Delta { i: *i, delta: Delta::Reasoning(thinking.into_owned()) });
                } else if let Some(piece) = delta.signature {
                    hold(signature, &piece)?;
                }
            }
            Open::Call { i, any, .. } => {
                if let Some(piece) = delta.partial_json.filter(|piece| !piece.is_empty()) {
                    *any = true;
                    out.push(Event::Delta { i: *i, delta: Delta::Arguments(piece.into_owned()) });
                }
            }
            Open::Hosted { raw, input } => match (kind, delta.partial_json, delta.text) {
                ("input_json_delta", Some(piece), _) => hold(input, &piece)?,
                // Text of blocks yet to come (`compaction`): kept where the block keeps it.
                (_, _, Some(text)) => append(raw, "content", &text),
                _ => {}
            },
            Open::Redacted { .. } => {}
        }
        Ok(())
    }

    /// Closes a block. One that never opened is nothing: a refused stream may stop what it did not start.
    fn close(&mut self, index: u64, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let i = match self.open.remove(&index) {
            None => return Ok(()),
            Some(Open::Text { i, .. } | Open::Redacted { i }) => i,
            Some(Open::Thinking { i, signature }) => {
                if !signature.is_empty() {
                    out.push(Event::Meta { i, meta: opaque(OpaqueKind::Signature, signature) });
                }
                i
            }
            Some(Open::Call { i, whole, any }) => {
                if !any {
                    let whole = whole.unwrap_or_else(|| "{}".into());
                    out.push(Event::Delta { i, delta: Delta::Arguments(whole) });
                }
                i
            }
            Some(Open::Hosted { mut raw, input }) => {
                if !input.is_empty() && raw.is_object() {
                    raw["input"] = serde_json::from_str(&input).map_err(|_| BrokenStream::NotAChunk)?;
                }
                self.item(Item::Hosted { raw }, out)
            }
        };
        out.push(Event::ItemEnd { i });
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Event>) {
        self.begin(Message::default(), out);
        let mut left: Vec<u64> = self.open.keys().copied().collect();
        left.sort_unstable();
        for index in left {
            // What a hosted block left half written cannot be told.
            if self.close(index, out).is_err() {}
        }
        out.push(Event::Finish(self.finish.take().unwrap_or_else(|| Finish::new(FinishReason::Stop))));
        self.done = true;
    }
}

fn hold(held: &mut String, piece: &str) -> Result<(), BrokenStream> {
    if held.len() + piece.len() > HELD_BYTES_MAX {
        return Err(BrokenStream::TooLarge);
    }
    held.push_str(piece);
    Ok(())
}

fn append(raw: &mut Value, key: &str, text: &str) {
    let Some(map) = raw.as_object_mut() else { return };
    match map.entry(key).or_insert_with(|| Value::String(String::new())) {
        Value::String(held) if held.len() + text.len() <= HELD_BYTES_MAX => held.push_str(text),
        null @ Value::Null => *null = text.into(),
        _ => {}
    }
}

fn opaque(kind: OpaqueKind, data: String) -> Meta {
    Meta::Opaque(Opaque { origin: None, kind, data })
}

/// Arguments without the white space between their tokens; key order stays.
fn compact(raw: &str) -> String {
    match serde_json::from_str::<Value>(raw) {
        Ok(Value::Null) | Err(_) => "{}".into(),
        Ok(value) => value.to_string(),
    }
}

/// The error of an `error` event, whatever it holds.
pub(super) fn error_of(raw: Option<&str>) -> UpstreamError {
    raw.and_then(truthy_error).unwrap_or_else(|| crate::dialect::openai_chat::error::named_error("{}"))
}

#[cfg(test)]
mod tests;
