//! Tools of a Chat request, and which of them must be called.

use serde_json::{Value, json};

use crate::fake::asked::{Asked, Choice, Offer};
use crate::fake::look::{Bad, Found, Obj, name};
use crate::fake::schema::check_strict;

/// Checks them.
pub(super) fn check(top: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    let tools = top.objects("tools")?;
    if top.has("tools") && tools.is_empty() {
        return Err(Bad::value("tools", "[] is too short"));
    }
    if tools.len() > 128 {
        return Err(Bad::value("tools", "expected at most 128 tools"));
    }
    for tool in &tools {
        asked.tools.push(offer(tool)?);
    }
    if let Some(parallel) = top.bool("parallel_tool_calls")? {
        only_with_tools("parallel_tool_calls", asked)?;
        asked.parallel = parallel;
    }
    choice(top, asked)
}

fn offer(tool: &Obj<'_>) -> Found<Offer> {
    let kind = tool.need_word("type", &["function", "custom"])?;
    tool.only(&["type", kind])?;
    let inner = tool.need_obj(kind)?;
    let named = inner.need_text("name")?;
    name(inner.at("name"), named, 64, "_-")?;
    inner.text("description")?;
    let custom = kind == "custom";
    let mut schema = json!({"type": "object", "properties": {}});
    if custom {
        inner.only(&["name", "description", "format"])?;
        if let Some(format) = inner.obj("format")? {
            format.need_word("type", &["text", "grammar"])?;
        }
    } else {
        inner.only(&["name", "description", "parameters", "strict"])?;
        if let Some(parameters) = inner.obj("parameters")? {
            schema = function_schema(&inner, parameters.map, named)?;
        }
    }
    Ok(Offer { name: named.to_owned(), custom, schema })
}

/// The schema of a function's parameters; strict where `of` says so.
pub(crate) fn function_schema(
    of: &Obj<'_>,
    parameters: &serde_json::Map<String, Value>,
    named: &str,
) -> Found<Value> {
    let schema = Value::Object(parameters.clone());
    let path = of.at("parameters");
    if schema.get("type").is_some_and(|kind| kind != "object") {
        let text = format!(
            "Invalid schema for function '{named}': schema must be a JSON Schema of 'type: \"object\"'."
        );
        return Err(Bad::value(path, text));
    }
    if of.bool("strict")? == Some(true) {
        check_strict(&path, &schema, true)?;
    }
    Ok(schema)
}

fn only_with_tools(param: &str, asked: &Asked) -> Found<()> {
    if asked.tools.is_empty() {
        return Err(Bad::value(param, format!("'{param}' is only allowed when 'tools' are specified.")));
    }
    Ok(())
}

fn choice(top: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    let Some(given) = top.get("tool_choice") else { return Ok(()) };
    if let Some(word) = given.as_str() {
        top.word("tool_choice", &["none", "auto", "required"])?;
        asked.choice = match word {
            "none" => Choice::None,
            "required" => Choice::Any,
            _ => Choice::Auto,
        };
        return only_with_tools("tool_choice", asked);
    }
    only_with_tools("tool_choice", asked)?;
    let choice = top.need_obj("tool_choice")?;
    match choice.need_word("type", &["function", "custom", "allowed_tools"])? {
        "allowed_tools" => {
            let allowed = choice.need_obj("allowed_tools")?;
            allowed.only(&["mode", "tools"])?;
            let mode = allowed.need_word("mode", &["auto", "required"])?;
            let mut names = Vec::new();
            for tool in allowed.objects("tools")? {
                names.push(named(&tool, asked)?);
            }
            asked.tools.retain(|tool| names.contains(&tool.name));
            asked.choice = if mode == "required" { Choice::Any } else { Choice::Auto };
        }
        _ => asked.choice = Choice::Named(named(&choice, asked)?),
    }
    Ok(())
}

/// The tool that an object of a choice names; it must be on offer.
fn named(object: &Obj<'_>, asked: &Asked) -> Found<String> {
    let kind = object.need_word("type", &["function", "custom"])?;
    object.only(&["type", kind])?;
    let inner = object.need_obj(kind)?;
    inner.only(&["name"])?;
    let named = inner.need_text("name")?;
    if asked.tools.iter().any(|tool| tool.name == named && tool.custom == (kind == "custom")) {
        return Ok(named.to_owned());
    }
    Err(Bad::value("tool_choice", format!("Tool choice '{named}' not found in 'tools' parameter.")))
}
