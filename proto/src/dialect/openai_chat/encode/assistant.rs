//! An assistant's turn as one message.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::context::{Context, call_id};
use super::part::{joined, marked, text_part};
use crate::canonical::{At, CallKind, Content, Opaque, OpaqueKind, Part};
use crate::fault::Fault;

/// The message that a turn is; `None` if nothing of it can be said there.
pub(super) fn message(
    context: &mut Context<'_, '_>,
    parts: &[Part],
    called: &mut HashSet<String>,
) -> Result<Option<Map<String, Value>>, Fault> {
    let mut texts = Vec::new();
    let mut refusals = Vec::new();
    let mut calls = Vec::new();
    let mut thoughts = Thoughts::default();
    for part in parts {
        match &part.content {
            Content::Text { text, .. } => {
                let value = marked(context, part, text_part(text));
                texts.push(value);
            }
            // Only OpenAI has a place for it; elsewhere it is what the model said.
            Content::Refusal { text } if !context.is_openai() => texts.push(text_part(text)),
            Content::Refusal { text } => refusals.push(text.as_str()),
            Content::Reasoning { text, summary, opaque } => {
                thoughts.note(context, part.at, text, summary, opaque);
            }
            Content::ToolCall { id, name, kind, arguments, opaque } => {
                called.insert(id.clone());
                calls.push(call(context, part.at, Call { id, name, kind: *kind, arguments, opaque }));
            }
            Content::Hosted { .. } => {
                let path = context.path(part.at);
                context.warn("hosted_item_dropped", path);
            }
            Content::Image { .. }
            | Content::Audio { .. }
            | Content::Document { .. }
            | Content::ToolResult { .. } => {
                // What a user may say is refused in a model's mouth.
                let why = "it has no place in a message of the assistant's";
                return Err(super::context::refuse(context.path(part.at), why));
            }
        }
    }
    if texts.is_empty() && refusals.is_empty() && calls.is_empty() {
        return Ok(None);
    }
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    let content = if texts.is_empty() { Value::Null } else { joined(context, texts, "") };
    message.insert("content".into(), content);
    if !refusals.is_empty() {
        message.insert("refusal".into(), refusals.join("\n").into());
    }
    thoughts.write(&mut message);
    if !calls.is_empty() {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    Ok(Some(message))
}

/// What a compatible server gave of its thoughts, for it alone.
#[derive(Default)]
struct Thoughts {
    text: String,
    details: Vec<Value>,
}

impl Thoughts {
    fn note(
        &mut self,
        context: &mut Context<'_, '_>,
        at: At,
        text: &str,
        summary: &[String],
        opaque: &[Opaque],
    ) {
        let own = |opaque: &&Opaque| !context.is_openai() && context.target.takes(opaque.origin.as_ref());
        let mut kept = opaque.iter().filter(own).peekable();
        if kept.peek().is_none() {
            let path = context.path(at);
            context.warn("reasoning_state_dropped", path);
            return;
        }
        for opaque in kept {
            if let Ok(Value::Object(mut detail)) = serde_json::from_str::<Value>(&opaque.data) {
                if detail.get("type").is_some_and(|kind| kind == "reasoning.text") {
                    detail.insert("text".into(), text.into());
                }
                self.details.push(Value::Object(detail));
            }
        }
        self.text.push_str(text);
        if text.is_empty() {
            self.text.push_str(&summary.join("\n\n"));
        }
    }

    fn write(self, message: &mut Map<String, Value>) {
        if !self.text.is_empty() {
            message.insert("reasoning_content".into(), self.text.into());
        }
        if !self.details.is_empty() {
            message.insert("reasoning_details".into(), Value::Array(self.details));
        }
    }
}

struct Call<'a> {
    id: &'a str,
    name: &'a str,
    kind: CallKind,
    arguments: &'a str,
    opaque: &'a [Opaque],
}

fn call(context: &mut Context<'_, '_>, at: At, call: Call<'_>) -> Value {
    let id = call_id(call.id);
    let name = context.tool_name(call.name);
    let mut value = match call.kind {
        CallKind::Custom if context.is_openai() => {
            json!({"id": id, "type": "custom", "custom": {"name": name, "input": call.arguments}})
        }
        CallKind::Custom => {
            let arguments = json!({"input": call.arguments}).to_string();
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        }
        CallKind::Function => {
            // Templates of compatible servers read the arguments as JSON.
            let arguments = if call.arguments.trim().is_empty() { "{}" } else { call.arguments };
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        }
    };
    for opaque in call.opaque {
        let own = !context.is_openai() && context.target.takes(opaque.origin.as_ref());
        if own && opaque.kind == OpaqueKind::ThoughtSignature {
            value["extra_content"] = json!({"google": {"thought_signature": opaque.data}});
        } else {
            let path = context.path(at);
            context.warn("reasoning_state_dropped", path);
        }
    }
    value
}
