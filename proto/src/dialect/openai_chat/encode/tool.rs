//! Tools, and whether they are to be called.

use serde_json::{Map, Value, json};

use super::context::{Context, refuse};
use crate::canonical::{Tool, ToolChoice, ToolKind};
use crate::dialect::Dialect;
use crate::dialect::codec::Wrapped;
use crate::fault::Fault;

/// Writes `tools`, `tool_choice` and `parallel_tool_calls`.
pub(super) fn tools(context: &mut Context<'_, '_>, out: &mut Map<String, Value>) -> Result<(), Fault> {
    let request = context.request;
    let mut offered = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        if tool.cache.is_some() {
            context.warn("cache_mark_dropped", path(tool));
        }
        offered.extend(written(context, tool)?.map(|value| (name(tool), value)));
    }
    if offered.is_empty() {
        // Without tools any choice is refused, and none is meant.
        if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
            context.warn("tool_choice_degraded", "tool_choice");
        }
        return Ok(());
    }
    if !context.profile().tools {
        return Err(refuse("tools", "the model takes no tools"));
    }
    let choice = choice(context, &mut offered);
    out.insert("tools".into(), offered.into_iter().map(|(_, tool)| tool).collect());
    out.extend(choice.map(|choice| ("tool_choice".to_owned(), choice)));
    if let Some(parallel) = request.parallel_tools {
        out.insert("parallel_tool_calls".into(), Value::Bool(parallel));
    }
    Ok(())
}

fn path(tool: &Tool) -> String {
    format!("tools[{}]", tool.at)
}

fn name(tool: &Tool) -> &str {
    match &tool.kind {
        ToolKind::Function { name, .. } | ToolKind::Custom { name, .. } | ToolKind::Hosted { name, .. } => {
            name
        }
    }
}

fn written(context: &mut Context<'_, '_>, tool: &Tool) -> Result<Option<Value>, Fault> {
    match &tool.kind {
        ToolKind::Function { name, description, schema, strict } => {
            let mut function = Map::new();
            function.insert("name".into(), context.tool_name(name).into());
            function.extend(description.clone().map(|text| ("description".to_owned(), text.into())));
            function.extend(schema.clone().map(|schema| ("parameters".to_owned(), schema)));
            match strict {
                Some(true) if !context.profile().strict_tools => {
                    context.warn("strict_dropped", path(tool));
                }
                Some(strict) => {
                    function.insert("strict".into(), Value::Bool(*strict));
                }
                None => {}
            }
            Ok(Some(json!({"type": "function", "function": function})))
        }
        ToolKind::Custom { name, description, format } => {
            let name = context.tool_name(name);
            let mut description = description.clone();
            if !context.is_openai() {
                context.wrap(&name, Wrapped::Custom);
                context.warn("custom_tool_wrapped", path(tool));
                if let Some(format) = format {
                    let before = description.map(|text| format!("{text}\n\n")).unwrap_or_default();
                    description = Some(format!("{before}The input must be of this format: {format}"));
                }
                return Ok(Some(json!({"type": "function", "function": {
                    "name": name,
                    "description": description.unwrap_or_default(),
                    "parameters": {
                        "type": "object",
                        "properties": {"input": {"type": "string"}},
                        "required": ["input"],
                        "additionalProperties": false,
                    },
                }})));
            }
            let mut custom = Map::new();
            custom.insert("name".into(), name.into());
            custom.extend(description.map(|text| ("description".to_owned(), text.into())));
            custom.extend(format.clone().map(|format| ("format".to_owned(), format)));
            Ok(Some(json!({"type": "custom", "custom": custom})))
        }
        ToolKind::Hosted { raw, origin: Dialect::OpenaiChat, .. } => Ok(Some(raw.clone())),
        ToolKind::Hosted { name, .. } => hosted(context, tool, name).map(|()| None),
    }
}

/// A hosted tool of another dialect. A search is an offer that agents make with every request and that the model can
/// do without, so it goes with a warning, unless it is to be called; any other is refused.
fn hosted(context: &mut Context<'_, '_>, tool: &Tool, name: &str) -> Result<(), Fault> {
    let only = context.request.tools.len() == 1;
    let forced = match &context.request.tool_choice {
        Some(ToolChoice::Named(named)) => named == name,
        Some(ToolChoice::Required) => only,
        _ => false,
    };
    if forced || !name.starts_with("web_search") {
        return Err(refuse(path(tool), format!("it knows no tool of type {name}")));
    }
    context.warn("hosted_tool_dropped", path(tool));
    Ok(())
}

fn choice(context: &mut Context<'_, '_>, offered: &mut Vec<(&str, Value)>) -> Option<Value> {
    let choice = context.request.tool_choice.as_ref()?;
    let forced = match choice {
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Allowed { required: false, .. } => false,
        ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. } => true,
    };
    let degrade = forced && !context.profile().forced_tools;
    if degrade {
        context.warn("tool_choice_degraded", "tool_choice");
    }
    match choice {
        ToolChoice::Auto => Some("auto".into()),
        ToolChoice::None => Some("none".into()),
        ToolChoice::Required if degrade => {
            context.hints.push("You must call at least one of the tools.".into());
            Some("auto".into())
        }
        ToolChoice::Required => Some("required".into()),
        ToolChoice::Named(name) if degrade => {
            let name = context.tool_name(name);
            context.hints.push(format!("You must call the tool `{name}`."));
            Some("auto".into())
        }
        ToolChoice::Named(name) => Some(reference(context, name)),
        ToolChoice::Allowed { required, names } => {
            if degrade {
                context.hints.push(format!("You must call one of these tools: {}.", names.join(", ")));
            }
            let mode = if *required && !degrade { "required" } else { "auto" };
            if context.is_openai() {
                let tools: Vec<Value> = names.iter().map(|name| reference(context, name)).collect();
                let allowed = json!({"mode": mode, "tools": tools});
                return Some(json!({"type": "allowed_tools", "allowed_tools": allowed}));
            }
            context.warn("tools_filtered", "tool_choice");
            if names.iter().any(|name| offered.iter().any(|(offered, _)| offered == name)) {
                offered.retain(|(name, _)| names.iter().any(|allowed| allowed == name));
                return Some(mode.into());
            }
            Some("none".into())
        }
    }
}

/// A tool by its name, as what it is at the target.
fn reference(context: &mut Context<'_, '_>, name: &str) -> Value {
    let custom = context
        .request
        .tools
        .iter()
        .any(|tool| matches!(&tool.kind, ToolKind::Custom { name: custom, .. } if custom == name));
    let there = context.tool_name(name);
    if custom && !context.is_wrapped(&there) {
        json!({"type": "custom", "custom": {"name": there}})
    } else {
        json!({"type": "function", "function": {"name": there}})
    }
}
