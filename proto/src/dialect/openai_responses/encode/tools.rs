//! Tools on offer, and which of them are to be called.
//!
//! A caller of another dialect does not expect a schema to be forced: where it says nothing, `strict` is false,
//! since a missing one means "try" here. Tools of a namespace keep their plain names.

use serde_json::{Map, Value, json};

use super::limits::tool_name;
use super::{Scope, refused};
use crate::canonical::{Tool, ToolChoice, ToolKind, Warnings};
use crate::dialect::Dialect;
use crate::fault::Fault;

pub(super) fn write(
    scope: &Scope<'_>,
    body: &mut Map<String, Value>,
    warnings: &mut Warnings,
) -> Result<(), Fault> {
    let request = scope.request;
    let tools = request.tools.iter().filter_map(|each| tool(scope, each, warnings).transpose());
    let tools = tools.collect::<Result<Vec<_>, _>>()?;
    if let Some(choice) = &request.tool_choice {
        let idle = matches!(choice, ToolChoice::Auto | ToolChoice::None) && tools.is_empty();
        if tools.is_empty() && !idle {
            return Err(refused("tool_choice", "none of the tools offered can be carried"));
        }
        if !idle {
            body.insert("tool_choice".into(), choose(scope, choice, warnings));
        }
    }
    if let Some(parallel) = request.parallel_tools.filter(|_| !tools.is_empty()) {
        body.insert("parallel_tool_calls".into(), json!(parallel));
    }
    if !tools.is_empty() {
        body.insert("tools".into(), Value::Array(tools));
    }
    Ok(())
}

fn tool(scope: &Scope<'_>, tool: &Tool, warnings: &mut Warnings) -> Result<Option<Value>, Fault> {
    let path = format!("tools[{}]", tool.at);
    if tool.cache.is_some() {
        warnings.add("cache_mark_dropped", format!("{path}.cache_control"));
    }
    let mut out = Map::new();
    match &tool.kind {
        ToolKind::Function { name, description, schema, strict } => {
            out.insert("type".into(), json!("function"));
            out.insert("name".into(), json!(tool_name(name)));
            out.extend(description.as_ref().map(|text| ("description".to_owned(), json!(text))));
            out.insert("parameters".into(), schema.clone().unwrap_or(Value::Null));
            let mut strict = *strict;
            if strict == Some(true) && !scope.target.profile.strict_tools {
                warnings.add("parameter_dropped", format!("{path}.strict"));
                strict = Some(false);
            }
            let strict = strict.or((!scope.native()).then_some(false));
            out.extend(strict.map(|strict| ("strict".to_owned(), json!(strict))));
        }
        ToolKind::Custom { name, description, format } => {
            out.insert("type".into(), json!("custom"));
            out.insert("name".into(), json!(tool_name(name)));
            out.extend(description.as_ref().map(|text| ("description".to_owned(), json!(text))));
            out.extend(format.as_ref().map(|format| ("format".to_owned(), flat_format(format))));
        }
        ToolKind::Hosted { raw, origin: Dialect::OpenaiResponses, .. } => return Ok(Some(raw.clone())),
        // An offer to look things up that the model can do without.
        ToolKind::Hosted { name, .. } if name.starts_with("web_search") => {
            warnings.add("hosted_tool_dropped", path);
            return Ok(None);
        }
        ToolKind::Hosted { name, .. } => {
            return Err(refused(path, &format!("it has no tool `{name}`")));
        }
    }
    Ok(Some(Value::Object(out)))
}

/// A grammar stands flat here, and in an object of its own in Chat Completions.
fn flat_format(format: &Value) -> Value {
    match format["grammar"].as_object() {
        Some(grammar) => {
            let mut flat = Map::new();
            flat.insert("type".into(), json!("grammar"));
            flat.extend(grammar.clone());
            Value::Object(flat)
        }
        None => format.clone(),
    }
}

fn choose(scope: &Scope<'_>, choice: &ToolChoice, warnings: &mut Warnings) -> Value {
    let forced = matches!(
        choice,
        ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. }
    );
    let degraded = forced && !scope.target.profile.forced_tools;
    if degraded {
        warnings.add("tool_choice_degraded", "tool_choice");
    }
    match choice {
        ToolChoice::None => json!("none"),
        ToolChoice::Allowed { required, names } => {
            let mode = if *required && !degraded { "required" } else { "auto" };
            let tools: Vec<Value> = names.iter().map(|name| reference(scope, name)).collect();
            json!({ "type": "allowed_tools", "mode": mode, "tools": tools })
        }
        ToolChoice::Required if !degraded => json!("required"),
        ToolChoice::Named(name) if !degraded => reference(scope, name),
        ToolChoice::Auto | ToolChoice::Required | ToolChoice::Named(_) => json!("auto"),
    }
}

fn reference(scope: &Scope<'_>, wanted: &str) -> Value {
    let found = scope.request.tools.iter().find(|tool| match &tool.kind {
        ToolKind::Function { name, .. } | ToolKind::Custom { name, .. } | ToolKind::Hosted { name, .. } => {
            name == wanted
        }
    });
    match found.map(|tool| &tool.kind) {
        Some(ToolKind::Custom { .. }) => json!({ "type": "custom", "name": tool_name(wanted) }),
        Some(ToolKind::Hosted { .. }) => json!({ "type": wanted }),
        Some(ToolKind::Function { .. }) | None => json!({ "type": "function", "name": tool_name(wanted) }),
    }
}
