//! Content parts of messages and tool results.
//!
//! | part | canonical |
//! |---|---|
//! | `input_text`, `output_text`, `text`, `summary_text` | text, annotations as citations |
//! | `refusal` | refusal |
//! | `input_image` | image: data URL → base64, else address; `file_id` → file |
//! | `input_file` | document: `file_data`, `file_url` or `file_id` |
//! | `input_audio` | audio |
//! | `prompt_cache_breakpoint` on any | cache mark, `12h` → long |
//! | anything else | hosted: known to this dialect alone |

use serde_json::Value;

use super::fields::Fields;
use crate::canonical::{At, CacheMark, CacheTtl, Content, Part, Source};
use crate::dialect::Dialect;
use crate::dialect::openai_chat::request::{expected, missing};
use crate::fault::Fault;

/// The parts that a message's `content` or a result's `output` is.
pub(super) fn content(value: Option<Value>, turn: u32, path: &str) -> Result<Vec<Part>, Fault> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => {
            Ok(vec![Part::new(At { turn, part: None }, Content::Text { text, citations: Vec::new() })])
        }
        Some(Value::Array(list)) => list
            .into_iter()
            .enumerate()
            .map(|(n, raw)| {
                let at = At { turn, part: Some(u32::try_from(n).unwrap_or(u32::MAX)) };
                part(raw, at, format!("{path}[{n}]"))
            })
            .collect(),
        Some(_) => Err(expected(path, "a string or an array of content parts")),
    }
}

fn part(raw: Value, at: At, path: String) -> Result<Part, Fault> {
    let mut fields = Fields::of(raw, path)?;
    let kind = fields.peek("type").map(str::to_owned);
    let kind = kind.ok_or_else(|| missing(&fields.path("type"), "the type of a content part"))?;
    let known = matches!(
        kind.as_str(),
        "input_text"
            | "output_text"
            | "text"
            | "summary_text"
            | "refusal"
            | "input_image"
            | "input_file"
            | "input_audio"
    );
    if !known {
        let raw = fields.into_value();
        return Ok(Part::new(at, Content::Hosted { raw, origin: Dialect::OpenaiResponses }));
    }
    let cache = mark(&mut fields)?;
    let content = match kind.as_str() {
        "refusal" => Content::Refusal { text: fields.required("refusal")? },
        "input_image" => image(&mut fields)?,
        "input_file" => file(&mut fields)?,
        "input_audio" => audio(&mut fields)?,
        _ => Content::Text {
            text: fields.required("text")?,
            citations: fields.list("annotations")?.unwrap_or_default(),
        },
    };
    Ok(Part { at, cache, content })
}

fn mark(fields: &mut Fields) -> Result<Option<CacheMark>, Fault> {
    let Some(mut mark) = fields.object("prompt_cache_breakpoint")? else { return Ok(None) };
    Ok(Some(CacheMark { ttl: ttl(&mut mark)?.unwrap_or_default() }))
}

/// The member `ttl`.
pub(super) fn ttl(fields: &mut Fields) -> Result<Option<CacheTtl>, Fault> {
    match fields.text("ttl")?.as_deref() {
        None => Ok(None),
        Some("30m") => Ok(Some(CacheTtl::Short)),
        Some("12h") => Ok(Some(CacheTtl::Long)),
        Some(_) => Err(expected(&fields.path("ttl"), "`30m` or `12h`")),
    }
}

fn image(fields: &mut Fields) -> Result<Content, Fault> {
    let detail = fields.text("detail")?;
    let source = match (fields.text("image_url")?, fields.text("file_id")?) {
        (Some(url), _) => data_url(&url).unwrap_or(Source::Url(url)),
        (None, Some(id)) => Source::File(id),
        (None, None) => {
            return Err(missing(&fields.path("image_url"), "an address, a data URL or `file_id`"));
        }
    };
    Ok(Content::Image { source, detail })
}

fn file(fields: &mut Fields) -> Result<Content, Fault> {
    let name = fields.text("filename")?;
    let texts = (fields.text("file_data")?, fields.text("file_url")?, fields.text("file_id")?);
    let source = match texts {
        (Some(data), _, _) => data_url(&data)
            .unwrap_or_else(|| Source::Base64 { media_type: media_type(name.as_deref()).to_owned(), data }),
        (None, Some(url), _) => Source::Url(url),
        (None, None, Some(id)) => Source::File(id),
        (None, None, None) => {
            return Err(missing(&fields.path("file_data"), "base64 data, or `file_url`, or `file_id`"));
        }
    };
    Ok(Content::Document { source, name })
}

/// What a file without a media type is, by its name: most are PDF.
fn media_type(name: Option<&str>) -> &'static str {
    let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("txt") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        _ => "application/pdf",
    }
}

fn audio(fields: &mut Fields) -> Result<Content, Fault> {
    let mut inner = fields
        .object("input_audio")?
        .ok_or_else(|| missing(&fields.path("input_audio"), "an object of `data` and `format`"))?;
    let (data, format) = (inner.required("data")?, inner.required("format")?);
    let media_type = if format == "mp3" { "audio/mpeg".to_owned() } else { format!("audio/{format}") };
    Ok(Content::Audio { source: Source::Base64 { media_type, data }, format })
}

/// `data:<media type>;base64,<data>`.
fn data_url(url: &str) -> Option<Source> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?.split(';').next().unwrap_or_default();
    Some(Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
}
