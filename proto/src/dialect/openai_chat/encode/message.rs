//! Turns, written as messages in the order that Chat Completions asks for.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::assistant;
use super::context::{Context, call_id, refuse};
use super::part::{joined, part, text_part, with_mark};
use crate::canonical::{Content, Part, Role};
use crate::dialect::Dialect;
use crate::fault::Fault;

/// Writes all messages.
pub(super) fn messages(context: &mut Context<'_, '_>) -> Result<Vec<Value>, Fault> {
    let mut writer = Writer::default();
    writer.system(context);
    for turn in &context.request.turns {
        match turn.role {
            Role::System => writer.instructions(context, &turn.parts)?,
            Role::User => writer.user(context, &turn.parts)?,
            Role::Assistant => writer.assistant(context, &turn.parts)?,
        }
    }
    writer.flush();
    if let Some(turn) = context.request.turns.last()
        && turn.role == Role::Assistant
        && context.request.dialect == Dialect::AnthropicMessages
    {
        // It is legal there, but the model answers it rather than going on from it.
        let at = turn.parts.first().map(|part| part.at).unwrap_or_default();
        let path = context.path(at);
        context.warn("prefill_not_continued", path);
    }
    Ok(writer.out)
}

#[derive(Default)]
struct Writer {
    out: Vec<Value>,
    /// Ids of calls made so far.
    called: HashSet<String>,
    /// What tool results held beside text: it follows the last tool message as the user's.
    attached: Vec<Value>,
}

fn role(context: &Context<'_, '_>) -> &'static str {
    if context.profile().developer_role { "developer" } else { "system" }
}

impl Writer {
    fn system(&mut self, context: &mut Context<'_, '_>) {
        let mut parts = Vec::new();
        for (i, system) in context.request.system.iter().enumerate() {
            let path = move |_: &Context<'_, '_>| format!("system[{i}]");
            parts.push(with_mark(context, system.cache, text_part(&system.text), path));
        }
        parts.extend(context.hints.iter().map(|hint| text_part(hint)));
        if !parts.is_empty() {
            let content = joined(context, parts, "\n\n");
            self.out.push(json!({"role": role(context), "content": content}));
        }
    }

    fn instructions(&mut self, context: &mut Context<'_, '_>, parts: &[Part]) -> Result<(), Fault> {
        self.flush();
        let mut texts = Vec::with_capacity(parts.len());
        for piece in parts {
            if !matches!(piece.content, Content::Text { .. }) {
                return Err(refuse(context.path(piece.at), "instructions are text"));
            }
            texts.push(part(context, piece)?);
        }
        let content = joined(context, texts, "\n\n");
        self.out.push(json!({"role": role(context), "content": content}));
        Ok(())
    }

    fn user(&mut self, context: &mut Context<'_, '_>, parts: &[Part]) -> Result<(), Fault> {
        let mut said = Vec::with_capacity(parts.len());
        for piece in parts {
            match &piece.content {
                Content::ToolResult { id, parts, is_error } => {
                    self.result(context, piece, id, parts, *is_error)?;
                }
                Content::Hosted { .. } => {
                    let path = context.path(piece.at);
                    context.warn("hosted_item_dropped", path);
                }
                _ => said.push(part(context, piece)?),
            }
        }
        if said.is_empty() {
            return Ok(());
        }
        let mut content = std::mem::take(&mut self.attached);
        content.append(&mut said);
        let content = match content.as_slice() {
            [one] if one.as_object().is_some_and(|map| map.len() == 2) && one["text"].is_string() => {
                one["text"].clone()
            }
            _ => Value::Array(content),
        };
        self.out.push(json!({"role": "user", "content": content}));
        Ok(())
    }

    fn result(
        &mut self,
        context: &mut Context<'_, '_>,
        piece: &Part,
        id: &str,
        parts: &[Part],
        is_error: bool,
    ) -> Result<(), Fault> {
        if !self.called.contains(id) {
            let why = format!("it is the result of a call `{id}` that no message before it makes");
            return Err(refuse(context.path(piece.at), why));
        }
        let mut texts = Vec::new();
        let mut moved = Vec::new();
        for inner in parts {
            let value = part(context, inner)?;
            if value["type"] == "text" { texts.push(value) } else { moved.push(value) }
        }
        if is_error {
            match texts.first_mut().map(|first| &mut first["text"]) {
                Some(Value::String(text)) if !text.starts_with("Error") => text.insert_str(0, "Error: "),
                Some(_) => {}
                None => texts.push(text_part("Error")),
            }
        }
        if let (Some(_), Some(last)) = (piece.cache, texts.last_mut()) {
            let value = std::mem::take(last);
            *last = with_mark(context, piece.cache, value, |context| context.path(piece.at));
        }
        let id = call_id(id);
        if !moved.is_empty() {
            let path = context.path(piece.at);
            context.warn("tool_result_media_moved", path);
            self.attached.push(text_part(&format!("Attachment of tool call {id}:")));
            self.attached.append(&mut moved);
            if texts.is_empty() {
                texts.push(text_part("The result is attached below."));
            }
        }
        let content = joined(context, texts, "\n");
        let content = if content == json!([text_part("")]) { Value::String(String::new()) } else { content };
        self.out.push(json!({"role": "tool", "tool_call_id": id, "content": content}));
        Ok(())
    }

    fn assistant(&mut self, context: &mut Context<'_, '_>, parts: &[Part]) -> Result<(), Fault> {
        self.flush();
        let Some(message) = assistant::message(context, parts, &mut self.called)? else { return Ok(()) };
        match self.out.last_mut().and_then(Value::as_object_mut) {
            // Calls must be answered before the assistant speaks again: what it says before is one message.
            Some(last) if last.get("role") == message.get("role") && last.contains_key("tool_calls") => {
                merge(last, message);
            }
            _ => self.out.push(Value::Object(message)),
        }
        Ok(())
    }

    /// Attachments of tool results go before whatever comes next.
    fn flush(&mut self) {
        let attached = std::mem::take(&mut self.attached);
        if !attached.is_empty() {
            self.out.push(json!({"role": "user", "content": attached}));
        }
    }
}

fn merge(last: &mut Map<String, Value>, message: Map<String, Value>) {
    for (key, value) in message {
        match (last.get_mut(&key), value) {
            (_, Value::Null) => {}
            (Some(Value::Array(before)), Value::Array(mut more)) => before.append(&mut more),
            (Some(Value::String(before)), Value::String(more)) if key != "role" => {
                before.push_str("\n\n");
                before.push_str(&more);
            }
            (Some(Value::String(_)), _) if key == "role" => {}
            (Some(before @ Value::String(_)), Value::Array(more)) => {
                let mut parts = vec![json!({"type": "text", "text": before.take()})];
                parts.extend(more);
                *before = Value::Array(parts);
            }
            (Some(Value::Array(before)), Value::String(more)) => before.push(text_part(&more)),
            (_, value) => {
                last.insert(key, value);
            }
        }
    }
}
