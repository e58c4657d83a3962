//! What the two sides of a translation look like from outside, and what every relayed stream can tell.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::BrokenStream;
use crate::canonical::{Carrier, Event, Origin, Request};
use crate::catalogue::Profile;
use crate::config::ProviderKind;
use crate::id::RequestId;
use crate::money::Price;
use crate::usage::Reported;

/// Where a request goes: what an encoder of requests has to know.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The vendor.
    pub kind: ProviderKind,
    /// The configured provider and the model's name there.
    pub origin: &'a Origin,
    /// What the model can do.
    pub profile: &'a Profile,
}

impl Target<'_> {
    /// Whether opaque data of this origin may be sent there.
    pub fn takes(&self, origin: Option<&Origin>) -> bool {
        origin == Some(self.origin)
    }
}

/// A provider's request, made from a canonical one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Encoded {
    /// The body.
    pub body: Bytes,
    /// Headers of the dialect that depend on the request (`anthropic-version`, `anthropic-beta`).
    pub headers: Vec<(&'static str, String)>,
    /// Function tools that stand for something the target does not know, by name.
    pub wrapped: Vec<(String, Wrapped)>,
    /// Tools whose names the target does not allow: the name there, and the caller's.
    pub renamed: Vec<(String, String)>,
}

/// What a function tool of the provider's request stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapped {
    /// A custom tool: its one argument `input` is the text.
    Custom,
    /// The answer itself, in the caller's schema: its arguments are the text.
    Answer,
}

/// What an encoder of answers has to know.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Our id of the request; ids that a dialect wants and the provider did not give are made of it.
    pub request: RequestId,
    /// The request, in canonical form.
    pub asked: std::sync::Arc<Request>,
    /// Whether a stream is to end with a usage chunk (OpenAI Chat).
    pub include_usage: bool,
    /// Seconds since the Unix epoch, where the provider does not say.
    pub created: u64,
    /// Makes opaque data fit to travel.
    pub carrier: Carrier,
    /// Who answers.
    pub origin: Origin,
    /// What it costs, for the cost in the usage chunk.
    pub price: Option<Price>,
    /// Estimated input tokens, where a dialect wants a number before the provider has said one.
    pub input_estimate: u64,
}

/// Reads a provider's stream: a state machine that never blocks and never panics, whatever it is fed.
pub trait Decoder: fmt::Debug + Send {
    /// Takes in bytes as they arrive and appends the events they complete, in the order that [`Event`] documents.
    ///
    /// # Errors
    /// [`BrokenStream`]; events before the break are in `out`. The decoder is of no further use then.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), BrokenStream>;

    /// The provider closed the connection.
    ///
    /// # Errors
    /// [`BrokenStream::CutShort`] if the answer was not complete.
    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), BrokenStream>;

    /// Whether the dialect's own end was seen; nothing that follows is looked at. Dialects that end with the
    /// connection never say so.
    fn is_done(&self) -> bool;
}

/// Writes a caller's stream.
pub trait Encoder: fmt::Debug + Send {
    /// Appends what the event is in the caller's dialect.
    fn event(&mut self, event: Event, out: &mut BytesMut);

    /// The provider's answer is complete: appends the dialect's end, numbers included.
    fn end(&mut self, out: &mut BytesMut);
}

/// A provider's stream on its way to a caller, forwarded or translated.
pub trait Relay: fmt::Debug + Send {
    /// Takes in bytes as they arrive and appends what is to be passed on to `out`.
    ///
    /// # Errors
    /// [`BrokenStream`]; what came before the break is in `out`. Its numbers stay readable.
    fn push(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<(), BrokenStream>;

    /// The provider closed the connection: appends what is still to be passed on.
    ///
    /// # Errors
    /// [`BrokenStream::CutShort`] if the answer was not complete.
    fn finish(&mut self, out: &mut BytesMut) -> Result<(), BrokenStream>;

    /// Whether the end was seen.
    fn is_done(&self) -> bool;

    /// Whether anything was seen that the caller would call an answer. Preliminaries (a role, an id, a ping) are not.
    fn has_content(&self) -> bool;

    /// The provider's numbers so far.
    fn reported(&self) -> Option<Reported>;

    /// Characters of text, thoughts and arguments so far, for an estimate.
    fn output_chars(&self) -> u64;

    /// The whole answer, once the end was seen, where the stream was asked to keep it.
    fn answer(&self) -> Option<Bytes> {
        None
    }
}
