//! Blocks of content: their fields, their bytes, and whose signatures they carry.

use serde_json::Value;

use super::Version;
use super::turns::{Marks, plain};
use crate::fake::look::{Bad, Found, Obj, What, name};
use crate::fake::media::{is_base64, is_picture, is_web};
use crate::fake::seal::Seal;

const PICTURES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// What of a block matters to its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// Text.
    Text(String),
    /// Thoughts, shown or not.
    Thought,
    /// A call of that id.
    Call(String),
    /// What a call gave.
    Result {
        /// The call's id.
        id: String,
        /// Its text.
        text: String,
    },
    /// Anything else.
    Other,
}

impl Block {
    /// The id of a call.
    pub(super) fn call(&self) -> Option<&str> {
        if let Self::Call(id) = self { Some(id) } else { None }
    }

    /// The id of the call that a result belongs to.
    pub(super) fn result(&self) -> Option<&str> {
        if let Self::Result { id, .. } = self { Some(id) } else { None }
    }
}

/// Reads the blocks of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    /// Knows artefacts again.
    pub seal: &'a Seal,
    /// The model, without its script.
    pub model: &'a str,
    /// The API's version.
    pub version: Version,
    /// Who speaks.
    pub role: &'a str,
}

/// Notes the mark of a block.
pub(super) fn mark(block: &Obj<'_>, marks: &mut Marks) -> Found<()> {
    match block.obj("cache_control")? {
        Some(mark) => marks.add(&mark),
        None => Ok(()),
    }
}

/// A text block: not empty, and a user's without citations from 2026-10-21 on.
pub(super) fn text(block: &Obj<'_>, version: Version, role: &str) -> Found<String> {
    block.only(&["type", "text", "cache_control", "citations"])?;
    let text = block.need_text("text")?;
    if text.is_empty() {
        return Err(Bad::value("messages", "text content blocks must be non-empty"));
    }
    if text.trim().is_empty() {
        return Err(Bad::value("messages", "text content blocks must contain non-whitespace text"));
    }
    if version == Version::New && role == "user" && !block.list("citations")?.is_empty() {
        return Err(Bad::new(What::Unknown, block.at("citations"), "unknown"));
    }
    Ok(text.to_owned())
}

impl Reader<'_> {
    /// The blocks of a message; text is one of its own.
    pub(super) fn content(&self, message: &Obj<'_>, marks: &mut Marks) -> Found<Vec<Block>> {
        match message.get("content") {
            None => Err(Bad::new(What::Missing, message.at("content"), "required")),
            Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
            Some(Value::String(text)) if text.trim().is_empty() => {
                Err(Bad::value("messages", "text content blocks must contain non-whitespace text"))
            }
            Some(Value::String(text)) => Ok(vec![Block::Text(text.clone())]),
            Some(_) => message.objects("content")?.iter().map(|block| self.block(block, marks)).collect(),
        }
    }

    fn block(&self, block: &Obj<'_>, marks: &mut Marks) -> Found<Block> {
        let kind = block.need_text("type")?;
        let unexpected = || {
            let text = format!(
                "Input tag '{kind}' found using 'type' does not match any of the expected tags for role '{}'",
                self.role
            );
            Bad::value(block.path.clone(), text)
        };
        if matches!(kind, "thinking" | "redacted_thinking") && block.has("cache_control") {
            return Err(Bad::new(What::Unknown, block.at("cache_control"), "unknown"));
        }
        mark(block, marks)?;
        match (self.role, kind) {
            (_, "text") => text(block, self.version, self.role).map(Block::Text),
            ("system", _) => Err(unexpected()),
            ("user", "image") => image(block).map(|()| Block::Other),
            ("user", "document") => document(block).map(|()| Block::Other),
            ("user", "search_result") => search_result(block).map(|()| Block::Other),
            ("user", "container_upload") => Ok(Block::Other),
            ("user", "tool_result") => self.result(block, marks),
            ("assistant", "document") if self.version == Version::Old => Ok(Block::Other),
            ("assistant", "thinking") => self.thought(block),
            ("assistant", "redacted_thinking") => self.hidden(block),
            ("assistant", "tool_use") => call(block),
            ("assistant", kind) if kind == "server_tool_use" || kind.ends_with("_tool_result") => {
                Ok(Block::Other)
            }
            ("assistant", "compaction" | "fallback" | "mcp_tool_use") => Ok(Block::Other),
            _ => Err(unexpected()),
        }
    }

    fn thought(&self, block: &Obj<'_>) -> Found<Block> {
        block.only(&["type", "thinking", "signature"])?;
        let (thinking, signature) = (block.need_text("thinking")?, block.need_text("signature")?);
        let checked = self.seal.check(signature, "signature", self.model, thinking);
        checked.map_err(|_| Bad::value(block.path.clone(), "Invalid `signature` in `thinking` block"))?;
        Ok(Block::Thought)
    }

    fn hidden(&self, block: &Obj<'_>) -> Found<Block> {
        block.only(&["type", "data"])?;
        let checked = self.seal.check(block.need_text("data")?, "redacted", self.model, "");
        checked.map_err(|_| Bad::value(block.path.clone(), "Invalid `data` in `redacted_thinking` block"))?;
        Ok(Block::Thought)
    }

    fn result(&self, block: &Obj<'_>, marks: &mut Marks) -> Found<Block> {
        block.only(&["type", "tool_use_id", "content", "is_error", "cache_control"])?;
        let id = block.need_text("tool_use_id")?;
        name(block.at("tool_use_id"), id, 256, "_-")?;
        block.bool("is_error")?;
        let mut texts = Vec::new();
        if let Some(content) = block.get("content") {
            texts.extend(plain(content));
            let parts = if content.is_string() { Vec::new() } else { block.objects("content")? };
            for part in &parts {
                mark(part, marks)?;
                match part
                    .need_word("type", &["text", "image", "document", "search_result", "tool_reference"])?
                {
                    "text" => texts.push(text(part, self.version, "tool")?),
                    "image" => image(part)?,
                    "document" => document(part)?,
                    "search_result" => search_result(part)?,
                    _ => {}
                }
            }
        }
        Ok(Block::Result { id: id.to_owned(), text: texts.concat() })
    }
}

fn call(block: &Obj<'_>) -> Found<Block> {
    block.only(&["type", "id", "name", "input", "cache_control", "caller", "toolset_name"])?;
    let id = block.need_text("id")?;
    name(block.at("id"), id, 256, "_-")?;
    name(block.at("name"), block.need_text("name")?, 200, "_-")?;
    block.need_obj("input")?;
    Ok(Block::Call(id.to_owned()))
}

fn image(block: &Obj<'_>) -> Found<()> {
    block.only(&["type", "source", "cache_control", "transformations"])?;
    let source = block.need_obj("source")?;
    match source.need_word("type", &["base64", "url", "file"])? {
        "base64" => {
            source.only(&["type", "media_type", "data"])?;
            let media_type = source.need_word("media_type", &PICTURES)?;
            let data = source.need_text("data")?;
            if !is_base64(data) {
                return Err(Bad::value(source.at("base64"), "invalid base64 data"));
            }
            if !is_picture(media_type, data) {
                let text = format!(
                    "The image was specified using the {media_type} media type, but does not appear to be a valid {media_type} image"
                );
                return Err(Bad::value(source.at("base64.data"), text));
            }
            Ok(())
        }
        kind => address(&source, kind),
    }
}

/// A source at an address or in the store of files.
fn address(source: &Obj<'_>, kind: &str) -> Found<()> {
    if kind == "file" {
        source.only(&["type", "file_id"])?;
        return source.need_text("file_id").map(|_| ());
    }
    source.only(&["type", "url"])?;
    if is_web(source.need_text("url")?) {
        return Ok(());
    }
    Err(Bad::value(source.at("url"), "Only HTTPS URLs are supported."))
}

fn document(block: &Obj<'_>) -> Found<()> {
    block.only(&["type", "source", "title", "context", "citations", "cache_control"])?;
    block.text("title")?;
    let source = block.need_obj("source")?;
    match source.need_word("type", &["base64", "url", "text", "content", "file"])? {
        "base64" => {
            source.only(&["type", "media_type", "data"])?;
            source.need_word("media_type", &["application/pdf"])?;
            if !is_base64(source.need_text("data")?) {
                return Err(Bad::value(source.at("data"), "invalid base64 data"));
            }
            Ok(())
        }
        "text" => {
            source.only(&["type", "media_type", "data"])?;
            source.need_word("media_type", &["text/plain"])?;
            source.need_text("data").map(|_| ())
        }
        "content" => source.only(&["type", "content"]),
        kind => address(&source, kind),
    }
}

fn search_result(block: &Obj<'_>) -> Found<()> {
    block.need_text("source")?;
    block.need_text("title")?;
    for part in block.objects("content")? {
        part.need_word("type", &["text"])?;
    }
    Ok(())
}
