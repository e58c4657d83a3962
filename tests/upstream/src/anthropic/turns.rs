//! The conversation of a Messages request: turns, calls answered in the next one, marks of the cache.

use serde_json::Value;

use super::Version;
use super::blocks::{self, Block};
use super::model::{Claude, Thinking};
use crate::fake::Ctx;
use crate::fake::asked::Asked;
use crate::fake::look::{Bad, Found, Obj, What};

/// Most marks of a request.
const MARKS_MAX: usize = 4;

/// Marks of the cache, in the order of the prompt.
#[derive(Debug, Default)]
pub(super) struct Marks {
    lives: Vec<bool>,
}

impl Marks {
    /// Adds one.
    pub(super) fn add(&mut self, mark: &Obj<'_>) -> Found<()> {
        mark.only(&["type", "ttl"])?;
        mark.need_word("type", &["ephemeral"])?;
        let long = mark.word("ttl", &["5m", "1h"])? == Some("1h");
        if long && self.lives.contains(&false) {
            let text = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.";
            return Err(Bad::value(mark.at("ttl"), text));
        }
        self.lives.push(long);
        Ok(())
    }

    /// There must not be too many.
    pub(super) fn check(&self) -> Found<()> {
        if self.lives.len() > MARKS_MAX {
            let text = format!(
                "A maximum of {MARKS_MAX} blocks with cache_control may be provided. Found {}.",
                self.lives.len()
            );
            return Err(Bad::new(What::Unsupported, "cache_control", text));
        }
        Ok(())
    }
}

/// Messages of one role in a row.
#[derive(Debug)]
struct Turn {
    role: String,
    path: String,
    blocks: Vec<Block>,
}

/// Checks it, the system prompt included.
pub(super) fn check(
    ctx: &Ctx,
    top: &Obj<'_>,
    claude: &Claude,
    version: Version,
    thinking: Thinking,
    asked: &mut Asked,
    marks: &mut Marks,
) -> Found<()> {
    if top.get("system").is_some_and(|system| !system.is_string()) {
        for block in top.objects("system")? {
            block.need_word("type", &["text"])?;
            blocks::text(&block, version, "system")?;
            blocks::mark(&block, marks)?;
        }
    }
    let messages = top.objects("messages")?;
    if messages.is_empty() {
        return Err(Bad::value("messages", "at least one message is required"));
    }
    let mut turns: Vec<Turn> = Vec::new();
    let last = messages.len() - 1;
    for (i, message) in messages.iter().enumerate() {
        message.only(&["role", "content"])?;
        let role = message.need_word("role", &["user", "assistant", "system"])?;
        placed(message, role, &turns, claude)?;
        let read = blocks::Reader { seal: &ctx.seal, model: asked.base(), version, role };
        let blocks = read.content(message, marks)?;
        if blocks.is_empty() && !(i == last && role == "assistant") {
            let text =
                "all messages must have non-empty content except for the optional final assistant message";
            return Err(Bad::value(message.path.clone(), text));
        }
        match turns.last_mut() {
            Some(turn) if turn.role == role => turn.blocks.extend(blocks),
            _ => turns.push(Turn { role: role.to_owned(), path: message.path.clone(), blocks }),
        }
    }
    answered(&turns)?;
    ends(&turns, claude, thinking)?;
    extract(&turns, asked);
    Ok(())
}

fn placed(message: &Obj<'_>, role: &str, turns: &[Turn], claude: &Claude) -> Found<()> {
    match (role, turns.last()) {
        ("system", _) if !claude.takes_system_turns() => {
            Err(Bad::value(message.at("role"), "role 'system' is not supported on this model"))
        }
        ("system", Some(turn)) if turn.role == "user" => Ok(()),
        ("system", _) => {
            Err(Bad::value(message.at("role"), "role 'system' must directly follow a user message"))
        }
        ("assistant", None) => Err(Bad::value("messages", "first message must use the \"user\" role")),
        _ => Ok(()),
    }
}

/// Every call is answered at the beginning of the next turn, and nothing else is.
fn answered(turns: &[Turn]) -> Found<()> {
    for (i, turn) in turns.iter().enumerate() {
        let calls: Vec<&str> = turn.blocks.iter().filter_map(Block::call).collect();
        let next = turns.get(i + 1);
        let results: Vec<&str> =
            next.map_or_else(Vec::new, |next| next.blocks.iter().map_while(Block::result).collect());
        let open: Vec<&&str> = calls.iter().filter(|call| !results.contains(call)).collect();
        if turn.role == "assistant" && !open.is_empty() {
            let ids = open.iter().map(|id| **id).collect::<Vec<_>>().join(", ");
            let text = format!(
                "`tool_use` ids were found without `tool_result` blocks immediately after: {ids}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            );
            return Err(Bad::value(turn.path.clone(), text));
        }
        let Some(next) = next else { break };
        if let Some(id) = next.blocks.iter().filter_map(Block::result).find(|id| !calls.contains(id)) {
            return Err(unexpected(&next.path, id));
        }
        let mut seen: Vec<&str> = Vec::new();
        for id in next.blocks.iter().filter_map(Block::result) {
            if seen.contains(&id) {
                let text = format!(
                    "each tool_use must have a single result. Found multiple `tool_result` blocks with id: {id}"
                );
                return Err(Bad::value(next.path.clone(), text));
            }
            seen.push(id);
        }
    }
    match turns.first().and_then(|turn| turn.blocks.iter().find_map(Block::result).map(|id| (turn, id))) {
        Some((turn, id)) => Err(unexpected(&turn.path, id)),
        None => Ok(()),
    }
}

fn unexpected(path: &str, id: &str) -> Bad {
    let text = format!(
        "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
    );
    Bad::value(path, text)
}

/// How the conversation may end, and how its last turn of the model must begin.
fn ends(turns: &[Turn], claude: &Claude, thinking: Thinking) -> Found<()> {
    let Some(last) = turns.last() else { return Ok(()) };
    if last.role == "assistant" {
        if !claude.prefills() || thinking.on {
            let text = "This model does not support assistant message prefill. The conversation must end with a user message.";
            return Err(Bad::new(What::Unsupported, "messages", text));
        }
        if let Some(Block::Text(text)) = last.blocks.last()
            && text.ends_with(char::is_whitespace)
        {
            return Err(Bad::value(
                "messages",
                "final assistant content cannot end with trailing whitespace",
            ));
        }
    }
    let turn = turns.iter().rev().find(|turn| turn.role == "assistant");
    let in_loop = last.blocks.iter().any(|block| block.result().is_some());
    match turn.filter(|_| thinking.manual && in_loop) {
        Some(turn) if !matches!(turn.blocks.first(), Some(Block::Thought)) => {
            let text = "Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks).";
            Err(Bad::value(format!("{}.content[0].type", turn.path), text))
        }
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
    let Some(last) = turns.last() else { return };
    asked.results = last
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Result { text, .. } => Some(text.clone()),
            _ => None,
        })
        .collect();
}

/// The text of a value that is text.
pub(super) fn plain(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
