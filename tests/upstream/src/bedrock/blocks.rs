//! Blocks of content: one member each, their bytes, and whose signatures they carry.

use serde_json::Value;

use crate::fake::look::{Bad, Found, Obj, What, name};
use crate::fake::media::{is_base64, is_picture};
use crate::fake::seal::Seal;

const KINDS: [&str; 14] = [
    "text",
    "image",
    "document",
    "video",
    "audio",
    "toolUse",
    "toolResult",
    "reasoningContent",
    "cachePoint",
    "citationsContent",
    "searchResult",
    "guardContent",
    "toolAddition",
    "toolRemoval",
];
const RESULTS: [&str; 6] = ["text", "json", "image", "document", "video", "searchResult"];
const DOCUMENTS: [&str; 9] = ["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];
const IMAGES_MAX: usize = 20;
const DOCUMENTS_MAX: usize = 5;

/// What of a block matters to its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// Text.
    Text(String),
    /// A picture.
    Image,
    /// A document of that name.
    Document(String),
    /// A call of that id.
    Call(String),
    /// What a call gave.
    Result {
        /// The call's id.
        id: String,
        /// Its text.
        text: String,
    },
    /// A mark of the cache.
    Mark,
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

fn refused<T>(path: impl Into<String>, text: impl Into<String>) -> Found<T> {
    Err(Bad::new(What::Unsupported, path, text))
}

/// Text that is not blank.
pub(super) fn text(block: &Obj<'_>) -> Found<String> {
    let text = block.need_text("text")?;
    if text.trim().is_empty() {
        let path = block.path.replace('[', ".").replace(']', "");
        return refused(
            block.at("text"),
            format!(
                "The text field in the ContentBlock object at {path} is blank. Add text to the text field, and try again."
            ),
        );
    }
    Ok(text.to_owned())
}

/// A mark of the cache.
pub(super) fn cache_point(mark: &Obj<'_>) -> Found<()> {
    mark.only(&["type", "ttl"])?;
    mark.need_word("type", &["default"])?;
    mark.word("ttl", &["5m", "1h"]).map(|_| ())
}

/// What only a whole message shows: how many pictures and documents, a text beside a document, a mark not first.
pub(super) fn together(blocks: &[Block], i: usize) -> Found<()> {
    let path = format!("messages[{i}].content");
    let names: Vec<&String> =
        blocks.iter().filter_map(|b| if let Block::Document(name) = b { Some(name) } else { None }).collect();
    if blocks.iter().filter(|block| **block == Block::Image).count() > IMAGES_MAX {
        return refused(path, format!("You can't include more than {IMAGES_MAX} images in a message."));
    }
    if names.len() > DOCUMENTS_MAX {
        return refused(path, format!("You can't include more than {DOCUMENTS_MAX} documents in a message."));
    }
    if names.iter().enumerate().any(|(i, name)| names.get(i + 1..).is_some_and(|rest| rest.contains(name))) {
        return refused(path, "The document names in a request must be unique.");
    }
    if !names.is_empty() && !blocks.iter().any(|block| matches!(block, Block::Text(_))) {
        return refused(path, "A text block must be included when you use a document block.");
    }
    if blocks.first() == Some(&Block::Mark) {
        return refused(path, "A cachePoint block must follow other content.");
    }
    Ok(())
}

/// Reads blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    /// Knows artefacts again.
    pub seal: &'a Seal,
    /// The model, without its script.
    pub model: &'a str,
}

impl Reader<'_> {
    /// A block of a message of that role.
    pub(super) fn block(&self, block: &Obj<'_>, role: &str) -> Found<Block> {
        block.only(&KINDS)?;
        let kind = block.one_of_fields(&KINDS)?;
        let allowed = match kind {
            "text" | "cachePoint" | "guardContent" => true,
            "toolUse" | "reasoningContent" | "citationsContent" => role == "assistant",
            _ => role == "user",
        };
        if !allowed {
            return refused(
                block.at(kind),
                format!("The {kind} block isn't supported in a message of role {role}."),
            );
        }
        if kind == "text" {
            return text(block).map(Block::Text);
        }
        let inner = block.need_obj(kind)?;
        match kind {
            "image" => image(&inner).map(|()| Block::Image),
            "document" => document(&inner).map(Block::Document),
            "toolUse" => call(&inner),
            "toolResult" => result(&inner),
            "reasoningContent" => self.reasoning(&inner),
            "cachePoint" => cache_point(&inner).map(|()| Block::Mark),
            _ => Ok(Block::Other),
        }
    }

    fn reasoning(&self, inner: &Obj<'_>) -> Found<Block> {
        inner.only(&["reasoningText", "redactedContent"])?;
        let by_model = |field: &str| {
            let text = format!(
                "{}: Invalid `{field}` in `thinking` block",
                inner.path.replace('[', ".").replace(']', "")
            );
            Bad::new(What::Coded("model"), "", text)
        };
        if inner.one_of_fields(&["reasoningText", "redactedContent"])? == "redactedContent" {
            let data = inner.need_text("redactedContent")?;
            self.seal.check(data, "redacted", self.model, "").map_err(|_| by_model("data"))?;
            return Ok(Block::Other);
        }
        let shown = inner.need_obj("reasoningText")?;
        shown.only(&["text", "signature"])?;
        let text = shown.need_text("text")?;
        let signature = shown.text("signature")?.ok_or_else(|| by_model("signature"))?;
        self.seal.check(signature, "signature", self.model, text).map_err(|_| by_model("signature"))?;
        Ok(Block::Other)
    }
}

fn tool_use_id<'a>(inner: &Obj<'a>) -> Found<&'a str> {
    let id = inner.need_text("toolUseId")?;
    name(inner.at("toolUseId"), id, 64, "_.:-")?;
    Ok(id)
}

fn call(inner: &Obj<'_>) -> Found<Block> {
    inner.only(&["toolUseId", "name", "input", "type"])?;
    let id = tool_use_id(inner)?;
    name(inner.at("name"), inner.need_text("name")?, 64, "_-")?;
    if !inner.need_input()?.is_object() {
        let path = inner.path.replace('[', ".").replace(']', "");
        return refused(
            inner.at("input"),
            format!(
                "The format of the value at {path}.input is invalid. Provide a json object for the field and try again."
            ),
        );
    }
    Ok(Block::Call(id.to_owned()))
}

impl<'a> Obj<'a> {
    fn need_input(&self) -> Found<&'a Value> {
        self.get("input").ok_or_else(|| Bad::new(What::Missing, self.at("input"), "required"))
    }
}

fn result(inner: &Obj<'_>) -> Found<Block> {
    inner.only(&["toolUseId", "content", "status", "type"])?;
    let id = tool_use_id(inner)?;
    inner.word("status", &["success", "error"])?;
    if !inner.has("content") {
        return Err(Bad::new(What::Missing, inner.at("content"), "required"));
    }
    let mut texts = Vec::new();
    for part in inner.objects("content")? {
        part.only(&RESULTS)?;
        match part.one_of_fields(&RESULTS)? {
            "text" => texts.push(text(&part)?),
            "json" => {
                texts.push(part.need_obj("json").map(|json| Value::Object(json.map.clone()).to_string())?)
            }
            "image" => image(&part.need_obj("image")?)?,
            "document" => document(&part.need_obj("document")?).map(|_| ())?,
            _ => {}
        }
    }
    Ok(Block::Result { id: id.to_owned(), text: texts.concat() })
}

fn image(inner: &Obj<'_>) -> Found<()> {
    inner.only(&["format", "source"])?;
    let format = inner.need_word("format", &["png", "jpeg", "gif", "webp"])?;
    let source = inner.need_obj("source")?;
    source.only(&["bytes", "s3Location"])?;
    if source.one_of_fields(&["bytes", "s3Location"])? == "s3Location" {
        return Ok(());
    }
    let bytes = source.need_text("bytes")?;
    if !is_base64(bytes) || !is_picture(&format!("image/{format}"), bytes) {
        return refused(source.at("bytes"), "Could not process image");
    }
    Ok(())
}

fn document(inner: &Obj<'_>) -> Found<String> {
    inner.only(&["format", "name", "source", "context", "citations"])?;
    inner.word("format", &DOCUMENTS)?;
    let named = inner.need_text("name")?;
    name(inner.at("name"), named, 200, " -()[]").map_err(|_| document_name(inner))?;
    if named.contains("  ") {
        return Err(document_name(inner));
    }
    let source = inner.need_obj("source")?;
    source.only(&["bytes", "s3Location", "text", "content"])?;
    if source.one_of_fields(&["bytes", "s3Location", "text", "content"])? == "bytes"
        && !is_base64(source.need_text("bytes")?)
    {
        return refused(source.at("bytes"), "The document could not be read.");
    }
    Ok(named.to_owned())
}

fn document_name(inner: &Obj<'_>) -> Bad {
    let text = "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square brackets. The name can't contain more than one consecutive whitespace character.";
    Bad::new(What::Unsupported, inner.at("name"), text)
}
