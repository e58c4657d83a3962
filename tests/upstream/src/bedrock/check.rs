//! What a Converse request may say, whatever model is behind it, and what that model refuses.

use serde_json::Value;

use super::{extras, messages, tools};
use crate::anthropic::model::{Claude, Thinking};
use crate::fake::Ctx;
use crate::fake::asked::{Asked, Choice, Form};
use crate::fake::look::{Bad, Found, Obj, What};
use crate::fake::schema::check_strict;
use crate::fake::script::Script;

const FIELDS: [&str; 13] = [
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
    "outputConfig",
    "modelId",
];
const CLAUDE_EXTRAS: [&str; 7] =
    ["thinking", "top_k", "anthropic_beta", "tool_choice", "output_config", "metadata", "service_tier"];

/// Checks a request.
pub(super) fn check(ctx: &Ctx, body: &Value, model: &str) -> Found<Asked> {
    let top = Obj::of("", body)?;
    top.only(&FIELDS)?;
    if top.has("modelId") {
        return Err(Bad::new(What::Unknown, "modelId", "unknown"));
    }
    let claude = Claude::of(Script::base(model));
    let mut asked = Asked::new(Form::Converse, model, body);
    let max_tokens = inference(&top, claude.as_ref(), &mut asked)?;
    let effort = output(&top, claude.as_ref(), &mut asked)?;
    let thinking = model_fields(&top, claude.as_ref(), max_tokens, effort, &mut asked)?;
    tools::check(&top, model, &mut asked)?;
    if let (Some(claude), Choice::Any | Choice::Named(_)) = (&claude, &asked.choice) {
        claude.check_forced("toolConfig.toolChoice", thinking).map_err(by_model)?;
    }
    messages::check(ctx, &top, claude.as_ref(), &mut asked)?;
    if let Some(tier) = top.obj("serviceTier")? {
        tier.only(&["type"])?;
        tier.need_word("type", &["priority", "default", "flex", "reserved"])?;
    }
    if let Some(performance) = top.obj("performanceConfig")? {
        performance.word("latency", &["standard", "optimized"])?;
    }
    if top.obj("requestMetadata")?.is_some_and(|metadata| metadata.map.values().any(|v| !v.is_string())) {
        return Err(Bad::new(What::Type, "requestMetadata", "strings"));
    }
    for path in top.texts("additionalModelResponseFieldPaths")? {
        if !path.starts_with('/') {
            return Err(Bad::value("additionalModelResponseFieldPaths", "each must be a JSON Pointer"));
        }
    }
    Ok(asked)
}

/// A fault that the model finds, not the service.
fn by_model(bad: Bad) -> Bad {
    Bad { text: crate::anthropic::error::words(&bad), what: What::Coded("model"), path: String::new() }
}

fn inference(top: &Obj<'_>, claude: Option<&Claude>, asked: &mut Asked) -> Found<i64> {
    let Some(config) = top.obj("inferenceConfig")? else { return Ok(i64::MAX) };
    config.only(&["maxTokens", "temperature", "topP", "stopSequences"])?;
    let max_tokens = config.int("maxTokens", 1, i64::MAX)?.unwrap_or(i64::MAX);
    let temperature = config.number("temperature", 0.0, 1.0)?;
    let top_p = config.number("topP", 0.0, 1.0)?;
    asked.stop = config.texts("stopSequences")?.into_iter().map(str::to_owned).collect();
    if asked.stop.len() > 2500 || asked.stop.iter().any(String::is_empty) {
        return Err(Bad::value(
            config.at("stopSequences"),
            "Member must have length less than or equal to 2500",
        ));
    }
    if let Some(claude) = claude {
        let usual = |n: Option<f64>| n.is_none_or(|n| (n - 1.0).abs() < f64::EPSILON);
        let default = usual(temperature) && usual(top_p);
        if !default && !claude.samples() {
            let text = "`temperature` and `top_p` are not supported on this model.";
            return Err(by_model(Bad::new(What::Unsupported, "temperature", text)));
        }
        if claude.one_sampler() && temperature.is_some() && top_p.is_some() {
            let text =
                "`temperature` and `top_p` cannot both be specified for this model. Please use only one.";
            return Err(by_model(Bad::new(What::Unsupported, "top_p", text)));
        }
    }
    Ok(max_tokens)
}

fn output(top: &Obj<'_>, claude: Option<&Claude>, asked: &mut Asked) -> Found<Option<String>> {
    let Some(config) = top.obj("outputConfig")? else { return Ok(None) };
    config.only(&["textFormat", "effort"])?;
    let effort = config.word("effort", &["low", "medium", "high", "xhigh", "max"])?;
    if effort.is_some() && !claude.is_some_and(Claude::takes_effort) {
        return Err(Bad::new(
            What::Unsupported,
            "outputConfig.effort",
            "This model doesn't support the outputConfig.effort field.",
        ));
    }
    if let Some(format) = config.obj("textFormat")? {
        format.only(&["type", "structure"])?;
        format.need_word("type", &["json_schema"])?;
        let structure = format.need_obj("structure")?;
        structure.only(&["jsonSchema"])?;
        let named = structure.need_obj("jsonSchema")?;
        named.only(&["schema", "name", "description"])?;
        named.text("name")?;
        let text = named.need_text("schema")?;
        let schema: Value = serde_json::from_str(text)
            .map_err(|_| Bad::value(named.at("schema"), "the schema is not valid JSON"))?;
        if claude.is_some_and(|claude| !claude.takes_schemas()) {
            let text = "This model doesn't support the outputConfig.textFormat field.";
            return Err(Bad::new(What::Unsupported, "outputConfig.textFormat", text));
        }
        check_strict("output_config.format.schema", &schema, false).map_err(by_model)?;
        asked.schema = Some(schema);
    }
    Ok(effort.map(str::to_owned))
}

/// The fields that go to the model as they are, and whether it thinks.
fn model_fields(
    top: &Obj<'_>,
    claude: Option<&Claude>,
    max_tokens: i64,
    effort: Option<String>,
    asked: &mut Asked,
) -> Found<Thinking> {
    let given = top.obj("additionalModelRequestFields")?;
    let Some(claude) = claude else {
        return Ok(Thinking { on: true, manual: false, shown: true });
    };
    let thinking = match &given {
        Some(given) => {
            let fields = Obj { map: given.map, path: String::new() };
            fields.only(&CLAUDE_EXTRAS).map_err(by_model)?;
            fields.texts("anthropic_beta").map_err(by_model)?;
            if fields.int("top_k", 0, i64::MAX).map_err(by_model)?.is_some() && !claude.samples() {
                let text = "`top_k` is not supported on this model.";
                return Err(by_model(Bad::new(What::Unsupported, "top_k", text)));
            }
            fields.obj("thinking").map_err(by_model)?
        }
        None => None,
    };
    let own_effort = extras(&asked.body).pointer("/output_config/effort").and_then(Value::as_str);
    let effort = effort.or_else(|| own_effort.map(str::to_owned));
    let thinking =
        claude.check_thinking(thinking.as_ref(), max_tokens, effort.as_deref()).map_err(by_model)?;
    if thinking.manual && top.obj("inferenceConfig")?.is_some_and(|config| config.has("temperature")) {
        let text = "`temperature` may only be set to 1 when thinking is enabled.";
        return Err(by_model(Bad::new(What::Unsupported, "temperature", text)));
    }
    asked.no_thoughts = !thinking.on;
    asked.show_thoughts = thinking.shown;
    Ok(thinking)
}
