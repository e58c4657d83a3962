//! Blocks of messages.
//!
//! | theirs | ours |
//! |---|---|
//! | `text` | text with its citations |
//! | `image` | image |
//! | `document` base64, url, file, text | document, its title as its name |
//! | `document` content | a document of text; with images, its parts one by one |
//! | `document.context` | a text before it |
//! | `search_result` | a document of text that begins with its source |
//! | `thinking`, `redacted_thinking` | reasoning; a token of ours unwrapped, a provider's own data without origin |
//! | `redacted_thinking` after a `tool_use`, with a token of what belongs to the call | opaque data of that call |
//! | `tool_use`, `tool_result` | tool call, tool result |
//! | anything else | hosted, as it stands |

use serde_json::{Map, Value};

use super::{Reader, boolean, object, string, take_mark};
use crate::canonical::{At, CallKind, Carrier, Content, Opaque, OpaqueKind, Part, Source};
use crate::dialect::Dialect;
use crate::dialect::openai_chat::request::expected;
use crate::fault::Fault;

type Block = Map<String, Value>;

/// The fields of a block in hand, with the path of the block for errors.
struct Fields<'a> {
    block: Block,
    path: &'a str,
}

impl Fields<'_> {
    fn take(&mut self, key: &str) -> Option<Value> {
        self.block.shift_remove(key).filter(|value| !value.is_null())
    }

    fn string(&mut self, key: &str) -> Result<String, Fault> {
        string(self.take(key).unwrap_or_default(), &format!("{}.{key}", self.path))
    }

    fn string_if(&mut self, key: &str) -> Result<Option<String>, Fault> {
        self.take(key).map(|value| string(value, &format!("{}.{key}", self.path))).transpose()
    }
}

impl Reader<'_> {
    /// The content of a message.
    pub(super) fn content(&mut self, content: Value, turn: u32) -> Result<Vec<Part>, Fault> {
        let path = format!("messages[{turn}].content");
        match content {
            Value::String(text) => {
                Ok(vec![Part::new(At { turn, part: None }, Content::Text { text, citations: Vec::new() })])
            }
            Value::Array(blocks) => {
                let mut parts = Vec::with_capacity(blocks.len());
                for (n, block) in (0..).zip(blocks) {
                    let at = At { turn, part: Some(n) };
                    self.block(block, at, &format!("{path}[{n}]"), &mut parts)?;
                }
                Ok(parts)
            }
            _ => Err(expected(&path, "a string or an array of blocks")),
        }
    }

    fn block(&mut self, block: Value, at: At, path: &str, parts: &mut Vec<Part>) -> Result<(), Fault> {
        let block = object(block, path)?;
        let Some(kind) = block.get("type").and_then(Value::as_str).map(str::to_owned) else {
            return Err(expected(&format!("{path}.type"), "a string"));
        };
        let known = [
            "text",
            "image",
            "document",
            "search_result",
            "thinking",
            "redacted_thinking",
            "tool_use",
            "tool_result",
        ];
        if !known.contains(&kind.as_str()) {
            let content = Content::Hosted { raw: Value::Object(block), origin: Dialect::AnthropicMessages };
            parts.push(Part::new(at, content));
            return Ok(());
        }
        let mut fields = Fields { block, path };
        fields.take("type");
        let cache = take_mark(&mut fields.block, path)?;
        let before = parts.len();
        match kind.as_str() {
            "text" => {
                let citations = match fields.take("citations") {
                    Some(Value::Array(citations)) => citations,
                    _ => Vec::new(),
                };
                let text = fields.string("text")?;
                parts.push(Part::new(at, Content::Text { text, citations }));
            }
            "image" => {
                let source = source(fields.take("source"), path)?;
                parts.push(Part::new(at, Content::Image { source, detail: None }));
            }
            "document" => self.document(&mut fields, at, parts)?,
            "search_result" => parts.push(Part::new(at, search_result(&mut fields)?)),
            "thinking" => {
                let (text, signature) = (fields.string("thinking")?, fields.string_if("signature")?);
                let opaque = self.opaque(signature, OpaqueKind::Signature).into_iter().collect();
                parts.push(Part::new(at, Content::Reasoning { text, summary: Vec::new(), opaque }));
            }
            "redacted_thinking" => {
                let data = fields.string("data")?;
                let opaque = self.opaque(Some(data), OpaqueKind::Redacted);
                self.redacted(opaque, at, parts);
            }
            "tool_use" => parts.push(Part::new(at, tool_use(&mut fields)?)),
            _ => {
                let result = self.tool_result(&mut fields, at)?;
                parts.push(Part::new(at, result));
            }
        }
        if parts.len() > before
            && let Some(last) = parts.last_mut()
        {
            last.cache = cache;
        }
        self.note_rest(fields.block, path);
        Ok(())
    }

    /// Opaque data out of a caller's hands. A token that is not ours after all says nothing to anyone.
    fn opaque(&self, data: Option<String>, kind: OpaqueKind) -> Option<Opaque> {
        let data = data.filter(|data| !data.is_empty())?;
        if Carrier::is_token(&data) {
            return self.carrier.unwrap(&data);
        }
        Some(Opaque { origin: None, kind, data })
    }

    fn redacted(&self, opaque: Option<Opaque>, at: At, parts: &mut Vec<Part>) {
        let Some(opaque) = opaque else { return };
        if let (
            OpaqueKind::ThoughtSignature,
            Some(Part { content: Content::ToolCall { opaque: of_call, .. }, .. }),
        ) = (opaque.kind, parts.last_mut())
        {
            of_call.push(opaque);
            return;
        }
        let content = Content::Reasoning { text: String::new(), summary: Vec::new(), opaque: vec![opaque] };
        parts.push(Part::new(at, content));
    }

    fn document(&mut self, fields: &mut Fields<'_>, at: At, parts: &mut Vec<Part>) -> Result<(), Fault> {
        let name = fields.string_if("title")?;
        if let Some(context) = fields.string_if("context")? {
            parts.push(Part::new(at, Content::Text { text: context, citations: Vec::new() }));
        }
        // Citations that are off are what every other dialect does anyway.
        if fields.block.get("citations").is_some_and(|citations| citations["enabled"] != true) {
            fields.take("citations");
        }
        let raw = fields.take("source").unwrap_or_default();
        if raw["type"] != "content" {
            let source = source(Some(raw), fields.path)?;
            parts.push(Part::new(at, Content::Document { source, name }));
            return Ok(());
        }
        let path = format!("{}.source.content", fields.path);
        let inner = self.inner(raw["content"].clone(), at, &path)?;
        match joined(&inner) {
            Some(text) => parts.push(Part::new(at, Content::Document { source: Source::Text(text), name })),
            None => parts.extend(inner),
        }
        Ok(())
    }

    /// Content within a block: a string or blocks.
    fn inner(&mut self, content: Value, at: At, path: &str) -> Result<Vec<Part>, Fault> {
        let mut parts = Vec::new();
        match content {
            Value::Null => {}
            Value::String(text) => parts.push(Part::new(at, Content::Text { text, citations: Vec::new() })),
            Value::Array(blocks) => {
                for (n, block) in blocks.into_iter().enumerate() {
                    let path = format!("{path}[{n}]");
                    if block["type"] == "tool_result" {
                        return Err(expected(&path, "a text, image or document block"));
                    }
                    self.block(block, at, &path, &mut parts)?;
                }
            }
            _ => return Err(expected(path, "a string or an array of blocks")),
        }
        Ok(parts)
    }

    fn tool_result(&mut self, fields: &mut Fields<'_>, at: At) -> Result<Content, Fault> {
        let id = fields.string("tool_use_id")?;
        let path = format!("{}.content", fields.path);
        let content = fields.take("content").unwrap_or_default();
        let parts = self.inner(content, at, &path)?;
        let is_error = match fields.take("is_error") {
            None => false,
            Some(flag) => boolean(&flag, &format!("{}.is_error", fields.path))?,
        };
        Ok(Content::ToolResult { id, parts, is_error })
    }
}

fn source(value: Option<Value>, path: &str) -> Result<Source, Fault> {
    let path = format!("{path}.source");
    let block = object(value.unwrap_or_default(), &path)?;
    let kind = block.get("type").and_then(Value::as_str).map(str::to_owned);
    let mut fields = Fields { block, path: &path };
    Ok(match kind.as_deref() {
        Some("base64") => {
            Source::Base64 { media_type: fields.string("media_type")?, data: fields.string("data")? }
        }
        Some("url") => Source::Url(fields.string("url")?),
        Some("file") => Source::File(fields.string("file_id")?),
        Some("text") => Source::Text(fields.string("data")?),
        _ => return Err(expected(&format!("{path}.type"), "`base64`, `url`, `text`, `content` or `file`")),
    })
}

/// The text of parts that are nothing else; `None` if one is.
fn joined(parts: &[Part]) -> Option<String> {
    let texts: Option<Vec<&str>> = parts
        .iter()
        .map(|part| match &part.content {
            Content::Text { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    Some(texts?.join("\n\n"))
}

fn search_result(fields: &mut Fields<'_>) -> Result<Content, Fault> {
    let (from, title) = (fields.string("source")?, fields.string_if("title")?);
    let mut text = format!("Source: {from}");
    if let Some(Value::Array(blocks)) = fields.take("content") {
        for block in &blocks {
            text.push_str("\n\n");
            text.push_str(block["text"].as_str().unwrap_or_default());
        }
    }
    if fields.block.get("citations").is_some_and(|citations| citations["enabled"] != true) {
        fields.take("citations");
    }
    Ok(Content::Document { source: Source::Text(text), name: title })
}

fn tool_use(fields: &mut Fields<'_>) -> Result<Content, Fault> {
    let (id, name) = (fields.string("id")?, fields.string("name")?);
    let arguments = match fields.take("input") {
        None => String::new(),
        Some(input @ Value::Object(_)) => input.to_string(),
        Some(_) => return Err(expected(&format!("{}.input", fields.path), "an object")),
    };
    // Who called is said where a tool calls tools; the plain case goes without saying.
    if fields.block.get("caller").is_some_and(|caller| caller["type"] == "direct") {
        fields.take("caller");
    }
    Ok(Content::ToolCall { id, name, kind: CallKind::Function, arguments, opaque: Vec::new() })
}
