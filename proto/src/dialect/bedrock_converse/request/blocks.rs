//! Parts to content blocks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::names::{Documents, call_id};
use super::{Context, refused};
use crate::canonical::{CallKind, Content, Opaque, OpaqueKind, Part, Role, Source};
use crate::fault::Fault;

/// What stands for a result without content: blank texts are refused, and so is a result without any.
const NO_OUTPUT: &str = "(no output)";

impl Context<'_> {
    /// Appends the blocks of a part that is no tool result.
    pub(super) fn part(
        &mut self,
        part: &Part,
        role: Role,
        documents: &mut Documents,
        blocks: &mut Vec<Value>,
    ) -> Result<(), Fault> {
        let path = self.request.path(part.at);
        match &part.content {
            Content::Text { text, citations } => {
                if !citations.is_empty() {
                    self.warn("citations_dropped", path);
                }
                push_text(text, blocks);
            }
            Content::Refusal { text } => push_text(text, blocks),
            Content::Image { source, detail } => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.warn("image_detail_dropped", path.clone());
                }
                blocks.push(self.image(source, path)?);
            }
            Content::Audio { source, format } => blocks.push(self.audio(source, format, path)?),
            Content::Document { source, name } => {
                blocks.push(self.document(source, name.as_deref(), path, documents)?);
            }
            Content::Reasoning { text, summary, opaque } => {
                self.reasoning(text, summary, opaque, path, blocks);
            }
            Content::ToolCall { id, name, kind, arguments, opaque } => {
                if !opaque.is_empty() {
                    self.warn("reasoning_state_dropped", path.clone());
                }
                let name = self.names.there(name);
                let input = self.input(*kind, arguments, path);
                blocks.push(json!({ "toolUse": { "toolUseId": call_id(id), "name": name, "input": input } }));
            }
            Content::ToolResult { id, parts, is_error } => {
                blocks.push(self.tool_result(id, parts, *is_error, documents)?);
            }
            Content::Hosted { raw, .. } => {
                let kind = raw["type"].as_str().unwrap_or("this item");
                if role != Role::Assistant || kind == "item_reference" {
                    return Err(refused(path, format!("Models at Bedrock do not take `{kind}`.")));
                }
                self.warn("hosted_item_dropped", path);
            }
        }
        Ok(())
    }

    /// What a tool call gave, as the block that answers it.
    pub(super) fn tool_result(
        &mut self,
        id: &str,
        parts: &[Part],
        is_error: bool,
        documents: &mut Documents,
    ) -> Result<Value, Fault> {
        let mut content = Vec::new();
        for part in parts {
            self.part(part, Role::User, documents, &mut content)?;
        }
        if content.is_empty() {
            content.push(json!({ "text": NO_OUTPUT }));
        }
        let mut result = Map::new();
        result.insert("toolUseId".to_owned(), json!(call_id(id)));
        result.insert("content".to_owned(), Value::Array(content));
        if is_error {
            result.insert("status".to_owned(), json!("error"));
        }
        Ok(json!({ "toolResult": result }))
    }

    fn image(&self, source: &Source, path: String) -> Result<Value, Fault> {
        if !self.target.profile.images {
            return Err(refused(path, "This model does not take images."));
        }
        let (media_type, data) = bytes_of(source, "image", &path)?;
        let format = match media_type {
            "image/png" => "png",
            "image/jpeg" | "image/jpg" => "jpeg",
            "image/gif" => "gif",
            "image/webp" => "webp",
            other => {
                return Err(refused(
                    path,
                    format!("Models at Bedrock do not take images of type `{other}`."),
                ));
            }
        };
        Ok(json!({ "image": { "format": format, "source": { "bytes": data } } }))
    }

    fn audio(&self, source: &Source, format: &str, path: String) -> Result<Value, Fault> {
        if !self.target.profile.audio {
            return Err(refused(path, "This model does not take audio."));
        }
        let (_, data) = bytes_of(source, "audio", &path)?;
        Ok(json!({ "audio": { "format": format, "source": { "bytes": data } } }))
    }

    fn document(
        &self,
        source: &Source,
        name: Option<&str>,
        path: String,
        documents: &mut Documents,
    ) -> Result<Value, Fault> {
        if !self.target.profile.documents {
            return Err(refused(path, "This model does not take documents."));
        }
        let (format, data) = match source {
            Source::Text(text) => ("txt", STANDARD.encode(text)),
            _ => {
                let (media_type, data) = bytes_of(source, "document", &path)?;
                let format = document_format(media_type, name).ok_or_else(|| {
                    let message = format!("Models at Bedrock do not take documents of type `{media_type}`.");
                    refused(path, message)
                })?;
                (format, data.to_owned())
            }
        };
        let name = documents.name(name);
        Ok(json!({ "document": { "format": format, "name": name, "source": { "bytes": data } } }))
    }

    /// Thoughts go back to where they came from and nowhere else: they are bound to provider and model.
    fn reasoning(
        &mut self,
        text: &str,
        summary: &[String],
        opaque: &[Opaque],
        path: String,
        blocks: &mut Vec<Value>,
    ) {
        let mut text = if text.is_empty() { summary.concat() } else { text.to_owned() };
        let mut kept = false;
        for state in opaque.iter().filter(|state| self.target.takes(state.origin.as_ref())) {
            match state.kind {
                OpaqueKind::Signature => {
                    let text = std::mem::take(&mut text);
                    let shown = json!({ "text": text, "signature": state.data });
                    blocks.push(json!({ "reasoningContent": { "reasoningText": shown } }));
                }
                OpaqueKind::Redacted => {
                    blocks.push(json!({ "reasoningContent": { "redactedContent": state.data } }));
                }
                OpaqueKind::Encrypted | OpaqueKind::ThoughtSignature => continue,
            }
            kept = true;
        }
        if !kept {
            self.warn("reasoning_state_dropped", path);
        }
    }

    /// A call's arguments as the object Converse wants.
    fn input(&mut self, kind: CallKind, arguments: &str, path: String) -> Value {
        if kind == CallKind::Custom {
            return json!({ "input": arguments });
        }
        if arguments.trim().is_empty() {
            return json!({});
        }
        match serde_json::from_str(arguments) {
            Ok(object @ Value::Object(_)) => object,
            _ => {
                self.warn("arguments_not_json", path);
                json!({ "_raw": arguments })
            }
        }
    }
}

fn push_text(text: &str, blocks: &mut Vec<Value>) {
    if !text.trim().is_empty() {
        blocks.push(json!({ "text": text }));
    }
}

fn bytes_of<'a>(source: &'a Source, what: &str, path: &str) -> Result<(&'a str, &'a str), Fault> {
    match source {
        Source::Base64 { media_type, data } => {
            let plain = media_type.split(';').next().unwrap_or_default().trim();
            Ok((plain, data))
        }
        Source::Url(_) => Err(refused(
            path,
            format!("Models at Bedrock do not fetch an address: send the {what} as base64."),
        )),
        Source::File(_) => Err(refused(
            path,
            format!(
                "A file in another provider's store cannot be sent to Bedrock: send the {what} as base64."
            ),
        )),
        Source::Text(_) => Err(refused(path, format!("The {what} has to be sent as base64."))),
    }
}

/// By the media type, or by the name's ending where the type says nothing.
fn document_format(media_type: &str, name: Option<&str>) -> Option<&'static str> {
    let of_type = match media_type {
        "application/pdf" => Some("pdf"),
        "text/csv" => Some("csv"),
        "application/msword" => Some("doc"),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => Some("docx"),
        "application/vnd.ms-excel" => Some("xls"),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Some("xlsx"),
        "text/html" => Some("html"),
        "text/markdown" => Some("md"),
        "text/plain" => Some("txt"),
        _ => None,
    };
    let unsaid = matches!(media_type, "" | "application/octet-stream");
    of_type.or_else(|| {
        let ending = name.filter(|_| unsaid)?.rsplit_once('.')?.1.to_ascii_lowercase();
        ["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"].into_iter().find(|f| *f == ending)
    })
}
