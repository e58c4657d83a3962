//! Turns, unfolded into input items.
//!
//! | canonical | item |
//! |---|---|
//! | text and media of one message | one `message`; of the assistant with an id (`msg_…`), as answers replayed have |
//! | foreign hosted item | dropped with a warning |
//! | tool call | `function_call` or `custom_tool_call` |
//! | tool result | `function_call_output` or `custom_tool_call_output`, by the call it answers; `Error: ` in front says that it failed |
//! | reasoning of this provider and model | `reasoning` with its encrypted content and, where known, its id |
//! | any other reasoning | dropped with a warning |
//! | reasoning that nothing of the assistant's follows | dropped with a warning: OpenAI refuses it |

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::Scope;
use super::limits::{call_id, tool_name};
use super::parts::{marked, part};
use crate::canonical::{
    At, CallKind, Carrier, Content, Opaque, OpaqueKind, Part, Role, SystemText, Turn, Warnings,
};
use crate::dialect::Dialect;
use crate::dialect::openai_responses::bound;
use crate::fault::Fault;

/// Input items so far.
pub(super) struct Items<'a> {
    scope: &'a Scope<'a>,
    /// Ids of the calls of custom tools, since their results are items of another type.
    custom: HashSet<&'a str>,
    out: Vec<Value>,
    messages: usize,
    /// Where reasoning stands that still waits for an item to follow it, and where it stood.
    waiting: Vec<(usize, At)>,
}

/// A message that collects its parts.
struct Message {
    at: u32,
    parts: Vec<Value>,
}

impl<'a> Items<'a> {
    pub(super) fn new(scope: &'a Scope<'a>) -> Self {
        let parts = scope.request.turns.iter().flat_map(|turn| &turn.parts);
        let custom = parts.filter_map(|part| match &part.content {
            Content::ToolCall { id, kind: CallKind::Custom, .. } => Some(id.as_str()),
            _ => None,
        });
        Self { scope, custom: custom.collect(), out: Vec::new(), messages: 0, waiting: Vec::new() }
    }

    /// Instructions that are more than one plain block.
    pub(super) fn instructions(&mut self, blocks: &[SystemText], warnings: &mut Warnings) {
        let parts: Vec<Value> = blocks.iter().map(|block| block_of(self.scope, block, warnings)).collect();
        self.out.push(json!({ "type": "message", "role": "developer", "content": parts }));
    }

    pub(super) fn turn(&mut self, turn: &'a Turn, warnings: &mut Warnings) -> Result<(), Fault> {
        let mut open: Option<Message> = None;
        for each in &turn.parts {
            if !matches!(turn.role, Role::Assistant) {
                self.abandon(warnings);
            }
            let inline = is_content(each);
            let joins = inline && open.as_ref().is_some_and(|message| message.at == each.at.turn);
            if !joins {
                self.close(turn, open.take());
            }
            if inline {
                if matches!(&each.content, Content::Text { text, .. } if text.is_empty()) {
                    continue;
                }
                let written = part(self.scope, each, turn.role == Role::Assistant, warnings)?;
                let message = open.get_or_insert_with(|| Message { at: each.at.turn, parts: Vec::new() });
                message.parts.extend(written);
            } else {
                self.item(each, warnings)?;
            }
        }
        self.close(turn, open);
        Ok(())
    }

    fn close(&mut self, turn: &Turn, message: Option<Message>) {
        let Some(message) = message.filter(|message| !message.parts.is_empty()) else { return };
        let mut out = Map::new();
        out.insert("type".into(), json!("message"));
        let role = match turn.role {
            Role::User => "user",
            Role::System => "developer",
            Role::Assistant => "assistant",
        };
        if turn.role == Role::Assistant {
            out.insert("id".into(), json!(format!("msg_{:032x}", self.messages)));
            self.messages += 1;
            self.waiting.clear();
        }
        out.insert("role".into(), json!(role));
        if turn.role == Role::Assistant {
            out.insert("status".into(), json!("completed"));
            out.extend(turn.phase.as_ref().map(|phase| ("phase".to_owned(), json!(phase))));
        }
        out.insert("content".into(), Value::Array(message.parts));
        self.out.push(Value::Object(out));
    }

    fn item(&mut self, part: &'a Part, warnings: &mut Warnings) -> Result<(), Fault> {
        if let Content::ToolCall { opaque, .. } = &part.content
            && !opaque.is_empty()
        {
            warnings.add("reasoning_state_dropped", self.scope.request.path(part.at));
        }
        let out = match &part.content {
            Content::ToolCall { id, name, kind: CallKind::Function, arguments, .. } => {
                let arguments = if arguments.trim_ascii().is_empty() { "{}" } else { arguments };
                json!({ "type": "function_call", "call_id": call_id(id), "name": tool_name(name), "arguments": arguments })
            }
            Content::ToolCall { id, name, kind: CallKind::Custom, arguments, .. } => {
                json!({ "type": "custom_tool_call", "call_id": call_id(id), "name": tool_name(name), "input": arguments })
            }
            Content::ToolResult { id, parts, is_error } => {
                let custom = self.custom.contains(id.as_str());
                let kind = if custom { "custom_tool_call_output" } else { "function_call_output" };
                let output = self.output(parts, *is_error, warnings)?;
                json!({ "type": kind, "call_id": call_id(id), "output": output })
            }
            Content::Hosted { raw, origin: Dialect::OpenaiResponses } => raw.clone(),
            Content::Hosted { .. } => {
                warnings.add("hosted_item_dropped", self.scope.request.path(part.at));
                return Ok(());
            }
            Content::Reasoning { summary, opaque, text } => {
                match opaque.iter().find(|opaque| self.takes(opaque)) {
                    Some(opaque) => {
                        self.waiting.push((self.out.len(), part.at));
                        self.out.push(thought(summary, opaque));
                    }
                    None if opaque.is_empty() && text.is_empty() && summary.is_empty() => {}
                    None => warnings.add("reasoning_state_dropped", self.scope.request.path(part.at)),
                }
                return Ok(());
            }
            // Everything else is part of a message.
            _ => return Ok(()),
        };
        self.waiting.clear();
        self.out.push(out);
        Ok(())
    }

    /// Whether this is encrypted reasoning that the target made: by a token of ours, or the provider's own from a
    /// caller who speaks its dialect.
    fn takes(&self, opaque: &Opaque) -> bool {
        let own = self.scope.native() && opaque.origin.is_none() && !Carrier::is_token(&opaque.data);
        opaque.kind == OpaqueKind::Encrypted && (own || self.scope.target.takes(opaque.origin.as_ref()))
    }

    fn output(&self, parts: &[Part], is_error: bool, warnings: &mut Warnings) -> Result<Value, Fault> {
        let error = |text: &str| {
            let prefix = if is_error && !text.starts_with("Error: ") { "Error: " } else { "" };
            format!("{prefix}{text}")
        };
        match parts {
            [] => return Ok(json!(error(""))),
            [Part { content: Content::Text { text, .. }, cache: None, .. }] => return Ok(json!(error(text))),
            _ => {}
        }
        let mut list = Vec::with_capacity(parts.len() + 1);
        for each in parts {
            list.extend(part(self.scope, each, false, warnings)?);
        }
        if is_error {
            match list.first_mut().and_then(|first| first.get_mut("text")) {
                Some(Value::String(text)) => *text = error(text),
                _ => list.insert(0, json!({ "type": "input_text", "text": "Error: " })),
            }
        }
        Ok(Value::Array(list))
    }

    /// Something not of the assistant's comes: reasoning that nothing followed is taken out again.
    fn abandon(&mut self, warnings: &mut Warnings) {
        for (place, at) in self.waiting.drain(..).rev() {
            self.out.remove(place);
            warnings.add("reasoning_state_dropped", self.scope.request.path(at));
        }
    }

    pub(super) fn finish(mut self, warnings: &mut Warnings) -> Vec<Value> {
        self.abandon(warnings);
        self.out
    }
}

fn block_of(scope: &Scope<'_>, block: &SystemText, warnings: &mut Warnings) -> Value {
    let out = json!({ "type": "input_text", "text": block.text });
    match block.cache {
        Some(mark) => marked(scope, out, mark, || "system".to_owned(), warnings),
        None => out,
    }
}

/// Whether a part stands in the content of a message, not as an item of its own.
fn is_content(part: &Part) -> bool {
    match &part.content {
        Content::Text { .. }
        | Content::Image { .. }
        | Content::Audio { .. }
        | Content::Document { .. }
        | Content::Refusal { .. } => true,
        Content::Hosted { .. } => part.at.part.is_some(),
        Content::Reasoning { .. } | Content::ToolCall { .. } | Content::ToolResult { .. } => false,
    }
}

fn thought(summary: &[String], opaque: &Opaque) -> Value {
    let (id, content) = bound::split(&opaque.data);
    let mut out = Map::new();
    out.insert("type".into(), json!("reasoning"));
    out.extend(id.map(|id| ("id".to_owned(), json!(id))));
    let summary: Vec<Value> =
        summary.iter().map(|text| json!({ "type": "summary_text", "text": text })).collect();
    out.insert("summary".into(), Value::Array(summary));
    out.insert("encrypted_content".into(), json!(content));
    Value::Object(out)
}
