//! Content parts.
//!
//! | canonical | of the user, of instructions, in results | of the assistant |
//! |---|---|---|
//! | text | `input_text` | `output_text` |
//! | refusal | `input_text` | `refusal` |
//! | image | `input_image`: address or data URL, `file_id` | refused |
//! | document | `input_file`: `file_data`, `file_url`, `file_id` | refused |
//! | audio | `input_audio` | refused |
//! | hosted part of this dialect | as it stood | as it stood |

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Scope, refused};
use crate::canonical::{CacheMark, CacheTtl, Content, Part, Source, Warnings};
use crate::dialect::Dialect;
use crate::fault::Fault;

/// Writes one part. `None` for what is no content part but an item of its own.
pub(super) fn part(
    scope: &Scope<'_>,
    part: &Part,
    assistant: bool,
    warnings: &mut Warnings,
) -> Result<Option<Value>, Fault> {
    let path = || scope.request.path(part.at);
    let mut out = match &part.content {
        Content::Text { text, citations } if assistant => {
            let native = scope.native();
            if !native && !citations.is_empty() {
                warnings.add("citations_dropped", path());
            }
            let annotations = if native { citations.as_slice() } else { &[] };
            json!({ "type": "output_text", "text": text, "annotations": annotations })
        }
        Content::Refusal { text } if assistant => json!({ "type": "refusal", "refusal": text }),
        Content::Text { text, .. } | Content::Refusal { text } => {
            json!({ "type": "input_text", "text": text })
        }
        Content::Hosted { raw, origin: Dialect::OpenaiResponses } => raw.clone(),
        Content::Hosted { .. } => {
            warnings.add("hosted_item_dropped", path());
            return Ok(None);
        }
        Content::Image { .. } | Content::Audio { .. } | Content::Document { .. } if assistant => {
            return Err(refused(path(), "the provider takes only text of an assistant"));
        }
        Content::Image { source, detail } => image(scope, part, source, detail.as_deref())?,
        Content::Document { source, name } => document(scope, part, source, name.as_deref())?,
        Content::Audio { source, format } => audio(scope, part, source, format)?,
        Content::Reasoning { .. } | Content::ToolCall { .. } | Content::ToolResult { .. } => return Ok(None),
    };
    if let Some(mark) = part.cache {
        out = marked(scope, out, mark, path, warnings);
    }
    Ok(Some(out))
}

/// With its mark, where the model takes such: those before gpt-5.6 refuse the field, and all cache unasked.
pub(super) fn marked(
    scope: &Scope<'_>,
    mut out: Value,
    mark: CacheMark,
    path: impl Fn() -> String,
    warnings: &mut Warnings,
) -> Value {
    let profile = scope.target.profile;
    if !profile.cache_marks {
        warnings.add("cache_mark_dropped", path());
        return out;
    }
    let mut breakpoint = json!({ "mode": "explicit" });
    match mark.ttl {
        CacheTtl::Short => {}
        CacheTtl::Long if profile.cache_marks_long => breakpoint["ttl"] = json!("12h"),
        CacheTtl::Long => warnings.add("cache_ttl_changed", path()),
    }
    out["prompt_cache_breakpoint"] = breakpoint;
    out
}

fn image(scope: &Scope<'_>, part: &Part, source: &Source, detail: Option<&str>) -> Result<Value, Fault> {
    let mut out = match source {
        Source::Url(url) => json!({ "type": "input_image", "image_url": url }),
        Source::Base64 { media_type, data } => {
            json!({ "type": "input_image", "image_url": data_url(media_type, data) })
        }
        Source::File(id) => json!({ "type": "input_image", "file_id": file_id(scope, part, id)? }),
        Source::Text(_) => return Err(refused(scope.request.path(part.at), "text is no image")),
    };
    // Official clients' types require it.
    out["detail"] = json!(detail.unwrap_or("auto"));
    Ok(out)
}

fn document(scope: &Scope<'_>, part: &Part, source: &Source, name: Option<&str>) -> Result<Value, Fault> {
    Ok(match source {
        Source::Url(url) => json!({ "type": "input_file", "file_url": url }),
        Source::File(id) => json!({ "type": "input_file", "file_id": file_id(scope, part, id)? }),
        Source::Base64 { media_type, data } => json!({
            "type": "input_file",
            "filename": name.map_or_else(|| file_name(media_type), str::to_owned),
            "file_data": data_url(media_type, data),
        }),
        Source::Text(text) => json!({
            "type": "input_file",
            "filename": name.map_or_else(|| file_name("text/plain"), str::to_owned),
            "file_data": data_url("text/plain", &STANDARD.encode(text)),
        }),
    })
}

/// A file needs a name with an ending; one without is named after what it is.
fn file_name(media_type: &str) -> String {
    let ending = match media_type {
        "application/pdf" => "pdf",
        "text/markdown" => "md",
        "text/csv" => "csv",
        "text/html" => "html",
        "application/json" => "json",
        _ => "txt",
    };
    format!("document.{ending}")
}

fn audio(scope: &Scope<'_>, part: &Part, source: &Source, format: &str) -> Result<Value, Fault> {
    match source {
        Source::Base64 { data, .. } => {
            Ok(json!({ "type": "input_audio", "input_audio": { "data": data, "format": format } }))
        }
        Source::Url(_) | Source::Text(_) | Source::File(_) => {
            Err(refused(scope.request.path(part.at), "recordings must be in the body as base64"))
        }
    }
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

/// Files lie at one provider: only callers of OpenAI's dialects can mean OpenAI's.
fn file_id<'a>(scope: &Scope<'_>, part: &Part, id: &'a str) -> Result<&'a str, Fault> {
    match scope.request.dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => Ok(id),
        _ => Err(refused(scope.request.path(part.at), "the file lies at another provider")),
    }
}
