//! A provider's answer on its way to a caller of the same dialect: forwarded byte for byte, read only for its numbers
//! and its end.

use bytes::BytesMut;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage;
use crate::dialect::codec::Relay;
use crate::dialect::openai_chat::Answer;
use crate::dialect::openai_chat::choice::text_chars;
use crate::dialect::openai_chat::error::{named_error, truthy_error};
use crate::dialect::sse::{self, Splitter};
use crate::dialect::{BadAnswer, BrokenStream, json};
use crate::usage::Reported;

/// The largest event, in bytes.
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

type Raw<'a> = Option<&'a RawValue>;

/// An event, as far as it is looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Raw<'a>,
    #[serde(borrow)]
    delta: Raw<'a>,
    #[serde(borrow)]
    response: Raw<'a>,
    #[serde(borrow)]
    error: Raw<'a>,
}

/// A response, as far as it is looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    status: Raw<'a>,
    #[serde(borrow)]
    error: Raw<'a>,
    #[serde(borrow)]
    output: Raw<'a>,
    #[serde(borrow)]
    usage: Raw<'a>,
    #[serde(borrow)]
    service_tier: Raw<'a>,
    #[serde(borrow)]
    tool_usage: Raw<'a>,
}

impl Response<'_> {
    fn reported(&self) -> Option<Reported> {
        let [used, tier, tools] =
            [self.usage, self.service_tier, self.tool_usage].map(|raw| raw.map(RawValue::get));
        usage::reported(used, tier, tools)
    }
}

/// The state machine between a provider's stream and the caller's.
#[derive(Debug)]
pub struct ResponsesStream {
    splitter: Splitter,
    seen: Seen,
    broken: bool,
}

#[derive(Debug, Default)]
struct Seen {
    done: bool,
    content: bool,
    reported: Option<Reported>,
    chars: u64,
}

impl Default for ResponsesStream {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponsesStream {
    /// A stream of which nothing has arrived.
    pub fn new() -> Self {
        Self { splitter: Splitter::new(EVENT_BYTES_MAX), seen: Seen::default(), broken: false }
    }
}

impl Seen {
    fn block(&mut self, raw: &[u8], out: &mut BytesMut) -> Result<(), BrokenStream> {
        if self.done {
            return Ok(());
        }
        let fields = sse::fields(raw);
        let data = fields.data.as_deref().unwrap_or_default();
        let text = std::str::from_utf8(data).map_err(|_| BrokenStream::NotAChunk)?;
        if text.trim_ascii().is_empty() || text.trim_ascii() == "[DONE]" {
            // Comments go on; what clients would try to read as JSON does not.
            if !fields.any {
                out.extend_from_slice(raw);
            }
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_str(text).map_err(|_| BrokenStream::NotAChunk)?;
        let named = fields.event.and_then(|name| std::str::from_utf8(name).ok());
        let kind = event.kind.and_then(|raw| json::string(raw.get())).or(named.map(Into::into));
        self.note(&kind.ok_or(BrokenStream::NotAChunk)?, &event, text)?;
        out.extend_from_slice(raw);
        Ok(())
    }

    fn note(&mut self, kind: &str, event: &Event<'_>, text: &str) -> Result<(), BrokenStream> {
        if let Some(error) = event.error.and_then(|raw| truthy_error(raw.get())) {
            return Err(BrokenStream::Upstream(error));
        }
        match kind {
            "error" => return Err(BrokenStream::Upstream(named_error(text))),
            "response.failed" | "response.cancelled" => {
                self.reported = read(event.response).reported().or(self.reported);
                return Err(BrokenStream::Upstream(named_error(event.response.map_or("", RawValue::get))));
            }
            "response.created" | "response.queued" | "response.in_progress" | "keepalive" => return Ok(()),
            "response.completed" | "response.incomplete" => {
                let response = read(event.response);
                self.reported = response.reported().or(self.reported);
                if self.chars == 0 {
                    self.chars = response.output.map_or(0, |raw| text_chars(raw.get()));
                }
                self.done = true;
            }
            _ => {}
        }
        self.content = true;
        if kind.ends_with(".delta") && kind != "response.audio.delta" {
            self.chars += event.delta.map_or(0, |raw| text_chars(raw.get()));
        }
        Ok(())
    }
}

fn read(raw: Raw<'_>) -> Response<'_> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

impl Relay for ResponsesStream {
    /// `response.failed` and `error` are the dialect's own ends, but they are not passed on: before any content
    /// another provider may still answer, and after it the fault is written in the caller's dialect.
    fn push(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<(), BrokenStream> {
        if self.broken {
            return Err(BrokenStream::CutShort);
        }
        let Self { splitter, seen, .. } = self;
        let result = splitter.split(bytes, |raw| seen.block(raw, out));
        self.broken = result.is_err();
        result
    }

    fn finish(&mut self, out: &mut BytesMut) -> Result<(), BrokenStream> {
        if self.broken {
            return Err(BrokenStream::CutShort);
        }
        if let Some(mut tail) = self.splitter.finish() {
            if !tail.complete {
                let end: &[u8] = if tail.raw.ends_with(b"\n") { b"\n" } else { b"\n\n" };
                tail.raw.extend_from_slice(end);
            }
            match self.seen.block(&tail.raw, out) {
                // Half an event is what a broken connection leaves behind.
                Err(BrokenStream::NotAChunk) if !tail.complete => {}
                result => result?,
            }
        }
        if self.seen.done { Ok(()) } else { Err(BrokenStream::CutShort) }
    }

    fn is_done(&self) -> bool {
        self.seen.done
    }

    fn has_content(&self) -> bool {
        self.seen.content
    }

    fn reported(&self) -> Option<Reported> {
        self.seen.reported
    }

    fn output_chars(&self) -> u64 {
        self.seen.chars
    }
}

/// Reads the body of a successful answer that is not a stream.
///
/// # Errors
/// [`BadAnswer`] unless it is a JSON object with an `output` array that has neither failed nor was cancelled.
pub fn read_answer(body: &[u8]) -> Result<Answer, BadAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| BadAnswer::NotACompletion)?;
    let response: Response<'_> = serde_json::from_str(text).map_err(|_| BadAnswer::NotACompletion)?;
    if let Some(error) = response.error.and_then(|raw| truthy_error(raw.get())) {
        return Err(BadAnswer::Upstream(error));
    }
    let status = response.status.and_then(|raw| json::string(raw.get())).unwrap_or_default();
    if matches!(&*status, "failed" | "cancelled") {
        return Err(BadAnswer::Upstream(named_error(text)));
    }
    let output = response.output.map(RawValue::get).filter(|raw| raw.starts_with('['));
    let output = output.ok_or(BadAnswer::NotACompletion)?;
    Ok(Answer { reported: response.reported(), output_chars: text_chars(output), choices: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Tier;

    fn run(input: &str, step: usize) -> (String, Result<(), BrokenStream>, ResponsesStream) {
        let mut stream = ResponsesStream::new();
        let mut out = BytesMut::new();
        let pushed = input.as_bytes().chunks(step).try_for_each(|piece| stream.push(piece, &mut out));
        let ending = pushed.and_then(|()| stream.finish(&mut out));
        (String::from_utf8(out.to_vec()).unwrap(), ending, stream)
    }

    const CREATED: &str = "event: response.created\r\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"usage\":null}}\r\n\r\n: ping\n\n";
    const DELTA: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"h\\u00e9😀\"}\n\n";
    const DONE: &str = "data: {\"type\":\"response.completed\",\"response\":{\"service_tier\":\"flex\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n";

    #[test]
    fn bytes_are_forwarded_and_numbers_read() {
        let input = [CREATED, DELTA, DONE].concat();
        for step in [1, 2, 3, 7, 1000] {
            let (out, ending, stream) = run(&format!("{input}data: [DONE]\n\n"), step);
            assert_eq!((out.as_str(), ending), (input.as_str(), Ok(())));
            assert!(stream.is_done() && stream.has_content());
            assert_eq!(stream.output_chars(), 3);
            let reported = stream.reported().unwrap();
            assert_eq!((reported.input_tokens, reported.tier), (Some(3), Some(Tier::Flex)));
        }
    }

    #[test]
    fn what_comes_before_content_is_none() {
        let (_, ending, stream) = run(CREATED, 5);
        assert_eq!((ending, stream.has_content()), (Err(BrokenStream::CutShort), false));
    }

    #[test]
    fn failures_are_not_passed_on() {
        let failed = "data: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"Oh.\"}}}\n\n";
        let flat = "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"Oh.\",\"param\":null}\n\n";
        let nested = "data: {\"error\":{\"code\":\"server_error\",\"message\":\"Oh.\"}}\n\n";
        for end in [failed, flat] {
            let (out, ending, _) = run(&format!("{DELTA}{end}"), 100);
            assert_eq!(out, DELTA);
            let Err(BrokenStream::Upstream(error)) = ending else { panic!("{ending:?}") };
            assert_eq!((error.message.as_str(), error.code.as_deref()), ("Oh.", Some("server_error")));
        }
        assert!(run(nested, 9).1.is_err());
        assert_eq!(run("data: {\"x\":1}\n\n", 9).1, Err(BrokenStream::NotAChunk));
        assert_eq!(run("data: junk\n\n", 9).1, Err(BrokenStream::NotAChunk));
    }

    #[test]
    fn a_whole_answer_is_read() {
        let body = br#"{"object":"response","status":"completed","error":null,"output":[{"id":"msg_1","type":"message",
            "content":[{"type":"output_text","text":"abc"}]}],"usage":{"input_tokens":1,"output_tokens":1}}"#;
        let answer = read_answer(body).unwrap();
        assert_eq!((answer.output_chars, answer.reported.unwrap().input_tokens), (3, Some(1)));
        assert!(read_answer(br#"{"choices":[]}"#).is_err());
        assert!(read_answer(br#"{"status":"failed","output":[],"error":null}"#).is_err());
        assert!(read_answer(br#"{"output":[],"error":{"code":"x","message":"y"}}"#).is_err());
    }
}
