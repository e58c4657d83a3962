//! A provider's stream translated: bytes to events, events to the caller's bytes, and in between the tools that
//! stood for something else taken out of their wrapping.

use std::collections::HashMap;

use bytes::BytesMut;
use serde_json::Value;

use super::BrokenStream;
use super::codec::{Decoder, Encoder, Relay, Wrapped};
use crate::canonical::{CallKind, Delta, Event, FinishReason, Item};
use crate::usage::Reported;

/// The most bytes of arguments that are held back until a wrapped call is complete.
const HELD_BYTES_MAX: usize = 16 << 20;

/// Counts what goes by, and unwraps.
#[derive(Debug, Default)]
pub struct Meter {
    wrapped: Vec<(String, Wrapped)>,
    renamed: Vec<(String, String)>,
    open: HashMap<u32, (Wrapped, String)>,
    calls: u32,
    answered: bool,
    content: bool,
    reported: Option<Reported>,
    chars: u64,
}

impl Meter {
    /// A meter for a request whose tools were wrapped so.
    pub fn new(wrapped: Vec<(String, Wrapped)>) -> Self {
        Self { wrapped, ..Self::default() }
    }

    /// The same for a request whose tools have other names at the provider: each with the caller's.
    #[must_use]
    pub fn with_renamed(mut self, renamed: Vec<(String, String)>) -> Self {
        self.renamed = renamed;
        self
    }

    /// Lets one event pass: what it becomes is handed to `next`.
    pub fn pass(&mut self, event: Event, next: &mut impl FnMut(Event)) {
        self.note(&event);
        if self.wrapped.is_empty() && self.renamed.is_empty() {
            return next(event);
        }
        match event {
            Event::ItemStart { i, item: Item::ToolCall { id, name, kind } } => {
                let wrapped = self.wrapping(&name);
                let name = self.callers(name);
                let item = match wrapped {
                    Some(wrapped) => {
                        self.open.insert(i, (wrapped, String::new()));
                        unwrapped(wrapped, id, name)
                    }
                    None => {
                        self.calls += 1;
                        Item::ToolCall { id, name, kind }
                    }
                };
                next(Event::ItemStart { i, item });
            }
            Event::Delta { i, delta: Delta::Arguments(piece) } => match self.open.get_mut(&i) {
                Some((Wrapped::Answer, _)) => next(Event::Delta { i, delta: Delta::Text(piece) }),
                Some((Wrapped::Custom, held)) if held.len() + piece.len() <= HELD_BYTES_MAX => {
                    held.push_str(&piece);
                }
                Some((Wrapped::Custom, _)) => {}
                None => next(Event::Delta { i, delta: Delta::Arguments(piece) }),
            },
            Event::ItemEnd { i } => {
                if let Some((Wrapped::Custom, held)) = self.open.remove(&i) {
                    next(Event::Delta { i, delta: Delta::Arguments(input_of(held)) });
                }
                next(Event::ItemEnd { i });
            }
            Event::Finish(mut finish) => {
                // The call that stood for the answer is none to its caller.
                if finish.reason == FinishReason::ToolCalls && self.calls == 0 && self.answered {
                    finish.reason = FinishReason::Stop;
                }
                next(Event::Finish(finish));
            }
            other => next(other),
        }
    }

    fn wrapping(&mut self, name: &str) -> Option<Wrapped> {
        let wrapped = self.wrapped.iter().find(|(wrapped, _)| wrapped == name)?.1;
        match wrapped {
            Wrapped::Answer => self.answered = true,
            Wrapped::Custom => self.calls += 1,
        }
        Some(wrapped)
    }

    fn callers(&self, name: String) -> String {
        let renamed = self.renamed.iter().find(|(there, _)| *there == name);
        renamed.map_or(name, |(_, here)| here.clone())
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Delta { delta, .. } => {
                let (Delta::Text(text)
                | Delta::Arguments(text)
                | Delta::Reasoning(text)
                | Delta::Summary { text, .. }) = delta;
                self.chars += text.chars().count() as u64;
                self.content |= !text.is_empty();
            }
            Event::ItemStart { item, .. } => {
                self.content |= matches!(item, Item::ToolCall { .. } | Item::Hosted { .. });
            }
            Event::Meta { .. } | Event::Finish(_) => self.content = true,
            Event::Usage(reported) => self.reported = Some(*reported),
            Event::Start { .. } | Event::ItemEnd { .. } => {}
        }
    }

    /// The provider's numbers so far.
    pub fn reported(&self) -> Option<Reported> {
        self.reported
    }

    /// Characters so far.
    pub fn output_chars(&self) -> u64 {
        self.chars
    }
}

fn unwrapped(wrapped: Wrapped, id: String, name: String) -> Item {
    match wrapped {
        Wrapped::Answer => Item::Text,
        Wrapped::Custom => Item::ToolCall { id, name, kind: CallKind::Custom },
    }
}

/// The text of a wrapped custom call; arguments of any other shape are the text themselves.
fn input_of(arguments: String) -> String {
    match serde_json::from_str::<Value>(&arguments) {
        Ok(Value::Object(mut map)) => match map.remove("input") {
            Some(Value::String(text)) => text,
            _ => arguments,
        },
        _ => arguments,
    }
}

/// A decoder and an encoder back to back.
#[derive(Debug)]
pub struct Translation {
    decoder: Box<dyn Decoder>,
    encoder: Box<dyn Encoder>,
    meter: Meter,
    events: Vec<Event>,
    ended: bool,
}

impl Translation {
    /// A translation of which nothing has arrived.
    pub fn new(
        decoder: Box<dyn Decoder>,
        encoder: Box<dyn Encoder>,
        wrapped: Vec<(String, Wrapped)>,
    ) -> Self {
        Self { decoder, encoder, meter: Meter::new(wrapped), events: Vec::new(), ended: false }
    }

    /// The same for a request whose tools have other names at the provider: each with the caller's.
    #[must_use]
    pub fn with_renamed(mut self, renamed: Vec<(String, String)>) -> Self {
        self.meter = self.meter.with_renamed(renamed);
        self
    }

    fn drain(&mut self, out: &mut BytesMut) {
        for event in self.events.drain(..) {
            let encoder = &mut self.encoder;
            self.meter.pass(event, &mut |event| encoder.event(event, out));
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        if !std::mem::replace(&mut self.ended, true) {
            self.encoder.end(out);
        }
    }
}

impl Relay for Translation {
    fn push(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<(), BrokenStream> {
        let pushed = self.decoder.push(bytes, &mut self.events);
        self.drain(out);
        pushed?;
        if self.decoder.is_done() {
            self.end(out);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut BytesMut) -> Result<(), BrokenStream> {
        let finished = self.decoder.finish(&mut self.events);
        self.drain(out);
        finished?;
        self.end(out);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.ended
    }

    fn has_content(&self) -> bool {
        self.meter.content
    }

    fn reported(&self) -> Option<Reported> {
        self.meter.reported
    }

    fn output_chars(&self) -> u64 {
        self.meter.chars
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Finish;

    fn passed(wrapped: Wrapped, pieces: &[&str]) -> Vec<Event> {
        let mut meter = Meter::new(vec![("w".into(), wrapped)]);
        let mut out = Vec::new();
        let call = Item::ToolCall { id: "c".into(), name: "w".into(), kind: CallKind::Function };
        let mut events = vec![Event::ItemStart { i: 0, item: call }];
        events.extend(pieces.iter().map(|p| Event::Delta { i: 0, delta: Delta::Arguments((*p).to_owned()) }));
        events.extend([Event::ItemEnd { i: 0 }, Event::Finish(Finish::new(FinishReason::ToolCalls))]);
        for event in events {
            meter.pass(event, &mut |event| out.push(event));
        }
        out
    }

    #[test]
    fn a_custom_tool_gets_its_text_back() {
        let out = passed(Wrapped::Custom, &[r#"{"inp"#, r#"ut":"a\nb"}"#]);
        let custom = Item::ToolCall { id: "c".into(), name: "w".into(), kind: CallKind::Custom };
        assert_eq!(out[0], Event::ItemStart { i: 0, item: custom });
        assert_eq!(out[1], Event::Delta { i: 0, delta: Delta::Arguments("a\nb".into()) });
        assert_eq!(out[3], Event::Finish(Finish::new(FinishReason::ToolCalls)));
        let odd = passed(Wrapped::Custom, &["just text"]);
        assert_eq!(odd[1], Event::Delta { i: 0, delta: Delta::Arguments("just text".into()) });
    }

    #[test]
    fn a_renamed_tool_gets_its_name_back_wrapped_or_not() {
        let renamed = vec![("w".to_owned(), "my tool".to_owned()), ("v".to_owned(), "über".to_owned())];
        let mut meter = Meter::new(vec![("w".into(), Wrapped::Custom)]).with_renamed(renamed);
        let mut names = Vec::new();
        for (i, name) in ["w", "v", "plain"].into_iter().enumerate() {
            let item = Item::ToolCall { id: "c".into(), name: name.into(), kind: CallKind::Function };
            meter.pass(Event::ItemStart { i: i as u32, item }, &mut |event| {
                let Event::ItemStart { item: Item::ToolCall { name, kind, .. }, .. } = event else {
                    panic!("not a call")
                };
                names.push((name, kind));
            });
        }
        let expected = [
            ("my tool".to_owned(), CallKind::Custom),
            ("über".to_owned(), CallKind::Function),
            ("plain".to_owned(), CallKind::Function),
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_wrapped_answer_is_text_and_ends_as_text_does() {
        let out = passed(Wrapped::Answer, &[r#"{"a""#, ":1}"]);
        assert_eq!(out[0], Event::ItemStart { i: 0, item: Item::Text });
        assert_eq!(out[2], Event::Delta { i: 0, delta: Delta::Text(":1}".into()) });
        assert_eq!(out[4], Event::Finish(Finish::new(FinishReason::Stop)));
    }
}
