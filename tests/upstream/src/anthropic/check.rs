//! What a Messages request may say.

use serde_json::Value;

use super::model::{Claude, Thinking};
use super::{Version, tools, turns};
use crate::fake::Ctx;
use crate::fake::asked::{Asked, Choice, Form};
use crate::fake::look::{Bad, Found, Obj, What};
use crate::fake::schema::{check_strict, keyword};
use crate::fake::script::Script;

const FIELDS: [&str; 20] = [
    "model",
    "messages",
    "max_tokens",
    "system",
    "stop_sequences",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "thinking",
    "output_config",
    "tools",
    "tool_choice",
    "metadata",
    "service_tier",
    "speed",
    "cache_control",
    "container",
    "inference_geo",
    "diagnostics",
];
/// Fields that need a beta.
const BETA: [&str; 8] = [
    "context_management",
    "mcp_servers",
    "compaction",
    "fallbacks",
    "fallback_credit_token",
    "thread",
    "billing_policy",
    "output_format",
];
/// Fields of a message that a count of tokens does not take.
const NOT_COUNTED: [&str; 6] = ["max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences"];
const BOUNDS: [&str; 8] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "oneOf",
];

/// Checks a request for an answer.
pub(super) fn check(ctx: &Ctx, body: &Value, version: Version, beta: bool) -> Found<Asked> {
    let top = Obj::of("", body)?;
    fields(&top, beta)?;
    let max_tokens = top.int("max_tokens", 0, i64::MAX)?;
    let max_tokens = max_tokens.ok_or_else(|| Bad::new(What::Missing, "max_tokens", "required"))?;
    all(ctx, &top, body, version, max_tokens)
}

/// Checks a request to count tokens.
pub(super) fn count(ctx: &Ctx, body: &Value, version: Version, beta: bool) -> Found<Asked> {
    let top = Obj::of("", body)?;
    fields(&top, beta)?;
    if let Some(field) = NOT_COUNTED.iter().find(|field| top.has(field)) {
        return Err(Bad::new(What::Unknown, *field, "unknown"));
    }
    all(ctx, &top, body, version, i64::MAX)
}

fn fields(top: &Obj<'_>, beta: bool) -> Found<()> {
    let mut known = FIELDS.to_vec();
    if beta {
        known.extend(BETA);
    }
    top.only(&known)
}

fn all(ctx: &Ctx, top: &Obj<'_>, body: &Value, version: Version, max_tokens: i64) -> Found<Asked> {
    let model = top.need_text("model")?;
    let claude = Claude::of(Script::base(model))
        .ok_or_else(|| Bad::new(What::Coded("not_found"), "model", format!("model: {model}")))?;
    let mut asked = Asked::new(Form::Messages, model, body);
    asked.stream = top.bool("stream")?.unwrap_or(false);
    let effort = output_config(top, &claude, &mut asked)?;
    let thinking = claude.check_thinking(top.obj("thinking")?.as_ref(), max_tokens, effort.as_deref())?;
    asked.no_thoughts = !thinking.on;
    asked.show_thoughts = thinking.shown;
    sampling(top, &claude, version, thinking)?;
    let mut marks = turns::Marks::default();
    tools::check(top, &mut asked, &mut marks)?;
    if matches!(asked.choice, Choice::Any | Choice::Named(_)) {
        claude.check_forced("tool_choice", thinking)?;
    }
    turns::check(ctx, top, &claude, version, thinking, &mut asked, &mut marks)?;
    stop_sequences(top, &mut asked)?;
    others(top)?;
    if let Some(mark) = top.obj("cache_control")? {
        marks.add(&mark)?;
    }
    marks.check()?;
    Ok(asked)
}

fn output_config(top: &Obj<'_>, claude: &Claude, asked: &mut Asked) -> Found<Option<String>> {
    let Some(config) = top.obj("output_config")? else { return Ok(None) };
    config.only(&["effort", "format", "task_budget"])?;
    let effort = config.word("effort", &["low", "medium", "high", "xhigh", "max"])?;
    if effort.is_some() && !claude.takes_effort() {
        return Err(Bad::new(
            What::Unsupported,
            "output_config",
            "This model does not support the effort parameter.",
        ));
    }
    if let Some(format) = config.obj("format")? {
        format.only(&["type", "schema"])?;
        format.need_word("type", &["json_schema"])?;
        let schema = Value::Object(format.need_obj("schema")?.map.clone());
        if !claude.takes_schemas() {
            let text = "output_config.format: structured outputs are not supported on this model.";
            return Err(Bad::new(What::Unsupported, "output_config.format", text));
        }
        check_strict("output_config.format.schema", &schema, false)?;
        if let Some(word) = keyword(&schema, &BOUNDS) {
            let text = format!("For this type, property '{word}' is not supported");
            return Err(Bad::value("output_config.format.schema", text));
        }
        asked.schema = Some(schema);
    }
    Ok(effort.map(str::to_owned))
}

fn sampling(top: &Obj<'_>, claude: &Claude, version: Version, thinking: Thinking) -> Found<()> {
    let temperature = top.number("temperature", 0.0, 1.0)?;
    let top_p = top.number("top_p", 0.0, 1.0)?;
    let top_k = top.int("top_k", 0, i64::MAX)?;
    for key in ["temperature", "top_p", "top_k"] {
        if version == Version::New && top.map.contains_key(key) {
            return Err(Bad::new(What::Unknown, key, "unknown"));
        }
        let usual = match key {
            "temperature" => temperature.is_none_or(|n| (n - 1.0).abs() < f64::EPSILON),
            "top_p" => top_p.is_none_or(|n| (n - 1.0).abs() < f64::EPSILON),
            _ => top_k.is_none(),
        };
        if !usual && !claude.samples() {
            return Err(Bad::new(What::Unsupported, key, format!("`{key}` is not supported on this model.")));
        }
        if !usual && thinking.on && key != "top_p" {
            let text = format!(
                "`{key}` may only be set to its default when thinking is enabled. Please consult our documentation."
            );
            return Err(Bad::new(What::Unsupported, key, text));
        }
    }
    if temperature.is_some() && top_p.is_some() && claude.one_sampler() {
        let text = "`temperature` and `top_p` cannot both be specified for this model. Please use only one.";
        return Err(Bad::new(What::Unsupported, "top_p", text));
    }
    Ok(())
}

fn stop_sequences(top: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    let stops = top.texts("stop_sequences")?;
    if stops.iter().any(|stop| stop.trim().is_empty()) {
        return Err(Bad::value("stop_sequences", "each stop sequence must contain non-whitespace"));
    }
    asked.stop = stops.into_iter().map(str::to_owned).collect();
    Ok(())
}

fn others(top: &Obj<'_>) -> Found<()> {
    if let Some(metadata) = top.obj("metadata")? {
        metadata.only(&["user_id"])?;
        metadata.text("user_id")?;
    }
    top.word("service_tier", &["auto", "standard_only"])?;
    top.word("speed", &["standard", "fast"])?;
    top.text("inference_geo")?;
    Ok(())
}
