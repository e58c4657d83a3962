//! An answer as it comes: items that open, grow and close, then the numbers and the reason of the end.

use serde_json::Value;

use super::opaque::Opaque;
use super::tool::CallKind;
use crate::usage::Reported;

/// One step of an answer.
///
/// A decoder keeps this order: one `Start`; then for each item `ItemStart`, any `Delta` and `Meta`, `ItemEnd`
/// (items may overlap, each under its own index, counted up from 0); `Usage` any number of times, the last one
/// counts; exactly one `Finish`. A provider's error is not an event: the decoder returns it as a broken stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer begins.
    Start {
        /// The provider's id of it; may be empty.
        id: String,
        /// The model as the provider names it; may be empty.
        model: String,
        /// Seconds since the Unix epoch, where the provider says.
        created: Option<u64>,
    },
    /// An item opens.
    ItemStart {
        /// Its index.
        i: u32,
        /// What it is.
        item: Item,
    },
    /// An item grows.
    Delta {
        /// Its index.
        i: u32,
        /// By this.
        delta: Delta,
    },
    /// Something about an open item.
    Meta {
        /// Its index.
        i: u32,
        /// What.
        meta: Meta,
    },
    /// An item is complete.
    ItemEnd {
        /// Its index.
        i: u32,
    },
    /// The provider's numbers so far, cumulative: a later one replaces an earlier one.
    Usage(Reported),
    /// Why the answer ended.
    Finish(Finish),
}

/// What an answer is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Text for the caller.
    Text,
    /// Thoughts.
    Reasoning,
    /// A refusal in words.
    Refusal,
    /// A tool call.
    ToolCall {
        /// Its id; a decoder makes one up (`call_…`) where the provider gives none.
        id: String,
        /// The tool's name.
        name: String,
        /// What its arguments are.
        kind: CallKind,
    },
    /// Something only the provider's dialect knows, whole.
    Hosted {
        /// The object as it stood.
        raw: Value,
    },
}

/// What an item grows by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Text of a [`Item::Text`] or [`Item::Refusal`].
    Text(String),
    /// A piece of the arguments of a [`Item::ToolCall`]; concatenated they are the arguments.
    Arguments(String),
    /// Thoughts of a [`Item::Reasoning`].
    Reasoning(String),
    /// A summary of thoughts; `part` counts its paragraphs from 0.
    Summary {
        /// The paragraph.
        part: u32,
        /// The text.
        text: String,
    },
}

/// Something about an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Meta {
    /// What the provider wants back unread with this item.
    Opaque(Opaque),
    /// A citation, in the shape of OpenAI's `url_citation` where it is one, else as it stood.
    Citation(Value),
}

/// The end of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Why.
    pub reason: FinishReason,
    /// The text that ended it, where known.
    pub stop_sequence: Option<String>,
    /// The provider's own word for it, or its explanation of a refusal.
    pub details: Option<String>,
}

impl Finish {
    /// An end for this reason and nothing more to say.
    pub fn new(reason: FinishReason) -> Self {
        Self { reason, stop_sequence: None, details: None }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// It was complete.
    Stop,
    /// One of the caller's stop texts came.
    StopSequence,
    /// The most tokens asked for were reached.
    Length,
    /// The model's context is full.
    ContextFull,
    /// Tools are called. Encoders also say so when the reason is [`FinishReason::Stop`] and a tool was called.
    ToolCalls,
    /// The model or the provider's policy refused.
    Refusal,
    /// The provider paused a long turn; the caller may go on.
    Pause,
}
