//! One call in the making: the provider's body out of the caller's, and later the caller's answer out of the
//! provider's. Where both speak the same, bytes are passed on; where not, everything goes through the canonical form.

mod embed;

use std::sync::Arc;

use bytes::Bytes;

use super::codec::{Decoder, Encoded, Encoder, Relay, Reply, Target, Wrapped};
use super::openai_chat::{self, Answer, ChatStream, StreamOptions};
use super::translate::{Meter, Translation};
use super::{BadAnswer, Dialect, anthropic_messages, bedrock_converse, embeddings, gemini, openai_responses};
use crate::canonical::{Carrier, Event, Request, Warnings, fold};
use crate::fault::{Fault, FaultCode};
use crate::id::RequestId;
use crate::money::Price;
use crate::usage::Reported;

const ANTHROPIC_VERSION: &str = "anthropic-version";
const ANTHROPIC_BETA: &str = "anthropic-beta";
/// What a caller without a version speaks: the oldest that is live.
const ANTHROPIC_VERSION_DEFAULT: &str = "2023-06-01";

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
    /// Whether what providers want back unread is to be left out: one of them refused it.
    pub forget: bool,
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
    /// The provider's bodies: one, but for embeddings of a provider that takes few inputs at once.
    pub bodies: Vec<Bytes>,
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
    /// The vectors of all answers are written as one.
    Embed(Box<embed::Embed>),
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
        if dialect == Dialect::OpenaiEmbeddings && embed::is_foreign(target.kind) {
            return embed::prepare(ask, target);
        }
        if ask.dialect == dialect && !ask.forget && !Carrier::may_be_in(ask.body) {
            return forward(ask, target, dialect);
        }
        let request = match decoded {
            Some(request) => Arc::clone(request),
            None => Arc::clone(decoded.insert(Arc::new(decode_request(ask)?))),
        };
        let request = if ask.forget {
            let mut request = (*request).clone();
            request.forget_opaque();
            Arc::new(request)
        } else {
            request
        };
        let mut warnings = Warnings::default();
        let Encoded { body, mut headers, wrapped, renamed } =
            encode_request(&request, target, dialect, &mut warnings)?;
        if ask.dialect == Dialect::AnthropicMessages && dialect == Dialect::AnthropicMessages {
            callers_versions(ask, &mut headers);
        }
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
        Ok(Self { dialect, bodies: vec![body], headers, warnings, way })
    }

    /// The state machine for a streamed answer.
    pub fn relay(&self) -> Box<dyn Relay> {
        match &self.way {
            Way::Forward(forward) => match self.dialect {
                Dialect::AnthropicMessages => {
                    Box::new(anthropic_messages::MessagesStream::new(&forward.model))
                }
                Dialect::OpenaiResponses => Box::new(openai_responses::ResponsesStream::new()),
                _ => Box::new(ChatStream::new(forward.options.clone())),
            },
            // Embeddings are never streamed.
            Way::Embed(_) => Box::new(ChatStream::new(StreamOptions::default())),
            Way::Translate(way) => {
                let encoder = encoder(way.caller, way.reply.clone());
                let translation = Translation::new(
                    decoder(self.dialect, &way.reply.origin.model),
                    encoder,
                    way.wrapped.clone(),
                );
                Box::new(translation.with_renamed(way.renamed.clone()))
            }
        }
    }

    /// The caller's whole answer out of the provider's, one for each body.
    ///
    /// # Errors
    /// [`Unread`] if it is none.
    pub fn answer(&self, mut bodies: Vec<Bytes>) -> Result<(Bytes, Answer), Unread> {
        match &self.way {
            Way::Embed(embed) => {
                embed.answer(&bodies).map_err(|bad| Unread { bad: Box::new(bad), reported: None })
            }
            Way::Forward(forward) => {
                let body = bodies.pop().unwrap_or_default();
                let read = match self.dialect {
                    Dialect::AnthropicMessages => anthropic_messages::read_answer(&body),
                    Dialect::OpenaiResponses => openai_responses::read_answer(&body),
                    Dialect::OpenaiEmbeddings => embeddings::read_answer(&body),
                    _ => openai_chat::read_answer(&body),
                };
                match read {
                    Ok(answer) if self.dialect == Dialect::AnthropicMessages => {
                        Ok((anthropic_messages::rename_answer(&body, &forward.model), answer))
                    }
                    Ok(answer) => Ok((body, answer)),
                    Err(bad) => {
                        let mut events = Vec::new();
                        let _said_already = decode_response(self.dialect, &body, &mut events);
                        Err(Unread::after(bad, &events))
                    }
                }
            }
            Way::Translate(way) => {
                let body = bodies.pop().unwrap_or_default();
                let mut events = Vec::new();
                if let Err(bad) = decode_response(self.dialect, &body, &mut events) {
                    return Err(Unread::after(bad, &events));
                }
                Ok(way.answer(events))
            }
        }
    }
}

/// A whole answer that is none, and what it said all the same that it used.
#[derive(Debug)]
pub struct Unread {
    /// Why it is none.
    pub bad: Box<BadAnswer>,
    /// The provider's numbers, if it gave any.
    pub reported: Option<Reported>,
}

impl Unread {
    fn after(bad: BadAnswer, events: &[Event]) -> Self {
        let last = events.iter().rev().find_map(|event| match event {
            Event::Usage(reported) => Some(*reported),
            _ => None,
        });
        Self { bad: Box::new(bad), reported: last }
    }
}

impl Translate {
    fn answer(&self, events: Vec<Event>) -> (Bytes, Answer) {
        let mut meter = Meter::new(self.wrapped.clone()).with_renamed(self.renamed.clone());
        let mut passed = Vec::with_capacity(events.len());
        for event in events {
            meter.pass(event, &mut |event| passed.push(event));
        }
        let response = fold(passed);
        let answer = Answer { reported: meter.reported(), output_chars: meter.output_chars(), choices: 1 };
        (encode_response(self.caller, &response, &self.reply), answer)
    }
}

fn forward(ask: &Ask<'_>, target: &Target<'_>, dialect: Dialect) -> Result<Exchange, Fault> {
    let model = &target.origin.model;
    let body = match dialect {
        Dialect::AnthropicMessages => anthropic_messages::rewrite(ask.body, model)?,
        Dialect::OpenaiResponses => openai_responses::rewrite(ask.body, model)?,
        Dialect::OpenaiEmbeddings => embeddings::rewrite(ask.body, model)?,
        _ => openai_chat::rewrite(ask.body, model)?,
    };
    let options = StreamOptions {
        include_usage: ask.include_usage,
        price: ask.price.cloned(),
        input_estimate: ask.input_estimate,
    };
    let way = Way::Forward(Forward { model: ask.model.to_owned(), options });
    let mut headers = Vec::new();
    if dialect == Dialect::AnthropicMessages {
        callers_versions(ask, &mut headers);
    }
    Ok(Exchange { dialect, bodies: vec![body], headers, warnings: Warnings::default(), way })
}

/// The caller's own version, and its betas beside those that are there.
fn callers_versions(ask: &Ask<'_>, headers: &mut Vec<(&'static str, String)>) {
    let (version, beta) = ask.anthropic;
    headers.retain(|(name, _)| *name != ANTHROPIC_VERSION);
    headers.push((ANTHROPIC_VERSION, version.unwrap_or(ANTHROPIC_VERSION_DEFAULT).to_owned()));
    let Some(beta) = beta else { return };
    match headers.iter_mut().find(|(name, _)| *name == ANTHROPIC_BETA) {
        Some((_, there)) => *there = format!("{beta},{there}"),
        None => headers.push((ANTHROPIC_BETA, beta.to_owned())),
    }
}

fn unserved(dialect: Dialect) -> Fault {
    let message =
        format!("This model's provider does not serve requests of the kind `{}`.", dialect.as_str());
    Fault::new(FaultCode::InvalidRequest, message).with_param("model")
}

fn decode_request(ask: &Ask<'_>) -> Result<Request, Fault> {
    match ask.dialect {
        Dialect::OpenaiChat => openai_chat::decode_request(ask.body, ask.carrier),
        Dialect::OpenaiResponses => openai_responses::decode_request(ask.body, ask.carrier),
        Dialect::AnthropicMessages => anthropic_messages::decode_request(ask.body, ask.carrier),
        other => Err(unserved(other)),
    }
}

fn encode_request(
    request: &Request,
    target: &Target<'_>,
    dialect: Dialect,
    warnings: &mut Warnings,
) -> Result<Encoded, Fault> {
    match dialect {
        Dialect::OpenaiChat => openai_chat::encode_request(request, target, warnings),
        Dialect::OpenaiResponses => openai_responses::encode_request(request, target, warnings),
        Dialect::AnthropicMessages => anthropic_messages::encode_request(request, target, warnings),
        Dialect::Gemini => gemini::encode_request(request, target, warnings),
        Dialect::BedrockConverse => bedrock_converse::encode_request(request, target, warnings),
        Dialect::OpenaiEmbeddings => Err(unserved(dialect)),
    }
}

fn decoder(dialect: Dialect, model: &str) -> Box<dyn Decoder> {
    match dialect {
        Dialect::OpenaiResponses => openai_responses::decoder(),
        Dialect::AnthropicMessages => anthropic_messages::decoder(),
        Dialect::Gemini => gemini::decoder(),
        Dialect::BedrockConverse => bedrock_converse::decoder_of(model),
        Dialect::OpenaiChat | Dialect::OpenaiEmbeddings => openai_chat::decoder(),
    }
}

fn decode_response(dialect: Dialect, body: &[u8], out: &mut Vec<Event>) -> Result<(), BadAnswer> {
    match dialect {
        Dialect::OpenaiResponses => openai_responses::decode_response(body, out),
        Dialect::AnthropicMessages => anthropic_messages::decode_response(body, out),
        Dialect::Gemini => gemini::decode_response(body, out),
        Dialect::BedrockConverse => bedrock_converse::decode_response(body, out),
        Dialect::OpenaiChat | Dialect::OpenaiEmbeddings => openai_chat::decode_response(body, out),
    }
}

fn encoder(caller: Dialect, reply: Reply) -> Box<dyn Encoder> {
    match caller {
        Dialect::OpenaiResponses => openai_responses::encoder(reply),
        Dialect::AnthropicMessages => anthropic_messages::encoder(reply),
        _ => openai_chat::encoder(reply),
    }
}

fn encode_response(caller: Dialect, response: &crate::canonical::Response, reply: &Reply) -> Bytes {
    match caller {
        Dialect::OpenaiResponses => openai_responses::encode_response(response, reply),
        Dialect::AnthropicMessages => anthropic_messages::encode_response(response, reply.clone()),
        _ => openai_chat::encode_response(response, reply),
    }
}
