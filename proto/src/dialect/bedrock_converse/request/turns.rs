//! Turns to messages: roles alternate, tool results stand first in the message behind the calls they answer, and
//! every call is answered.

use serde_json::{Value, json};

use super::marks::Marks;
use super::names::Documents;
use super::{Context, refused};
use crate::canonical::{At, Content, Part, Role, Turn};
use crate::fault::Fault;

/// A message in the making.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) role: &'static str,
    at: At,
    /// Blocks that must come first: tool results and the marks behind them.
    pub(super) results: Vec<Value>,
    pub(super) blocks: Vec<Value>,
    /// Tools called here: id, name at Bedrock, place.
    pub(super) calls: Vec<(String, String, At)>,
    /// Calls answered here.
    answers: Vec<(String, At)>,
}

impl Message {
    /// Whether its first block is a thought.
    pub(super) fn begins_with_thought(&self) -> bool {
        self.blocks.first().is_some_and(|block| block.get("reasoningContent").is_some())
    }

    fn is_empty(&self) -> bool {
        self.results.is_empty() && self.blocks.is_empty()
    }

    fn has(&self, kind: &str) -> bool {
        self.blocks.iter().any(|block| block.get(kind).is_some())
    }
}

/// Makes the messages.
pub(super) fn messages(context: &mut Context<'_>, marks: &mut Marks) -> Result<Vec<Message>, Fault> {
    let mut messages: Vec<Message> = Vec::new();
    let mut documents = Documents::default();
    for turn in &context.request.turns {
        let role = role(context, turn, messages.last());
        if messages.last().is_none_or(|last| last.role != role) {
            let at = turn.parts.first().map(|part| At { part: None, ..part.at }).unwrap_or_default();
            messages.push(Message {
                role,
                at,
                results: Vec::new(),
                blocks: Vec::new(),
                calls: Vec::new(),
                answers: Vec::new(),
            });
        }
        let Some(message) = messages.last_mut() else { continue };
        if turn.role == Role::System && role == "user" {
            merged(context, turn, message);
            continue;
        }
        for part in &turn.parts {
            add(context, part, turn.role, message, marks, &mut documents)?;
        }
        if message.is_empty() {
            // Nothing of it was worth sending: its neighbours are of one role and become one message.
            messages.pop();
        }
    }
    if let (Some(mark), Some(last)) = (context.request.cache.auto, messages.last_mut()) {
        let list = if last.blocks.is_empty() { &mut last.results } else { &mut last.blocks };
        context.mark(Some(mark), list, "cache_control");
    }
    check(context, &messages)?;
    for message in &mut messages {
        if message.has("document") && !message.has("text") {
            // Converse takes a document only beside a text.
            message.blocks.push(json!({ "text": "See the document." }));
        }
    }
    Ok(messages)
}

/// The messages as they are sent.
pub(super) fn written(messages: Vec<Message>) -> Value {
    let written = messages.into_iter().map(|message| {
        let mut content = message.results;
        content.extend(message.blocks);
        json!({ "role": message.role, "content": content })
    });
    Value::Array(written.collect())
}

/// Instructions in the middle stay such where the model takes them, right behind a user's message; elsewhere they
/// become part of the user's.
fn role(context: &Context<'_>, turn: &Turn, last: Option<&Message>) -> &'static str {
    let text = |part: &Part| matches!(part.content, Content::Text { .. });
    match turn.role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System
            if context.target.profile.mid_system
                && last.is_some_and(|last| last.role != "assistant")
                && turn.parts.iter().all(text) =>
        {
            "system"
        }
        Role::System => "user",
    }
}

fn merged(context: &mut Context<'_>, turn: &Turn, message: &mut Message) {
    for part in &turn.parts {
        context.warn("system_merged", context.request.path(part.at));
        if let Content::Text { text, .. } = &part.content
            && !text.trim().is_empty()
        {
            message.blocks.push(json!({ "text": format!("<system>{text}</system>") }));
        }
    }
}

fn add(
    context: &mut Context<'_>,
    part: &Part,
    role: Role,
    message: &mut Message,
    marks: &mut Marks,
    documents: &mut Documents,
) -> Result<(), Fault> {
    let path = context.request.path(part.at);
    let mark = marks.part(part.cache);
    if let Content::ToolResult { id, parts, is_error } = &part.content {
        let inner = parts.iter().fold(None, |last, inner| marks.part(inner.cache).or(last));
        message.answers.push((id.clone(), part.at));
        message.results.push(context.tool_result(id, parts, *is_error, documents)?);
        context.mark(mark.or(inner), &mut message.results, &path);
        return Ok(());
    }
    if let Content::ToolCall { id, name, .. } = &part.content {
        message.calls.push((id.clone(), context.names.there(name), part.at));
    }
    let thought = matches!(part.content, Content::Reasoning { .. });
    if thought {
        // A thought cannot bear a mark: it moves to what stands before.
        context.mark(mark, &mut message.blocks, &path);
    }
    context.part(part, role, documents, &mut message.blocks)?;
    if !thought {
        context.mark(mark, &mut message.blocks, &path);
    }
    Ok(())
}

fn check(context: &Context<'_>, messages: &[Message]) -> Result<(), Fault> {
    let request = context.request;
    let list = if request.path(At::default()).starts_with("input") { "input" } else { "messages" };
    let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
        return Err(refused(list, "Models at Bedrock need at least one message with content."));
    };
    if first.role != "user" {
        let message = "A conversation with a model at Bedrock has to begin with a message of the user.";
        return Err(refused(request.path(first.at), message));
    }
    if last.role == "assistant" && !context.target.profile.prefill {
        let message = "This model does not go on from a last message of the assistant.";
        return Err(refused(request.path(last.at), message));
    }
    let mut calls: &[(String, String, At)] = &[];
    for (n, message) in messages.iter().enumerate() {
        for (id, at) in &message.answers {
            if !calls.iter().any(|(call, ..)| call == id) {
                let message = format!("The tool result `{id}` answers no call of the message before it.");
                return Err(refused(request.path(*at), message));
            }
        }
        let next = messages.get(n + 1).map(|next| next.answers.as_slice()).unwrap_or_default();
        for (id, _, at) in &message.calls {
            if !next.iter().any(|(answer, _)| answer == id) {
                let message = format!("The tool call `{id}` has no result in the message that follows it.");
                return Err(refused(request.path(*at), message));
            }
        }
        calls = &message.calls;
    }
    Ok(())
}
