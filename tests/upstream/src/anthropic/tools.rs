//! Tools of a Messages request, and which of them must be called.

use serde_json::Value;

use super::turns::Marks;
use crate::fake::asked::{Asked, Choice, Offer};
use crate::fake::look::{Bad, Found, Obj, name};
use crate::fake::schema::check_strict;

const TYPED: [&str; 10] = [
    "bash_",
    "text_editor_",
    "memory_",
    "computer_",
    "browser_",
    "web_search_",
    "web_fetch_",
    "code_execution_",
    "tool_search_tool_",
    "mcp_toolset",
];

/// Checks them.
pub(super) fn check(top: &Obj<'_>, asked: &mut Asked, marks: &mut Marks) -> Found<()> {
    for tool in top.objects("tools")? {
        let kind = tool.text("type")?.unwrap_or("custom");
        if kind == "custom" {
            let offer = custom(&tool)?;
            if asked.tools.iter().any(|other| other.name == offer.name) {
                return Err(Bad::value("tools", "Tool names must be unique."));
            }
            asked.tools.push(offer);
        } else if !TYPED.iter().any(|prefix| kind.starts_with(prefix)) {
            let text =
                format!("Input tag '{kind}' found using 'type' does not match any of the expected tags");
            return Err(Bad::value(tool.path.clone(), text));
        }
        if let Some(mark) = tool.obj("cache_control")? {
            marks.add(&mark)?;
        }
    }
    choice(top, asked)
}

fn custom(tool: &Obj<'_>) -> Found<Offer> {
    let known = [
        "type",
        "name",
        "description",
        "input_schema",
        "strict",
        "cache_control",
        "defer_loading",
        "eager_input_streaming",
        "input_examples",
        "allowed_callers",
    ];
    tool.only(&known)?;
    let named = tool.need_text("name")?;
    name(tool.at("name"), named, 128, "_-")?;
    tool.text("description")?;
    let schema = tool.need_obj("input_schema")?;
    schema.need_word("type", &["object"])?;
    if let Some(word) = ["oneOf", "allOf", "anyOf"].iter().find(|word| schema.has(word)) {
        let text =
            format!("input_schema does not support oneOf, allOf, or anyOf at the top level (found {word})");
        return Err(Bad::value(schema.path.clone(), text));
    }
    let value = Value::Object(schema.map.clone());
    if tool.bool("strict")? == Some(true) {
        check_strict(&schema.path, &value, false)?;
    }
    Ok(Offer { name: named.to_owned(), custom: false, schema: value })
}

fn choice(top: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    let Some(choice) = top.obj("tool_choice")? else { return Ok(()) };
    let kind = choice.need_word("type", &["auto", "any", "tool", "none"])?;
    if !top.has("tools") {
        return Err(Bad::value("tool_choice", "tool_choice may only be specified while providing tools."));
    }
    match kind {
        "none" => choice.only(&["type"])?,
        "tool" => choice.only(&["type", "name", "disable_parallel_tool_use"])?,
        _ => choice.only(&["type", "disable_parallel_tool_use"])?,
    }
    asked.parallel = !choice.bool("disable_parallel_tool_use")?.unwrap_or(false);
    asked.choice = match kind {
        "auto" => Choice::Auto,
        "none" => Choice::None,
        "any" => Choice::Any,
        _ => {
            let named = choice.need_text("name")?;
            if !asked.tools.iter().any(|tool| tool.name == named) {
                let text = format!("Tool '{named}' not found in provided tools");
                return Err(Bad::value("tool_choice", text));
            }
            Choice::Named(named.to_owned())
        }
    };
    Ok(())
}
