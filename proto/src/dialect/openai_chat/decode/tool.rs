//! Tools, and whether they are to be called.

use serde_json::{Map, Value};

use super::LEGACY;
use super::fields::Fields;
use crate::canonical::{Request, Tool, ToolChoice, ToolKind};
use crate::dialect::Dialect;
use crate::dialect::openai_chat::request::expected;
use crate::fault::Fault;

/// Reads `tools`, `tool_choice`, `parallel_tool_calls` and what came before them.
pub(super) fn tools(fields: &mut Fields, request: &mut Request) -> Result<(), Fault> {
    for (at, value) in fields.list("tools")?.unwrap_or_default().into_iter().enumerate() {
        let tool = tool(at, value, &mut request.rest)?;
        request.tools.push(tool);
    }
    request.tool_choice = fields.take("tool_choice").map(choice).transpose()?;
    request.parallel_tools = fields.flag("parallel_tool_calls")?;
    legacy(fields, request)
}

/// `functions` and `function_call`, which a caller of today uses in place of the others, never beside them.
fn legacy(fields: &mut Fields, request: &mut Request) -> Result<(), Fault> {
    let functions = fields.list("functions")?.unwrap_or_default();
    let choice = fields.take("function_call");
    if functions.is_empty() {
        return Ok(());
    }
    if !request.tools.is_empty() {
        return Err(expected("functions", "no functions beside `tools`"));
    }
    for (at, value) in functions.into_iter().enumerate() {
        let mut function = Fields::of(value, format!("functions[{at}]"))?;
        let kind = function_kind(&mut function)?;
        function.leave(&mut request.rest);
        request.tools.push(Tool { at: index(at), cache: None, kind });
    }
    request.tool_choice = match choice {
        None => request.tool_choice.take(),
        Some(Value::String(word)) if word == "none" => Some(ToolChoice::None),
        Some(Value::String(word)) if word == "auto" => Some(ToolChoice::Auto),
        Some(value @ Value::Object(_)) => {
            Some(ToolChoice::Named(Fields::of(value, "function_call")?.name("name")?))
        }
        Some(_) => return Err(expected("function_call", "none, auto or an object with a name")),
    };
    request.parallel_tools = Some(false);
    request.echo.insert(LEGACY.to_owned(), Value::Bool(true));
    Ok(())
}

fn tool(at: usize, value: Value, rest: &mut Map<String, Value>) -> Result<Tool, Fault> {
    let raw = value.clone();
    let mut fields = Fields::of(value, format!("tools[{at}]"))?;
    let cache = fields.cache_mark();
    let kind = match fields.required_text("type")?.as_str() {
        "function" => {
            let mut function = fields.required_object("function")?;
            let kind = function_kind(&mut function)?;
            function.leave(rest);
            kind
        }
        "custom" => {
            let mut custom = fields.required_object("custom")?;
            let kind = ToolKind::Custom {
                name: custom.name("name")?,
                description: custom.text("description")?,
                format: custom.map("format")?.map(Value::Object).filter(|format| format["type"] != "text"),
            };
            custom.leave(rest);
            kind
        }
        hosted => {
            let name = hosted.to_owned();
            return Ok(Tool {
                at: index(at),
                cache,
                kind: ToolKind::Hosted { name, raw, origin: Dialect::OpenaiChat },
            });
        }
    };
    fields.leave(rest);
    Ok(Tool { at: index(at), cache, kind })
}

fn function_kind(function: &mut Fields) -> Result<ToolKind, Fault> {
    Ok(ToolKind::Function {
        name: function.name("name")?,
        description: function.text("description")?,
        schema: function.map("parameters")?.map(Value::Object),
        strict: function.flag("strict")?,
    })
}

fn choice(value: Value) -> Result<ToolChoice, Fault> {
    const WHAT: &str = "none, auto, required, or an object of type function, custom or allowed_tools";
    match value {
        Value::String(word) => match word.as_str() {
            "none" => Ok(ToolChoice::None),
            "auto" => Ok(ToolChoice::Auto),
            // The second is Mistral's word.
            "required" | "any" => Ok(ToolChoice::Required),
            _ => Err(expected("tool_choice", WHAT)),
        },
        value @ Value::Object(_) => {
            let mut fields = Fields::of(value, "tool_choice")?;
            match fields.required_text("type")?.as_str() {
                "allowed_tools" => allowed(fields.required_object("allowed_tools")?),
                kind @ ("function" | "custom") => {
                    Ok(ToolChoice::Named(fields.required_object(kind)?.name("name")?))
                }
                _ => Err(expected("tool_choice.type", "one of function, custom, allowed_tools")),
            }
        }
        _ => Err(expected("tool_choice", WHAT)),
    }
}

fn allowed(mut fields: Fields) -> Result<ToolChoice, Fault> {
    let required = match fields.required_text("mode")?.as_str() {
        "auto" => false,
        "required" => true,
        _ => return Err(expected(&fields.path("mode"), "auto or required")),
    };
    let path = fields.path("tools");
    let names = fields
        .list("tools")?
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .map(|(i, value)| {
            let mut tool = Fields::of(value, format!("{path}[{i}]"))?;
            let key = if tool.has("custom") { "custom" } else { "function" };
            tool.required_object(key)?.name("name")
        })
        .collect::<Result<_, Fault>>()?;
    Ok(ToolChoice::Allowed { required, names })
}

/// A place in a list; bodies are far too small for one that does not fit.
pub(super) fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
