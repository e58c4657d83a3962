//! Messages, read into turns.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::tool::index;
use super::{assistant, part};
use crate::canonical::{At, Carrier, Content, Part, Request, Role, SystemText, Turn};
use crate::dialect::openai_chat::request::{expected, missing};
use crate::fault::Fault;

/// Reads all messages.
pub(super) fn messages(list: Vec<Value>, carrier: &Carrier, request: &mut Request) -> Result<(), Fault> {
    // The id made up for the call of each `function_call`, by the function's name.
    let mut legacy = Vec::<(String, String)>::new();
    let mut system = Vec::new();
    let mut turns = Vec::with_capacity(list.len());
    for (i, value) in list.into_iter().enumerate() {
        let at = At { turn: index(i), part: None };
        let mut fields = Fields::of(value, format!("messages[{i}]"))?;
        let rest = &mut request.rest;
        let role = fields.required_text("role")?;
        match role.as_str() {
            "system" | "developer" => {
                let parts = content(&mut fields, at, rest)?.ok_or_else(|| no_content(&fields))?;
                if !parts.iter().all(|part| matches!(part.content, Content::Text { .. })) {
                    return Err(expected(&fields.path("content"), "nothing but text"));
                }
                if turns.is_empty() {
                    system.extend(parts.into_iter().filter_map(system_text));
                } else {
                    turns.push(Turn { role: Role::System, parts, phase: None });
                }
            }
            "user" => {
                let parts = content(&mut fields, at, rest)?.ok_or_else(|| no_content(&fields))?;
                turns.push(Turn { role: Role::User, parts, phase: None });
            }
            "assistant" => {
                let parts = assistant::parts(&mut fields, at, carrier, rest, &mut legacy)?;
                turns.push(Turn { role: Role::Assistant, parts, phase: None });
            }
            "tool" => {
                let id = fields.name("tool_call_id")?;
                turns.push(result(&mut fields, at, id, rest)?);
            }
            "function" => {
                let name = fields.name("name")?;
                let call = legacy.iter().rev().find(|(called, _)| *called == name);
                let id = call
                    .map(|(_, id)| id.clone())
                    .ok_or_else(|| expected(&fields.path("name"), "the name of a function called before"))?;
                turns.push(result(&mut fields, at, id, rest)?);
            }
            _ => {
                return Err(expected(
                    &fields.path("role"),
                    "one of system, developer, user, assistant, tool, function",
                ));
            }
        }
        // A name has no meaning in any other dialect.
        fields.take("name");
        fields.leave(rest);
    }
    request.system = system;
    request.turns = turns;
    Ok(())
}

fn no_content(fields: &Fields) -> Fault {
    missing(&fields.path("content"), "a string or an array of content parts")
}

fn system_text(part: Part) -> Option<SystemText> {
    match part.content {
        Content::Text { text, .. } => Some(SystemText { text, cache: part.cache }),
        _ => None,
    }
}

fn result(fields: &mut Fields, at: At, id: String, rest: &mut Map<String, Value>) -> Result<Turn, Fault> {
    let cache = fields.cache_mark();
    let parts = content(fields, at, rest)?.unwrap_or_default();
    let content = Content::ToolResult { id, parts, is_error: false };
    Ok(Turn { role: Role::User, parts: vec![Part { at, cache, content }], phase: None })
}

/// The parts of `content`; `None` where there is none. A cache mark of the message is one of its last part.
pub(super) fn content(
    fields: &mut Fields,
    at: At,
    rest: &mut Map<String, Value>,
) -> Result<Option<Vec<Part>>, Fault> {
    let path = fields.path("content");
    let mark = fields.cache_mark();
    let mut parts = match fields.take("content") {
        None => return Ok(None),
        Some(Value::String(text)) => {
            vec![Part::new(at, Content::Text { text, citations: Vec::new() })]
        }
        Some(Value::Array(list)) => list
            .into_iter()
            .enumerate()
            .map(|(i, value)| {
                let at = At { part: Some(index(i)), ..at };
                part::part(value, format!("{path}[{i}]"), at, rest)
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(expected(&path, "a string or an array of content parts")),
    };
    if let Some(last) = parts.last_mut() {
        last.cache = last.cache.or(mark);
    }
    Ok(Some(parts))
}
