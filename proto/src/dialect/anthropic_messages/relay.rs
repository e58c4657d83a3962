//! A provider's stream, forwarded event by event as it came. What changes on the way is the model's name in
//! `message_start`, which becomes the caller's. Events without data are dropped, since official clients try to read
//! them as JSON; nothing is forwarded behind `message_stop`.

use bytes::BytesMut;

use super::decoder::error_of;
use super::rewrite::renaming;
use super::usage::Numbers;
use crate::dialect::BrokenStream;
use crate::dialect::codec::Relay;
use crate::dialect::json::{self, Edit};
use crate::dialect::openai_chat::choice::text_chars;
use crate::dialect::openai_chat::error::truthy_error;
use crate::dialect::openai_chat::stream::EVENT_BYTES_MAX;
use crate::dialect::sse::{self, Splitter};
use crate::usage::Reported;

/// The state machine between a provider's stream and the caller's.
#[derive(Debug)]
pub struct MessagesStream {
    splitter: Splitter,
    seen: Seen,
    broken: bool,
}

#[derive(Debug)]
struct Seen {
    model: String,
    done: bool,
    has_content: bool,
    numbers: Numbers,
    output_chars: u64,
}

impl MessagesStream {
    /// A stream of which nothing has arrived yet, for a caller who named the model so.
    pub fn new(model: &str) -> Self {
        let seen = Seen {
            model: model.to_owned(),
            done: false,
            has_content: false,
            numbers: Numbers::default(),
            output_chars: 0,
        };
        Self { splitter: Splitter::new(EVENT_BYTES_MAX), seen, broken: false }
    }
}

impl Relay for MessagesStream {
    fn push(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<(), BrokenStream> {
        if self.broken {
            return Err(BrokenStream::CutShort);
        }
        let result = self.splitter.split(bytes, |raw| self.seen.block(raw, out));
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
        self.seen.has_content
    }

    fn reported(&self) -> Option<Reported> {
        self.seen.numbers.reported()
    }

    fn output_chars(&self) -> u64 {
        self.seen.output_chars
    }
}

/// The members of an event that matter, as written.
#[derive(Default)]
struct Members<'a> {
    kind: Option<&'a str>,
    message: Option<&'a str>,
    block: Option<&'a str>,
    delta: Option<&'a str>,
    usage: Option<&'a str>,
    error: Option<&'a str>,
}

impl<'a> Members<'a> {
    fn read(text: &'a str) -> Result<Self, BrokenStream> {
        let mut members = Self::default();
        json::members(text, |member| {
            let place = match &*member.name() {
                "type" => &mut members.kind,
                "message" => &mut members.message,
                "content_block" => &mut members.block,
                "delta" => &mut members.delta,
                "usage" => &mut members.usage,
                "error" => &mut members.error,
                _ => return,
            };
            *place = Some(member.value);
        })
        .map_err(|_| BrokenStream::NotAChunk)?;
        Ok(members)
    }
}

impl Seen {
    fn block(&mut self, raw: &[u8], out: &mut BytesMut) -> Result<(), BrokenStream> {
        if self.done {
            return Ok(());
        }
        let fields = sse::fields(raw);
        let Some(data) = fields.data.as_deref().filter(|data| !data.trim_ascii().is_empty()) else {
            if !fields.any {
                out.extend_from_slice(raw);
            }
            return Ok(());
        };
        if data == b"[DONE]" {
            return Ok(());
        }
        let text = std::str::from_utf8(data).map_err(|_| BrokenStream::NotAChunk)?;
        let members = Members::read(text)?;
        match self.note(&members, fields.event, text)? {
            None => out.extend_from_slice(raw),
            Some(edit) => {
                let edited = format!("{}{}{}", &text[..edit.span.start], edit.with, &text[edit.span.end..]);
                sse::with_data(raw, edited.as_bytes(), out);
            }
        }
        Ok(())
    }

    /// Takes note of an event; returns the edit it needs.
    fn note(
        &mut self,
        event: &Members<'_>,
        named: Option<&[u8]>,
        text: &str,
    ) -> Result<Option<Edit>, BrokenStream> {
        let kind = event.kind.and_then(json::string);
        let named = named.and_then(|name| std::str::from_utf8(name).ok());
        match kind.as_deref().or(named).unwrap_or_default() {
            "message_start" => return Ok(event.message.and_then(|message| self.started(message, text))),
            "content_block_start" => {
                let raw = event.block.unwrap_or_default();
                self.has_content |= !matches!(kind_of(raw).as_deref(), None | Some("text" | "thinking"));
                self.output_chars += if self.has_content { text_chars(raw) } else { 0 };
            }
            "content_block_delta" => {
                self.has_content = true;
                self.output_chars += event.delta.map_or(0, text_chars);
            }
            "message_delta" => {
                self.has_content = true;
                if let Some(usage) = event.usage {
                    self.numbers.merge(usage);
                }
            }
            "message_stop" => self.done = true,
            "error" => return Err(BrokenStream::Upstream(error_of(event.error))),
            _ => {
                if let Some(error) = event.error.and_then(truthy_error) {
                    return Err(BrokenStream::Upstream(error));
                }
            }
        }
        Ok(None)
    }

    fn started(&mut self, message: &str, text: &str) -> Option<Edit> {
        let mut usage = None;
        let read = json::members(message, |member| {
            if member.name() == "usage" {
                usage = Some(member.value);
            }
        });
        if let (Ok(()), Some(usage)) = (read, usage) {
            self.numbers.merge(usage);
            self.numbers.forget_output();
        }
        let edit = renaming(message, &self.model)?;
        let offset = json::span(text.as_bytes(), message.as_bytes()).start;
        Some(Edit { span: edit.span.start + offset..edit.span.end + offset, with: edit.with })
    }
}

fn kind_of(raw: &str) -> Option<String> {
    let mut kind = None;
    json::members(raw, |member| {
        if member.name() == "type" {
            kind = json::string(member.value).map(std::borrow::Cow::into_owned);
        }
    })
    .ok()?;
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude-x\",\"content\":[],",
        "\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":4,\"cache_creation_input_tokens\":3,",
        "\"cache_creation\":{\"ephemeral_5m_input_tokens\":1,\"ephemeral_1h_input_tokens\":2},\"output_tokens\":1}}}\r\n\r\n",
        ": hello\n\n",
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"H\u{e9} claude-x\"}}\n\n",
        "event: brand_new\ndata: {\"type\":\"brand_new\",\"model\":\"claude-x\"}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9,\"output_tokens_details\":{\"thinking_tokens\":2}}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );

    fn relayed(pieces: &[&[u8]]) -> (String, MessagesStream, Result<(), BrokenStream>) {
        let mut stream = MessagesStream::new("the-\"alias\"");
        let mut out = BytesMut::new();
        let mut result = Ok(());
        for piece in pieces {
            result = result.and_then(|()| stream.push(piece, &mut out));
        }
        let result = result.and_then(|()| stream.finish(&mut out));
        (String::from_utf8(out.to_vec()).unwrap(), stream, result)
    }

    #[test]
    fn everything_but_the_model_is_forwarded_as_it_came() {
        let (out, stream, result) = relayed(&[STREAM.as_bytes()]);
        assert_eq!(result, Ok(()));
        let (first, rest) = STREAM.split_at(STREAM.find(": hello").unwrap());
        let first = first.replace("\r\n", "\n").replacen("\"claude-x\"", "\"the-\\\"alias\\\"\"", 1);
        assert_eq!(out, format!("{first}{rest}"));
        assert!(stream.is_done() && stream.has_content());
        let expected = Reported {
            input_tokens: Some(12),
            output_tokens: Some(9),
            cached_input_tokens: Some(4),
            cache_write_tokens: Some(3),
            cache_write_long_tokens: Some(2),
            reasoning_tokens: Some(2),
            ..Reported::default()
        };
        assert_eq!((stream.reported(), stream.output_chars()), (Some(expected), 11));
    }

    #[test]
    fn pieces_do_not_matter() {
        let whole = relayed(&[STREAM.as_bytes()]).0;
        for size in [1, 2, 3, 7, 64, 333] {
            let pieces: Vec<&[u8]> = STREAM.as_bytes().chunks(size).collect();
            let (out, stream, result) = relayed(&pieces);
            assert_eq!((out.as_str(), result, stream.is_done()), (whole.as_str(), Ok(()), true), "{size}");
        }
    }

    #[test]
    fn preliminaries_are_no_content_and_a_cut_is_told() {
        let head = &STREAM[..STREAM.find("event: content_block_delta").unwrap()];
        let (_, stream, result) = relayed(&[head.as_bytes()]);
        assert!(!stream.has_content());
        assert_eq!(result, Err(BrokenStream::CutShort));
        // The placeholder of the start is not taken for the answer's output.
        assert_eq!(stream.reported().unwrap().output_tokens, None);
        let call = "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\n";
        assert!(relayed(&[call.as_bytes()]).1.has_content());
    }

    #[test]
    fn an_error_event_breaks_the_stream_and_is_not_forwarded() {
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
        let (out, _, result) = relayed(&[error.as_bytes()]);
        let Err(BrokenStream::Upstream(error)) = result else { panic!("{result:?}") };
        assert_eq!((out.as_str(), error.message.as_str()), ("", "Overloaded"));
        assert_eq!(relayed(&[b"data: {nonsense\n\n"]).2, Err(BrokenStream::NotAChunk));
        let behind = format!("{STREAM}event: ping\ndata: {{}}\n\n");
        assert_eq!(relayed(&[behind.as_bytes()]).0, relayed(&[STREAM.as_bytes()]).0);
    }
}
