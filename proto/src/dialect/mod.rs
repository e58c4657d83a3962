//! Wire formats of callers and providers. Each dialect is a folder that owns both directions; everything here is
//! pure and synchronous.

pub mod anthropic_messages;
pub mod bedrock_converse;
pub mod caller;
pub mod codec;
mod depth;
pub mod embeddings;
pub mod exchange;
pub mod gemini;
mod json;
pub mod openai_chat;
pub mod openai_responses;
pub mod sse;
pub mod translate;

pub use depth::{JSON_DEPTH_MAX, nested_too_deep};
pub use openai_chat::{BadAnswer, BrokenStream, UpstreamError};

use serde::{Deserialize, Serialize};

/// The most items of an answer that comes in blocks or parts: more than any model gives, few enough to be kept for the
/// callers whose dialects end with the whole.
const ITEMS_MAX: u32 = 8192;

/// A wire format: of callers, of providers, or of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI Chat Completions.
    OpenaiChat,
    /// OpenAI Responses.
    OpenaiResponses,
    /// OpenAI Embeddings.
    OpenaiEmbeddings,
    /// Anthropic Messages.
    AnthropicMessages,
    /// Gemini's `generateContent`; of providers alone.
    Gemini,
    /// Bedrock's Converse; of providers alone.
    BedrockConverse,
}

impl Dialect {
    /// The dialect's name in events, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
            Self::OpenaiResponses => "openai_responses",
            Self::OpenaiEmbeddings => "openai_embeddings",
            Self::AnthropicMessages => "anthropic_messages",
            Self::Gemini => "gemini",
            Self::BedrockConverse => "bedrock_converse",
        }
    }
}
