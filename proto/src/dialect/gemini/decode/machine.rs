//! What chunks become, one after the other.
//!
//! Neighbouring text parts with the same `thought` flag are one item; a call is an item of its own, whole at once. A
//! part of any other kind (an image, code and what it gave) is passed on as it stood. A signature belongs to the item
//! of its part; one without text belongs to the item that is open, else it is of no use to anybody.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::finish::{self, Come};
use super::ids::call_id;
use super::usage;
use super::wire::{Candidate, Chunk, Citations, FunctionCall, Grounding, Part};
use crate::canonical::{CallKind, Delta, Event, Finish, Item, Meta, Opaque, OpaqueKind};
use crate::dialect::gemini::read_error;
use crate::dialect::{BrokenStream, ITEMS_MAX};
use crate::usage::Reported;

/// What is known of an answer so far.
#[derive(Debug, Default)]
pub(super) struct Machine {
    started: bool,
    id: String,
    next: u32,
    /// The text item that is open, and whether it is thoughts.
    open: Option<(u32, bool)>,
    calls: u32,
    anything: bool,
    searches: u64,
    reported: Option<Reported>,
    finish: Option<Finish>,
}

impl Machine {
    /// Takes in a chunk, or an array of them, as JSON text.
    pub(super) fn json(&mut self, json: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if json.trim_ascii_start().starts_with(b"[") {
            let list: Vec<&RawValue> = serde_json::from_slice(json).map_err(|_| BrokenStream::NotAChunk)?;
            return list.into_iter().try_for_each(|chunk| self.chunk(chunk.get().as_bytes(), out));
        }
        self.chunk(json, out)
    }

    fn chunk(&mut self, json: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let chunk: Chunk<'_> = serde_json::from_slice(json).map_err(|_| BrokenStream::NotAChunk)?;
        if let Some(error) = chunk.error {
            let code = serde_json::from_str::<Value>(error.get()).unwrap_or_default();
            let status = code["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
            return Err(BrokenStream::Upstream(read_error(status, json)));
        }
        if !self.started {
            self.started = true;
            self.id = chunk.response_id.unwrap_or_default();
            let model = chunk.model_version.unwrap_or_default();
            out.push(Event::Start { id: self.id.clone(), model, created: None });
        }
        let candidates = chunk.candidates.unwrap_or_default();
        let candidate = candidates.into_iter().find(|candidate| candidate.index.unwrap_or(0) == 0);
        if let Some(candidate) = &candidate {
            self.candidate(candidate, out)?;
        }
        self.usage(chunk.usage_metadata, out);
        if let Some(candidate) = candidate {
            self.finished(&candidate)?;
        }
        if let Some(finish) = chunk.prompt_feedback.as_ref().and_then(finish::blocked) {
            self.finish = Some(finish);
        }
        Ok(())
    }

    /// The connection is closed.
    pub(super) fn end(&mut self, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let finish = self.finish.take().ok_or(BrokenStream::CutShort)?;
        self.close(out);
        out.push(Event::Finish(finish));
        Ok(())
    }

    fn candidate(&mut self, candidate: &Candidate<'_>, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let parts = candidate.content.as_ref().and_then(|content| content.parts.as_deref());
        for raw in parts.unwrap_or_default() {
            if self.next >= ITEMS_MAX {
                return Err(BrokenStream::TooLarge);
            }
            let part: Part<'_> = serde_json::from_str(raw.get()).map_err(|_| BrokenStream::NotAChunk)?;
            match (&part.function_call, part.text.is_some()) {
                (Some(_), _) => self.call(part, out)?,
                (None, true) => self.text(part, out),
                (None, false) => self.other(raw, part, out)?,
            }
        }
        if let Some(grounding) = candidate.grounding_metadata {
            let grounding: Grounding<'_> = serde_json::from_str(grounding.get()).unwrap_or_default();
            let queries = grounding.web_search_queries.map_or(0, |queries| queries.len() as u64);
            self.searches = self.searches.max(queries);
        }
        if let Some(citations) = candidate.citation_metadata {
            self.citations(citations, out);
        }
        Ok(())
    }

    fn text(&mut self, part: Part<'_>, out: &mut Vec<Event>) {
        let text = part.text.unwrap_or_default();
        if !text.is_empty() {
            let thought = part.thought.unwrap_or(false);
            let i = self.open(thought, out);
            let delta = if thought { Delta::Reasoning(text) } else { Delta::Text(text) };
            out.push(Event::Delta { i, delta });
        }
        if let Some((i, _)) = self.open {
            sign(i, part.thought_signature, out);
        }
    }

    fn call(&mut self, part: Part<'_>, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let Some(FunctionCall { id, name, args }) = part.function_call else { return Ok(()) };
        let name = name.filter(|name| !name.is_empty()).ok_or(BrokenStream::NotAChunk)?;
        let arguments = args.map_or_else(|| "{}".to_owned(), |args| compact(args.get()));
        let arguments = if arguments == "null" { "{}".to_owned() } else { arguments };
        let made = || call_id(&self.id, self.calls, &name, &arguments);
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(made);
        self.calls = self.calls.saturating_add(1);
        let i = self.item(Item::ToolCall { id, name, kind: CallKind::Function }, out);
        out.push(Event::Delta { i, delta: Delta::Arguments(arguments) });
        sign(i, part.thought_signature, out);
        out.push(Event::ItemEnd { i });
        Ok(())
    }

    /// A part of a kind that no other dialect has, or a signature alone.
    fn other(&mut self, raw: &RawValue, part: Part<'_>, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let value: Value = serde_json::from_str(raw.get()).map_err(|_| BrokenStream::NotAChunk)?;
        let has_data = value.as_object().is_some_and(|map| {
            map.iter()
                .any(|(key, value)| value.is_object() && key != "partMetadata" && key != "videoMetadata")
        });
        if has_data {
            let i = self.item(Item::Hosted { raw: value }, out);
            out.push(Event::ItemEnd { i });
        } else if let Some((i, _)) = self.open {
            sign(i, part.thought_signature, out);
        }
        Ok(())
    }

    /// Texts that were recited, as OpenAI's `url_citation`, while the text they are in is open.
    fn citations(&mut self, raw: &RawValue, out: &mut Vec<Event>) {
        let Some((i, false)) = self.open else { return };
        let citations: Citations = serde_json::from_str(raw.get()).unwrap_or_default();
        for source in citations.citation_sources.unwrap_or_default() {
            let Some(url) = source.uri.filter(|uri| !uri.is_empty()) else { continue };
            let citation = json!({
                "type": "url_citation",
                "url": url,
                "title": source.title.unwrap_or_default(),
                "start_index": source.start_index.unwrap_or(0),
                "end_index": source.end_index.unwrap_or(0),
            });
            out.push(Event::Meta { i, meta: Meta::Citation(citation) });
        }
    }

    fn usage(&mut self, raw: Option<&RawValue>, out: &mut Vec<Event>) {
        let Some(mut reported) = raw.and_then(|raw| usage::reported(raw.get(), self.anything)) else {
            return;
        };
        reported.web_searches = (self.searches > 0).then_some(self.searches);
        if self.reported.replace(reported) != Some(reported) {
            out.push(Event::Usage(reported));
        }
    }

    fn finished(&mut self, candidate: &Candidate<'_>) -> Result<(), BrokenStream> {
        let Some(reason) = candidate.finish_reason.as_deref() else { return Ok(()) };
        let come = Come { anything: self.anything, calls: self.calls > 0 };
        match finish::read(reason, candidate.finish_message.as_deref(), come) {
            None => Ok(()),
            Some(Ok(finish)) => {
                self.finish = Some(finish);
                Ok(())
            }
            Some(Err(error)) => Err(BrokenStream::Upstream(error)),
        }
    }

    /// The open text item of this kind; the other kind is closed first.
    fn open(&mut self, thought: bool, out: &mut Vec<Event>) -> u32 {
        match self.open {
            Some((i, open)) if open == thought => i,
            _ => {
                let i = self.item(if thought { Item::Reasoning } else { Item::Text }, out);
                self.open = Some((i, thought));
                i
            }
        }
    }

    fn item(&mut self, item: Item, out: &mut Vec<Event>) -> u32 {
        self.close(out);
        self.anything |= item != Item::Reasoning;
        let i = self.next;
        self.next = self.next.saturating_add(1);
        out.push(Event::ItemStart { i, item });
        i
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        if let Some((i, _)) = self.open.take() {
            out.push(Event::ItemEnd { i });
        }
    }
}

fn sign(i: u32, signature: Option<String>, out: &mut Vec<Event>) {
    if let Some(data) = signature.filter(|data| !data.is_empty()) {
        let opaque = Opaque { origin: None, kind: OpaqueKind::ThoughtSignature, data };
        out.push(Event::Meta { i, meta: Meta::Opaque(opaque) });
    }
}

/// JSON text without the white space between its tokens; everything else as it was written.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut inside, mut escaped) = (false, false);
    out.extend(json.chars().filter(|c| {
        if inside {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => inside = false,
                _ => {}
            }
            return true;
        }
        inside = *c == '"';
        !matches!(c, ' ' | '\t' | '\n' | '\r')
    }));
    out
}

#[cfg(test)]
mod compact_tests {
    #[test]
    fn only_white_space_between_tokens_goes() {
        let json = "{ \"a b\" :\t[1.50 , \"x \\\" \\\\\" , null ],\n\"é\":{} }";
        assert_eq!(super::compact(json), r#"{"a b":[1.50,"x \" \\",null],"é":{}}"#);
    }
}
