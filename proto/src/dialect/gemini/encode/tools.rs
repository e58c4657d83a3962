//! Tools and whether to call them.
//!
//! | canonical | `functionCallingConfig` |
//! |---|---|
//! | nothing said, auto | none, `AUTO`; `VALIDATED` if a tool is strict, where the model knows it |
//! | none | `NONE`; with JSON output on the 2.5 family no tools at all, since it refuses both together |
//! | required, named | `ANY`, with `allowedFunctionNames` of the one |
//! | allowed subset | `ANY` or `VALIDATED` with `allowedFunctionNames` |
//!
//! A model that cannot be forced is told so in a sentence, with a warning. Custom tools become functions of one string
//! `input`. Of hosted tools only those that add to an answer (web search, a namespace of other tools) are left out
//! with a warning; any other is refused.

use serde_json::{Map, Value, json};

use super::names::Names;
use super::{invalid, is_budget_family, unsupported, word};
use crate::canonical::{Output, Request, Tool, ToolChoice, ToolKind, Warnings};
use crate::dialect::codec::{Target, Wrapped};
use crate::fault::Fault;

/// What a request says about tools.
#[derive(Debug, Default)]
pub(super) struct Tools {
    declarations: Vec<Value>,
    config: Option<Value>,
    wrapped: Vec<(String, Wrapped)>,
}

impl Tools {
    /// Whether any function is offered.
    pub(super) fn offered(&self) -> bool {
        !self.declarations.is_empty()
    }

    /// Adds `tools` and `toolConfig`; what is left is who stands for what.
    pub(super) fn write(self, body: &mut Map<String, Value>) -> Vec<(String, Wrapped)> {
        if !self.declarations.is_empty() {
            body.insert("tools".into(), json!([{ "functionDeclarations": self.declarations }]));
        }
        if let Some(config) = self.config {
            body.insert("toolConfig".into(), json!({ "functionCallingConfig": config }));
        }
        self.wrapped
    }
}

/// Reads tools and tool choice.
pub(super) fn encode(
    request: &Request,
    target: &Target<'_>,
    names: &mut Names,
    sentences: &mut Vec<String>,
    warnings: &mut Warnings,
) -> Result<Tools, Fault> {
    let mut tools = Tools::default();
    if request.tools.is_empty() {
        return match request.tool_choice {
            None | Some(ToolChoice::Auto | ToolChoice::None) => Ok(tools),
            Some(_) => {
                Err(invalid("tool_choice", "`tool_choice` asks for a tool, but there are no `tools`."))
            }
        };
    }
    if !target.profile.tools {
        return Err(unsupported("tools", "tools for this model"));
    }
    let json_only = request.output != Output::Text && is_budget_family(target.profile);
    if request.tool_choice == Some(ToolChoice::None) && json_only {
        return Ok(tools);
    }
    let mut offered = Vec::new();
    for tool in &request.tools {
        if let Some((name, declaration)) = declaration(tool, names, &mut tools.wrapped, warnings)? {
            offered.push(name);
            tools.declarations.push(declaration);
        }
    }
    if request.parallel_tools == Some(false) {
        let field = word(
            request,
            "parallel_tool_calls",
            "parallel_tool_calls",
            "tool_choice.disable_parallel_tool_use",
        );
        warnings.add("parameter_dropped", field);
    }
    choose(request, target, &offered, &mut tools, sentences, warnings)?;
    if let Some(allowed) = tools.config.as_mut().and_then(|config| config.get_mut("allowedFunctionNames")) {
        let there = allowed.as_array().into_iter().flatten().filter_map(Value::as_str);
        *allowed = there.map(|name| names.there(name)).collect();
    }
    Ok(tools)
}

fn declaration<'a>(
    tool: &'a Tool,
    names: &mut Names,
    wrapped: &mut Vec<(String, Wrapped)>,
    warnings: &mut Warnings,
) -> Result<Option<(&'a str, Value)>, Fault> {
    match &tool.kind {
        ToolKind::Function { name, description, schema, .. } => {
            let mut declaration = json!({ "name": names.there(name) });
            if let Some(description) = description {
                declaration["description"] = description.as_str().into();
            }
            match schema {
                None | Some(Value::Null) => {}
                Some(Value::Object(map)) if map.is_empty() => {}
                Some(schema) => declaration["parametersJsonSchema"] = schema.clone(),
            }
            Ok(Some((name, declaration)))
        }
        ToolKind::Custom { name, description, format } => {
            let there = names.there(name);
            let mut about = description.clone().unwrap_or_default();
            if let Some(format) = format {
                let gap = if about.is_empty() { "" } else { "\n\n" };
                about = format!("{about}{gap}The input must be of this format: {format}");
                warnings.add("custom_tool_format_described", format!("tools[{}]", tool.at));
            }
            wrapped.push((there.clone(), Wrapped::Custom));
            let schema = json!({
                "type": "object", "properties": { "input": { "type": "string" } }, "required": ["input"],
            });
            let mut declaration = json!({ "name": there, "parametersJsonSchema": schema });
            if !about.is_empty() {
                declaration["description"] = about.into();
            }
            Ok(Some((name, declaration)))
        }
        ToolKind::Hosted { name, .. } => {
            let path = format!("tools[{}]", tool.at);
            if name.starts_with("web_search") || name == "namespace" {
                warnings.add("hosted_tool_dropped", path);
                return Ok(None);
            }
            Err(unsupported(path, &format!("the hosted tool `{name}`")))
        }
    }
}

fn choose(
    request: &Request,
    target: &Target<'_>,
    offered: &[&str],
    tools: &mut Tools,
    sentences: &mut Vec<String>,
    warnings: &mut Warnings,
) -> Result<(), Fault> {
    let profile = target.profile;
    let known = |name: &String| {
        let message = format!("`tool_choice` names `{name}`, which is not among the function tools.");
        if offered.contains(&name.as_str()) { Ok(()) } else { Err(invalid("tool_choice", message)) }
    };
    let strict = strict(request, profile.strict_tools, warnings);
    let free = if strict { "VALIDATED" } else { "AUTO" };
    let (config, sentence) = match &request.tool_choice {
        None if strict => (json!({ "mode": free }), None),
        None => return Ok(()),
        Some(ToolChoice::Auto) => (json!({ "mode": free }), None),
        Some(ToolChoice::None) => (json!({ "mode": "NONE" }), None),
        Some(ToolChoice::Required) => (json!({ "mode": "ANY" }), Some("You must call a tool.".to_owned())),
        Some(ToolChoice::Named(name)) => {
            known(name)?;
            let sentence = format!("You must call the tool `{name}`.");
            (json!({ "mode": "ANY", "allowedFunctionNames": [name] }), Some(sentence))
        }
        Some(ToolChoice::Allowed { required, names }) => {
            names.iter().try_for_each(known)?;
            let sentence = format!("You must call one of the tools {}.", names.join(", "));
            let mode = if *required { "ANY" } else { "VALIDATED" };
            (json!({ "mode": mode, "allowedFunctionNames": names }), required.then_some(sentence))
        }
    };
    if offered.is_empty() {
        // Hosted tools alone, left out: there is nothing to choose from.
        return match sentence {
            None => Ok(()),
            Some(_) => Err(unsupported("tool_choice", "any of the `tools` offered")),
        };
    }
    tools.config = Some(match sentence {
        Some(sentence) if !profile.forced_tools => {
            sentences.push(sentence);
            warnings.add("tool_choice_degraded", "tool_choice");
            json!({ "mode": free })
        }
        _ => config,
    });
    Ok(())
}

/// Whether a tool is to be called strictly by its schema, on a model that can be told.
fn strict(request: &Request, can: bool, warnings: &mut Warnings) -> bool {
    let mut any = false;
    for tool in &request.tools {
        if let ToolKind::Function { strict: Some(true), .. } = tool.kind {
            any = true;
            if !can {
                warnings.add("strict_dropped", format!("tools[{}]", tool.at));
            }
        }
    }
    any && can
}
