//! The conversation of a Chat request: shapes, and calls answered in order.

use serde_json::Value;

use crate::fake::asked::Asked;
use crate::fake::look::{Bad, Found, Obj, What, name};
use crate::fake::media::{data_url, is_base64, is_picture, is_web};
use crate::openai::model::Profile;

/// Longest id of a tool call.
const ID_MAX: usize = 40;

/// Checks them and finds the last text of the user and the results that the conversation ends with.
pub(super) fn check(top: &Obj<'_>, profile: &Profile<'_>, asked: &mut Asked) -> Found<()> {
    let messages = top.objects("messages")?;
    if !top.has("messages") {
        return Err(Bad::new(What::Missing, "messages", "required"));
    }
    if messages.is_empty() {
        let text = "Invalid 'messages': empty array. Expected an array with minimum length 1.";
        return Err(Bad::new(What::Coded("empty_array"), "messages", text));
    }
    let mut open: Vec<String> = Vec::new();
    let mut marks = 0;
    for message in &messages {
        let roles = ["developer", "system", "user", "assistant", "tool", "function"];
        let role = message.need_word("role", &roles)?;
        if role != "tool" && !open.is_empty() {
            return Err(unanswered(message, &open));
        }
        if role != "tool" {
            asked.results.clear();
        }
        message.text("name")?;
        let text = match role {
            "assistant" => assistant(message, profile, &mut open)?,
            "tool" => {
                message.only(&["role", "content", "tool_call_id"])?;
                answered(message, &mut open)?;
                let text = content(message, &["text"], &mut marks)?;
                asked.results.push(text.clone());
                text
            }
            "user" => {
                message.only(&["role", "content", "name"])?;
                let text = content(message, &["text", "image_url", "input_audio", "file"], &mut marks)?;
                asked.last_text.clone_from(&text);
                text
            }
            "function" => message.need_text("content")?.to_owned(),
            _ => {
                message.only(&["role", "content", "name"])?;
                content(message, &["text"], &mut marks)?
            }
        };
        drop(text);
    }
    if marks > 4 {
        return Err(Bad::value("messages", "at most 4 prompt cache breakpoints are allowed"));
    }
    match messages.last() {
        Some(last) if !open.is_empty() => Err(unanswered(last, &open)),
        _ => Ok(()),
    }
}

fn unanswered(at: &Obj<'_>, open: &[String]) -> Bad {
    let text = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    );
    Bad::value(at.at("role"), text)
}

fn answered(message: &Obj<'_>, open: &mut Vec<String>) -> Found<()> {
    let id = message.need_text("tool_call_id")?;
    let Some(at) = open.iter().position(|call| call == id) else {
        let text = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
        return Err(Bad::value(message.at("role"), text));
    };
    open.remove(at);
    Ok(())
}

fn assistant(message: &Obj<'_>, profile: &Profile<'_>, open: &mut Vec<String>) -> Found<String> {
    let mut fields =
        vec!["role", "content", "refusal", "name", "tool_calls", "audio", "function_call", "annotations"];
    if !profile.is_openai() {
        fields.extend(["reasoning_content", "reasoning_details", "reasoning"]);
    }
    message.only(&fields)?;
    message.text("refusal")?;
    let calls = message.objects("tool_calls")?;
    if message.has("tool_calls") && calls.is_empty() {
        let text = format!("Invalid '{}': empty array.", message.at("tool_calls"));
        return Err(Bad::new(What::Coded("empty_array"), message.at("tool_calls"), text));
    }
    for call in &calls {
        open.push(tool_call(call, profile)?);
    }
    let instead =
        !calls.is_empty() || ["refusal", "audio", "function_call"].iter().any(|key| message.has(key));
    if !message.has("content") && instead {
        return Ok(String::new());
    }
    content(message, &["text", "refusal"], &mut 0)
}

fn tool_call(call: &Obj<'_>, profile: &Profile<'_>) -> Found<String> {
    let kind = call.need_word("type", &["function", "custom"])?;
    if profile.is_openai() {
        // Helpers of the SDKs leave the index of the stream in it.
        call.only(&["id", "type", kind, "index"])?;
    }
    let id = call.need_text("id")?;
    if id.len() > ID_MAX {
        let text = format!(
            "Invalid '{}': string too long. Expected a string with maximum length {ID_MAX}, but got a string with length {} instead.",
            call.at("id"),
            id.len()
        );
        return Err(Bad::new(What::Coded("string_above_max_length"), call.at("id"), text));
    }
    let inner = call.need_obj(kind)?;
    name(inner.at("name"), inner.need_text("name")?, 64, "_-")?;
    let input = if kind == "function" { "arguments" } else { "input" };
    inner.only(&["name", input])?;
    inner.need_text(input)?;
    Ok(id.to_owned())
}

/// The text of a message's content, whose parts are of these types.
fn content(message: &Obj<'_>, types: &[&str], marks: &mut usize) -> Found<String> {
    let path = message.at("content");
    match message.get("content") {
        None => {
            let text = format!("Invalid value for 'content': expected a string, got null. ({path})");
            Err(Bad::new(What::Coded("invalid_type"), path, text))
        }
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) if parts.is_empty() => {
            Err(Bad::new(What::Coded("empty_array"), path.clone(), format!("Invalid '{path}': empty array.")))
        }
        Some(Value::Array(_)) => {
            let mut texts = Vec::new();
            for part in message.objects("content")? {
                let kind = part.need_word("type", types)?;
                texts.extend(check_part(&part, kind)?);
                *marks += usize::from(part.has("prompt_cache_breakpoint"));
            }
            Ok(texts.concat())
        }
        Some(_) => Err(Bad::new(What::Type, path, "a string or an array of content parts")),
    }
}

fn check_part(part: &Obj<'_>, kind: &str) -> Found<Option<String>> {
    part.only(&["type", kind, "prompt_cache_breakpoint"])?;
    if let Some(mark) = part.obj("prompt_cache_breakpoint")? {
        mark.only(&["mode", "ttl"])?;
        mark.need_word("mode", &["explicit"])?;
        mark.word("ttl", &["30m", "12h"])?;
    }
    match kind {
        "image_url" => {
            let image = part.need_obj("image_url")?;
            image.only(&["url", "detail"])?;
            image.word("detail", &["auto", "low", "high", "original"])?;
            check_image(&image.at("url"), image.need_text("url")?)?;
        }
        "input_audio" => {
            let audio = part.need_obj("input_audio")?;
            audio.only(&["data", "format"])?;
            audio.need_word("format", &["wav", "mp3"])?;
            if !is_base64(audio.need_text("data")?) {
                return Err(Bad::value(audio.at("data"), "the data is not valid base64"));
            }
        }
        "file" => {
            let file = part.need_obj("file")?;
            file.only(&["file_id", "file_data", "filename"])?;
            file.text("filename")?;
            check_file(&file)?;
        }
        "text" | "refusal" => return Ok(Some(part.need_text(kind)?.to_owned())),
        _ => {}
    }
    Ok(None)
}

/// A file by its id, or its data with a name.
pub(crate) fn check_file(file: &Obj<'_>) -> Found<()> {
    let Some(data) = file.text("file_data")? else {
        return file.need_text("file_id").map(|_| ());
    };
    if !file.has("filename") {
        return Err(Bad::new(What::Missing, file.at("filename"), "required"));
    }
    match data_url(data) {
        Some((media_type, _)) if media_type.contains('/') => Ok(()),
        _ => Err(Bad::value(file.at("file_data"), "Expected a base64-encoded data URL with a MIME type.")),
    }
}

/// A picture at an address or in a data URL, of a type that OpenAI reads.
pub(crate) fn check_image(path: &str, url: &str) -> Found<()> {
    if is_web(url) {
        return Ok(());
    }
    let wrong = |code, text: &str| Err(Bad::new(What::Coded(code), path, text));
    let Some((media_type, data)) = data_url(url) else {
        return wrong(
            "invalid_image_url",
            "Invalid base64 image_url: expected a base64-encoded data URL or a web address.",
        );
    };
    if !["image/png", "image/jpeg", "image/webp", "image/gif"].contains(&media_type) {
        let text = "You uploaded an unsupported image. Please make sure your image has one of the following formats: ['png', 'jpeg', 'gif', 'webp'].";
        return wrong("invalid_image_format", text);
    }
    if !is_picture(media_type, data) {
        return wrong("invalid_image", "The image data you provided does not represent a valid image.");
    }
    Ok(())
}
