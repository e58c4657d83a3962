//! A provider's answer, read into canonical events: streamed ([`decoder`]) or whole ([`decode_response`]), by the
//! same state machine.
//!
//! | event | canonical |
//! |---|---|
//! | `response.created`, `.queued`, `.in_progress` | start, once |
//! | `response.output_item.added`, `.done` | an item opens, ends (see `items`) |
//! | `response.content_part.added`, `.done` | a part of a message opens, ends |
//! | `response.output_text.delta`, `.refusal.delta` | text |
//! | `response.reasoning_summary_text.delta`, `.reasoning_text.delta` | summary, thoughts |
//! | `response.function_call_arguments.delta`, `.custom_tool_call_input.delta` | arguments |
//! | their `.done` | whatever of the text is missing |
//! | `response.output_text.annotation.added` | citation |
//! | `response.completed` | usage; finish: tool calls, refusal (if one was said), else stop |
//! | `response.incomplete` | usage; finish by its reason: `content_filter` → refusal, `steered` → stop, else length |
//! | `response.failed`, `response.cancelled`, `error`, anything with an `error` | broken: the provider's error |
//! | any other (hosted tools, audio, keep-alives) | nothing: a hosted item comes whole when it is done |
//!
//! Order of events and fields as in openai-python 3.51 `types/responses/response_stream_event`, read 2026-11.

mod items;
mod sent;
mod wire;

#[cfg(test)]
mod tests;

use serde_json::value::RawValue;

use self::items::{Items, Text};
use self::wire::{index, text, word};
use super::usage;
use crate::canonical::{Event, Finish, FinishReason};
use crate::dialect::codec::Decoder;
use crate::dialect::openai_chat::error::{named_error, truthy_error};
use crate::dialect::sse::{self, Splitter};
use crate::dialect::{BadAnswer, BrokenStream, json};

/// The largest event, in bytes.
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A decoder of a stream of which nothing has arrived.
pub fn decoder() -> Box<dyn Decoder> {
    Box::new(ResponsesDecoder {
        splitter: Splitter::new(EVENT_BYTES_MAX),
        reading: Reading::default(),
        broken: false,
    })
}

/// Reads a whole answer.
///
/// # Errors
/// [`BadAnswer`] if it is none, is not over, or failed.
pub fn decode_response(body: &[u8], out: &mut Vec<Event>) -> Result<(), BadAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| BadAnswer::NotACompletion)?;
    let response: wire::Response<'_> = serde_json::from_str(text).map_err(|_| BadAnswer::NotACompletion)?;
    let failed = word(response.status) == "failed";
    match response.error.and_then(|raw| truthy_error(raw.get())) {
        Some(error) => return Err(BadAnswer::Upstream(error)),
        None if failed => return Err(BadAnswer::Upstream(named_error(text))),
        None => {}
    }
    if response.output.is_none_or(|output| !output.get().starts_with('[')) {
        return Err(BadAnswer::NotACompletion);
    }
    let status = word(response.status);
    if !matches!(&*status, "completed" | "incomplete" | "") {
        return Err(BadAnswer::NotACompletion);
    }
    let mut reading = Reading::default();
    reading.start(&response, out);
    reading.over(&response, status == "incomplete", out).map_err(|_| BadAnswer::NotACompletion)
}

/// An answer as far as it was read.
#[derive(Debug, Default)]
struct Reading {
    items: Items,
    started: bool,
    done: bool,
}

impl Reading {
    fn block(&mut self, raw: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.done {
            return Ok(());
        }
        let fields = sse::fields(raw);
        let data = fields.data.as_deref().unwrap_or_default();
        let text = std::str::from_utf8(data).map_err(|_| BrokenStream::NotAChunk)?;
        if text.trim_ascii().is_empty() || text.trim_ascii() == "[DONE]" {
            return Ok(());
        }
        let event: wire::Event<'_> = serde_json::from_str(text).map_err(|_| BrokenStream::NotAChunk)?;
        let named = fields.event.and_then(|name| std::str::from_utf8(name).ok());
        let kind = wire::text(event.kind).or(named.map(Into::into)).ok_or(BrokenStream::NotAChunk)?;
        if kind == "error" {
            return Err(BrokenStream::Upstream(named_error(text)));
        }
        if let Some(error) = event.error.and_then(|raw| truthy_error(raw.get())) {
            return Err(BrokenStream::Upstream(error));
        }
        let kind = kind.strip_prefix("response.").unwrap_or(&kind);
        if kind.ends_with(".delta") { self.delta(kind, &event, out) } else { self.event(kind, &event, out) }
    }

    fn event(
        &mut self,
        kind: &str,
        event: &wire::Event<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        match kind {
            "created" | "queued" | "in_progress" => {
                self.start(&response(event.response)?, out);
                Ok(())
            }
            "completed" | "incomplete" => {
                let response = response(event.response)?;
                self.start(&response, out);
                self.over(&response, kind == "incomplete", out)
            }
            "failed" | "cancelled" => {
                Err(BrokenStream::Upstream(named_error(event.response.map_or("", RawValue::get))))
            }
            "output_item.added" | "output_item.done" => {
                self.start(&wire::Response::default(), out);
                let at = index(event.output_index).ok_or(BrokenStream::NotAChunk)?;
                let item = event.item.ok_or(BrokenStream::NotAChunk)?;
                match kind {
                    "output_item.added" => self.items.added(at, item, out),
                    _ => self.items.done(at, item, out),
                }
            }
            "content_part.added" | "content_part.done" | "reasoning_summary_part.done" => {
                self.start(&wire::Response::default(), out);
                let summary = kind == "reasoning_summary_part.done";
                let at = place(event, if summary { event.summary_index } else { event.content_index })?;
                self.items.part(at, event.part.ok_or(BrokenStream::NotAChunk)?, out)?;
                if kind == "content_part.done" {
                    self.items.close_part(at, out);
                }
                Ok(())
            }
            "output_text.annotation.added" => {
                let at = place(event, event.content_index)?;
                if let Some(citation) = event.annotation {
                    self.items.cite(at, citation, out);
                }
                Ok(())
            }
            _ => self.done(kind, event, out),
        }
    }

    fn delta(
        &mut self,
        kind: &str,
        event: &wire::Event<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        let (of, part) = match kind {
            "output_text.delta" => (Text::Output, event.content_index),
            "refusal.delta" => (Text::Refusal, event.content_index),
            "reasoning_summary_text.delta" => (Text::Summary, event.summary_index),
            "reasoning_text.delta" => (Text::Reasoning, event.content_index),
            "function_call_arguments.delta" | "custom_tool_call_input.delta" => (Text::Arguments, None),
            _ => return Ok(()),
        };
        self.start(&wire::Response::default(), out);
        let piece = text(event.delta).ok_or(BrokenStream::NotAChunk)?;
        self.items.grow(place(event, part)?, of, &piece, false, out)
    }

    /// A text is repeated whole.
    fn done(
        &mut self,
        kind: &str,
        event: &wire::Event<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        let (of, part, whole) = match kind {
            "output_text.done" => (Text::Output, event.content_index, event.text),
            "refusal.done" => (Text::Refusal, event.content_index, event.refusal),
            "reasoning_summary_text.done" => (Text::Summary, event.summary_index, event.text),
            "reasoning_text.done" => (Text::Reasoning, event.content_index, event.text),
            "function_call_arguments.done" => (Text::Arguments, None, event.arguments),
            "custom_tool_call_input.done" => (Text::Arguments, None, event.input),
            _ => return Ok(()),
        };
        self.start(&wire::Response::default(), out);
        self.items.grow(place(event, part)?, of, &word(whole), true, out)
    }

    fn start(&mut self, response: &wire::Response<'_>, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        out.push(Event::Start {
            id: word(response.id).into_owned(),
            model: word(response.model).into_owned(),
            created: response.created_at.and_then(|raw| json::count(raw.get())),
        });
    }

    fn over(
        &mut self,
        response: &wire::Response<'_>,
        incomplete: bool,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        self.items.finish(response.output, out)?;
        let [used, tier, tools] =
            [response.usage, response.service_tier, response.tool_usage].map(|raw| raw.map(RawValue::get));
        out.extend(usage::reported(used, tier, tools).map(Event::Usage));
        out.push(Event::Finish(if incomplete { cut(response.incomplete_details) } else { self.complete() }));
        self.done = true;
        Ok(())
    }

    fn complete(&self) -> Finish {
        Finish::new(match &self.items {
            Items { called: true, .. } => FinishReason::ToolCalls,
            Items { refused: true, .. } => FinishReason::Refusal,
            _ => FinishReason::Stop,
        })
    }
}

/// Why an answer is incomplete.
fn cut(details: wire::Raw<'_>) -> Finish {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Details<'a> {
        #[serde(borrow)]
        reason: wire::Raw<'a>,
    }

    let details: Details<'_> =
        details.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let word = word(details.reason);
    let reason = match &*word {
        "content_filter" => FinishReason::Refusal,
        "steered" => FinishReason::Stop,
        _ => FinishReason::Length,
    };
    Finish { details: (!word.is_empty()).then(|| word.into_owned()), ..Finish::new(reason) }
}

fn response(raw: wire::Raw<'_>) -> Result<wire::Response<'_>, BrokenStream> {
    let raw = raw.ok_or(BrokenStream::NotAChunk)?;
    serde_json::from_str(raw.get()).map_err(|_| BrokenStream::NotAChunk)
}

/// Item and part that an event is about.
fn place(event: &wire::Event<'_>, part: wire::Raw<'_>) -> Result<(u32, u32), BrokenStream> {
    index(event.output_index).zip(index(part)).ok_or(BrokenStream::NotAChunk)
}

#[derive(Debug)]
struct ResponsesDecoder {
    splitter: Splitter,
    reading: Reading,
    broken: bool,
}

impl Decoder for ResponsesDecoder {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.broken {
            return Err(BrokenStream::CutShort);
        }
        let Self { splitter, reading, .. } = self;
        let result = splitter.split(bytes, |raw| reading.block(raw, out));
        self.broken = result.is_err();
        result
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if self.broken {
            return Err(BrokenStream::CutShort);
        }
        if let Some(mut tail) = self.splitter.finish() {
            if !tail.complete {
                tail.raw.extend_from_slice(b"\n\n");
            }
            match self.reading.block(&tail.raw, out) {
                // Half an event is what a broken connection leaves behind.
                Err(BrokenStream::NotAChunk) if !tail.complete => {}
                result => result?,
            }
        }
        if self.reading.done { Ok(()) } else { Err(BrokenStream::CutShort) }
    }

    fn is_done(&self) -> bool {
        self.reading.done
    }
}
