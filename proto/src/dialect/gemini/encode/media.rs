//! Images, recordings and documents as parts.
//!
//! | canonical | part |
//! |---|---|
//! | base64 | `inlineData`; images png, jpeg, webp, heic, heif |
//! | `gs://…`, a Files API address or name, a YouTube address | `fileData` |
//! | any other address, another provider's file | refused: nothing is fetched here |
//! | a document in plain text | `text` |
//! | `detail` of an image | `mediaResolution` where the model steers thinking by level (3 and later), else a warning |

use serde_json::{Value, json};

use super::{invalid, is_budget_family, unsupported};
use crate::canonical::{Content, Source, Warnings};
use crate::catalogue::Profile;
use crate::fault::Fault;

const IMAGES: [&str; 5] = ["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"];

/// The part for a piece of media at `path`; `None` for content of any other kind.
pub(super) fn part(
    content: &Content,
    path: &str,
    profile: &Profile,
    warnings: &mut Warnings,
) -> Result<Option<Value>, Fault> {
    match content {
        Content::Image { source, detail } => {
            if !profile.images {
                return Err(unsupported(path, "images for this model"));
            }
            let mut part = image(source, path)?;
            if let Some(level) = detail.as_deref().and_then(level) {
                if is_budget_family(profile) {
                    warnings.add("image_detail_dropped", path);
                } else {
                    part["mediaResolution"] = json!({ "level": level });
                }
            }
            Ok(Some(part))
        }
        Content::Audio { source, format } => {
            if !profile.audio {
                return Err(unsupported(path, "recordings for this model"));
            }
            data(source, path, |media_type| {
                let known = media_type.starts_with("audio/");
                Ok(if known { media_type.to_owned() } else { format!("audio/{format}") })
            })
            .map(Some)
        }
        Content::Document { source, .. } => {
            if !profile.documents && !matches!(source, Source::Text(_)) {
                return Err(unsupported(path, "documents for this model"));
            }
            data(source, path, |media_type| Ok(media_type.to_owned())).map(Some)
        }
        Content::Text { .. }
        | Content::Reasoning { .. }
        | Content::Refusal { .. }
        | Content::ToolCall { .. }
        | Content::ToolResult { .. }
        | Content::Hosted { .. } => Ok(None),
    }
}

fn image(source: &Source, path: &str) -> Result<Value, Fault> {
    data(source, path, |media_type| match media_type {
        "image/jpg" => Ok("image/jpeg".to_owned()),
        known if IMAGES.contains(&known) => Ok(known.to_owned()),
        other => {
            let message = format!(
                "`{path}` cannot be carried: the model's provider takes images as png, jpeg, webp, heic or heif, \
                 not as `{}`.",
                other.chars().take(64).collect::<String>()
            );
            Err(invalid(path, message))
        }
    })
}

fn data(source: &Source, path: &str, media: impl Fn(&str) -> Result<String, Fault>) -> Result<Value, Fault> {
    match source {
        Source::Base64 { media_type, data } => {
            let media_type = media(&media_type.to_ascii_lowercase())?;
            Ok(json!({ "inlineData": { "mimeType": media_type, "data": data } }))
        }
        Source::Url(url) if is_known_place(url) => Ok(file(url)),
        Source::Url(_) => {
            let message = format!(
                "`{path}` cannot be carried: the model's provider does not fetch addresses; send the bytes as base64."
            );
            Err(invalid(path, message))
        }
        Source::File(id) if is_known_place(id) || id.starts_with("files/") => Ok(file(id)),
        Source::File(_) => Err(unsupported(path, "files kept at another provider")),
        Source::Text(text) => Ok(json!({ "text": text })),
    }
}

/// Addresses that Gemini reads itself.
fn is_known_place(url: &str) -> bool {
    const PLACES: [&str; 5] = [
        "gs://",
        "https://generativelanguage.googleapis.com/",
        "https://www.youtube.com/watch?",
        "https://youtube.com/watch?",
        "https://youtu.be/",
    ];
    PLACES.iter().any(|place| url.starts_with(place))
}

fn file(uri: &str) -> Value {
    match guessed(uri) {
        Some(media_type) => json!({ "fileData": { "mimeType": media_type, "fileUri": uri } }),
        None => json!({ "fileData": { "fileUri": uri } }),
    }
}

fn guessed(uri: &str) -> Option<&'static str> {
    let (_, ending) = uri.rsplit('/').next()?.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "wav" => "audio/wav",
        "mp3" => "audio/mp3",
        "mp4" => "video/mp4",
        _ => return None,
    })
}

fn level(detail: &str) -> Option<&'static str> {
    match detail {
        "low" => Some("MEDIA_RESOLUTION_LOW"),
        "medium" => Some("MEDIA_RESOLUTION_MEDIUM"),
        "high" | "original" => Some("MEDIA_RESOLUTION_HIGH"),
        _ => None,
    }
}
