//! Parts of a turn as blocks.
//!
//! | ours | theirs |
//! |---|---|
//! | text | `text`, unless there is nothing in it; of an assistant with the citations that may go back |
//! | image | `image` base64 (jpeg, png, gif, webp), url, file of the same dialect |
//! | document | `document` base64 (PDF), text, url, file of the same dialect |
//! | audio | refused |
//! | reasoning | `thinking` or `redacted_thinking` for whom it came from, else dropped with a warning |
//! | refusal | `text` |
//! | tool call | `tool_use`; arguments that are no object stand under `_raw`, a custom tool's text under `input` |
//! | tool result | `tool_result` |
//! | hosted | as it stands if it is of this dialect, else dropped with a warning |

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Encoding;
use super::turns::Block;
use crate::canonical::{
    At, CacheMark, CacheTtl, CallKind, Content, Opaque, OpaqueKind, Part, Role, Source, Turn,
};
use crate::dialect::Dialect;
use crate::dialect::anthropic_messages::cite;
use crate::fault::Fault;

const NOT_OF_ASSISTANTS: &str = "cannot be part of a message of the assistant's at this model's provider.";

impl Encoding<'_> {
    /// The blocks of a turn.
    pub(super) fn blocks(&mut self, turn: &Turn) -> Result<Vec<Block>, Fault> {
        let mut blocks = Vec::with_capacity(turn.parts.len());
        for part in &turn.parts {
            self.part(part, turn.role, &mut blocks)?;
        }
        Ok(blocks)
    }

    fn part(&mut self, part: &Part, role: Role, blocks: &mut Vec<Block>) -> Result<(), Fault> {
        let at = part.at;
        let value = match &part.content {
            Content::Text { text, citations } => self.text(text, citations, role, at),
            Content::Refusal { text } => self.text(text, &[], role, at),
            Content::Image { source, detail } => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.warn_at("parameter_dropped", at);
                }
                Some(self.image(source, role, at)?)
            }
            Content::Document { source, name } => Some(self.document(source, name.as_deref(), role, at)?),
            Content::Audio { .. } => {
                return Err(self.refuse_at(at, "is a recording, which this model's provider does not take."));
            }
            Content::Reasoning { text, summary, opaque } => {
                self.thoughts(text, summary, opaque, role, at, blocks);
                None
            }
            Content::ToolCall { id, name, kind, arguments, opaque } => {
                if !opaque.is_empty() {
                    self.warn_at("reasoning_state_dropped", at);
                }
                let input = self.input(arguments, *kind, at);
                let name = self.tool_name(name);
                Some(json!({ "type": "tool_use", "id": call_id(id), "name": name, "input": input }))
            }
            Content::ToolResult { id, parts, is_error } => Some(self.result(id, parts, *is_error)?),
            Content::Hosted { raw, origin: Dialect::AnthropicMessages } => Some(raw.clone()),
            Content::Hosted { .. } => {
                self.warn_at("hosted_item_dropped", at);
                None
            }
        };
        blocks.extend(value.map(|value| Block { at, value }));
        // A mark on what cannot be marked, or is left out, moves to the block before.
        let marked = blocks.iter_mut().rev().find(|block| !block.is_thought());
        match marked {
            Some(block) if self.target.profile.cache_marks => self.put_mark(&mut block.value, part.cache),
            _ if part.cache.is_some() => self.warn_at("cache_mark_dropped", at),
            _ => {}
        }
        Ok(())
    }

    /// Marks a block.
    pub(super) fn put_mark(&mut self, block: &mut Value, mark: Option<CacheMark>) {
        let Some(mark) = mark.filter(|_| self.target.profile.cache_marks) else { return };
        let mut control = json!({ "type": "ephemeral" });
        if mark.ttl == CacheTtl::Long && self.target.profile.cache_marks_long {
            control["ttl"] = "1h".into();
        }
        block["cache_control"] = control;
    }

    fn text(&mut self, text: &str, citations: &[Value], role: Role, at: At) -> Option<Value> {
        if text.trim().is_empty() {
            return None;
        }
        let mut block = json!({ "type": "text", "text": text });
        let returned: Vec<Value> = match role {
            Role::Assistant => {
                citations.iter().filter(|citation| cite::returnable(citation)).cloned().collect()
            }
            Role::User | Role::System => Vec::new(),
        };
        if returned.len() < citations.len() {
            self.warn_at("citations_dropped", at);
        }
        if !returned.is_empty() {
            block["citations"] = returned.into();
        }
        Some(block)
    }

    fn file(&self, id: &str, at: At) -> Result<Value, Fault> {
        if self.native() {
            return Ok(json!({ "type": "file", "file_id": id }));
        }
        Err(self.refuse_at(at, "is a file in another provider's store: send its bytes."))
    }

    fn image(&mut self, source: &Source, role: Role, at: At) -> Result<Value, Fault> {
        if role == Role::Assistant {
            return Err(self.refuse_at(at, NOT_OF_ASSISTANTS));
        }
        if !self.target.profile.images {
            return Err(self.refuse_at(at, "is an image, which this model does not take."));
        }
        let inline = |media_type: &str, data: &str| {
            let media_type = if media_type == "image/jpg" { "image/jpeg" } else { media_type };
            let known = ["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&media_type);
            known.then(|| json!({ "type": "base64", "media_type": media_type, "data": data }))
        };
        let source = match source {
            Source::Url(url) => match data_url(url) {
                Some((media_type, data)) => inline(media_type, data),
                None => Some(json!({ "type": "url", "url": url })),
            },
            Source::Base64 { media_type, data } => inline(media_type, data),
            Source::File(id) => Some(self.file(id, at)?),
            Source::Text(_) => None,
        };
        let source = source.ok_or_else(|| {
            self.refuse_at(at, "is an image of a type that this model's provider does not take: expected jpeg, png, gif or webp.")
        })?;
        Ok(json!({ "type": "image", "source": source }))
    }

    fn document(&mut self, source: &Source, name: Option<&str>, role: Role, at: At) -> Result<Value, Fault> {
        if role == Role::Assistant {
            return Err(self.refuse_at(at, NOT_OF_ASSISTANTS));
        }
        let text = |data: &str| json!({ "type": "text", "media_type": "text/plain", "data": data });
        let inline = |media_type: &str, data: &str| match media_type {
            "application/pdf" => Some(json!({ "type": "base64", "media_type": media_type, "data": data })),
            _ if media_type.starts_with("text/") || media_type == "application/json" => {
                Some(text(&String::from_utf8(STANDARD.decode(data).ok()?).ok()?))
            }
            _ => None,
        };
        let source = match source {
            Source::Url(url) => match data_url(url) {
                Some((media_type, data)) => inline(media_type, data),
                None => Some(json!({ "type": "url", "url": url })),
            },
            Source::Base64 { media_type, data } => inline(media_type, data),
            Source::Text(data) => Some(text(data)),
            Source::File(id) => Some(self.file(id, at)?),
        };
        let source = source.ok_or_else(|| {
            self.refuse_at(
                at,
                "is a document of a type that this model's provider does not take: expected PDF or text.",
            )
        })?;
        if source["type"] != "text" && !self.target.profile.documents {
            return Err(self.refuse_at(at, "is a document, which this model does not take."));
        }
        let mut block = json!({ "type": "document", "source": source });
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            block["title"] = name.into();
        }
        Ok(block)
    }

    fn thoughts(
        &mut self,
        text: &str,
        summary: &[String],
        opaque: &[Opaque],
        role: Role,
        at: At,
        blocks: &mut Vec<Block>,
    ) {
        let mut kept = false;
        for opaque in opaque.iter().filter(|_| role == Role::Assistant) {
            // Without an origin it is a caller's of this very dialect, who got it from such a provider.
            let own = self.target.takes(opaque.origin.as_ref()) || (opaque.origin.is_none() && self.native());
            let value = match opaque.kind {
                OpaqueKind::Signature if own && !kept => {
                    let joined = summary.join("\n\n");
                    let text = if text.is_empty() { &joined } else { text };
                    json!({ "type": "thinking", "thinking": text, "signature": opaque.data })
                }
                OpaqueKind::Redacted if own => json!({ "type": "redacted_thinking", "data": opaque.data }),
                _ => continue,
            };
            kept = true;
            blocks.push(Block { at, value });
        }
        if !kept {
            self.warn_at("reasoning_state_dropped", at);
        }
    }

    fn input(&mut self, arguments: &str, kind: CallKind, at: At) -> Value {
        if kind == CallKind::Custom {
            return json!({ "input": arguments });
        }
        if arguments.trim().is_empty() {
            return Value::Object(Map::new());
        }
        match serde_json::from_str(arguments) {
            Ok(Value::Object(map)) => Value::Object(map),
            _ => {
                self.warn_at("arguments_not_json", at);
                json!({ "_raw": arguments })
            }
        }
    }

    fn result(&mut self, id: &str, parts: &[Part], is_error: bool) -> Result<Value, Fault> {
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            self.part(part, Role::User, &mut blocks)?;
        }
        let mut result = json!({ "type": "tool_result", "tool_use_id": call_id(id) });
        if !blocks.is_empty() {
            result["content"] = blocks.into_iter().map(|block| block.value).collect();
        }
        if is_error {
            result["is_error"] = true.into();
        }
        Ok(result)
    }
}

/// The bytes of `data`'s digest in hexadecimal digits, as many as asked for.
pub(super) fn digest(data: &str, digits: usize) -> String {
    let digest = Sha256::digest(data.as_bytes());
    let mut hex: String = digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from_digit(u32::from(nibble), 16).unwrap_or('0'))
        .collect();
    hex.truncate(digits);
    hex
}

/// A call's id in the letters the dialect allows; another's is mapped to the same each time.
pub(super) fn call_id(id: &str) -> String {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !id.is_empty() && id.bytes().all(allowed) {
        return id.to_owned();
    }
    format!("t_{}", digest(id, 24))
}

/// Media type and base64 of a data URL.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    Some((media_type.split(';').next().unwrap_or_default(), data))
}
