//! Tools a model may call.

use serde_json::Value;

use super::part::CacheMark;
use crate::dialect::Dialect;

/// A tool the caller offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Index in the caller's list, so that an error can name it.
    pub at: u32,
    /// The caller asked for the prompt to be cached up to and including this tool.
    pub cache: Option<CacheMark>,
    /// What it is.
    pub kind: ToolKind,
}

/// The kinds of tools.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolKind {
    /// A function with arguments in JSON.
    Function {
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// JSON Schema of its arguments; `None` = none given.
        schema: Option<Value>,
        /// Whether arguments must follow the schema.
        strict: Option<bool>,
    },
    /// A tool that takes any text.
    Custom {
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// OpenAI's `format` object, where it is not plain text.
        format: Option<Value>,
    },
    /// A tool that runs at the provider (web search and the like), known to its own dialect alone.
    Hosted {
        /// Its type, for errors.
        name: String,
        /// The object as it stood.
        raw: Value,
        /// The dialect it belongs to.
        origin: Dialect,
    },
}

/// What the arguments of a call are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallKind {
    /// JSON.
    #[default]
    Function,
    /// Any text.
    Custom,
}

/// Whether tools are to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    Auto,
    /// Not at all.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
    /// Only some of those offered.
    Allowed {
        /// Whether one of them must be called.
        required: bool,
        /// Their names.
        names: Vec<String>,
    },
}
