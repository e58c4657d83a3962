//! Tools on offer, and which of them are to be called.

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::canonical::{Tool, ToolChoice, ToolKind};
use crate::dialect::Dialect;
use crate::dialect::openai_chat::request::{expected, missing};
use crate::dialect::openai_responses::names::{Namespaces, is_namespace};
use crate::fault::Fault;

/// The tools that `list` offers, those of a namespace under their plain names. What a function says beyond name,
/// description, schema and strictness goes to `rest`.
pub(super) fn tools(
    list: Vec<Value>,
    names: &Namespaces,
    rest: &mut Map<String, Value>,
) -> Result<Vec<Tool>, Fault> {
    let mut tools = Vec::with_capacity(list.len());
    for (n, raw) in list.into_iter().enumerate() {
        let at = u32::try_from(n).unwrap_or(u32::MAX);
        let path = format!("tools[{n}]");
        if !is_namespace(&raw) {
            let kind = tool(raw, &path, None, rest)?;
            tools.push(Tool { at, cache: None, kind });
            continue;
        }
        let mut fields = Fields::of(raw, path)?;
        let space = Space {
            name: fields.required("name")?,
            description: fields.text("description")?.filter(|text| !text.is_empty()),
            names,
        };
        let inner = fields.list("tools")?.unwrap_or_default();
        for (k, raw) in inner.into_iter().enumerate() {
            let path = format!("tools[{n}].tools[{k}]");
            tools.push(Tool { at, cache: None, kind: tool(raw, &path, Some(&space), rest)? });
        }
    }
    Ok(tools)
}

/// The namespace a tool stands in. Its description goes to each of its tools, since nothing else is left of it.
struct Space<'a> {
    name: String,
    description: Option<String>,
    names: &'a Namespaces,
}

fn tool(
    raw: Value,
    path: &str,
    space: Option<&Space<'_>>,
    rest: &mut Map<String, Value>,
) -> Result<ToolKind, Fault> {
    let mut fields = Fields::of(raw, path)?;
    let kind = fields.peek("type").map(str::to_owned);
    let kind = kind.ok_or_else(|| missing(&fields.path("type"), "the type of a tool"))?;
    if kind != "function" && kind != "custom" {
        return Ok(ToolKind::Hosted {
            name: kind,
            raw: fields.into_value(),
            origin: Dialect::OpenaiResponses,
        });
    }
    fields.take("type");
    let mut name = fields.required("name")?;
    let mut description = fields.text("description")?;
    if let Some(space) = space {
        name = space.names.flat(&space.name, &name);
        description = match (&space.description, description) {
            (Some(outer), Some(inner)) => Some(format!("{outer}\n\n{inner}")),
            (outer, inner) => inner.or_else(|| outer.clone()),
        };
    }
    let kind = if kind == "function" {
        let schema = fields.take("parameters");
        if schema.as_ref().is_some_and(|schema| !schema.is_object()) {
            return Err(expected(&fields.path("parameters"), "a JSON schema"));
        }
        ToolKind::Function { name, description, schema, strict: fields.flag("strict")? }
    } else {
        let format = fields.take("format").filter(|format| format["type"] != "text");
        ToolKind::Custom { name, description, format }
    };
    fields.leave(rest);
    Ok(kind)
}

/// What `tool_choice` means; `None` for a hosted tool, which stays in `rest`.
pub(super) fn choice(
    raw: Value,
    names: &Namespaces,
    rest: &mut Map<String, Value>,
) -> Result<Option<ToolChoice>, Fault> {
    const WHAT: &str = "`none`, `auto`, `required` or an object with a known `type`";
    if let Value::String(word) = &raw {
        return match word.as_str() {
            "none" => Ok(Some(ToolChoice::None)),
            "auto" => Ok(Some(ToolChoice::Auto)),
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(expected("tool_choice", WHAT)),
        };
    }
    let kind = raw["type"].as_str().ok_or_else(|| expected("tool_choice", WHAT))?;
    match kind {
        "function" | "custom" => {
            let mut fields = Fields::of(raw, "tool_choice")?;
            Ok(Some(ToolChoice::Named(named(&mut fields, names)?)))
        }
        "allowed_tools" => {
            let mut fields = Fields::of(raw, "tool_choice")?;
            let required = match fields.text("mode")?.as_deref() {
                None | Some("auto") => false,
                Some("required") => true,
                Some(_) => return Err(expected("tool_choice.mode", "`auto` or `required`")),
            };
            let list = fields.list("tools")?.ok_or_else(|| missing("tool_choice.tools", "an array"))?;
            let each = list.into_iter().enumerate();
            let name = |(n, raw)| named(&mut Fields::of(raw, format!("tool_choice.tools[{n}]"))?, names);
            Ok(Some(ToolChoice::Allowed { required, names: each.map(name).collect::<Result<_, _>>()? }))
        }
        _ => {
            rest.insert("tool_choice".to_owned(), raw);
            Ok(None)
        }
    }
}

fn named(fields: &mut Fields, names: &Namespaces) -> Result<String, Fault> {
    let space = fields.text("namespace")?;
    // Hosted tools within a selection have a type alone, which names them.
    let name = match fields.text("name")? {
        Some(name) => name,
        None => fields.required("type")?,
    };
    Ok(match space {
        Some(space) => names.flat(&space, &name),
        None => name,
    })
}
