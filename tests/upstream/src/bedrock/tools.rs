//! `toolConfig`: tools, and which of them must be called.

use serde_json::Value;

use super::{extras, without_geo};
use crate::fake::asked::{Asked, Choice, Offer};
use crate::fake::look::{Bad, Found, Obj, What, name};
use crate::fake::script::Script;

/// Vendors whose models take no `any` and no `tool`.
const UNFORCED: [&str; 4] = ["meta", "deepseek", "ai21", "openai"];

/// Checks it.
pub(super) fn check(top: &Obj<'_>, model: &str, asked: &mut Asked) -> Found<()> {
    let Some(config) = top.obj("toolConfig")? else { return Ok(()) };
    config.only(&["tools", "toolChoice"])?;
    let tools = config.objects("tools")?;
    if tools.is_empty() {
        return Err(Bad::value(config.at("tools"), "Member must have length greater than or equal to 1"));
    }
    for tool in &tools {
        tool.only(&["toolSpec", "systemTool", "cachePoint"])?;
        match tool.one_of_fields(&["toolSpec", "systemTool", "cachePoint"])? {
            "toolSpec" => asked.tools.push(offer(&tool.need_obj("toolSpec")?)?),
            "systemTool" => tool.need_obj("systemTool")?.need_text("name").map(|_| ())?,
            _ => super::blocks::cache_point(&tool.need_obj("cachePoint")?)?,
        }
    }
    choice(&config, model, asked)?;
    parallel(&config, asked)
}

fn offer(spec: &Obj<'_>) -> Found<Offer> {
    spec.only(&["name", "description", "inputSchema", "strict"])?;
    let named = spec.need_text("name")?;
    name(spec.at("name"), named, 64, "_-")?;
    if spec.text("description")?.is_some_and(str::is_empty) {
        return Err(Bad::value(spec.at("description"), "Member must have length greater than or equal to 1"));
    }
    spec.bool("strict")?;
    let schema = spec.need_obj("inputSchema")?;
    schema.only(&["json"])?;
    let json = schema.need_obj("json")?;
    if json.text("type")? != Some("object") {
        let text = format!(
            "The value at {}.type must be one of the following: object.",
            json.path.replace('[', ".").replace(']', "")
        );
        return Err(Bad::new(What::Unsupported, json.at("type"), text));
    }
    Ok(Offer { name: named.to_owned(), custom: false, schema: Value::Object(json.map.clone()) })
}

fn choice(config: &Obj<'_>, model: &str, asked: &mut Asked) -> Found<()> {
    let Some(choice) = config.obj("toolChoice")? else { return Ok(()) };
    choice.only(&["auto", "any", "tool"])?;
    let kind = choice.one_of_fields(&["auto", "any", "tool"])?;
    let inner = choice.need_obj(kind)?;
    let vendor = without_geo(Script::base(model)).0.split('.').next().unwrap_or_default();
    if kind != "auto" && UNFORCED.contains(&vendor) {
        let text = format!(
            "This model doesn't support the toolConfig.toolChoice.{kind} field. Remove toolConfig.toolChoice.{kind} and try again."
        );
        return Err(Bad::new(What::Unsupported, choice.at(kind), text));
    }
    asked.choice = match kind {
        "tool" => {
            inner.only(&["name"])?;
            let named = inner.need_text("name")?;
            if !asked.tools.iter().any(|tool| tool.name == named) {
                let text = format!("The tool '{named}' of toolConfig.toolChoice is not in toolConfig.tools.");
                return Err(Bad::new(What::Unsupported, inner.at("name"), text));
            }
            Choice::Named(named.to_owned())
        }
        kind => {
            inner.only(&[])?;
            if kind == "any" { Choice::Any } else { Choice::Auto }
        }
    };
    Ok(())
}

/// Claude's switch for parallel calls goes in the extra fields, and not beside a `toolChoice`.
fn parallel(config: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    let Some(own) = extras(&asked.body).get("tool_choice") else { return Ok(()) };
    if config.has("toolChoice") {
        let text = "The additional field tool_choice conflicts with an existing field.";
        return Err(Bad::new(What::Unsupported, "additionalModelRequestFields.tool_choice", text));
    }
    let kind = own.get("type").and_then(Value::as_str);
    if !matches!(kind, Some("auto" | "any" | "tool" | "none")) {
        return Err(Bad::new(What::Coded("model"), "", "tool_choice.type: Field required"));
    }
    asked.parallel = own.get("disable_parallel_tool_use") != Some(&Value::Bool(true));
    Ok(())
}
