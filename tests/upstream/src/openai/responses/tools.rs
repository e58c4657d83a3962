//! Tools of a Responses request, flat where Chat nests them.

use serde_json::json;

use crate::fake::asked::{Asked, Choice, Offer};
use crate::fake::look::{Bad, Found, Obj, What, name};
use crate::openai::chat::check_function_schema;

const HOSTED: [&str; 17] = [
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "file_search",
    "code_interpreter",
    "image_generation",
    "mcp",
    "computer",
    "computer_use_preview",
    "shell",
    "local_shell",
    "apply_patch",
    "namespace",
    "tool_search",
    "programmatic_tool_calling",
    "function",
    "custom",
];

/// Checks them.
pub(super) fn check(top: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    for tool in top.objects("tools")? {
        if let Some(offer) = offer(&tool)? {
            asked.tools.push(offer);
        }
    }
    asked.parallel = top.bool("parallel_tool_calls")?.unwrap_or(true);
    choice(top, asked)
}

fn offer(tool: &Obj<'_>) -> Found<Option<Offer>> {
    let kind = tool.need_word("type", &HOSTED)?;
    if !["function", "custom"].contains(&kind) {
        return Ok(None);
    }
    let named = tool.need_text("name")?;
    name(tool.at("name"), named, 64, "_-")?;
    tool.text("description")?;
    let mut schema = json!({"type": "object", "properties": {}});
    if kind == "function" {
        let known = [
            "type",
            "name",
            "parameters",
            "strict",
            "description",
            "defer_loading",
            "output_schema",
            "allowed_callers",
            "async",
        ];
        tool.only(&known)?;
        if !tool.map.contains_key("parameters") {
            return Err(Bad::new(What::Missing, tool.at("parameters"), "required"));
        }
        if let Some(parameters) = tool.obj("parameters")? {
            schema = check_function_schema(tool, parameters.map, named)?;
        }
    } else {
        tool.only(&["type", "name", "description", "format", "defer_loading"])?;
        if let Some(format) = tool.obj("format")? {
            format.need_word("type", &["text", "grammar"])?;
        }
    }
    Ok(Some(Offer { name: named.to_owned(), custom: kind == "custom", schema }))
}

fn choice(top: &Obj<'_>, asked: &mut Asked) -> Found<()> {
    let Some(given) = top.get("tool_choice") else { return Ok(()) };
    if let Some(word) = given.as_str() {
        top.word("tool_choice", &["none", "auto", "required"])?;
        asked.choice = match word {
            "none" => Choice::None,
            "required" if !top.has("tools") => {
                return Err(Bad::value(
                    "tool_choice",
                    "Tool choice 'required' must be specified with 'tools' parameter.",
                ));
            }
            "required" => Choice::Any,
            _ => Choice::Auto,
        };
        return Ok(());
    }
    let choice = top.need_obj("tool_choice")?;
    let mut words = HOSTED.to_vec();
    words.push("allowed_tools");
    match choice.need_word("type", &words)? {
        "allowed_tools" => {
            choice.only(&["type", "mode", "tools"])?;
            let mode = choice.need_word("mode", &["auto", "required"])?;
            let mut names = Vec::new();
            for tool in choice.objects("tools")? {
                names.push(named(&tool, asked)?);
            }
            asked.tools.retain(|tool| names.contains(&tool.name));
            asked.choice = if mode == "required" { Choice::Any } else { Choice::Auto };
        }
        "function" | "custom" => asked.choice = Choice::Named(named(&choice, asked)?),
        _ => {}
    }
    Ok(())
}

fn named(object: &Obj<'_>, asked: &Asked) -> Found<String> {
    let kind = object.need_word("type", &["function", "custom"])?;
    object.only(&["type", "name"])?;
    let named = object.need_text("name")?;
    if asked.tools.iter().any(|tool| tool.name == named && tool.custom == (kind == "custom")) {
        return Ok(named.to_owned());
    }
    Err(Bad::value("tool_choice", format!("Tool choice '{named}' not found in 'tools' parameter.")))
}
