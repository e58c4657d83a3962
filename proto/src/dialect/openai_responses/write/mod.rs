//! A caller's answer, written from canonical events: streamed ([`encoder`]) or whole ([`encode_response`]), by the
//! same state machine.
//!
//! | canonical | events |
//! |---|---|
//! | start | `response.created`, `response.in_progress` |
//! | text, refusal | an item `message` of one part: `output_item.added`, `content_part.added`, `output_text.delta` or `refusal.delta` …, `.done`, `content_part.done`, `output_item.done` |
//! | citation | `output_text.annotation.added` |
//! | reasoning: thoughts and summary | an item `reasoning`: `reasoning_summary_part.added`, `reasoning_summary_text.delta` …, `.done`, `reasoning_summary_part.done` |
//! | its opaque data | `encrypted_content` of the item's `output_item.done`, in a token of ours |
//! | tool call | `function_call` or `custom_tool_call`: `function_call_arguments.delta` or `custom_tool_call_input.delta` …, `.done` |
//! | its opaque data, or a text's | an item `reasoning` behind it |
//! | hosted | an item as it stood, if it is one of this dialect |
//! | finish | `response.completed`; length, full context → `response.incomplete`; refusal without words → `incomplete` with `content_filter` |
//!
//! Ids are made from the request's and the item's number, so that a second run gives the same.

mod open;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde_json::{Map, Value, json};

use self::open::{Body, Open};
use super::names::Namespaces;
use super::object::{self, Status, made_id};
use super::usage;
use crate::canonical::{CallKind, Delta, Event, Finish, FinishReason, Folded, Item, Meta, Response};
use crate::dialect::codec::{Encoder, Reply};
use crate::dialect::gemini;
use crate::usage::{Estimate, Reported, estimate_tokens, reconcile};

/// How much of an answer is kept for the events that repeat it; what comes beyond is only passed on.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// An encoder of a stream of which nothing was written.
pub fn encoder(reply: Reply) -> Box<dyn Encoder> {
    Box::new(Writer::new(reply, false))
}

/// Writes a whole answer.
pub fn encode_response(response: &Response, reply: &Reply) -> Bytes {
    let mut writer = Writer::new(reply.clone(), true);
    let mut none = BytesMut::new();
    writer.event(
        Event::Start { id: response.id.clone(), model: response.model.clone(), created: response.created },
        &mut none,
    );
    for (i, folded) in (0..).zip(&response.items) {
        writer.folded(i, folded, &mut none);
    }
    if let Some(usage) = response.usage {
        writer.event(Event::Usage(usage), &mut none);
    }
    if let Some(finish) = &response.finish {
        writer.event(Event::Finish(finish.clone()), &mut none);
    }
    let (_, object) = writer.close(&mut none);
    // A tree of strings and numbers always serialises.
    Bytes::from(serde_json::to_vec(&object).unwrap_or_default())
}

/// An answer as far as it was written.
#[derive(Debug)]
struct Writer {
    reply: Reply,
    names: Namespaces,
    /// Nothing is written but the whole answer at the end.
    quiet: bool,
    sequence: u64,
    created: Option<u64>,
    open: BTreeMap<u32, Open>,
    /// An item that has ended, held back until the next event: at the end of an answer that was cut it is
    /// incomplete.
    ending: Option<u32>,
    /// Complete items by their place; one still open has a place already.
    output: Vec<Value>,
    usage: Option<Reported>,
    finish: Option<Finish>,
    chars: u64,
    kept: usize,
    refused: bool,
}

/// A piece of text on its way: the one event that there are many of.
#[derive(Serialize)]
struct Piece<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<usize>,
    delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[u8; 0]>,
}

impl Encoder for Writer {
    fn event(&mut self, event: Event, out: &mut BytesMut) {
        if !matches!(event, Event::Usage(_) | Event::Finish(_)) {
            self.settle("completed", out);
        }
        match event {
            Event::Start { created, .. } => self.start(created, out),
            Event::ItemStart { i, item } => {
                self.start(None, out);
                self.begin(i, item, out);
            }
            Event::Delta { i, delta } => self.grow(i, delta, out),
            Event::Meta { i, meta } => self.note(i, meta, out),
            Event::ItemEnd { i } => self.ending = Some(i),
            Event::Usage(reported) => self.usage = Some(reported),
            Event::Finish(finish) => self.finish = Some(finish),
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        let (status, object) = self.close(out);
        let kind = if status == Status::Completed { "response.completed" } else { "response.incomplete" };
        self.emit(kind, json!({ "response": object }), out);
    }
}

impl Writer {
    fn new(reply: Reply, quiet: bool) -> Self {
        Self {
            names: Namespaces::of(reply.asked.echo.get("tools")),
            reply,
            quiet,
            sequence: 0,
            created: None,
            open: BTreeMap::new(),
            ending: None,
            output: Vec::new(),
            usage: None,
            finish: None,
            chars: 0,
            kept: 0,
            refused: false,
        }
    }

    fn start(&mut self, created: Option<u64>, out: &mut BytesMut) {
        if self.created.is_some() {
            return;
        }
        self.created = Some(created.unwrap_or(self.reply.created));
        if !self.quiet {
            let response = self.object(Status::InProgress);
            self.emit("response.created", json!({ "response": response }), out);
            self.emit("response.in_progress", json!({ "response": response }), out);
        }
    }

    fn object(&self, status: Status) -> Value {
        let asked = &self.reply.asked;
        let created = self.created.unwrap_or(self.reply.created);
        let id = object::response_id(self.reply.request);
        object::response(&asked.echo, &id, created, &asked.model, status)
    }

    fn begin(&mut self, i: u32, item: Item, out: &mut BytesMut) {
        // An index that is used again says that its item was over.
        if let Some(open) = self.open.remove(&i) {
            self.end_item(open, "completed", out);
        }
        let at = self.output.len();
        let made = |prefix| made_id(prefix, self.reply.request, at);
        let (id, body) = match item {
            Item::Text => (made("msg"), Body::Text { text: String::new(), annotations: Vec::new() }),
            Item::Refusal => {
                self.refused = true;
                (made("msg"), Body::Refusal(String::new()))
            }
            Item::Reasoning => (made("rs"), Body::Reasoning(Vec::new())),
            Item::ToolCall { id: call_id, name, kind } => {
                let (space, name) = match self.names.split(&name) {
                    Some((space, name)) => (Some(space.to_owned()), name.to_owned()),
                    None => (None, name),
                };
                let prefix = if kind == CallKind::Custom { "ctc" } else { "fc" };
                (made(prefix), Body::Call { call_id, space, name, kind, arguments: String::new() })
            }
            Item::Hosted { raw } => return self.hosted(raw, out),
        };
        let open = Open { at, id, body, opaque: Vec::new() };
        self.output.push(Value::Null);
        let item = open.item("in_progress", None);
        self.emit("response.output_item.added", json!({ "output_index": at, "item": item }), out);
        if let Some(part) = open.part(true) {
            let body = json!({ "item_id": open.id, "output_index": at, "content_index": 0, "part": part });
            self.emit("response.content_part.added", body, out);
        }
        self.open.insert(i, open);
    }

    /// Items of other dialects have no place here, but for pictures.
    fn hosted(&mut self, raw: Value, out: &mut BytesMut) {
        let at = self.output.len();
        let raw = match gemini::picture(&raw) {
            Some((_, data)) => {
                let id = made_id("ig", self.reply.request, at);
                json!({ "id": id, "type": "image_generation_call", "status": "completed", "result": data })
            }
            None => raw,
        };
        if !open::is_native(&raw) {
            return;
        }
        if !self.quiet {
            let body = json!({ "output_index": at, "item": raw });
            self.emit("response.output_item.added", body.clone(), out);
            self.emit("response.output_item.done", body, out);
        }
        self.output.push(raw);
    }

    fn grow(&mut self, i: u32, delta: Delta, out: &mut BytesMut) {
        let (text, key) = match delta {
            Delta::Text(text) | Delta::Arguments(text) => (text, None),
            Delta::Reasoning(text) => (text, None),
            Delta::Summary { part, text } => (text, Some(part)),
        };
        if text.is_empty() {
            return;
        }
        let Some(mut open) = self.open.remove(&i) else { return };
        self.chars += text.chars().count() as u64;
        let keep = self.kept.saturating_add(text.len()) <= KEPT_BYTES_MAX;
        self.kept = self.kept.saturating_add(text.len());
        if let Body::Reasoning(parts) = &mut open.body
            && parts.last().is_none_or(|part| part.key != key)
        {
            self.next_paragraph(&mut open, key, out);
        }
        let (kind, content_index, summary_index) = open.delta();
        if !self.quiet {
            let piece = Piece {
                kind,
                sequence_number: self.sequence,
                item_id: &open.id,
                output_index: open.at,
                content_index,
                summary_index,
                delta: &text,
                logprobs: (kind == "response.output_text.delta").then_some([]),
            };
            self.sequence += 1;
            write(kind, &piece, out);
        }
        if keep {
            open.push(&text);
        }
        self.open.insert(i, open);
    }

    /// Ends the paragraph of a summary that is open, and begins one where `key` names it.
    fn next_paragraph(&mut self, open: &mut Open, key: Option<u32>, out: &mut BytesMut) {
        self.end_paragraph(open, out);
        if let Some(n) = open.paragraph(key) {
            let part = json!({ "type": "summary_text", "text": "" });
            let body =
                json!({ "item_id": open.id, "output_index": open.at, "summary_index": n, "part": part });
            self.emit("response.reasoning_summary_part.added", body, out);
        }
    }

    fn end_paragraph(&mut self, open: &Open, out: &mut BytesMut) {
        let Body::Reasoning(parts) = &open.body else { return };
        let Some((n, last)) = parts.iter().enumerate().next_back().filter(|_| !self.quiet) else { return };
        let place = json!({ "item_id": open.id, "output_index": open.at, "summary_index": n });
        let part = json!({ "type": "summary_text", "text": last.text });
        self.emit("response.reasoning_summary_text.done", with(&place, "text", json!(last.text)), out);
        self.emit("response.reasoning_summary_part.done", with(&place, "part", part), out);
    }

    fn note(&mut self, i: u32, meta: Meta, out: &mut BytesMut) {
        let Some(open) = self.open.get_mut(&i) else { return };
        match meta {
            Meta::Opaque(opaque) => open.opaque.push(opaque),
            Meta::Citation(citation) => {
                let Body::Text { annotations, .. } = &mut open.body else { return };
                let citation = open::flat_citation(citation);
                let body = json!({
                    "item_id": open.id, "output_index": open.at, "content_index": 0,
                    "annotation_index": annotations.len(), "annotation": citation,
                });
                annotations.push(citation);
                self.emit("response.output_text.annotation.added", body, out);
            }
        }
    }

    /// Writes the end of the item that was held back.
    fn settle(&mut self, status: &str, out: &mut BytesMut) {
        if let Some(open) = self.ending.take().and_then(|i| self.open.remove(&i)) {
            self.end_item(open, status, out);
        }
    }

    fn end_item(&mut self, mut open: Open, status: &str, out: &mut BytesMut) {
        if open.needs_braces() {
            let body = json!({ "item_id": open.id, "output_index": open.at, "delta": "{}" });
            self.emit("response.function_call_arguments.delta", body, out);
            open.push("{}");
        }
        self.end_paragraph(&open, out);
        if let Some((kind, body)) = open.text_done() {
            self.emit(kind, body, out);
        }
        if let Some(part) = open.part(false) {
            let body =
                json!({ "item_id": open.id, "output_index": open.at, "content_index": 0, "part": part });
            self.emit("response.content_part.done", body, out);
        }
        let opaque = std::mem::take(&mut open.opaque);
        let mut tokens = opaque.iter().map(|opaque| self.reply.carrier.wrap(opaque, &self.reply.origin));
        let own = if matches!(open.body, Body::Reasoning(_)) { tokens.next() } else { None };
        let behind: Vec<String> = tokens.collect();
        self.finish_item(&open, status, own.as_deref(), out);
        for token in behind {
            let at = self.output.len();
            let id = made_id("rs", self.reply.request, at);
            let open = Open { at, id, body: Body::Reasoning(Vec::new()), opaque: Vec::new() };
            self.output.push(Value::Null);
            let item = open.item("in_progress", None);
            self.emit("response.output_item.added", json!({ "output_index": at, "item": item }), out);
            self.finish_item(&open, status, Some(&token), out);
        }
    }

    fn finish_item(&mut self, open: &Open, status: &str, token: Option<&str>, out: &mut BytesMut) {
        let item = open.item(status, token);
        if !self.quiet {
            let body = json!({ "output_index": open.at, "item": item });
            self.emit("response.output_item.done", body, out);
        }
        if let Some(place) = self.output.get_mut(open.at) {
            *place = item;
        }
    }

    /// Ends what is open and makes the whole answer.
    fn close(&mut self, out: &mut BytesMut) -> (Status, Value) {
        self.start(None, out);
        let status = self.status();
        let of_items = if matches!(status, Status::Incomplete(_)) { "incomplete" } else { "completed" };
        self.settle(of_items, out);
        for open in std::mem::take(&mut self.open).into_values() {
            self.end_item(open, of_items, out);
        }
        if status == Status::Completed && self.output.is_empty() {
            self.begin(0, Item::Text, out);
            self.ending = Some(0);
            self.settle(of_items, out);
        }
        let estimate =
            Estimate { input_tokens: self.reply.input_estimate, output_tokens: estimate_tokens(self.chars) };
        let used = reconcile(self.usage.as_ref(), estimate).usage;
        let mut object = self.object(status);
        object["output"] = Value::Array(std::mem::take(&mut self.output));
        object["usage"] = usage::written(&used);
        object["service_tier"] = json!(usage::tier_word(used.tier));
        (status, object)
    }

    fn status(&self) -> Status {
        match self.finish.as_ref().map(|finish| finish.reason) {
            Some(FinishReason::Length | FinishReason::ContextFull) => Status::Incomplete("max_output_tokens"),
            Some(FinishReason::Refusal) if !self.refused => Status::Incomplete("content_filter"),
            _ => Status::Completed,
        }
    }

    /// Writes one event; `body` is an object.
    fn emit(&mut self, kind: &'static str, body: Value, out: &mut BytesMut) {
        if self.quiet {
            return;
        }
        let mut event = Map::new();
        event.insert("type".into(), json!(kind));
        event.insert("sequence_number".into(), json!(self.sequence));
        self.sequence += 1;
        if let Value::Object(body) = body {
            event.extend(body);
        }
        write(kind, &event, out);
    }

    fn folded(&mut self, i: u32, folded: &Folded, out: &mut BytesMut) {
        self.event(Event::ItemStart { i, item: folded.item.clone() }, out);
        let text = folded.text.clone();
        let delta = match &folded.item {
            Item::Reasoning => Delta::Reasoning(text),
            Item::ToolCall { .. } => Delta::Arguments(text),
            Item::Text | Item::Refusal | Item::Hosted { .. } => Delta::Text(text),
        };
        self.event(Event::Delta { i, delta }, out);
        for (part, text) in (0..).zip(folded.summary.iter().cloned()) {
            self.event(Event::Delta { i, delta: Delta::Summary { part, text } }, out);
        }
        for meta in folded.metas.iter().cloned() {
            self.event(Event::Meta { i, meta }, out);
        }
        self.event(Event::ItemEnd { i }, out);
    }
}

fn with(place: &Value, name: &str, value: Value) -> Value {
    let mut body = place.clone();
    body[name] = value;
    body
}

fn write(kind: &str, body: &impl Serialize, out: &mut BytesMut) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    // A buffer that grows takes everything, and trees of strings and numbers always serialise.
    if serde_json::to_writer(out.writer(), body).is_err() {
        out.extend_from_slice(b"{}");
    }
    out.extend_from_slice(b"\n\n");
}
