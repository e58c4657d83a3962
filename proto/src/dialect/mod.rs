//! Wire formats of callers and providers. Each dialect is a folder that owns both directions; everything here is
//! pure and synchronous.

mod depth;
mod json;
pub mod openai_chat;
pub mod sse;

pub use depth::{JSON_DEPTH_MAX, nested_too_deep};

use serde::{Deserialize, Serialize};

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI Chat Completions.
    OpenaiChat,
}

impl Dialect {
    /// The dialect's name in events, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
        }
    }
}
