//! A caller's request, read into the canonical form.
//!
//! | field | canonical |
//! |---|---|
//! | `instructions`, then leading system and developer items | `system` |
//! | `input` | `turns` (see `items`, `parts`) |
//! | `tools`, `tool_choice`, `parallel_tool_calls` | the same (see `tools`) |
//! | `text.format`, `text.verbosity` | `output`, `verbosity` |
//! | `reasoning.effort`, `reasoning.summary` | `reasoning`; `concise` and `detailed` also stay in `rest` |
//! | `max_output_tokens`, `temperature`, `top_p` | `max_tokens`, `sampling` |
//! | `include` | log probabilities → `sampling.logprobs`; encrypted reasoning is given anyway; others → `rest` |
//! | `safety_identifier`, else `user` | `end_user` |
//! | `prompt_cache_key`, `prompt_cache_options.ttl` | `cache` |
//! | `previous_response_id`, `conversation`, `store`, `background` | `state` |
//! | `prompt` | refused: the template lies at the provider |
//! | `truncation: disabled`, `stream_options` | what happens anyway |
//! | anything else, inner fields too | `rest`, under its path |
//!
//! Fields as in openai-python 3.51 `types/responses/response_create_params`, read 2026-11.

mod fields;
mod items;
mod parts;
mod tools;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use self::fields::Fields;
use self::items::Fold;
use super::names::Namespaces;
use crate::canonical::{Carrier, Effort, Output, Reasoning, Request, Show, State, SystemText};
use crate::dialect::Dialect;
use crate::dialect::openai_chat::request::{expected, invalid, missing, utf8};
use crate::fault::Fault;

/// What an answer repeats of its request.
const ECHOED: [&str; 21] = [
    "background",
    "conversation",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// Reads a caller's body.
///
/// # Errors
/// [`crate::fault::FaultCode::InvalidRequest`] naming the field that is missing, of a wrong type or of no known
/// value.
pub fn decode_request(body: &[u8], carrier: &Carrier) -> Result<Request, Fault> {
    let map = match serde_json::from_str(utf8(body)?) {
        Ok(Value::Object(map)) => map,
        Ok(_) => return Err(invalid("The body must be a JSON object.")),
        Err(error) => return Err(invalid(format!("The body is not valid JSON: {error}."))),
    };
    let echo = echo(&map);
    let names = Namespaces::of(map.get("tools"));
    let mut fields = Fields::root(map);
    let mut request = Request::new(Dialect::OpenaiResponses, fields.required("model")?);
    request.echo = echo;
    if fields.take("prompt").is_some() {
        let message = "`prompt` names a template that lies at the provider; it cannot be used here.";
        return Err(invalid(message).with_param("prompt"));
    }
    conversation(&mut request, &mut fields, carrier, &names)?;
    request.stream = fields.flag("stream")?.unwrap_or_default();
    fields.take("stream_options");
    let list = fields.list("tools")?.unwrap_or_default();
    request.tools = tools::tools(list, &names, &mut request.rest)?;
    if let Some(choice) = fields.take("tool_choice") {
        request.tool_choice = tools::choice(choice, &names, &mut request.rest)?;
    }
    request.parallel_tools = fields.flag("parallel_tool_calls")?;
    output(&mut request, &mut fields)?;
    sampling(&mut request, &mut fields)?;
    reasoning(&mut request, &mut fields)?;
    about(&mut request, &mut fields)?;
    request.state = state(&mut fields)?;
    fields.leave(&mut request.rest);
    Ok(request)
}

/// The fields of a request that its answer repeats, as they stood.
pub(super) fn echo(map: &Map<String, Value>) -> Map<String, Value> {
    let kept = |name: &str| Some((name.to_owned(), map.get(name).filter(|value| !value.is_null())?.clone()));
    ECHOED.into_iter().filter_map(kept).collect()
}

fn conversation(
    request: &mut Request,
    fields: &mut Fields,
    carrier: &Carrier,
    names: &Namespaces,
) -> Result<(), Fault> {
    let mut fold = Fold::new(carrier, names);
    if let Some(text) = fields.text("instructions")? {
        fold.system.push(SystemText { text, cache: None });
    }
    if let Some(input) = fields.take("input") {
        fold.input(input)?;
    }
    (request.system, request.turns) = (fold.system, fold.turns);
    Ok(())
}

fn output(request: &mut Request, fields: &mut Fields) -> Result<(), Fault> {
    let Some(mut text) = fields.object("text")? else { return Ok(()) };
    request.verbosity = text.text("verbosity")?;
    if let Some(mut format) = text.object("format")? {
        let kind = format.required("type")?;
        request.output = match kind.as_str() {
            "text" => Output::Text,
            "json_object" => Output::JsonObject,
            "json_schema" => Output::JsonSchema {
                name: Some(format.required("name")?),
                description: format.text("description")?,
                schema: format
                    .take("schema")
                    .filter(Value::is_object)
                    .ok_or_else(|| missing("text.format.schema", "a JSON schema"))?,
                strict: format.flag("strict")?,
            },
            _ => return Err(expected("text.format.type", "`text`, `json_object` or `json_schema`")),
        };
        format.leave(&mut request.rest);
    }
    text.leave(&mut request.rest);
    Ok(())
}

fn sampling(request: &mut Request, fields: &mut Fields) -> Result<(), Fault> {
    request.max_tokens = fields.count("max_output_tokens")?;
    request.sampling.temperature = fields.number("temperature")?;
    request.sampling.top_p = fields.number("top_p")?;
    request.sampling.logprobs = fields.count("top_logprobs")?.is_some_and(|n| n > 0);
    let mut include = fields.list("include")?.unwrap_or_default();
    include.retain(|word| match word.as_str() {
        Some("message.output_text.logprobs") => {
            request.sampling.logprobs = true;
            false
        }
        Some("reasoning.encrypted_content") => false,
        _ => true,
    });
    if !include.is_empty() {
        request.rest.insert("include".to_owned(), Value::Array(include));
    }
    Ok(())
}

fn reasoning(request: &mut Request, fields: &mut Fields) -> Result<(), Fault> {
    let Some(mut raw) = fields.object("reasoning")? else { return Ok(()) };
    let effort = match raw.text("effort")? {
        None => None,
        Some(word) => Some(Effort::parse(&word).ok_or_else(|| {
            expected("reasoning.effort", "`none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`")
        })?),
    };
    let old = raw.text("generate_summary")?;
    let word = raw.text("summary")?.or(old);
    let show = match word.as_deref() {
        None => None,
        Some("none") => Some(Show::None),
        Some("auto") => Some(Show::Summary),
        Some(wish @ ("concise" | "detailed")) => {
            request.rest.insert("reasoning.summary".to_owned(), Value::from(wish));
            Some(Show::Summary)
        }
        Some(_) => return Err(expected("reasoning.summary", "`auto`, `concise` or `detailed`")),
    };
    request.reasoning = Reasoning { effort, show, ..Reasoning::default() };
    raw.leave(&mut request.rest);
    Ok(())
}

/// Whom the request is for, and how it is to be served.
fn about(request: &mut Request, fields: &mut Fields) -> Result<(), Fault> {
    let user = fields.text("user")?;
    request.end_user = fields.text("safety_identifier")?.or(user);
    request.service_tier = fields.text("service_tier")?;
    match fields.take("metadata") {
        None => {}
        Some(Value::Object(map)) => request.metadata = map,
        Some(_) => return Err(expected("metadata", "an object")),
    }
    request.cache.key = fields.text("prompt_cache_key")?;
    if let Some(mut options) = fields.object("prompt_cache_options")? {
        request.cache.ttl = parts::ttl(&mut options)?;
        options.leave(&mut request.rest);
    }
    if fields.peek("truncation") == Some("disabled") {
        fields.take("truncation");
    }
    Ok(())
}

fn state(fields: &mut Fields) -> Result<State, Fault> {
    let conversation = match fields.take("conversation") {
        None => None,
        Some(Value::String(id)) => Some(id),
        Some(other) => Some(Fields::of(other, "conversation")?.required("id")?),
    };
    Ok(State {
        previous_id: fields.text("previous_response_id")?,
        conversation,
        store: fields.flag("store")?,
        background: fields.flag("background")?.unwrap_or_default(),
    })
}
