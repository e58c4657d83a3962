//! One part of a message's content.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::context::{Context, refuse};
use crate::canonical::{CacheMark, CacheTtl, Content, Part, Source};
use crate::dialect::Dialect;
use crate::fault::Fault;

/// A user's part. Only what a user may say: text, pictures, recordings, documents.
pub(super) fn part(context: &mut Context<'_, '_>, part: &Part) -> Result<Value, Fault> {
    let path = || context.path(part.at);
    let value = match &part.content {
        Content::Text { text, .. } => text_part(text),
        Content::Image { source, detail } => {
            if !context.profile().images {
                return Err(refuse(path(), "the model takes no images"));
            }
            let url = match source {
                Source::Url(url) => url.clone(),
                Source::Base64 { media_type, data } => data_url(media_type, data),
                Source::Text(_) | Source::File(_) => {
                    return Err(refuse(path(), "an image must be an address or base64 data"));
                }
            };
            let mut image = Map::new();
            image.insert("url".into(), url.into());
            image.extend(detail.clone().map(|detail| ("detail".to_owned(), detail.into())));
            json!({"type": "image_url", "image_url": image})
        }
        Content::Audio { source, format } => match source {
            Source::Base64 { data, .. } if context.profile().audio => {
                json!({"type": "input_audio", "input_audio": {"data": data, "format": format}})
            }
            Source::Base64 { .. } => return Err(refuse(path(), "the model takes no recordings")),
            Source::Url(_) | Source::Text(_) | Source::File(_) => {
                return Err(refuse(path(), "a recording must be base64 data"));
            }
        },
        Content::Document { source, name } => document(context, part, source, name.as_deref())?,
        Content::Refusal { .. }
        | Content::Reasoning { .. }
        | Content::ToolCall { .. }
        | Content::ToolResult { .. } => {
            return Err(refuse(path(), "it has no place in a message of this role"));
        }
        Content::Hosted { .. } => return Err(refuse(path(), "it is known to its own dialect alone")),
    };
    Ok(marked(context, part, value))
}

fn document(
    context: &Context<'_, '_>,
    part: &Part,
    source: &Source,
    name: Option<&str>,
) -> Result<Value, Fault> {
    let path = || context.path(part.at);
    let inline = |text: &str| match name {
        Some(name) => text_part(&format!("Document {name}:\n{text}")),
        None => text_part(text),
    };
    match source {
        Source::Text(text) => return Ok(inline(text)),
        Source::Base64 { media_type, data } if media_type.starts_with("text/") => {
            let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            return text
                .map(|text| inline(&text))
                .ok_or_else(|| refuse(path(), "its data is not text in base64"));
        }
        Source::Base64 { .. } | Source::Url(_) | Source::File(_) => {}
    }
    if !context.profile().documents {
        return Err(refuse(path(), "the model takes no documents"));
    }
    match source {
        Source::Base64 { media_type, data } => {
            let name = match (name, media_type.as_str()) {
                (Some(name), _) => name,
                (None, "application/pdf") => "document.pdf",
                (None, _) => "document",
            };
            Ok(json!({"type": "file", "file": {"filename": name, "file_data": data_url(media_type, data)}}))
        }
        // Ids of one vendor's file store mean nothing to another.
        Source::File(id) if context.request.dialect != Dialect::AnthropicMessages => {
            Ok(json!({"type": "file", "file": {"file_id": id}}))
        }
        Source::File(_) => Err(refuse(path(), "the file is kept at another provider")),
        Source::Url(_) | Source::Text(_) => {
            Err(refuse(path(), "documents at an address are not supported there; send base64"))
        }
    }
}

/// A part of plain text.
pub(super) fn text_part(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

/// The part with its cache mark, where the model takes such.
pub(super) fn marked(context: &mut Context<'_, '_>, part: &Part, value: Value) -> Value {
    with_mark(context, part.cache, value, |context| context.path(part.at))
}

/// The same for a mark of whatever stands at `path`.
pub(super) fn with_mark(
    context: &mut Context<'_, '_>,
    mark: Option<CacheMark>,
    mut value: Value,
    path: impl FnOnce(&Context<'_, '_>) -> String,
) -> Value {
    let Some(mark) = mark else { return value };
    if !(context.is_openai() && context.profile().cache_marks) {
        let path = path(context);
        context.warn("cache_mark_dropped", path);
        return value;
    }
    let mut breakpoint = json!({"mode": "explicit"});
    if mark.ttl == CacheTtl::Long {
        if context.profile().cache_marks_long {
            breakpoint["ttl"] = "12h".into();
        } else {
            let path = path(context);
            context.warn("cache_ttl_changed", path);
        }
    }
    value["prompt_cache_breakpoint"] = breakpoint;
    value
}

/// Text parts as the content of a message: a plain text where that says the same. Servers like OpenAI's often
/// know no lists but of a user; for them `glue` joins the texts.
pub(super) fn joined(context: &Context<'_, '_>, mut parts: Vec<Value>, glue: &str) -> Value {
    let plain = |part: &Value| part.as_object().is_some_and(|map| map.len() == 2) && part["text"].is_string();
    if parts.iter().all(plain) && (parts.len() == 1 || !context.is_openai()) {
        let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
        return Value::String(texts.join(glue));
    }
    if parts.is_empty() {
        parts.push(text_part(""));
    }
    Value::Array(parts)
}
