//! Fake providers of five kinds, strict about what they accept and scripted in what they answer.
//!
//! | module | owns |
//! |---|---|
//! | [`script`] | what a test asks for, in words |
//! | [`record`] | what a fake remembers, and what it would bill |
//! | `serve`, `write` | HTTP: reading and routing; writing, dropping connections |
//! | `asked`, `tale`, `counts` | what a call asks for and what is answered, before any wire format |
//! | `look`, `schema`, `media`, `seal` | means of checking: fields, JSON Schemas, bytes, signatures |
//!
//! The wire formats are in the folders of the dialects.

pub(crate) mod asked;
pub(crate) mod counts;
pub(crate) mod look;
pub(crate) mod media;
pub mod record;
pub(crate) mod schema;
pub mod script;
pub(crate) mod seal;
mod serve;
pub(crate) mod tale;
#[cfg(test)]
pub(crate) mod test;
#[cfg(test)]
mod tests;
mod write;

pub use asked::Form;
pub use serve::Fake;

use asked::{Event, Incoming, Refusal, Routed, Said};
use script::Failure;

use crate::{anthropic, azure, bedrock, gemini, openai};

/// Access key id of the signatures that a fake Bedrock takes.
pub const ACCESS_KEY: &str = "AKIAFAKEFAKEFAKEFAKE";
/// The secret of it.
pub const SECRET_KEY: &str = "fake/secret/access/key/of/no/account+000";
/// The region it is in.
pub const REGION: &str = "us-east-1";
/// A token of Entra that a fake Azure takes; it has the looks of a JWT and signs nothing.
pub const ENTRA_TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJmYWtlIn0.ZmFrZQ";

/// Whose API a fake speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Openai,
    Anthropic,
    Gemini,
    Azure,
    Bedrock,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Openai, Self::Anthropic, Self::Gemini, Self::Azure, Self::Bedrock];

    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Azure => "azure",
            Self::Bedrock => "bedrock",
        }
    }

    /// The API key that it takes unless told otherwise, with the looks of the real one.
    pub fn key(self) -> &'static str {
        match self {
            Self::Openai => "sk-fake-openai-000000000000",
            Self::Anthropic => "sk-ant-fake-000000000000",
            Self::Gemini => "AIzaFakeGemini000000000000",
            Self::Azure => "fakeazure00000000000000000",
            Self::Bedrock => "bedrock-api-key-ZmFrZQ==",
        }
    }

    fn route(self, ctx: &Ctx, call: &Incoming) -> Result<Routed, Refusal> {
        match self {
            Self::Openai => openai::route(ctx, call),
            Self::Anthropic => anthropic::route(ctx, call),
            Self::Gemini => gemini::route(ctx, call),
            Self::Azure => azure::route(ctx, call),
            Self::Bedrock => bedrock::route(ctx, call),
        }
    }

    fn failure(self, failure: Failure) -> Refusal {
        match self {
            Self::Openai => openai::error::failure(failure),
            Self::Anthropic => anthropic::error::failure(failure),
            Self::Gemini => gemini::error::failure(failure),
            Self::Azure => azure::error::failure(failure),
            Self::Bedrock => bedrock::error::failure(failure),
        }
    }

    /// Headers of every answer.
    fn headers(self, n: usize) -> Vec<(&'static str, String)> {
        match self {
            Self::Openai => vec![
                ("x-request-id", format!("req_{n:032x}")),
                ("openai-processing-ms", "12".to_owned()),
                ("openai-version", "2020-10-01".to_owned()),
            ],
            Self::Anthropic => vec![
                ("request-id", format!("req_{n:024x}")),
                ("anthropic-organization-id", "00000000-0000-0000-0000-000000000000".to_owned()),
            ],
            Self::Gemini => Vec::new(),
            Self::Azure => vec![
                ("apim-request-id", format!("{n:032x}")),
                ("x-request-id", format!("{n:032x}")),
                ("x-ms-region", "Nowhere".to_owned()),
            ],
            Self::Bedrock => vec![("x-amzn-requestid", format!("{n:032x}"))],
        }
    }
}

/// How a fake is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whose artefacts (signatures, encrypted reasoning) it makes and takes back.
    pub name: String,
    /// The API key it takes.
    pub key: String,
}

impl Options {
    /// The usual ones.
    pub fn new(kind: Kind) -> Self {
        Self { name: kind.name().to_owned(), key: kind.key().to_owned() }
    }
}

/// What checks need to know about the fake.
#[derive(Debug)]
pub(crate) struct Ctx {
    /// The API key it takes.
    pub key: String,
    /// Signs artefacts.
    pub seal: seal::Seal,
    /// Answers that can be asked for again.
    pub stored: openai::responses::Stored,
}

/// A whole answer.
fn whole(said: Said<'_>) -> serde_json::Value {
    match said.asked.form {
        Form::Responses => openai::responses::answer::whole(said),
        Form::Messages => anthropic::answer::whole(said),
        Form::Gemini => gemini::answer::whole(said),
        Form::Converse => bedrock::answer::whole(said),
        _ => openai::chat::answer::whole(said),
    }
}

/// The events of a stream.
fn stream(said: Said<'_>) -> Vec<Event> {
    match said.asked.form {
        Form::Responses => openai::responses::stream::events(said),
        Form::Messages => anthropic::stream::events(said),
        Form::Gemini => gemini::stream::events(said),
        Form::Converse => bedrock::stream::events(said),
        _ => openai::chat::stream::events(said),
    }
}

/// A ping of the format, where it has one, and the event of an error in the middle of a stream.
fn aside(said: Said<'_>, sent: usize) -> (Option<&'static str>, bytes::Bytes) {
    match said.asked.form {
        Form::Responses => (Some(": keep-alive\n\n"), openai::responses::stream::error(sent)),
        Form::Messages => (Some(anthropic::stream::PING), anthropic::stream::error()),
        Form::Gemini => (
            Some(": ping\r\n\r\n").filter(|_| !said.asked.variant),
            gemini::stream::error(said.asked.variant),
        ),
        Form::Converse => (None, bedrock::stream::error()),
        _ => (Some(": keep-alive\n\n"), openai::chat::stream::error()),
    }
}

/// Content type of a stream.
fn stream_type(asked: &asked::Asked) -> &'static str {
    match (asked.form, asked.variant) {
        (Form::Converse, _) => "application/vnd.amazon.eventstream",
        (Form::Gemini, true) => "application/json; charset=UTF-8",
        _ => "text/event-stream; charset=utf-8",
    }
}
