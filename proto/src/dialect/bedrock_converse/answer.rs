//! What an answer is made of, streamed or whole: blocks become items, and the end is held until it is complete.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::named;
use super::usage;
use crate::canonical::{CallKind, Delta, Event, Finish, FinishReason, Item, Meta, Opaque, OpaqueKind};
use crate::dialect::{BrokenStream, ITEMS_MAX, UpstreamError};
use crate::usage::Reported;

/// The most blocks that may be open at once.
const OPEN_MAX: usize = 1024;

/// The longest signature, in bytes.
const SIGNATURE_BYTES_MAX: usize = 4 << 20;

/// A delta of a block; one of its members is set.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireDelta<'a> {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    tool_use: Option<ToolDelta>,
    #[serde(default)]
    reasoning_content: Option<ReasoningDelta>,
    #[serde(borrow, default)]
    citation: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct ToolDelta {
    #[serde(default)]
    input: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReasoningDelta {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    redacted_content: Option<String>,
}

/// The head of a tool call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolHead {
    pub(super) tool_use_id: String,
    pub(super) name: String,
    /// `server_tool_use` for tools that run at the provider.
    #[serde(rename = "type", default)]
    pub(super) kind: Option<String>,
}

/// `messageStop`, and the same members of a whole answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stop {
    pub(super) stop_reason: String,
    #[serde(default)]
    pub(super) additional_model_response_fields: Option<Value>,
}

/// `metadata`, and the same members of a whole answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Numbers<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Call,
    Other,
}

#[derive(Debug)]
struct Open {
    block: u64,
    i: u32,
    kind: Kind,
    signature: String,
    /// Whether any arguments came.
    arguments: bool,
    /// Characters of text.
    chars: usize,
}

/// An answer on its way to events.
#[derive(Debug, Default)]
pub(super) struct Answer {
    started: bool,
    next: u32,
    open: Vec<Open>,
    said: bool,
    called: bool,
    inclusive: bool,
    finish: Option<Result<Finish, UpstreamError>>,
    reported: Option<Reported>,
}

impl Answer {
    /// An answer of which nothing is known; `inclusive` as in [`usage::reported`].
    pub(super) fn new(inclusive: bool) -> Self {
        Self { inclusive, ..Self::default() }
    }

    /// The answer begins. Converse names neither an id nor a model.
    pub(super) fn start(&mut self, out: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(Event::Start { id: String::new(), model: String::new(), created: None });
        }
    }

    /// A tool call opens; one that runs at the provider is kept as it stood.
    pub(super) fn call(
        &mut self,
        block: u64,
        head: ToolHead,
        raw: &RawValue,
        out: &mut Vec<Event>,
    ) -> Result<u32, BrokenStream> {
        if head.kind.as_deref() == Some("server_tool_use") {
            return self.other(block, raw, out);
        }
        self.called = true;
        let item = Item::ToolCall { id: head.tool_use_id, name: head.name, kind: CallKind::Function };
        self.begin(block, Kind::Call, item, out)
    }

    /// A block of a kind no other dialect knows opens.
    pub(super) fn other(
        &mut self,
        block: u64,
        raw: &RawValue,
        out: &mut Vec<Event>,
    ) -> Result<u32, BrokenStream> {
        let raw = serde_json::from_str(raw.get()).map_err(|_| BrokenStream::NotAChunk)?;
        self.begin(block, Kind::Other, Item::Hosted { raw }, out)
    }

    /// A block grows; text and thoughts open with their first delta.
    pub(super) fn delta(
        &mut self,
        block: u64,
        delta: WireDelta<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        if let Some(text) = delta.text {
            self.text(block, text, out)?;
        }
        if let Some(input) = delta.tool_use.and_then(|tool| tool.input) {
            self.arguments(block, input, out)?;
        }
        if let Some(thought) = delta.reasoning_content {
            self.thought(block, thought.text, thought.signature, thought.redacted_content, out)?;
        }
        if let Some(citation) = delta.citation {
            self.citation(block, citation, out)?;
        }
        Ok(())
    }

    pub(super) fn text(
        &mut self,
        block: u64,
        text: String,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        let i = self.ensure(block, Kind::Text, out)?;
        if !text.is_empty() {
            self.said = true;
            if let Some(open) = self.open.iter_mut().find(|open| open.i == i) {
                open.chars += text.chars().count();
            }
            out.push(Event::Delta { i, delta: Delta::Text(text) });
        }
        Ok(())
    }

    /// Arguments for a block that never opened as a call are not of the dialect, unless it runs at the provider.
    pub(super) fn arguments(
        &mut self,
        block: u64,
        input: String,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        let open = self.open.iter_mut().find(|open| open.block == block).ok_or(BrokenStream::NotAChunk)?;
        match open.kind {
            Kind::Call if !input.is_empty() => {
                open.arguments |= !input.trim().is_empty();
                out.push(Event::Delta { i: open.i, delta: Delta::Arguments(input) });
                Ok(())
            }
            Kind::Call | Kind::Other => Ok(()),
            Kind::Text | Kind::Reasoning => Err(BrokenStream::NotAChunk),
        }
    }

    pub(super) fn thought(
        &mut self,
        block: u64,
        text: Option<String>,
        signature: Option<String>,
        redacted: Option<String>,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        let i = self.ensure(block, Kind::Reasoning, out)?;
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            out.push(Event::Delta { i, delta: Delta::Reasoning(text) });
        }
        if let (Some(signature), Some(open)) = (signature, self.open.iter_mut().find(|o| o.i == i)) {
            if open.signature.len() + signature.len() > SIGNATURE_BYTES_MAX {
                return Err(BrokenStream::TooLarge);
            }
            open.signature.push_str(&signature);
        }
        if let Some(data) = redacted.filter(|data| !data.is_empty()) {
            out.push(opaque(i, OpaqueKind::Redacted, data));
        }
        Ok(())
    }

    pub(super) fn citation(
        &mut self,
        block: u64,
        raw: &RawValue,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        let i = self.ensure(block, Kind::Text, out)?;
        let citation: Value = serde_json::from_str(raw.get()).map_err(|_| BrokenStream::NotAChunk)?;
        let chars = self.open.iter().find(|open| open.i == i).map_or(0, |open| open.chars);
        if let Some(citation) = url_citation(&citation, chars) {
            out.push(Event::Meta { i, meta: Meta::Citation(citation) });
        }
        Ok(())
    }

    /// A block closes. One that never opened had nothing in it.
    pub(super) fn close(&mut self, block: u64, out: &mut Vec<Event>) {
        if let Some(at) = self.open.iter().position(|open| open.block == block) {
            close(self.open.remove(at), out);
        }
    }

    /// The model has ended. What it ended with is held until the numbers are there.
    pub(super) fn stop(&mut self, stop: Stop, out: &mut Vec<Event>) {
        self.start(out);
        for open in std::mem::take(&mut self.open) {
            close(open, out);
        }
        let usable = self.said && !self.called;
        self.finish = Some(finish(stop, usable));
    }

    /// The numbers.
    pub(super) fn numbers(&mut self, numbers: &Numbers<'_>) {
        let tier = numbers.service_tier.map(RawValue::get);
        let reported = numbers.usage.and_then(|usage| usage::reported(usage.get(), tier, self.inclusive));
        self.reported = reported.or(self.reported);
    }

    /// Whether the model has ended.
    pub(super) fn is_stopped(&self) -> bool {
        self.finish.is_some()
    }

    /// Tells the numbers and the end. The numbers are told whatever the end is: a garbled answer has its price.
    pub(super) fn end(&mut self, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        if let Some(reported) = self.reported.take() {
            self.start(out);
            out.push(Event::Usage(reported));
        }
        match self.finish.take() {
            Some(Ok(finish)) => {
                out.push(Event::Finish(finish));
                Ok(())
            }
            Some(Err(error)) => Err(BrokenStream::Upstream(error)),
            None => Err(BrokenStream::CutShort),
        }
    }

    /// The index of the open item of this block; opens it where there is none, or where one of another kind is.
    fn ensure(&mut self, block: u64, kind: Kind, out: &mut Vec<Event>) -> Result<u32, BrokenStream> {
        if let Some(open) = self.open.iter().find(|open| open.block == block) {
            if open.kind == kind {
                return Ok(open.i);
            }
            self.close(block, out);
        }
        let item = if kind == Kind::Reasoning { Item::Reasoning } else { Item::Text };
        self.begin(block, kind, item, out)
    }

    fn begin(
        &mut self,
        block: u64,
        kind: Kind,
        item: Item,
        out: &mut Vec<Event>,
    ) -> Result<u32, BrokenStream> {
        self.start(out);
        self.close(block, out);
        if self.open.len() >= OPEN_MAX || self.next >= ITEMS_MAX {
            return Err(BrokenStream::TooLarge);
        }
        let i = self.next;
        self.next = self.next.saturating_add(1);
        self.open.push(Open { block, i, kind, signature: String::new(), arguments: false, chars: 0 });
        out.push(Event::ItemStart { i, item });
        Ok(i)
    }
}

/// A call without arguments has an empty object: callers parse them.
fn close(open: Open, out: &mut Vec<Event>) {
    let i = open.i;
    if open.kind == Kind::Call && !open.arguments {
        out.push(Event::Delta { i, delta: Delta::Arguments("{}".to_owned()) });
    }
    if !open.signature.is_empty() {
        out.push(opaque(i, OpaqueKind::Signature, open.signature));
    }
    out.push(Event::ItemEnd { i });
}

fn opaque(i: u32, kind: OpaqueKind, data: String) -> Event {
    Event::Meta { i, meta: Meta::Opaque(Opaque { origin: None, kind, data }) }
}

/// A citation of a page in the shape of OpenAI's, over the text so far. Others point into the caller's own documents in
/// a shape of Converse's that no caller reads.
fn url_citation(citation: &Value, chars: usize) -> Option<Value> {
    let url = citation["location"]["web"]["url"].as_str()?;
    let title = citation["title"].as_str().unwrap_or_default();
    Some(serde_json::json!({
        "type": "url_citation", "url": url, "title": title, "start_index": 0, "end_index": chars,
    }))
}

/// What a `stopReason` means. An answer that the model garbled is an error, unless text of it is there already
/// and no call is: that much is of use.
fn finish(stop: Stop, usable: bool) -> Result<Finish, UpstreamError> {
    let word = stop.stop_reason;
    let reason = match word.as_str() {
        "end_turn" => FinishReason::Stop,
        "tool_use" => FinishReason::ToolCalls,
        "max_tokens" => FinishReason::Length,
        "stop_sequence" => FinishReason::StopSequence,
        "model_context_window_exceeded" => FinishReason::ContextFull,
        "content_filtered" | "guardrail_intervened" | "refusal" => FinishReason::Refusal,
        "pause_turn" => FinishReason::Pause,
        "malformed_model_output" | "malformed_tool_use" if !usable => {
            return Err(named(&word, "The model's answer was malformed."));
        }
        _ => FinishReason::Stop,
    };
    let plain = matches!(
        word.as_str(),
        "end_turn"
            | "tool_use"
            | "max_tokens"
            | "stop_sequence"
            | "model_context_window_exceeded"
            | "pause_turn"
    );
    let stop_sequence = stop
        .additional_model_response_fields
        .and_then(|fields| Some(fields["stop_sequence"].as_str()?.to_owned()))
        .filter(|_| reason == FinishReason::StopSequence);
    Ok(Finish { reason, stop_sequence, details: (!plain).then_some(word) })
}
