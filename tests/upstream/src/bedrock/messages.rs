//! The conversation of a Converse request: roles in turn, calls answered in the next one.

use super::blocks::{self, Block};
use crate::anthropic::model::Claude;
use crate::fake::Ctx;
use crate::fake::asked::Asked;
use crate::fake::look::{Bad, Found, Obj, What};

/// Most marks of the cache.
const MARKS_MAX: usize = 4;

/// A message.
#[derive(Debug)]
struct Turn {
    role: String,
    blocks: Vec<Block>,
}

fn refused<T>(path: impl Into<String>, text: impl Into<String>) -> Found<T> {
    Err(Bad::new(What::Unsupported, path, text))
}

/// Checks it, the system prompt included.
pub(super) fn check(ctx: &Ctx, top: &Obj<'_>, claude: Option<&Claude>, asked: &mut Asked) -> Found<()> {
    let mut marks = 0;
    for block in top.objects("system")? {
        block.only(&["text", "cachePoint", "guardContent"])?;
        match block.one_of_fields(&["text", "cachePoint", "guardContent"])? {
            "text" => blocks::text(&block).map(|_| ())?,
            "cachePoint" => {
                blocks::cache_point(&block.need_obj("cachePoint")?)?;
                marks += 1;
            }
            _ => {}
        }
    }
    let messages = top.objects("messages")?;
    if messages.is_empty() {
        return Err(Bad::new(What::Missing, "messages", "required"));
    }
    let read = blocks::Reader { seal: &ctx.seal, model: asked.base() };
    let mut turns: Vec<Turn> = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        message.only(&["role", "content"])?;
        let role = message.need_word("role", &["user", "assistant", "system"])?;
        roles(i, role, &turns, claude)?;
        let given = message.objects("content")?;
        if given.is_empty() {
            return refused(
                message.at("content"),
                format!(
                    "The content field in the Message object at messages.{i} is empty. Add a ContentBlock object to the content field and try again."
                ),
            );
        }
        let blocks = given.iter().map(|block| read.block(block, role)).collect::<Found<Vec<Block>>>()?;
        blocks::together(&blocks, i)?;
        turns.push(Turn { role: role.to_owned(), blocks });
    }
    marks += turns.iter().flat_map(|turn| &turn.blocks).filter(|block| **block == Block::Mark).count();
    if marks > MARKS_MAX {
        return refused(
            "messages",
            format!("The number of cachePoint blocks exceeds the maximum of {MARKS_MAX}."),
        );
    }
    answered(&turns)?;
    let uses_tools = turns.iter().flat_map(|turn| &turn.blocks).any(|b| b.call().or(b.result()).is_some());
    if uses_tools && !top.has("toolConfig") {
        return refused(
            "toolConfig",
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
        );
    }
    ends(&turns, claude)?;
    extract(&turns, asked);
    Ok(())
}

fn roles(i: usize, role: &str, turns: &[Turn], claude: Option<&Claude>) -> Found<()> {
    let path = format!("messages[{i}].role");
    let before = turns.last().map(|turn| turn.role.as_str());
    match (role, before) {
        ("assistant", None) => refused(
            path,
            "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
        ),
        ("system", _) if !claude.is_some_and(Claude::takes_system_turns) => refused(
            path,
            "This model doesn't support the system role in messages. Use the system field instead.",
        ),
        ("system", None | Some("assistant" | "system")) => {
            refused(path, "A system message must directly follow a user message.")
        }
        (role, Some(before)) if role == before => refused(
            path,
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.",
        ),
        ("user", Some("system")) => {
            refused(path, "A conversation must alternate between user and assistant roles.")
        }
        _ => Ok(()),
    }
}

fn answered(turns: &[Turn]) -> Found<()> {
    let mut open: Vec<&str> = Vec::new();
    for (i, turn) in turns.iter().enumerate() {
        let path = format!("messages[{i}].content");
        let results: Vec<&str> = turn.blocks.iter().filter_map(Block::result).collect();
        if results.len() > open.len() || results.iter().any(|id| !open.contains(id)) {
            return refused(
                path,
                format!(
                    "The number of toolResult blocks at messages.{i}.content exceeds the number of toolUse blocks of previous turn."
                ),
            );
        }
        let missing: Vec<&str> = open.iter().copied().filter(|id| !results.contains(id)).collect();
        if !missing.is_empty() {
            return refused(
                path,
                format!(
                    "Expected toolResult blocks at messages.{i}.content for the following Ids: {}, but found: {}",
                    missing.join(", "),
                    results.join(", ")
                ),
            );
        }
        open = turn.blocks.iter().filter_map(Block::call).collect();
        let mut ids = open.clone();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != open.len() {
            return refused(
                path,
                format!("The toolUse blocks at messages.{i}.content contain duplicate Ids."),
            );
        }
    }
    if open.is_empty() {
        return Ok(());
    }
    refused("messages", format!("Expected toolResult blocks for the following Ids: {}", open.join(", ")))
}

fn ends(turns: &[Turn], claude: Option<&Claude>) -> Found<()> {
    let Some(last) = turns.last().filter(|turn| turn.role == "assistant") else { return Ok(()) };
    if !claude.is_some_and(Claude::prefills) {
        return refused(
            "messages",
            "A conversation must end with a user message. Try again with a conversation that ends with a user message.",
        );
    }
    match last.blocks.last() {
        Some(Block::Text(text)) if text.ends_with(char::is_whitespace) => Err(Bad::new(
            What::Coded("model"),
            "",
            "messages: final assistant content cannot end with trailing whitespace",
        )),
        _ => Ok(()),
    }
}

fn extract(turns: &[Turn], asked: &mut Asked) {
    let texts = |turn: &Turn| {
        let text = turn.blocks.iter().filter_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            _ => None,
        });
        text.collect::<String>()
    };
    let users = turns.iter().rev().filter(|turn| turn.role == "user");
    asked.last_text = users.map(texts).find(|text| !text.is_empty()).unwrap_or_default();
    let last = turns.last().map_or(&[][..], |turn| turn.blocks.as_slice());
    asked.results = last
        .iter()
        .filter_map(|block| match block {
            Block::Result { text, .. } => Some(text.clone()),
            _ => None,
        })
        .collect();
}
