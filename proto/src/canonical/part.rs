//! What a turn is made of.

use serde_json::Value;

use super::opaque::Opaque;
use super::tool::CallKind;
use crate::dialect::Dialect;

/// Where in the caller's body something stood, so that an error can name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct At {
    /// Index in the list of messages or input items.
    pub turn: u32,
    /// Index in the content of that message, where it is a list.
    pub part: Option<u32>,
}

/// One piece of a turn, in the caller's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Where it stood.
    pub at: At,
    /// The caller asked for the prompt to be cached up to and including this part.
    pub cache: Option<CacheMark>,
    /// What it is.
    pub content: Content,
}

impl Part {
    /// A part without a cache mark.
    pub fn new(at: At, content: Content) -> Self {
        Self { at, cache: None, content }
    }
}

/// A prompt cache breakpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheMark {
    /// How long the entry is to live.
    pub ttl: CacheTtl,
}

/// The two lifetimes that providers offer; their lengths differ by provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheTtl {
    /// Minutes: 5 at Anthropic and Bedrock, 30 at OpenAI.
    #[default]
    Short,
    /// Hours: 1 at Anthropic and Bedrock, 12 at OpenAI.
    Long,
}

/// The kinds of content.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Text; of an assistant with the citations it carried, in the caller's own shape.
    Text {
        /// The text; may be empty.
        text: String,
        /// Citations or annotations, raw.
        citations: Vec<Value>,
    },
    /// A picture.
    Image {
        /// Where its bytes are.
        source: Source,
        /// OpenAI's `detail`, where given.
        detail: Option<String>,
    },
    /// A recording.
    Audio {
        /// Where its bytes are.
        source: Source,
        /// `wav`, `mp3`, ….
        format: String,
    },
    /// A document: PDF or text.
    Document {
        /// Where its bytes are.
        source: Source,
        /// File name or title.
        name: Option<String>,
    },
    /// What the model thought, as far as it was shown.
    Reasoning {
        /// The thoughts in full, where shown.
        text: String,
        /// Their summary, part by part.
        summary: Vec<String>,
        /// What the provider wants back unread.
        opaque: Vec<Opaque>,
    },
    /// The model refused, in these words.
    Refusal {
        /// The words.
        text: String,
    },
    /// The model called a tool.
    ToolCall {
        /// The call's id, as the caller knows it.
        id: String,
        /// The tool's name.
        name: String,
        /// What the arguments are.
        kind: CallKind,
        /// The arguments as the model wrote them: JSON text for a function (maybe empty), any text for a custom tool.
        arguments: String,
        /// What the provider wants back unread with this call (Gemini's thought signature).
        opaque: Vec<Opaque>,
    },
    /// What a tool call gave.
    ToolResult {
        /// The id of the call it answers.
        id: String,
        /// What it gave: text, images, documents.
        parts: Vec<Part>,
        /// Whether the tool failed.
        is_error: bool,
    },
    /// Something only its own dialect knows (a hosted tool's trace): carried where that dialect is the target.
    Hosted {
        /// The object as it stood.
        raw: Value,
        /// The dialect it belongs to.
        origin: Dialect,
    },
}

/// Where the bytes of an image, recording or document are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// At an address.
    Url(String),
    /// Here.
    Base64 {
        /// Media type such as `image/png`.
        media_type: String,
        /// Standard base64, unchecked.
        data: String,
    },
    /// Plain text, for documents.
    Text(String),
    /// In a provider's file store, under this id.
    File(String),
}
