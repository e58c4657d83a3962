//! What a dialect's checks find out about an accepted call, and how a call is refused.

use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

use super::record::Billed;
use super::script::Script;
use super::seal::Seal;
use super::tale::Tale;

/// The wire formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// OpenAI Chat Completions (also Azure's).
    Chat,
    /// OpenAI Responses (also Azure's).
    Responses,
    /// OpenAI Embeddings (also Azure's).
    Embeddings,
    /// Anthropic Messages.
    Messages,
    /// Gemini generateContent.
    Gemini,
    /// Gemini's embeddings.
    GeminiEmbeddings,
    /// Bedrock Converse.
    Converse,
    /// Bedrock InvokeModel of an embedding model.
    InvokeEmbeddings,
    /// Tokens are counted.
    Count,
    /// Models are listed.
    Models,
}

/// An HTTP request, read.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Method in capitals.
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The query, undecoded.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: bytes::Bytes,
    /// The body as JSON, where it is some.
    pub json: Option<Value>,
}

impl Incoming {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The credential behind `Bearer `.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ").filter(|key| !key.is_empty())
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .find_map(|pair| pair.split_once('=').filter(|(n, _)| *n == name))
            .map(|(_, v)| v)
    }

    /// Whether the body says it is JSON.
    pub(crate) fn says_json(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        kind.split(';').next().map(str::trim) == Some("application/json")
    }
}

/// An error answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Headers beyond the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Value,
}

impl Refusal {
    /// One without headers of its own.
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    /// With a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What becomes of a call.
#[derive(Debug)]
pub(crate) enum Routed {
    /// It is answered as scripted.
    Ask(Box<Asked>),
    /// It has one answer.
    Fixed(Fixed),
}

/// An answer that no script changes.
#[derive(Debug)]
pub(crate) struct Fixed {
    /// The wire format.
    pub form: Form,
    /// The model asked about; empty where none is.
    pub model: String,
    /// The body.
    pub body: Value,
    /// What it bills.
    pub billed: Billed,
}

impl Fixed {
    /// One that bills nothing.
    pub(crate) fn free(form: Form, body: Value) -> Routed {
        Routed::Fixed(Self { form, model: String::new(), body, billed: Billed::default() })
    }
}

/// A tool on offer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Offer {
    /// Its name.
    pub name: String,
    /// Whether it takes free text rather than JSON.
    pub custom: bool,
    /// The schema of its arguments.
    pub schema: Value,
}

/// Whether tools are to be called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Choice {
    /// As the model likes.
    #[default]
    Auto,
    /// Not.
    None,
    /// Any of them.
    Any,
    /// This one.
    Named(String),
}

/// A call that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The wire format.
    pub form: Form,
    /// The model's name with its script.
    pub model: String,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// The last text of the user.
    pub last_text: String,
    /// Texts of the tool results that the conversation ends with.
    pub results: Vec<String>,
    /// Tools on offer.
    pub tools: Vec<Offer>,
    /// Whether to call them.
    pub choice: Choice,
    /// Whether several may be called at once.
    pub parallel: bool,
    /// The schema of the answer.
    pub schema: Option<Value>,
    /// Any JSON is wanted.
    pub json: bool,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// A stream is to say its usage.
    pub include_usage: bool,
    /// Thoughts may be shown.
    pub show_thoughts: bool,
    /// Thinking was switched off.
    pub no_thoughts: bool,
    /// The body, for answers that repeat its settings.
    pub body: Value,
    /// A variant of the wire format: whether it is Azure's, or (Gemini) a JSON array instead of events.
    pub variant: bool,
}

impl Asked {
    /// An empty one.
    pub(crate) fn new(form: Form, model: &str, body: &Value) -> Self {
        Self {
            form,
            model: model.to_owned(),
            stream: false,
            last_text: String::new(),
            results: Vec::new(),
            tools: Vec::new(),
            choice: Choice::Auto,
            parallel: true,
            schema: None,
            json: false,
            stop: Vec::new(),
            include_usage: true,
            show_thoughts: true,
            no_thoughts: false,
            body: body.clone(),
            variant: false,
        }
    }

    /// The model without the script.
    pub(crate) fn base(&self) -> &str {
        Script::base(&self.model)
    }
}

/// All that an answer is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    /// The call.
    pub asked: &'a Asked,
    /// The content.
    pub tale: &'a Tale,
    /// Signs artefacts.
    pub seal: &'a Seal,
}

/// One write of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// What is written.
    pub bytes: bytes::Bytes,
    /// Tokens of output in it.
    pub tokens: u64,
}

impl Event {
    /// A write without output in it.
    pub(crate) fn bare(bytes: impl Into<bytes::Bytes>) -> Self {
        Self { bytes: bytes.into(), tokens: 0 }
    }

    /// A write with one token.
    pub(crate) fn token(bytes: impl Into<bytes::Bytes>) -> Self {
        Self { bytes: bytes.into(), tokens: 1 }
    }
}

/// Undoes percent signs in a segment of a path.
pub(crate) fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => bytes.push(byte),
            None => return segment.to_owned(),
        }
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap_or_else(|_| segment.to_owned())
}
