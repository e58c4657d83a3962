//! One call in the making: the provider's body out of the caller's, and later the caller's answer out of the
//! provider's. Where both speak the same, bytes are passed on; where not, everything goes through the canonical form.

use std::sync::Arc;

use bytes::Bytes;

use super::codec::{Decoder, Encoded, Encoder, Relay, Reply, Target, Wrapped};
use super::openai_chat::{self, Answer, ChatStream, StreamOptions};
use super::translate::{Meter, Translation};
use super::{BadAnswer, Dialect};
use crate::canonical::{Carrier, Event, Request, Warnings, fold};
use crate::fault::{Fault, FaultCode};
use crate::id::RequestId;
use crate::money::Price;

/// What the caller asked, as far as every attempt at it is concerned.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The caller's dialect.
    pub dialect: Dialect,
    /// The caller's body.
    pub body: &'a Bytes,
    /// The model as the caller names it.
    pub model: &'a str,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether a stream is to end with a usage chunk (OpenAI Chat).
    pub include_usage: bool,
    /// Whether the caller would rather be refused than have anything changed.
    pub strict: bool,
    /// `anthropic-version` and `anthropic-beta` of a Messages request.
    pub anthropic: (Option<&'a str>, Option<&'a str>),
    /// Our id of the request.
    pub request: RequestId,
    /// What the model costs there, for the cost in a usage chunk.
    pub price: Option<&'a Price>,
    /// Estimated input tokens.
    pub input_estimate: u64,
    /// Makes and reads what carries opaque data.
    pub carrier: &'a Carrier,
}

/// One call.
#[derive(Debug)]
pub struct Exchange {
    /// What the provider is asked in.
    pub dialect: Dialect,
    /// The provider's body.
    pub body: Bytes,
    /// Headers of the provider's dialect.
    pub headers: Vec<(&'static str, String)>,
    /// What could not be carried as it was.
    pub warnings: Warnings,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// The bytes of the answer are passed on.
    Forward(Forward),
    /// The answer is written anew.
    Translate(Box<Translate>),
}

#[derive(Debug)]
struct Translate {
    caller: Dialect,
    reply: Reply,
    wrapped: Vec<(String, Wrapped)>,
    renamed: Vec<(String, String)>,
}

#[derive(Debug)]
struct Forward {
    model: String,
    options: StreamOptions,
}

impl Exchange {
    /// Makes the body for a provider that is asked in `dialect`. `decoded` keeps the canonical request from one
    /// attempt to the next.
    ///
    /// # Errors
    /// [`FaultCode::InvalidRequest`] naming the field that cannot be carried there.
    pub fn prepare(
        ask: &Ask<'_>,
        target: &Target<'_>,
        dialect: Dialect,
        decoded: &mut Option<Arc<Request>>,
    ) -> Result<Self, Fault> {
        if ask.dialect == dialect && !Carrier::may_be_in(ask.body) {
            return forward(ask, target, dialect);
        }
        let request = match decoded {
            Some(request) => Arc::clone(request),
            None => Arc::clone(decoded.insert(Arc::new(decode_request(ask)?))),
        };
        let mut warnings = Warnings::default();
        let Encoded { body, headers, wrapped, renamed } =
            encode_request(&request, target, dialect, &mut warnings)?;
        if ask.strict {
            warnings.refuse_any()?;
        }
        let reply = Reply {
            request: ask.request,
            asked: request,
            include_usage: ask.include_usage,
            created: crate::clock::now_ms() / 1000,
            carrier: ask.carrier.clone(),
            origin: target.origin.clone(),
            price: ask.price.cloned(),
            input_estimate: ask.input_estimate,
        };
        let way = Way::Translate(Box::new(Translate { caller: ask.dialect, reply, wrapped, renamed }));
        Ok(Self { dialect, body, headers, warnings, way })
    }

    /// The state machine for a streamed answer.
    pub fn relay(&self) -> Box<dyn Relay> {
        match &self.way {
            Way::Forward(forward) => match self.dialect {
                _ => Box::new(ChatStream::new(forward.options.clone())),
            },
            Way::Translate(_) => Box::new(ChatStream::new(StreamOptions::default())),
        }
    }

    /// The caller's whole answer out of the provider's.
    ///
    /// # Errors
    /// [`BadAnswer`] if it is none.
    pub fn answer(&self, body: Bytes) -> Result<(Bytes, Answer), BadAnswer> {
        match &self.way {
            Way::Forward(forward) => match self.dialect {
                _ => openai_chat::read_answer(&body).map(|answer| (body, answer)),
            },
            Way::Translate(_) => Err(BadAnswer::NotACompletion),
        }
    }
}

fn forward(ask: &Ask<'_>, target: &Target<'_>, dialect: Dialect) -> Result<Exchange, Fault> {
    let model = &target.origin.model;
    let body = match dialect {
        _ => openai_chat::rewrite(ask.body, model)?,
    };
    let options = StreamOptions {
        include_usage: ask.include_usage,
        price: ask.price.cloned(),
        input_estimate: ask.input_estimate,
    };
    let way = Way::Forward(Forward { model: ask.model.to_owned(), options });
    Ok(Exchange { dialect, body, headers: Vec::new(), warnings: Warnings::default(), way })
}

fn unserved(dialect: Dialect) -> Fault {
    let message =
        format!("This model's provider does not serve requests of the kind `{}`.", dialect.as_str());
    Fault::new(FaultCode::InvalidRequest, message).with_param("model")
}

fn decode_request(ask: &Ask<'_>) -> Result<Request, Fault> {
    Err(unserved(ask.dialect))
}

fn encode_request(
    _request: &Request,
    _target: &Target<'_>,
    dialect: Dialect,
    _warnings: &mut Warnings,
) -> Result<Encoded, Fault> {
    Err(unserved(dialect))
}
