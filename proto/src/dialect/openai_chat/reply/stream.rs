//! A streamed answer: every event that says something is one chunk, written without a tree.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};
use serde_json::Value;

use super::thought::Thought;
use super::{Came, annotation, explanation, extra_content, finish_word, id, image, is_legacy, model, usage};
use crate::canonical::{CallKind, Delta, Event, Finish, Item, Meta, Opaque};
use crate::dialect::codec::{Encoder, Reply};
use crate::usage::Reported;

/// The writer of a stream.
#[derive(Debug)]
pub(super) struct ChatEncoder {
    reply: Reply,
    /// What every chunk begins with, up to its delta; empty before the first.
    head: String,
    open: BTreeMap<u32, Open>,
    calls: u32,
    /// The next piece of `reasoning_details`.
    detail: u32,
    came: Came,
    /// Thoughts were shown, so that the next are set off.
    thought: bool,
    reported: Option<Reported>,
    chars: u64,
    finished: bool,
}

/// An open item.
#[derive(Debug)]
enum Open {
    Text,
    Refusal,
    Reasoning {
        thought: Thought,
        begun: bool,
    },
    Call(Call),
    /// It has no place in the dialect.
    Unseen,
}

#[derive(Debug)]
struct Call {
    place: u32,
    kind: CallKind,
    /// Id and name until they are sent, with the first of the arguments: opaque data that comes before anything
    /// else goes with them, since that is where clients look for it, and some providers give it last.
    unsent: Option<(String, String)>,
    held: String,
    opaque: Vec<Opaque>,
}

impl ChatEncoder {
    pub(super) fn new(reply: Reply) -> Self {
        let came = Came { legacy: is_legacy(&reply), ..Came::default() };
        Self {
            reply,
            head: String::new(),
            open: BTreeMap::new(),
            calls: 0,
            detail: 0,
            came,
            thought: false,
            reported: None,
            chars: 0,
            finished: false,
        }
    }

    fn begin(&mut self, given: &str, named: &str, created: Option<u64>, out: &mut BytesMut) {
        if !self.head.is_empty() {
            return;
        }
        let id = Value::from(id(given, &self.reply));
        let model = Value::from(model(named, &self.reply));
        let created = created.unwrap_or(self.reply.created);
        self.head = format!(
            r#"data: {{"id":{id},"object":"chat.completion.chunk","created":{created},"model":{model},"choices":["#
        );
        self.delta(out, None, |out| {
            out.extend_from_slice(br#""role":"assistant","content":"","refusal":null"#);
        });
    }

    /// One chunk with the members of a delta that `write` appends.
    fn delta(&self, out: &mut BytesMut, finish: Option<&str>, write: impl FnOnce(&mut BytesMut)) {
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(br#"{"index":0,"delta":{"#);
        write(out);
        out.extend_from_slice(br#"},"logprobs":null,"finish_reason":"#);
        match finish {
            None => out.extend_from_slice(b"null"),
            Some(word) => string(out, word),
        }
        out.extend_from_slice(b"}]");
        if self.reply.include_usage {
            out.extend_from_slice(br#","usage":null"#);
        }
        out.extend_from_slice(b"}\n\n");
    }

    fn text(&self, out: &mut BytesMut, member: &'static [u8], text: &str) {
        self.delta(out, None, |out| {
            out.extend_from_slice(member);
            string(out, text);
        });
    }

    fn start(&mut self, i: u32, item: Item, out: &mut BytesMut) {
        self.announce_all(out);
        let open = match item {
            Item::Text => Open::Text,
            Item::Refusal => Open::Refusal,
            Item::Reasoning => Open::Reasoning { thought: Thought::default(), begun: false },
            Item::ToolCall { id, name, kind } => {
                let place = self.calls;
                self.calls += 1;
                self.came.calls = true;
                Open::Call(Call {
                    place,
                    kind,
                    unsent: Some((id, name)),
                    held: String::new(),
                    opaque: Vec::new(),
                })
            }
            Item::Hosted { raw } => {
                if let Some(image) = image(&raw) {
                    self.delta(out, None, |out| {
                        out.extend_from_slice(format!(r#""images":[{image}]"#).as_bytes());
                    });
                }
                Open::Unseen
            }
        };
        if let Some(before) = self.open.insert(i, open) {
            self.close(i, before, out);
        }
    }

    fn grow(&mut self, i: u32, delta: Delta, out: &mut BytesMut) {
        let (Delta::Text(text)
        | Delta::Arguments(text)
        | Delta::Reasoning(text)
        | Delta::Summary { text, .. }) = &delta;
        self.chars += text.chars().count() as u64;
        let Some(mut open) = self.open.remove(&i) else { return };
        match (&mut open, &delta) {
            (_, delta) if is_empty(delta) => {}
            (Open::Text, Delta::Text(text)) => self.text(out, br#""content":"#, text),
            (Open::Refusal, Delta::Text(text)) => {
                self.came.refusal = true;
                self.text(out, br#""refusal":"#, text);
            }
            (Open::Reasoning { thought, begun }, Delta::Reasoning(text)) => {
                self.think(out, thought, begun, text);
            }
            (Open::Reasoning { thought, begun }, Delta::Summary { part, text }) => {
                let another = thought.sum_up(*part, text);
                let text = if another { format!("\n\n{text}") } else { text.clone() };
                self.show(out, begun, &text);
            }
            (Open::Call(call), Delta::Arguments(text)) if call.unsent.is_some() && call.held.is_empty() => {
                call.held.push_str(text);
            }
            (Open::Call(call), Delta::Arguments(text)) => {
                self.announce(call, out);
                self.arguments(call, text, out);
            }
            // Anything else grows what it is not.
            _ => {}
        }
        self.open.insert(i, open);
    }

    fn think(&mut self, out: &mut BytesMut, thought: &mut Thought, begun: &mut bool, text: &str) {
        thought.think(text);
        self.show(out, begun, text);
    }

    fn show(&mut self, out: &mut BytesMut, begun: &mut bool, text: &str) {
        if !std::mem::replace(begun, true) && std::mem::replace(&mut self.thought, true) {
            self.text(out, br#""reasoning_content":"#, "\n\n");
        }
        self.text(out, br#""reasoning_content":"#, text);
    }

    /// Calls come in their order: none waits any longer when another begins.
    fn announce_all(&mut self, out: &mut BytesMut) {
        let mut open = std::mem::take(&mut self.open);
        for item in open.values_mut() {
            if let Open::Call(call) = item {
                self.announce(call, out);
            }
        }
        self.open = open;
    }

    /// The first piece of a call and what waits behind it, unless it was sent.
    fn announce(&self, call: &mut Call, out: &mut BytesMut) {
        let Some((id, name)) = call.unsent.take() else { return };
        self.begin_call(call, &id, &name, out);
        let held = std::mem::take(&mut call.held);
        if !held.is_empty() {
            self.arguments(call, &held, out);
        }
    }

    fn begin_call(&self, call: &mut Call, id: &str, name: &str, out: &mut BytesMut) {
        if self.came.legacy {
            if call.place == 0 {
                self.delta(out, None, |out| {
                    out.extend_from_slice(br#""function_call":{"name":"#);
                    string(out, name);
                    out.extend_from_slice(br#","arguments":""}"#);
                });
            }
            return;
        }
        let extra = extra_content(&std::mem::take(&mut call.opaque), &self.reply);
        let (kind, input) = kind_words(call.kind);
        self.call(out, call.place, |out| {
            out.extend_from_slice(br#","id":"#);
            string(out, id);
            out.extend_from_slice(format!(r#","type":"{kind}","{kind}":{{"name":"#).as_bytes());
            string(out, name);
            out.extend_from_slice(format!(r#","{input}":""}}"#).as_bytes());
            if let Some(extra) = extra {
                out.extend_from_slice(format!(r#","extra_content":{extra}"#).as_bytes());
            }
        });
    }

    fn arguments(&self, call: &Call, text: &str, out: &mut BytesMut) {
        if self.came.legacy {
            if call.place == 0 {
                self.delta(out, None, |out| {
                    out.extend_from_slice(br#""function_call":{"arguments":"#);
                    string(out, text);
                    out.extend_from_slice(b"}");
                });
            }
            return;
        }
        let member: &[u8] = match call.kind {
            CallKind::Function => br#","function":{"arguments":"#,
            CallKind::Custom => br#","custom":{"input":"#,
        };
        self.call(out, call.place, |out| {
            out.extend_from_slice(member);
            string(out, text);
            out.extend_from_slice(b"}");
        });
    }

    fn call(&self, out: &mut BytesMut, place: u32, write: impl FnOnce(&mut BytesMut)) {
        self.delta(out, None, |out| {
            out.extend_from_slice(format!(r#""tool_calls":[{{"index":{place}"#).as_bytes());
            write(out);
            out.extend_from_slice(b"}]");
        });
    }

    fn meta(&mut self, i: u32, meta: Meta, out: &mut BytesMut) {
        match (self.open.get_mut(&i), meta) {
            (Some(Open::Reasoning { thought, .. }), Meta::Opaque(opaque)) => thought.opaque.push(opaque),
            (Some(Open::Call(call)), Meta::Opaque(opaque)) => call.opaque.push(opaque),
            (Some(Open::Text), Meta::Citation(citation)) => {
                let citation = annotation(&citation);
                self.delta(out, None, |out| {
                    out.extend_from_slice(format!(r#""annotations":[{citation}]"#).as_bytes());
                });
            }
            // Opaque data of a text, and citations of anything else, have no place.
            _ => {}
        }
    }

    fn close(&mut self, i: u32, open: Open, out: &mut BytesMut) {
        match open {
            Open::Reasoning { thought, .. } => {
                let details = thought.details(i, &mut self.detail, &self.reply);
                if !details.is_empty() {
                    let details = Value::Array(details);
                    self.delta(out, None, |out| {
                        out.extend_from_slice(format!(r#""reasoning_details":{details}"#).as_bytes());
                    });
                }
            }
            Open::Call(mut call) => {
                self.announce(&mut call, out);
                if let (Some(extra), false) = (extra_content(&call.opaque, &self.reply), self.came.legacy) {
                    self.call(out, call.place, |out| {
                        out.extend_from_slice(format!(r#","extra_content":{extra}"#).as_bytes());
                    });
                }
            }
            Open::Text | Open::Refusal | Open::Unseen => {}
        }
    }

    fn close_all(&mut self, out: &mut BytesMut) {
        while let Some((i, open)) = self.open.pop_first() {
            self.close(i, open, out);
        }
    }

    fn finish(&mut self, finish: Option<&Finish>, out: &mut BytesMut) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.close_all(out);
        if let (false, Some(words)) = (self.came.refusal, finish.and_then(explanation)) {
            self.text(out, br#""refusal":"#, words);
        }
        let word = finish_word(finish.map(|finish| finish.reason), self.came);
        self.delta(out, Some(word), |_| ());
    }
}

impl Encoder for ChatEncoder {
    fn event(&mut self, event: Event, out: &mut BytesMut) {
        if let Event::Start { id, model, created } = &event {
            return self.begin(id, model, *created, out);
        }
        self.begin("", "", None, out);
        match event {
            Event::Start { .. } => {}
            Event::ItemStart { i, item } => self.start(i, item, out),
            Event::Delta { i, delta } => self.grow(i, delta, out),
            Event::Meta { i, meta } => self.meta(i, meta, out),
            Event::ItemEnd { i } => {
                if let Some(open) = self.open.remove(&i) {
                    self.close(i, open, out);
                }
            }
            Event::Usage(reported) => self.reported = Some(reported),
            Event::Finish(finish) => self.finish(Some(&finish), out),
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.begin("", "", None, out);
        self.finish(None, out);
        if self.reply.include_usage {
            let usage = usage::usage(self.reported.as_ref(), self.chars, &self.reply);
            out.extend_from_slice(self.head.as_bytes());
            out.extend_from_slice(format!("],\"usage\":{usage}}}\n\n").as_bytes());
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

fn is_empty(delta: &Delta) -> bool {
    let (Delta::Text(text) | Delta::Arguments(text) | Delta::Reasoning(text) | Delta::Summary { text, .. }) =
        delta;
    text.is_empty()
}

fn kind_words(kind: CallKind) -> (&'static str, &'static str) {
    match kind {
        CallKind::Function => ("function", "arguments"),
        CallKind::Custom => ("custom", "input"),
    }
}

/// A JSON string.
fn string(out: &mut BytesMut, text: &str) {
    let before = out.len();
    if serde_json::to_writer((&mut *out).writer(), text).is_err() {
        // Text always serialises into memory; should that ever change, the chunk stays JSON.
        out.truncate(before);
        out.extend_from_slice(b"\"\"");
    }
}
