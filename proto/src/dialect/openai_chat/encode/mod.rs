//! A canonical request, written for a provider that speaks Chat Completions: OpenAI itself, or a server like it.
//!
//! | canonical | Chat Completions |
//! |---|---|
//! | `system` | first message, `developer` where the model knows that role, else `system` |
//! | tool results of a turn | one `tool` message each, before the rest of the turn |
//! | images and files in them | a user's message behind all `tool` messages of the turn |
//! | failed tool results | `Error: ` before the text |
//! | reasoning | dropped, but what a compatible server gave itself |
//! | custom tools | native at OpenAI and Azure, else a function with one argument `input` |
//! | `max_tokens` | `max_completion_tokens` at OpenAI, else as the model's profile says |
//! | temperature, `top_p`, penalties | dropped for reasoning models, unless they are the defaults or effort is `none` |
//! | cache marks | `prompt_cache_breakpoint` where the model takes them |
//! | `rest` | as it stood, of a Chat caller's request; else dropped with a warning |
//!
//! Streams are always asked for their usage. Vendor facts: openai-python 3.51.0, OpenAI's docs, read 2026-11.

mod assistant;
mod context;
mod message;
mod options;
mod part;
mod portable;
mod tool;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use self::context::Context;
use crate::canonical::{Request, Warnings};
use crate::dialect::Dialect;
use crate::dialect::codec::{Encoded, Target};
use crate::fault::{Fault, FaultCode};

/// Writes the provider's body.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] naming what Chat Completions, or this model, cannot carry.
pub fn encode_request(
    request: &Request,
    target: &Target<'_>,
    warnings: &mut Warnings,
) -> Result<Encoded, Fault> {
    portable::check(request)?;
    let mut context = Context::new(request, target, warnings);
    let mut options = Map::new();
    tool::tools(&mut context, &mut options)?;
    options::output(&mut context, &mut options);
    options::limits(&mut context, &mut options);
    options::sampling(&mut context, &mut options);
    options::reasoning(&mut context, &mut options);
    options::service(&mut context, &mut options);
    rest(&mut context, &mut options);
    let messages = message::messages(&mut context)?;
    if messages.is_empty() {
        return Err(context::refuse("messages", "there is nothing to send: every message is empty"));
    }
    let mut body = Map::new();
    body.insert("model".into(), target.origin.model.clone().into());
    body.insert("messages".into(), Value::Array(messages));
    if request.stream {
        body.insert("stream".into(), Value::Bool(true));
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    body.append(&mut options);
    let body = serde_json::to_vec(&body)
        .map_err(|_| Fault::new(FaultCode::Internal, "The provider's request could not be written."))?;
    Ok(context.finish(Bytes::from(body)))
}

/// Unknown fields: those at the top of a Chat caller's body are this provider's to understand.
fn rest(context: &mut Context<'_, '_>, options: &mut Map<String, Value>) {
    for (path, value) in &context.request.rest {
        let at_top = !path.contains(['.', '[']);
        if context.request.dialect == Dialect::OpenaiChat && at_top {
            options.entry(path.as_str()).or_insert_with(|| value.clone());
        } else {
            context.warn("unknown_field_dropped", path.as_str());
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
