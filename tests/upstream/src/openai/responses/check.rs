//! What a Responses request may say.

use serde_json::Value;

use super::{items, tools};
use crate::fake::Ctx;
use crate::fake::asked::{Asked, Form};
use crate::fake::look::{Bad, Found, Obj, What};
use crate::fake::script::Script;
use crate::openai::chat::check::json_schema;
use crate::openai::model::{EFFORTS, Profile};
use crate::openai::{Host, check_metadata};

const FIELDS: [&str; 34] = [
    "model",
    "input",
    "instructions",
    "previous_response_id",
    "conversation",
    "store",
    "background",
    "include",
    "max_output_tokens",
    "max_tool_calls",
    "temperature",
    "top_p",
    "top_logprobs",
    "reasoning",
    "text",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "truncation",
    "metadata",
    "safety_identifier",
    "user",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "prompt",
    "context_management",
    "stream",
    "stream_options",
    "image",
    "moderation",
    "access_programs",
    "client_metadata",
];

const INCLUDES: [&str; 8] = [
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
];

/// Checks a request.
pub(crate) fn check(ctx: &Ctx, body: &Value, host: Host<'_>) -> Found<Asked> {
    let top = Obj::of("", body)?;
    top.only(&FIELDS)?;
    let model = match host.deployment {
        Some(deployment) => deployment,
        None => top.need_text("model")?,
    };
    let profile = Profile::of(Script::base(model));
    let mut asked = Asked::new(Form::Responses, model, body);
    asked.stream = top.bool("stream")?.unwrap_or(false);
    if let Some(options) = top.obj("stream_options")? {
        options.only(&["include_obfuscation"])?;
        if !asked.stream {
            return Err(Bad::value("stream_options", "only allowed when 'stream' is enabled."));
        }
    }
    let effort = reasoning(&top, &profile, &mut asked)?;
    sampling(&top, &profile, effort.as_deref())?;
    tools::check(&top, &mut asked)?;
    let previous = previous(ctx, &top)?;
    items::check(ctx, &top, &previous, &mut asked)?;
    text(&top, &mut asked)?;
    others(&top)?;
    Ok(asked)
}

fn reasoning(top: &Obj<'_>, profile: &Profile<'_>, asked: &mut Asked) -> Found<Option<String>> {
    asked.show_thoughts = false;
    let Some(reasoning) = top.obj("reasoning")? else { return Ok(None) };
    reasoning.only(&["effort", "summary", "generate_summary", "context", "mode"])?;
    let effort = reasoning.word("effort", &EFFORTS)?;
    profile.check_effort("reasoning.effort", effort)?;
    let words = ["auto", "concise", "detailed"];
    let summary = reasoning.word("summary", &words)?.or(reasoning.word("generate_summary", &words)?);
    reasoning.word("context", &["auto", "current_turn", "all_turns"])?;
    reasoning.word("mode", &["standard", "pro"])?;
    asked.show_thoughts = summary.is_some();
    asked.no_thoughts = effort == Some("none");
    Ok(effort.map(str::to_owned))
}

fn sampling(top: &Obj<'_>, profile: &Profile<'_>, effort: Option<&str>) -> Found<()> {
    for (key, most) in [("temperature", 2.0), ("top_p", 1.0)] {
        let number = top.number(key, 0.0, most)?;
        if number.is_some_and(|n| (n - 1.0).abs() > f64::EPSILON) {
            profile.check_sampling(key, effort)?;
        }
    }
    top.int("top_logprobs", 0, 20)?;
    if let Some(max) = top.int("max_output_tokens", 0, i64::MAX)?
        && max < 16
    {
        let text = format!(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got {max} instead."
        );
        return Err(Bad::new(What::Coded("integer_below_min_value"), "max_output_tokens", text));
    }
    top.int("max_tool_calls", 1, i64::MAX)?;
    Ok(())
}

/// The items of the answer that the request goes on from.
fn previous(ctx: &Ctx, top: &Obj<'_>) -> Found<Vec<Value>> {
    let Some(id) = top.text("previous_response_id")? else { return Ok(Vec::new()) };
    if top.has("conversation") {
        let text = "Mutually exclusive parameters: 'previous_response_id' and 'conversation'.";
        return Err(Bad::new(What::Coded("mutually_exclusive_parameters"), "previous_response_id", text));
    }
    ctx.stored.output(id).ok_or_else(|| {
        let text = format!("Previous response with id '{id}' not found.");
        Bad::new(What::Coded("previous_response_not_found"), "previous_response_id", text)
    })
}

fn text(top: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    let Some(text) = top.obj("text")? else { return Ok(()) };
    text.only(&["format", "verbosity"])?;
    text.word("verbosity", &["low", "medium", "high"])?;
    let Some(format) = text.obj("format")? else { return Ok(()) };
    match format.need_word("type", &["text", "json_object", "json_schema"])? {
        "json_schema" => {
            let schema = json_schema(&format, "text.format")?;
            format.only(&["type", "name", "description", "schema", "strict"])?;
            asked.schema = Some(schema);
        }
        "json_object" => {
            let input = top.get("input").map(Value::to_string).unwrap_or_default();
            let said = top.text("instructions")?.unwrap_or_default();
            if !(input + said).to_ascii_lowercase().contains("json") {
                let text = "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.";
                return Err(Bad::value("input", text));
            }
            asked.json = true;
        }
        _ => {}
    }
    Ok(())
}

fn others(top: &Obj<'_>) -> Found<()> {
    for key in ["instructions", "user", "prompt_cache_key", "safety_identifier"] {
        top.text(key)?;
    }
    for include in top.texts("include")? {
        if !INCLUDES.contains(&include) {
            let text = format!("'{include}'. Supported values are: {}.", INCLUDES.join(", "));
            return Err(Bad::value("include", text));
        }
    }
    top.word("truncation", &["auto", "disabled"])?;
    top.word("service_tier", &["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"])?;
    let store = top.bool("store")?.unwrap_or(true);
    if top.bool("background")?.unwrap_or(false) {
        let text = if store {
            "Unsupported parameter: 'background' is not supported by this fake."
        } else {
            "Background responses must be stored: 'store' must not be false."
        };
        return Err(Bad::new(What::Unsupported, "background", text));
    }
    if let Some(options) = top.obj("prompt_cache_options")? {
        options.only(&["mode", "ttl", "comparison_response_id", "prewarm"])?;
        options.word("mode", &["implicit", "explicit"])?;
        options.word("ttl", &["30m", "12h"])?;
    }
    check_metadata(top)
}
