//! Everything beside messages and tools.

use serde_json::{Map, Number, Value, json};

use super::context::{Context, short};
use crate::canonical::{CacheTtl, Effort, Output};
use crate::catalogue::{Profile, ReasoningControl};
use crate::config::ProviderKind;
use crate::dialect::Dialect;

/// The most stop texts that OpenAI takes.
const STOPS_MAX: usize = 4;

/// The longest id of a person or a cache that every server takes, in characters.
const ID_CHARS_MAX: usize = 64;

/// `response_format` and `verbosity`.
pub(super) fn output(context: &mut Context<'_, '_>, out: &mut Map<String, Value>) {
    match &context.request.output {
        Output::Text => {}
        Output::JsonObject => {
            out.insert("response_format".into(), json!({"type": "json_object"}));
        }
        Output::JsonSchema { name, description, schema, strict } if context.profile().json_schema => {
            let mut format = Map::new();
            format.insert("name".into(), name.clone().unwrap_or_else(|| "response".to_owned()).into());
            format.extend(description.clone().map(|text| ("description".to_owned(), text.into())));
            format.insert("schema".into(), schema.clone());
            format.extend(strict.map(|strict| ("strict".to_owned(), strict.into())));
            out.insert("response_format".into(), json!({"type": "json_schema", "json_schema": format}));
        }
        Output::JsonSchema { schema, .. } => {
            context
                .warn_of("json_schema_emulated", ["response_format", "text.format", "output_config.format"]);
            context
                .hints
                .push(format!("Respond with one JSON object that follows this JSON Schema: {schema}"));
            out.insert("response_format".into(), json!({"type": "json_object"}));
        }
    }
    if let Some(verbosity) = &context.request.verbosity {
        if context.is_openai() || context.request.dialect == Dialect::OpenaiChat {
            out.insert("verbosity".into(), verbosity.clone().into());
        } else {
            context.warn_of("parameter_dropped", ["verbosity", "text.verbosity", "verbosity"]);
        }
    }
}

/// How long the answer may be, and what ends it.
pub(super) fn limits(context: &mut Context<'_, '_>, out: &mut Map<String, Value>) {
    let profile = context.profile();
    if let Some(asked) = context.request.max_tokens {
        let known = *profile != Profile::default();
        let max = if known { asked.min(profile.output_tokens) } else { asked };
        if max < asked {
            context
                .warn_of("max_tokens_clamped", ["max_completion_tokens", "max_output_tokens", "max_tokens"]);
        }
        let new = profile.max_completion_tokens || context.target.kind == ProviderKind::Openai;
        out.insert(if new { "max_completion_tokens" } else { "max_tokens" }.into(), max.into());
    }
    let stop = &context.request.stop;
    if !stop.is_empty() {
        let most = if context.is_openai() { STOPS_MAX } else { stop.len() };
        if stop.len() > most {
            context.warn_of("stop_truncated", ["stop", "stop", "stop_sequences"]);
        }
        out.insert("stop".into(), stop.iter().take(most).cloned().collect());
    }
}

/// How tokens are drawn.
pub(super) fn sampling(context: &mut Context<'_, '_>, out: &mut Map<String, Value>) {
    let sampling = &context.request.sampling;
    let steered = [
        ("temperature", &sampling.temperature, 1.0),
        ("top_p", &sampling.top_p, 1.0),
        ("presence_penalty", &sampling.presence_penalty, 0.0),
        ("frequency_penalty", &sampling.frequency_penalty, 0.0),
    ];
    let takes = context.profile().sampling || effort(context) == Some(Effort::None);
    for (name, value, default) in steered {
        let Some(value) = value else { continue };
        if takes {
            out.insert(name.into(), Value::Number(value.clone()));
        } else if !is(value, default) {
            context.warn("parameter_dropped", name);
        }
    }
    if let Some(top_k) = sampling.top_k {
        if context.is_openai() {
            context.warn("parameter_dropped", "top_k");
        } else {
            out.insert("top_k".into(), top_k.into());
        }
    }
    out.extend(sampling.seed.map(|seed| ("seed".to_owned(), seed.into())));
    out.extend(sampling.logit_bias.clone().map(|bias| ("logit_bias".to_owned(), bias)));
}

fn is(number: &Number, value: f64) -> bool {
    number.as_f64().is_some_and(|number| (number - value).abs() < f64::EPSILON)
}

/// `reasoning_effort`.
pub(super) fn reasoning(context: &mut Context<'_, '_>, out: &mut Map<String, Value>) {
    if let Some(effort) = effort(context) {
        if asked(context).is_some_and(|asked| asked != effort) {
            context.warn_of("reasoning_effort_changed", EFFORT);
        }
        out.insert("reasoning_effort".into(), effort.as_str().into());
    } else if asked(context).is_some_and(|asked| asked != Effort::None) {
        context.warn_of("parameter_dropped", EFFORT);
    }
}

const EFFORT: [&str; 3] = ["reasoning_effort", "reasoning.effort", "thinking"];

/// What the caller asks for in words.
fn asked(context: &Context<'_, '_>) -> Option<Effort> {
    let reasoning = &context.request.reasoning;
    match (reasoning.effort, reasoning.budget, reasoning.enabled) {
        (Some(effort), ..) => Some(effort),
        (None, _, Some(false)) => Some(Effort::None),
        (None, Some(budget), _) => Some(Effort::of_budget(budget)),
        (None, None, _) => None,
    }
}

/// What the model is told; `None` where nothing is, and its own default applies.
fn effort(context: &Context<'_, '_>) -> Option<Effort> {
    let asked = asked(context)?;
    match &context.profile().reasoning {
        // Servers that do not reason refuse the field; a word the caller chose is still theirs to judge.
        ReasoningControl::Unknown => {
            (asked != Effort::None || context.request.reasoning.effort.is_some()).then_some(asked)
        }
        ReasoningControl::None => None,
        ReasoningControl::Effort { .. } | ReasoningControl::Adaptive { .. } => {
            context.profile().nearest_effort(asked)
        }
        ReasoningControl::Budget { .. } => Some(asked),
    }
}

/// Tier, cache, whom it is for, and what is kept.
pub(super) fn service(context: &mut Context<'_, '_>, out: &mut Map<String, Value>) {
    let request = context.request;
    if let Some(tier) = &request.service_tier {
        if context.is_openai() || request.dialect == Dialect::OpenaiChat {
            out.insert("service_tier".into(), tier.clone().into());
        } else if tier != "auto" {
            context.warn("parameter_dropped", "service_tier");
        }
    }
    if let Some(user) = &request.end_user {
        let key = if context.target.kind == ProviderKind::Openai { "safety_identifier" } else { "user" };
        out.insert(key.into(), short(user, ID_CHARS_MAX).into());
    }
    if context.is_openai() {
        let key = request.cache.key.as_ref().map(|key| short(key, ID_CHARS_MAX));
        out.extend(key.map(|key| ("prompt_cache_key".to_owned(), key.into())));
        // Elsewhere storing is ours to do; metadata is refused without it.
        if request.dialect == Dialect::OpenaiChat && request.state.store == Some(true) {
            out.insert("store".into(), Value::Bool(true));
            if !request.metadata.is_empty() {
                out.insert("metadata".into(), Value::Object(request.metadata.clone()));
            }
        }
    }
    match request.cache.ttl {
        None => {}
        Some(ttl) if context.is_openai() && context.profile().cache_marks => {
            if ttl == CacheTtl::Long {
                context.warn("cache_ttl_changed", "prompt_cache_options.ttl");
            }
            out.insert("prompt_cache_options".into(), json!({"ttl": "30m"}));
        }
        Some(_) => context.warn("cache_ttl_changed", "prompt_cache_options.ttl"),
    }
}
