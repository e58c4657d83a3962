//! One part of a message's content.

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::canonical::{At, Content, Part, Source};
use crate::dialect::openai_chat::request::expected;
use crate::fault::Fault;

/// Reads a part.
pub(super) fn part(value: Value, path: String, at: At, rest: &mut Map<String, Value>) -> Result<Part, Fault> {
    // Some clients put bare texts into the list.
    if let Value::String(text) = value {
        return Ok(Part::new(at, Content::Text { text, citations: Vec::new() }));
    }
    let mut fields = Fields::of(value, path)?;
    let cache = fields.cache_mark();
    let content = match fields.required_text("type")?.as_str() {
        "text" => Content::Text { text: fields.required_text("text")?, citations: Vec::new() },
        "refusal" => Content::Refusal { text: fields.required_text("refusal")? },
        "image_url" => image(&mut fields)?,
        "input_audio" => audio(&mut fields)?,
        "file" => file(&mut fields)?,
        _ => {
            return Err(expected(&fields.path("type"), "one of text, image_url, input_audio, file, refusal"));
        }
    };
    fields.leave(rest);
    Ok(Part { at, cache, content })
}

fn image(fields: &mut Fields) -> Result<Content, Fault> {
    let path = fields.path("image_url");
    let (url, detail, path) = match fields.take("image_url") {
        // Not in the dialect, but common.
        Some(Value::String(url)) => (url, None, path),
        Some(value) => {
            let mut image = Fields::of(value, path)?;
            (image.name("url")?, image.text("detail")?, image.path("url"))
        }
        None => return Err(expected(&path, "an object with a url")),
    };
    Ok(Content::Image { source: source(url, &path)?, detail })
}

fn audio(fields: &mut Fields) -> Result<Content, Fault> {
    let mut audio = fields.required_object("input_audio")?;
    let format = audio.name("format")?;
    let source = Source::Base64 { media_type: format!("audio/{format}"), data: audio.name("data")? };
    Ok(Content::Audio { source, format })
}

fn file(fields: &mut Fields) -> Result<Content, Fault> {
    let mut file = fields.required_object("file")?;
    let name = file.text("filename")?.filter(|name| !name.is_empty());
    let path = file.path("file_data");
    let source = match (file.text("file_id")?, file.text("file_data")?) {
        (Some(id), _) => Source::File(id),
        (None, Some(data)) if data.starts_with("data:") || data.contains("://") => source(data, &path)?,
        // Without the head of a data URL: what it is, its name says.
        (None, Some(data)) => {
            Source::Base64 { media_type: media_type(name.as_deref().unwrap_or_default()).into(), data }
        }
        (None, None) => return Err(expected(&path, "a data URL, or a `file_id` in its place")),
    };
    Ok(Content::Document { source, name })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).as_deref() {
        Some("txt") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        _ => "application/pdf",
    }
}

/// What an address means: bytes right there (a data URL), or somewhere else.
fn source(url: String, path: &str) -> Result<Source, Fault> {
    let Some(rest) = url.strip_prefix("data:") else { return Ok(Source::Url(url)) };
    let (head, data) = rest
        .split_once(',')
        .and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data)))
        .ok_or_else(|| expected(path, "a data URL in base64, or an address"))?;
    let media_type = head.split(';').next().unwrap_or_default();
    if media_type.is_empty() || data.is_empty() {
        return Err(expected(path, "a data URL with a media type and data"));
    }
    Ok(Source::Base64 { media_type: media_type.to_ascii_lowercase(), data: data.to_owned() })
}
