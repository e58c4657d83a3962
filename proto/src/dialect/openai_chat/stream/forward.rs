//! What becomes of each event: noted for the books, then forwarded, edited or dropped.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::BytesMut;

use super::{BrokenStream, StreamOptions};
use crate::dialect::openai_chat::chunk::{Chunk, Forward};
use crate::dialect::openai_chat::error::named_error;
use crate::dialect::openai_chat::usage;
use crate::dialect::{json, sse};
use crate::usage::{Estimate, Reported, Tier, estimate_tokens, reconcile};

/// More choices than any provider offers.
const CHOICES_MAX: usize = 1_024;

/// A stream's events, one after the other.
#[derive(Debug)]
pub(super) struct Forwarder {
    options: StreamOptions,
    pub(super) done: bool,
    pub(super) has_content: bool,
    pub(super) reported: Option<Reported>,
    tier: Option<Tier>,
    pub(super) output_chars: u64,
    /// Each choice seen, and whether it has ended.
    choices: BTreeMap<u64, bool>,
}

impl Forwarder {
    pub(super) fn new(options: StreamOptions) -> Self {
        Self {
            options,
            done: false,
            has_content: false,
            reported: None,
            tier: None,
            output_chars: 0,
            choices: BTreeMap::new(),
        }
    }

    pub(super) fn block(&mut self, raw: &[u8], out: &mut BytesMut) -> Result<(), BrokenStream> {
        if self.done {
            return Ok(());
        }
        let fields = sse::fields(raw);
        let data = fields.data.as_deref().unwrap_or_default();
        let text = std::str::from_utf8(data).map_err(|_| BrokenStream::NotAChunk)?;
        if text.trim_ascii().is_empty() {
            if !fields.any {
                out.extend_from_slice(raw);
            }
            return Ok(());
        }
        if text.trim_ascii() == "[DONE]" {
            self.done = true;
            out.extend_from_slice(raw);
            return Ok(());
        }
        let chunk = Chunk::read(text).ok_or(BrokenStream::NotAChunk)?;
        if let Some(error) = chunk.error() {
            return Err(BrokenStream::Upstream(error));
        }
        if fields.event == Some(b"error") {
            return Err(BrokenStream::Upstream(named_error(text)));
        }
        self.note(&chunk)?;
        match self.forward(&chunk) {
            Forward::Not => {}
            Forward::AsIs => out.extend_from_slice(raw),
            Forward::Edited(edit) => {
                let parts = [&data[..edit.span.start], edit.with.as_bytes(), &data[edit.span.end..]];
                if let Some(Cow::Borrowed(line)) = fields.data {
                    let place = json::span(raw, line);
                    out.extend_from_slice(&raw[..place.start]);
                    parts.iter().for_each(|part| out.extend_from_slice(part));
                    out.extend_from_slice(&raw[place.end..]);
                } else {
                    sse::with_data(raw, &parts.concat(), out);
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, chunk: &Chunk<'_>) -> Result<(), BrokenStream> {
        let before = self.output_chars;
        let opaque = chunk.each_choice(|place, choice| {
            self.output_chars += choice.text_chars();
            self.has_content |= choice.finished() || choice.has_content();
            *self.choices.entry(choice.index().unwrap_or(place)).or_default() |= choice.finished();
        });
        if let Some(chars) = opaque {
            self.has_content = true;
            self.output_chars = before + chars;
        }
        if self.choices.len() > CHOICES_MAX {
            return Err(BrokenStream::NotAChunk);
        }
        self.tier = chunk.tier().unwrap_or(self.tier);
        if let Some(reported) = chunk.usage().and_then(usage::reported) {
            self.reported = Some(Reported { tier: self.tier, ..reported });
        }
        Ok(())
    }

    fn forward(&self, chunk: &Chunk<'_>) -> Forward {
        if !self.options.include_usage {
            return chunk.without_usage();
        }
        let (Some(price), Some(_)) = (&self.options.price, chunk.usage()) else { return Forward::AsIs };
        let estimate = Estimate {
            input_tokens: self.options.input_estimate,
            output_tokens: estimate_tokens(self.output_chars),
        };
        let used = reconcile(self.reported.as_ref(), estimate);
        price.cost(&used.usage).map_or(Forward::AsIs, |cost| chunk.with_cost(&cost.to_string()))
    }

    pub(super) fn finish(&mut self, out: &mut BytesMut) -> Result<(), BrokenStream> {
        if self.done {
            return Ok(());
        }
        if self.choices.is_empty() || !self.choices.values().all(|ended| *ended) {
            return Err(BrokenStream::CutShort);
        }
        self.done = true;
        out.extend_from_slice(b"data: [DONE]\n\n");
        Ok(())
    }
}
