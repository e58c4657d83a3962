//! What a Chat request may say.

use serde_json::Value;

use super::{messages, tools};
use crate::fake::asked::{Asked, Form};
use crate::fake::look::{Bad, Found, Obj, What, name};
use crate::fake::schema::check_strict;
use crate::fake::script::Script;
use crate::openai::model::{EFFORTS, Profile};
use crate::openai::{Host, check_metadata};

const FIELDS: [&str; 37] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_completion_tokens",
    "max_tokens",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "stop",
    "seed",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "verbosity",
    "modalities",
    "audio",
    "prediction",
    "service_tier",
    "store",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
    "web_search_options",
    "moderation",
    "functions",
    "function_call",
];

/// Checks a request.
pub(crate) fn check(body: &Value, host: Host<'_>) -> Found<Asked> {
    let top = Obj::of("", body)?;
    let model = match host.deployment {
        Some(deployment) => deployment,
        None => top.need_text("model")?,
    };
    let profile = Profile::of(Script::base(model));
    if profile.is_openai() || host.azure {
        top.only(&FIELDS)?;
    }
    let mut asked = Asked::new(Form::Chat, model, body);
    asked.stream = top.bool("stream")?.unwrap_or(false);
    asked.include_usage = stream_options(&top, asked.stream)?;
    let effort = top.word("reasoning_effort", &EFFORTS)?;
    profile.check_effort("reasoning_effort", effort)?;
    asked.no_thoughts = effort == Some("none");
    asked.show_thoughts = !profile.is_openai();
    sampling(&top, &profile, effort, &mut asked)?;
    tools::check(&top, &mut asked)?;
    if asked.tools.iter().any(|tool| !tool.custom) {
        profile.check_chat_tools(effort)?;
    }
    messages::check(&top, &profile, &mut asked)?;
    response_format(&top, &mut asked)?;
    others(&top)?;
    Ok(asked)
}

fn stream_options(top: &Obj<'_>, stream: bool) -> Found<bool> {
    let Some(options) = top.obj("stream_options")? else { return Ok(false) };
    if !stream {
        let text = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Bad::value("stream_options", text));
    }
    options.only(&["include_usage", "include_obfuscation"])?;
    options.bool("include_obfuscation")?;
    Ok(options.bool("include_usage")?.unwrap_or(false))
}

fn sampling(top: &Obj<'_>, profile: &Profile<'_>, effort: Option<&str>, asked: &mut Asked) -> Found<()> {
    for (key, least, most, usual) in [
        ("temperature", 0.0, 2.0, 1.0),
        ("top_p", 0.0, 1.0, 1.0),
        ("presence_penalty", -2.0, 2.0, 0.0),
        ("frequency_penalty", -2.0, 2.0, 0.0),
    ] {
        let number = top.number(key, least, most)?;
        if number.is_some_and(|n| (n - usual).abs() > f64::EPSILON) {
            profile.check_sampling(key, effort)?;
        }
    }
    if top.int("max_tokens", 1, i64::MAX)?.is_some() {
        profile.check_max_tokens()?;
        if top.has("max_completion_tokens") {
            let text = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
            return Err(Bad::value("max_tokens", text));
        }
    }
    top.int("max_completion_tokens", 1, i64::MAX)?;
    top.int("n", 1, 128)?;
    top.int("seed", i64::MIN, i64::MAX)?;
    top.obj("logit_bias")?;
    let logprobs = top.bool("logprobs")?.unwrap_or(false);
    if top.int("top_logprobs", 0, 20)?.is_some() && !logprobs {
        return Err(Bad::value("top_logprobs", "'top_logprobs' is only allowed when 'logprobs' is enabled."));
    }
    if logprobs {
        profile.check_sampling("logprobs", effort)?;
    }
    asked.stop = match top.get("stop") {
        None => Vec::new(),
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(_) => top.texts("stop")?.into_iter().map(str::to_owned).collect(),
    };
    if asked.stop.len() > 4 {
        return Err(Bad::new(
            What::Coded("array_above_max_length"),
            "stop",
            "Expected at most 4 stop sequences.",
        ));
    }
    if top.has("stop") { profile.check_stop() } else { Ok(()) }
}

fn response_format(top: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    let Some(format) = top.obj("response_format")? else { return Ok(()) };
    match format.need_word("type", &["text", "json_object", "json_schema"])? {
        "json_object" => {
            format.only(&["type"])?;
            let messages = top.get("messages").map(Value::to_string).unwrap_or_default();
            if !messages.to_ascii_lowercase().contains("json") {
                let text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
                return Err(Bad::value("messages", text));
            }
            asked.json = true;
        }
        "json_schema" => {
            format.only(&["type", "json_schema"])?;
            let named = format.need_obj("json_schema")?;
            named.only(&["name", "description", "schema", "strict"])?;
            asked.schema = Some(json_schema(&named, "response_format")?);
        }
        _ => format.only(&["type"])?,
    }
    Ok(())
}

/// A named schema, as Chat nests it and Responses has it flat.
pub(crate) fn json_schema(named: &Obj<'_>, param: &str) -> Found<Value> {
    name(named.at("name"), named.need_text("name")?, 64, "_-")?;
    named.text("description")?;
    let schema = named.need_obj("schema")?;
    let schema = Value::Object(schema.map.clone());
    if named.bool("strict")? == Some(true) {
        check_strict(param, &schema, true)?;
        if schema.get("type").is_none_or(|kind| kind != "object") {
            return Err(Bad::value(param, "schema must be a JSON Schema of 'type: \"object\"'"));
        }
    }
    Ok(schema)
}

fn others(top: &Obj<'_>) -> Found<()> {
    top.word("verbosity", &["low", "medium", "high"])?;
    top.word("service_tier", &["auto", "default", "flex", "scale", "priority", "fast"])?;
    top.word("prompt_cache_retention", &["in_memory", "24h"])?;
    top.bool("store")?;
    for key in ["user", "prompt_cache_key"] {
        top.text(key)?;
    }
    if top.text("safety_identifier")?.is_some_and(|id| id.chars().count() > 128) {
        return Err(Bad::new(What::Coded("string_above_max_length"), "safety_identifier", "string too long"));
    }
    if let Some(options) = top.obj("prompt_cache_options")? {
        options.only(&["mode", "ttl"])?;
        options.word("mode", &["implicit", "explicit"])?;
        options.word("ttl", &["30m"])?;
    }
    if top.texts("modalities")?.contains(&"audio") && !top.has("audio") {
        return Err(Bad::value("audio", "audio is required when modalities include audio"));
    }
    for key in ["prediction", "audio", "web_search_options", "moderation"] {
        top.obj(key)?;
    }
    check_metadata(top)
}
