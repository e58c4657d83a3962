//! A caller's request, read into the canonical form.
//!
//! | Chat Completions | canonical |
//! |---|---|
//! | leading `system` and `developer` messages | `system`, one entry per text part |
//! | later ones | a turn of [`Role::System`](crate::canonical::Role) |
//! | `tool` and `function` messages | a user's turn with a tool result each |
//! | `reasoning_details`, else `reasoning_content` or `reasoning`, of an assistant's message | reasoning parts before all others |
//! | `tool_calls[].extra_content` | opaque data of the call |
//! | `prompt_cache_breakpoint`, `cache_control` of messages, parts and tools | cache marks |
//! | `max_completion_tokens`, else `max_tokens` | `max_tokens` |
//! | `safety_identifier`, else `user` | `end_user` |
//! | `functions`, `function_call` | `tools`, `tool_choice`, calls one at a time, `echo.functions` |
//! | `name` of a message, `stream_options.include_obfuscation` | dropped: they mean nothing elsewhere |
//! | anything else | `rest`, nested fields under their path |
//!
//! Fields as in openai-python 3.51.0; `cache_control`, `reasoning_details` and `extra_content` as OpenRouter,
//! LiteLLM and Google's endpoint of this dialect have them.

mod assistant;
mod fields;
mod message;
mod part;
mod reasoning;
mod tool;

use serde_json::{Map, Value};

use self::fields::Fields;
use super::request::{expected, invalid, missing, utf8};
use crate::canonical::{CacheTtl, Carrier, Effort, Output, Request, Show};
use crate::dialect::{Dialect, JSON_DEPTH_MAX, nested_too_deep};
use crate::fault::Fault;

/// The field of [`Request::echo`] that says a caller reads tool calls as `function_call`.
pub(super) const LEGACY: &str = "functions";

/// Reads a caller's body. Tokens of ours in it are unwrapped with `carrier`.
///
/// # Errors
/// [`FaultCode::InvalidRequest`](crate::fault::FaultCode::InvalidRequest) naming the field that is not what the
/// dialect asks for.
pub fn decode_request(body: &[u8], carrier: &Carrier) -> Result<Request, Fault> {
    let text = utf8(body)?;
    if nested_too_deep(body, JSON_DEPTH_MAX) {
        return Err(invalid(format!("The body nests deeper than the {JSON_DEPTH_MAX} levels allowed.")));
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|error| invalid(format!("The body is not valid JSON: {error}.")))?;
    if !value.is_object() {
        return Err(invalid("The body must be a JSON object."));
    }
    let mut fields = Fields::of(value, "")?;
    let mut request = Request::new(Dialect::OpenaiChat, fields.name("model")?);
    stream(&mut fields, &mut request)?;
    sampling(&mut fields, &mut request)?;
    limits(&mut fields, &mut request)?;
    context(&mut fields, &mut request)?;
    cache(&mut fields, &mut request)?;
    output(&mut fields, &mut request)?;
    tool::tools(&mut fields, &mut request)?;
    let messages = fields
        .list("messages")?
        .filter(|list| !list.is_empty())
        .ok_or_else(|| missing("messages", "an array of at least one message"))?;
    message::messages(messages, carrier, &mut request)?;
    fields.leave(&mut request.rest);
    Ok(request)
}

fn stream(fields: &mut Fields, request: &mut Request) -> Result<(), Fault> {
    request.stream = fields.flag("stream")?.unwrap_or(false);
    if let Some(mut options) = fields.object("stream_options")? {
        options.flag("include_usage")?;
        options.flag("include_obfuscation")?;
        options.leave(&mut request.rest);
    }
    Ok(())
}

fn sampling(fields: &mut Fields, request: &mut Request) -> Result<(), Fault> {
    let sampling = &mut request.sampling;
    sampling.temperature = fields.number("temperature")?;
    sampling.top_p = fields.number("top_p")?;
    sampling.top_k = fields.count("top_k", 0)?;
    sampling.seed = fields.integer("seed")?;
    sampling.presence_penalty = fields.number("presence_penalty")?;
    sampling.frequency_penalty = fields.number("frequency_penalty")?;
    sampling.logit_bias = fields.map("logit_bias")?.filter(|bias| !bias.is_empty()).map(Value::Object);
    sampling.logprobs = fields.flag("logprobs")?.unwrap_or(false);
    sampling.n = fields.count("n", 1)?;
    Ok(())
}

fn limits(fields: &mut Fields, request: &mut Request) -> Result<(), Fault> {
    let old = fields.count("max_tokens", 1)?;
    request.max_tokens = fields.count("max_completion_tokens", 1)?.or(old);
    request.stop = match fields.take("stop") {
        None => Vec::new(),
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list
            .into_iter()
            .enumerate()
            .map(|(i, text)| match text {
                Value::String(text) => Ok(text),
                _ => Err(expected(&format!("stop[{i}]"), "a string")),
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(expected("stop", "a string or an array of strings")),
    };
    if let Some(word) = fields.text("reasoning_effort")? {
        let effort = Effort::parse(&word).ok_or_else(|| {
            expected("reasoning_effort", "one of none, minimal, low, medium, high, xhigh, max")
        })?;
        request.reasoning.effort = Some(effort);
        // Chat has no word for it: who asks for thoughts is shown them.
        request.reasoning.show = (effort != Effort::None).then_some(Show::Summary);
    }
    request.verbosity = fields.text("verbosity")?;
    Ok(())
}

fn context(fields: &mut Fields, request: &mut Request) -> Result<(), Fault> {
    request.service_tier = fields.text("service_tier")?;
    request.state.store = fields.flag("store")?;
    request.metadata = fields.map("metadata")?.unwrap_or_default();
    let user = fields.text("user")?;
    request.end_user = fields.text("safety_identifier")?.or(user);
    // Text is what an answer is made of unless said otherwise.
    if let Some(modalities) = fields.list("modalities")?
        && modalities.iter().any(|kind| kind != "text")
    {
        request.rest.insert("modalities".into(), Value::Array(modalities));
    }
    Ok(())
}

fn cache(fields: &mut Fields, request: &mut Request) -> Result<(), Fault> {
    request.cache.key = fields.text("prompt_cache_key")?;
    if let Some(mut options) = fields.object("prompt_cache_options")? {
        request.cache.ttl = match options.text("ttl")?.as_deref() {
            None => None,
            Some("30m") => Some(CacheTtl::Short),
            Some("12h") => Some(CacheTtl::Long),
            Some(_) => return Err(expected("prompt_cache_options.ttl", "30m")),
        };
        if let Some(mode) = options.text("mode")?.filter(|mode| mode != "implicit") {
            request.rest.insert(options.path("mode"), Value::String(mode));
        }
        options.leave(&mut request.rest);
    }
    Ok(())
}

fn output(fields: &mut Fields, request: &mut Request) -> Result<(), Fault> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(()) };
    request.output = match format.required_text("type")?.as_str() {
        "text" => Output::Text,
        "json_object" => Output::JsonObject,
        "json_schema" => {
            let mut schema = format.required_object("json_schema")?;
            let output = Output::JsonSchema {
                name: schema.text("name")?,
                description: schema.text("description")?,
                schema: Value::Object(schema.map("schema")?.unwrap_or_else(Map::new)),
                strict: schema.flag("strict")?,
            };
            schema.leave(&mut request.rest);
            output
        }
        _ => return Err(expected("response_format.type", "one of text, json_object, json_schema")),
    };
    format.leave(&mut request.rest);
    Ok(())
}

#[cfg(test)]
mod tests;
