//! Turns in the order the dialect insists on (vendor docs, read 2026-11):
//!
//! - neighbours of the same role are merged, empty text is dropped;
//! - the first message is the user's; the last may be the assistant's only where the model goes on from it;
//! - results stand first in the user's turn right after the calls they answer, and answer all of them;
//! - instructions in the middle are a message of their own right after a user's where the model takes them, else text
//!   of the user's in `<system>` tags.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Encoding, refuse};
use crate::canonical::{At, Content, Role, Turn};
use crate::fault::Fault;

/// A message in the making.
pub(super) struct Message {
    pub(super) role: &'static str,
    pub(super) blocks: Vec<Block>,
}

/// One of its blocks and where it came from.
pub(super) struct Block {
    pub(super) at: At,
    pub(super) value: Value,
}

impl Block {
    pub(super) fn kind(&self) -> &str {
        self.value["type"].as_str().unwrap_or_default()
    }

    pub(super) fn is_thought(&self) -> bool {
        matches!(self.kind(), "thinking" | "redacted_thinking")
    }
}

impl Message {
    pub(super) fn into_value(self) -> Value {
        let content: Vec<Value> = self.blocks.into_iter().map(|block| block.value).collect();
        json!({ "role": self.role, "content": content })
    }
}

impl Encoding<'_> {
    /// The instructions before all turns, and the turns.
    pub(super) fn turns(&mut self) -> Result<(Vec<Value>, Vec<Message>), Fault> {
        let request = self.request;
        let mut system = Vec::new();
        for text in &request.system {
            if !text.text.trim().is_empty() {
                let mut block = json!({ "type": "text", "text": text.text });
                self.put_mark(&mut block, text.cache);
                system.push(block);
            }
        }
        let mut messages: Vec<Message> = Vec::new();
        for turn in &request.turns {
            let role = match turn.role {
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::System => {
                    self.instructions(turn, &mut system, &mut messages)?;
                    continue;
                }
            };
            let blocks = self.blocks(turn)?;
            push(&mut messages, role, blocks);
        }
        for message in &mut messages {
            if message.role == "user" {
                message.blocks.sort_by_key(|block| block.kind() != "tool_result");
            }
        }
        self.check_ends(&mut messages)?;
        self.check_calls(&messages)?;
        Ok((system, messages))
    }

    fn instructions(
        &mut self,
        turn: &Turn,
        system: &mut Vec<Value>,
        messages: &mut Vec<Message>,
    ) -> Result<(), Fault> {
        if let Some(odd) = turn.parts.iter().find(|part| !matches!(part.content, Content::Text { .. })) {
            return Err(self.refuse_at(odd.at, "cannot be part of instructions: these are text alone."));
        }
        let mut blocks = self.blocks(turn)?;
        let Some(first) = blocks.first().map(|block| block.at) else { return Ok(()) };
        match messages.last().map(|message| message.role) {
            None => system.extend(blocks.into_iter().map(|block| block.value)),
            Some("user" | "system") if self.target.profile.mid_system => push(messages, "system", blocks),
            Some(_) => {
                self.warn_at("system_merged", first);
                for block in &mut blocks {
                    let text = block.value["text"].as_str().unwrap_or_default();
                    block.value["text"] = format!("<system>\n{text}\n</system>").into();
                }
                push(messages, "user", blocks);
            }
        }
        Ok(())
    }

    fn check_ends(&self, messages: &mut [Message]) -> Result<(), Fault> {
        let list = self.field("messages", "input", "messages");
        let Some(first) = messages.first() else {
            return Err(refuse(
                list,
                "holds nothing for the model: a message of the user's with content is needed.",
            ));
        };
        if first.role != "user" {
            let at = first.blocks.first().map(|block| block.at).unwrap_or_default();
            return Err(self.refuse_at(
                At { part: None, ..at },
                "cannot come first: this model's conversations begin with the user.",
            ));
        }
        let Some(last) = messages.last_mut().filter(|message| message.role == "assistant") else {
            return Ok(());
        };
        // A paused turn goes on from where its hosted tools stopped.
        let paused = last
            .blocks
            .iter()
            .any(|block| !matches!(block.kind(), "text" | "thinking" | "redacted_thinking" | "tool_use"));
        let at = last.blocks.first().map(|block| block.at).unwrap_or_default();
        if !paused && !self.target.profile.prefill {
            return Err(self.refuse_at(
                At { part: None, ..at },
                "cannot come last: this model does not go on from a message of the assistant's.",
            ));
        }
        if let Some(block) = last.blocks.last_mut().filter(|block| block.kind() == "text") {
            let text = block.value["text"].as_str().unwrap_or_default().trim_end().to_owned();
            block.value["text"] = text.into();
        }
        Ok(())
    }

    /// Every result answers a call of the turn before, and every call is answered in the turn after.
    fn check_calls(&self, messages: &[Message]) -> Result<(), Fault> {
        let mut calls: Vec<(&str, At)> = Vec::new();
        for message in messages.iter().filter(|message| message.role != "system") {
            let ids = |kind: &'static str, key: &'static str| {
                let blocks = message.blocks.iter().filter(move |block| block.kind() == kind);
                blocks.filter_map(move |block| Some((block.value[key].as_str()?, block.at)))
            };
            let results: Vec<(&str, At)> = ids("tool_result", "tool_use_id").collect();
            let open: HashSet<&str> = calls.iter().map(|call| call.0).collect();
            if let Some((id, at)) = results.iter().find(|result| !open.contains(result.0)) {
                let why = format!("is the result of `{id}`, which is no tool call of the turn before.");
                return Err(self.refuse_at(*at, &why));
            }
            let answered: HashSet<&str> = results.iter().map(|result| result.0).collect();
            if let Some((id, at)) = calls.iter().find(|call| !answered.contains(call.0)) {
                return Err(self.unanswered(id, *at));
            }
            calls = ids("tool_use", "id").collect();
        }
        match calls.first() {
            Some((id, at)) => Err(self.unanswered(id, *at)),
            None => Ok(()),
        }
    }

    fn unanswered(&self, id: &str, at: At) -> Fault {
        self.refuse_at(at, &format!("calls a tool (`{id}`) whose result is not in the turn after."))
    }
}

fn push(messages: &mut Vec<Message>, role: &'static str, blocks: Vec<Block>) {
    match messages.last_mut() {
        _ if blocks.is_empty() => {}
        Some(last) if last.role == role => last.blocks.extend(blocks),
        _ => messages.push(Message { role, blocks }),
    }
}
