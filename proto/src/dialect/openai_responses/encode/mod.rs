//! A canonical request, written for OpenAI's or Azure's Responses.
//!
//! | canonical | field |
//! |---|---|
//! | `system`: one block without a cache mark | `instructions` |
//! | `system` otherwise | one `developer` item in front |
//! | `turns` | `input` (see `items`) |
//! | `tools`, `tool_choice` | the same (see `tools`) |
//! | `output`, `verbosity` | `text` |
//! | `reasoning.effort`, else the effort of its budget | `reasoning.effort`, the nearest the model knows |
//! | `reasoning.show` | `reasoning.summary: auto`, or the caller's own word |
//! | `max_tokens` | `max_output_tokens`, at least 16 |
//! | `temperature`, `top_p` | the same, unless the model takes none |
//! | `stop`, `n` > 1, log probabilities, `state.previous_id`, `state.conversation` | refused |
//! | `top_k`, `seed`, penalties, `logit_bias` | dropped with a warning |
//! | `end_user`, `metadata`, `service_tier` | `safety_identifier` (Azure: `user`), `metadata`, `service_tier` |
//! | `cache.key`, `cache.ttl` | `prompt_cache_key`, `prompt_cache_options.ttl` |
//! | `cache.auto` | what happens anyway |
//! | `state.store` of a Responses caller | `store`; else false; encrypted reasoning is asked for of a model that reasons |
//! | `rest` of a Responses caller | where it stood; of others dropped with a warning |

mod items;
mod limits;
mod parts;
mod tools;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use self::items::Items;
use self::limits::short;
use crate::canonical::{CacheTtl, Effort, Output, Request, Role, Show, Warnings};
use crate::catalogue::ReasoningControl;
use crate::config::ProviderKind;
use crate::dialect::Dialect;
use crate::dialect::codec::{Encoded, Target};
use crate::fault::{Fault, FaultCode};

/// The least `max_output_tokens` that OpenAI takes.
const OUTPUT_TOKENS_MIN: u64 = 16;

/// Everything that a part of the encoder has to know.
struct Scope<'a> {
    request: &'a Request,
    target: &'a Target<'a>,
}

impl Scope<'_> {
    /// Whether the caller speaks this dialect too, so that what only it knows may go on.
    fn native(&self) -> bool {
        self.request.dialect == Dialect::OpenaiResponses
    }

    /// A field by its name in the caller's dialect.
    fn named(&self, responses: &str, chat: &str, messages: &str) -> String {
        match self.request.dialect {
            Dialect::OpenaiResponses => responses,
            Dialect::AnthropicMessages => messages,
            _ => chat,
        }
        .to_owned()
    }
}

/// Refuses what cannot be carried.
fn refused(param: impl Into<String>, why: &str) -> Fault {
    let param = param.into();
    Fault::new(
        FaultCode::InvalidRequest,
        format!("`{param}` cannot be carried to this model's provider: {why}."),
    )
    .with_param(param)
}

/// Writes the provider's body.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] naming the field that Responses has no place for.
pub fn encode_request(
    request: &Request,
    target: &Target<'_>,
    warnings: &mut Warnings,
) -> Result<Encoded, Fault> {
    let scope = Scope { request, target };
    refuse(&scope)?;
    let mut body = Map::new();
    body.insert("model".into(), json!(target.origin.model));
    input(&scope, &mut body, warnings)?;
    tools::write(&scope, &mut body, warnings)?;
    text(&scope, &mut body);
    reasoning(&scope, &mut body, warnings);
    sampling(&scope, &mut body, warnings);
    about(&scope, &mut body, warnings);
    rest(&scope, &mut body, warnings);
    let store = request.state.store.filter(|_| scope.native()).unwrap_or(false);
    body.insert("store".into(), json!(store));
    include(&scope, &mut body);
    body.insert("stream".into(), json!(request.stream));
    // A tree of strings and numbers always serialises.
    let body = Bytes::from(serde_json::to_vec(&Value::Object(body)).unwrap_or_default());
    Ok(Encoded { body, renamed: limits::renamed(request), ..Encoded::default() })
}

fn refuse(scope: &Scope<'_>) -> Result<(), Fault> {
    let Scope { request, .. } = scope;
    if !request.stop.is_empty() {
        let param = scope.named("stop", "stop", "stop_sequences");
        return Err(refused(param, "the Responses API knows no stop texts"));
    }
    if request.sampling.n.is_some_and(|n| n > 1) {
        return Err(refused("n", "the Responses API gives one answer"));
    }
    if request.sampling.logprobs {
        let param = scope.named("include", "logprobs", "logprobs");
        return Err(refused(param, "log probabilities are lost in translation"));
    }
    if request.wants_sound() {
        return Err(refused("modalities", "the Responses API gives text"));
    }
    if request.max_tokens == Some(0) {
        let param = scope.named("max_output_tokens", "max_completion_tokens", "max_tokens");
        return Err(refused(param, "it gives no answer of no tokens"));
    }
    if request.state.previous_id.is_some() {
        return Err(refused("previous_response_id", "the response it names is not at the provider"));
    }
    if request.state.conversation.is_some() {
        return Err(refused("conversation", "the conversation it names is not at the provider"));
    }
    Ok(())
}

fn input(scope: &Scope<'_>, body: &mut Map<String, Value>, warnings: &mut Warnings) -> Result<(), Fault> {
    let mut items = Items::new(scope);
    match scope.request.system.as_slice() {
        [] => {}
        [one] if one.cache.is_none() => {
            body.insert("instructions".into(), json!(one.text));
        }
        blocks => items.instructions(blocks, warnings),
    }
    for turn in &scope.request.turns {
        items.turn(turn, warnings)?;
    }
    if let Some(turn) = scope.request.turns.last()
        && turn.role == Role::Assistant
        && scope.request.dialect == Dialect::AnthropicMessages
    {
        // It is legal here, but the model answers it rather than going on from it.
        let at = turn.parts.first().map(|part| part.at).unwrap_or_default();
        warnings.add("prefill_not_continued", scope.request.path(at));
    }
    body.insert("input".into(), Value::Array(items.finish(warnings)));
    Ok(())
}

fn text(scope: &Scope<'_>, body: &mut Map<String, Value>) {
    let mut text = Map::new();
    let format = match &scope.request.output {
        Output::Text => None,
        Output::JsonObject => Some(json!({ "type": "json_object" })),
        Output::JsonSchema { name, description, schema, strict } => {
            let mut format = Map::new();
            format.insert("type".into(), json!("json_schema"));
            format.insert("name".into(), json!(name.as_deref().unwrap_or("response")));
            if let Some(description) = description {
                format.insert("description".into(), json!(description));
            }
            format.insert("schema".into(), schema.clone());
            if let Some(strict) = strict {
                format.insert("strict".into(), json!(strict));
            }
            Some(Value::Object(format))
        }
    };
    text.extend(format.map(|format| ("format".to_owned(), format)));
    text.extend(scope.request.verbosity.as_ref().map(|word| ("verbosity".to_owned(), json!(word))));
    if !text.is_empty() {
        body.insert("text".into(), Value::Object(text));
    }
}

fn reasoning(scope: &Scope<'_>, body: &mut Map<String, Value>, warnings: &mut Warnings) {
    let mut out = Map::new();
    if let Some(effort) = effort(scope, warnings) {
        out.insert("effort".into(), json!(effort.as_str()));
    }
    // OpenAI's Chat shows no thoughts, and Responses not to every account: a Chat caller does not risk being refused.
    let chat = scope.request.dialect == Dialect::OpenaiChat;
    let thinks = scope.target.profile.reasoning != ReasoningControl::None && !chat;
    if thinks && matches!(scope.request.reasoning.show, Some(Show::Summary | Show::Full)) {
        out.insert("summary".into(), json!("auto"));
    }
    if !out.is_empty() {
        body.insert("reasoning".into(), Value::Object(out));
    }
}

fn effort(scope: &Scope<'_>, warnings: &mut Warnings) -> Option<Effort> {
    let wish = &scope.request.reasoning;
    let field = || scope.named("reasoning.effort", "reasoning_effort", "thinking");
    let off = wish.enabled == Some(false);
    let asked = wish.effort.or_else(|| wish.budget.map(Effort::of_budget)).or(off.then_some(Effort::None))?;
    match &scope.target.profile.reasoning {
        ReasoningControl::None => {
            if asked != Effort::None {
                warnings.add("parameter_dropped", field());
            }
            None
        }
        // Of a model nobody told us about we do not know whether it can be switched off.
        ReasoningControl::Unknown if off && wish.effort.is_none() => None,
        ReasoningControl::Unknown | ReasoningControl::Budget { .. } => Some(asked),
        ReasoningControl::Effort { .. } | ReasoningControl::Adaptive { .. } => {
            let nearest = scope.target.profile.nearest_effort(asked);
            if nearest != Some(asked) {
                warnings.add("effort_changed", field());
            }
            nearest
        }
    }
}

fn sampling(scope: &Scope<'_>, body: &mut Map<String, Value>, warnings: &mut Warnings) {
    let Scope { request, target } = scope;
    if let Some(limit) = request.max_tokens {
        if limit < OUTPUT_TOKENS_MIN {
            let field = scope.named("max_output_tokens", "max_completion_tokens", "max_tokens");
            warnings.add("max_tokens_raised", field);
        }
        body.insert("max_output_tokens".into(), json!(limit.max(OUTPUT_TOKENS_MIN)));
    }
    let drawn = &request.sampling;
    for (name, number) in [("temperature", &drawn.temperature), ("top_p", &drawn.top_p)] {
        match number {
            Some(number) if target.profile.sampling => {
                body.insert(name.into(), Value::Number(number.clone()));
            }
            Some(_) => warnings.add("parameter_dropped", name),
            None => {}
        }
    }
    let unknown = [
        ("top_k", drawn.top_k.is_some()),
        ("seed", drawn.seed.is_some()),
        ("presence_penalty", drawn.presence_penalty.is_some()),
        ("frequency_penalty", drawn.frequency_penalty.is_some()),
        ("logit_bias", drawn.logit_bias.is_some()),
    ];
    for (name, _) in unknown.into_iter().filter(|(_, given)| *given) {
        warnings.add("parameter_dropped", name);
    }
}

/// Whom the request is for, and how it is to be served.
fn about(scope: &Scope<'_>, body: &mut Map<String, Value>, warnings: &mut Warnings) {
    let request = scope.request;
    let azure = scope.target.kind == ProviderKind::AzureOpenai;
    let person = if azure { "user" } else { "safety_identifier" };
    let texts = [
        (person, request.end_user.as_deref().map(short)),
        ("service_tier", request.service_tier.as_deref().map(Cow::Borrowed)),
        ("prompt_cache_key", request.cache.key.as_deref().map(short)),
    ];
    for (name, text) in texts {
        body.extend(text.map(|text| (name.to_owned(), json!(text))));
    }
    if !request.metadata.is_empty() {
        body.insert("metadata".into(), Value::Object(request.metadata.clone()));
    }
    match request.cache.ttl {
        Some(ttl) if scope.target.profile.cache_marks => {
            body.insert("prompt_cache_options".into(), json!({ "ttl": ttl_word(ttl) }));
        }
        Some(_) => warnings.add("cache_ttl_changed", "prompt_cache_options.ttl"),
        None => {}
    }
}

fn ttl_word(ttl: CacheTtl) -> &'static str {
    match ttl {
        CacheTtl::Short => "30m",
        CacheTtl::Long => "12h",
    }
}

/// Objects whose inner fields a Responses caller gets back where they stood.
const NESTED: [&str; 4] = ["reasoning", "text", "prompt_cache_options", "truncation"];

fn rest(scope: &Scope<'_>, body: &mut Map<String, Value>, warnings: &mut Warnings) {
    for (path, value) in &scope.request.rest {
        let nested = path.split_once('.');
        match nested {
            _ if !scope.native() => warnings.add("unknown_field_dropped", path),
            None if !path.contains('[') => {
                body.insert(path.clone(), value.clone());
            }
            Some((outer, inner)) if NESTED.contains(&outer) && !inner.contains('.') => {
                let place = body.entry(outer).or_insert_with(|| json!({}));
                if let Some(place) = place.as_object_mut() {
                    place.insert(inner.to_owned(), value.clone());
                }
            }
            _ => warnings.add("unknown_field_dropped", path),
        }
    }
}

/// Reasoning is asked for in the form that a later request can bring back. A model that does not reason refuses
/// to be asked.
fn include(scope: &Scope<'_>, body: &mut Map<String, Value>) {
    const ENCRYPTED: &str = "reasoning.encrypted_content";
    if scope.target.profile.reasoning == ReasoningControl::None {
        return;
    }
    match body.get_mut("include") {
        Some(Value::Array(list)) => list.push(json!(ENCRYPTED)),
        _ => {
            body.insert("include".into(), json!([ENCRYPTED]));
        }
    }
}
