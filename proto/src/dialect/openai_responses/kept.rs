//! Answers of which Forebay keeps a copy: the members that say what only Forebay knows are set, in the bytes as they
//! stand, and a stream's last event gives the whole answer.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::BrokenStream;
use crate::dialect::codec::Relay;
use crate::dialect::json::{self, Edit};
use crate::dialect::openai_chat::rewrite::{quoted, splice};
use crate::dialect::sse::{self, Splitter, TooLarge};
use crate::usage::Reported;

/// Events arrive here whole; the relay before has bounded them.
const EVENT_BYTES_MAX: usize = 1 << 30;

/// What an answer is to say of itself in place of what the provider says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// Its id.
    pub id: Option<String>,
    /// What it goes on from.
    pub previous: Option<String>,
    /// That nobody waited for it.
    pub background: bool,
}

impl Mark {
    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The edits of `object`, a part of `whole`.
    fn edits(&self, whole: &str, object: &str, edits: &mut Vec<Edit>) {
        let wanted = [
            ("id", self.id.as_deref().map(quoted)),
            ("previous_response_id", self.previous.as_deref().map(quoted)),
            ("background", self.background.then(|| "true".to_owned())),
        ];
        let (mut found, mut empty) = ([None; 3], true);
        let read = json::members(object, |member| {
            empty = false;
            if let Some(at) = wanted.iter().position(|(name, _)| *name == member.name()) {
                found[at] = Some(member.value);
            }
        });
        if read.is_err() {
            return;
        }
        let mut missing = String::new();
        for ((name, value), found) in wanted.into_iter().zip(found) {
            match (value, found) {
                (None, _) => {}
                (Some(value), Some(found)) => edits.push(Edit::replace(whole, found, value)),
                (Some(value), None) => missing.push_str(&format!("\"{name}\":{value},")),
            }
        }
        if empty {
            missing.pop();
        }
        if !missing.is_empty() {
            let brace = json::span(whole.as_bytes(), object.as_bytes()).start;
            let brace = brace + object.find('{').unwrap_or_default();
            edits.push(Edit::insert(brace + 1, missing));
        }
    }
}

/// A whole answer with `mark` on it; every other byte is the provider's.
pub fn marked(response: &Bytes, mark: &Mark) -> Bytes {
    let Ok(text) = std::str::from_utf8(response) else { return response.clone() };
    let mut edits = Vec::new();
    if !mark.is_empty() {
        mark.edits(text, text, &mut edits);
    }
    splice(response, edits)
}

/// A response's id and status, as far as it says them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Named {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// `completed`, `incomplete`, …
    #[serde(default)]
    pub status: String,
}

/// Who a response says that it is.
pub fn named(response: &[u8]) -> Named {
    serde_json::from_slice(response).unwrap_or_default()
}

/// `{"input":…}` of a request's body.
pub fn input_of_body(body: &[u8]) -> Bytes {
    let mut input = None;
    let text = std::str::from_utf8(body).unwrap_or_default();
    // A body that does not read was refused long before.
    let read = json::members(text, |member| {
        if member.name() == "input" {
            input = Some(member.value);
        }
    });
    match input.filter(|_| read.is_ok()) {
        Some(input) => format!(r#"{{"input":{input}}}"#).into(),
        None => Bytes::from_static(b"{}"),
    }
}

/// An event, as far as it is looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    sequence_number: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

/// The number of an event, given as its block.
pub fn event_number(block: &[u8]) -> Option<u64> {
    let fields = sse::fields(block);
    let event: Event<'_> = serde_json::from_slice(fields.data.as_deref()?).ok()?;
    json::count(event.sequence_number?.get())
}

/// An event that Forebay says itself: `kind` with the response object, under a number.
pub fn response_event(kind: &str, number: u64, response: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(response.len() + 128);
    let head =
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{number},\"response\":");
    out.extend_from_slice(head.as_bytes());
    // Where the response is spread over lines, each would be a line of the event.
    out.extend(response.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.extend_from_slice(b"}\n\n");
    out.freeze()
}

/// A stream of which the answer is kept.
#[derive(Debug)]
pub struct KeptStream {
    inner: Box<dyn Relay>,
    mark: Mark,
    /// The number of the next event, where all are numbered anew. Then the last event is kept back as well: it is
    /// made from what is stored.
    number: Option<u64>,
    passed: BytesMut,
    answer: Option<Bytes>,
}

impl KeptStream {
    /// The stream `inner` with `mark` on its response objects.
    pub fn new(inner: Box<dyn Relay>, mark: Mark) -> Self {
        Self { inner, mark, number: None, passed: BytesMut::new(), answer: None }
    }

    /// The same with events numbered from `first`, and without the last.
    #[must_use]
    pub fn numbered(self, first: u64) -> Self {
        Self { number: Some(first), ..self }
    }

    /// Lets `step` run, and looks at what it passes on: all of it, or the end alone.
    fn run(
        &mut self,
        out: &mut BytesMut,
        step: impl FnOnce(&mut dyn Relay, &mut BytesMut) -> Result<(), BrokenStream>,
    ) -> Result<(), BrokenStream> {
        if self.mark.is_empty() && self.number.is_none() {
            let before = out.len();
            let result = step(&mut *self.inner, out);
            if self.inner.is_done() && self.answer.is_none() {
                let end = out.split_off(before);
                self.rewrite(&end, out);
            }
            return result;
        }
        let mut passed = std::mem::take(&mut self.passed);
        let result = step(&mut *self.inner, &mut passed);
        self.rewrite(&passed, out);
        passed.clear();
        self.passed = passed;
        result
    }

    fn rewrite(&mut self, blocks: &[u8], out: &mut BytesMut) {
        let mut splitter = Splitter::new(EVENT_BYTES_MAX);
        let split = splitter.split(blocks, |block| {
            self.block(block, out);
            Ok::<_, TooLarge>(())
        });
        if let (Ok(()), Some(tail)) = (split, splitter.finish()) {
            self.block(&tail.raw, out);
        }
    }

    fn block(&mut self, block: &[u8], out: &mut BytesMut) {
        let fields = sse::fields(block);
        let data = Bytes::copy_from_slice(fields.data.as_deref().unwrap_or_default());
        let text = std::str::from_utf8(&data).unwrap_or_default();
        let Ok(event) = serde_json::from_str::<Event<'_>>(text) else {
            if self.number.is_none() {
                out.extend_from_slice(block);
            }
            return;
        };
        let mut edits = Vec::new();
        let kind = event.kind.and_then(|raw| json::string(raw.get()));
        let kind = kind.or(fields.event.and_then(|name| std::str::from_utf8(name).ok()).map(Into::into));
        if let Some(response) = event.response.map(RawValue::get).filter(|raw| raw.starts_with('{')) {
            self.mark.edits(text, response, &mut edits);
            if matches!(kind.as_deref(), Some("response.completed" | "response.incomplete")) {
                self.answer = Some(marked(&data.slice_ref(response.as_bytes()), &self.mark));
                if self.number.is_some() {
                    return;
                }
            }
        }
        if let Some(number) = &mut self.number {
            match event.sequence_number.map(RawValue::get) {
                Some(there) => edits.push(Edit::replace(text, there, number.to_string())),
                None => {
                    let start = text.find('{').unwrap_or_default() + 1;
                    edits.push(Edit::insert(start, format!("\"sequence_number\":{number},")));
                }
            }
            *number += 1;
        }
        if edits.is_empty() {
            out.extend_from_slice(block);
        } else {
            let changed = splice(&data, edits);
            sse::with_data(block, &changed, out);
        }
    }
}

impl Relay for KeptStream {
    fn push(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<(), BrokenStream> {
        self.run(out, |inner, out| inner.push(bytes, out))
    }

    fn finish(&mut self, out: &mut BytesMut) -> Result<(), BrokenStream> {
        self.run(out, |inner, out| inner.finish(out))
    }

    fn is_done(&self) -> bool {
        self.inner.is_done()
    }

    fn has_content(&self) -> bool {
        self.inner.has_content()
    }

    fn reported(&self) -> Option<Reported> {
        self.inner.reported()
    }

    fn output_chars(&self) -> u64 {
        self.inner.output_chars()
    }

    fn answer(&self) -> Option<Bytes> {
        self.answer.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::openai_responses::ResponsesStream;

    const CREATED: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_up\",\"previous_response_id\":null}}\n\n";
    const DELTA: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"h\"}\n\n";
    const DONE: &str = "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":9,\"response\":{\"id\":\"resp_up\",\"status\":\"completed\",\"previous_response_id\":null}}\n\n";

    fn run(stream: KeptStream, step: usize) -> (String, Option<Bytes>) {
        let (mut stream, mut out) = (stream, BytesMut::new());
        for piece in [CREATED, DELTA, DONE].concat().as_bytes().chunks(step) {
            stream.push(piece, &mut out).unwrap();
        }
        stream.finish(&mut out).unwrap();
        (String::from_utf8(out.to_vec()).unwrap(), stream.answer())
    }

    fn stream() -> Box<dyn Relay> {
        Box::new(ResponsesStream::new())
    }

    #[test]
    fn a_stream_without_marks_keeps_its_bytes() {
        for step in [1, 7, 5000] {
            let (out, answer) = run(KeptStream::new(stream(), Mark::default()), step);
            assert_eq!(out, [CREATED, DELTA, DONE].concat());
            let answer = named(&answer.unwrap());
            assert_eq!((answer.id.as_str(), answer.status.as_str()), ("resp_up", "completed"));
        }
    }

    #[test]
    fn marks_are_put_on_every_response_of_a_stream() {
        let mark = Mark { previous: Some("resp_0".into()), ..Mark::default() };
        for step in [1, 7, 5000] {
            let (out, answer) = run(KeptStream::new(stream(), mark.clone()), step);
            let wanted = [CREATED, DELTA, DONE].concat().replace(":null", ":\"resp_0\"");
            assert_eq!(out, wanted);
            assert!(answer.unwrap().ends_with(b"\"previous_response_id\":\"resp_0\"}"));
        }
    }

    #[test]
    fn a_background_stream_is_numbered_anew_and_its_end_kept_back() {
        let mark = Mark { id: Some("resp_own".into()), background: true, ..Mark::default() };
        let (out, answer) = run(KeptStream::new(stream(), mark).numbered(1), 11);
        let blocks: Vec<&str> = out.split_inclusive("\n\n").collect();
        assert_eq!(blocks.iter().map(|b| event_number(b.as_bytes())).collect::<Vec<_>>(), [Some(1), Some(2)]);
        assert!(blocks[0].contains(r#""response":{"background":true,"id":"resp_own""#), "{out}");
        assert_eq!(named(&answer.unwrap()).id, "resp_own");
    }

    #[test]
    fn a_whole_answer_is_marked_in_place() {
        let mark = Mark { id: Some("mine".into()), previous: Some("before".into()), background: true };
        let body = Bytes::from_static(br#" {"id" : "up", "background":false,"x":[1.0e3]} "#);
        let out = marked(&body, &mark);
        assert_eq!(
            std::str::from_utf8(&out).unwrap(),
            r#" {"previous_response_id":"before","id" : "mine", "background":true,"x":[1.0e3]} "#
        );
        assert_eq!(marked(&body, &Mark::default()), body);
        let junk = Bytes::from_static(b"junk");
        assert_eq!(marked(&junk, &mark), junk);
        assert_eq!(
            marked(&Bytes::from_static(b"{}"), &Mark { background: true, ..Mark::default() }),
            &b"{\"background\":true}"[..]
        );
    }

    #[test]
    fn inputs_and_events_are_made() {
        assert_eq!(input_of_body(br#"{"model":"m","input":[ {"a":1} ]}"#), &br#"{"input":[ {"a":1} ]}"#[..]);
        assert_eq!(input_of_body(b"{}"), &b"{}"[..]);
        let event = response_event("response.queued", 0, b"{\n\"id\":\"r\"}");
        assert_eq!(event_number(&event), Some(0));
        assert_eq!(event.iter().filter(|byte| **byte == b'\n').count(), 3);
    }
}
