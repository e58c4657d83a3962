//! The conversation of a generateContent request: parts, calls answered in the next turn, signatures.

use serde_json::Value;

use super::SENTINEL;
use crate::fake::Ctx;
use crate::fake::asked::Asked;
use crate::fake::look::{Bad, Found, Obj, What, name};
use crate::fake::media::{is_base64, is_picture};

const DATA: [&str; 9] = [
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
];
const BESIDE: [&str; 4] = ["thought", "thoughtSignature", "videoMetadata", "mediaResolution"];
const PICTURES: [&str; 5] = ["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"];

/// A content, as far as its neighbours matter.
#[derive(Debug, Default)]
struct Turn {
    user: bool,
    texts: Vec<String>,
    calls: Vec<String>,
    results: Vec<(String, String)>,
    /// The first call carries a signature.
    signed: bool,
}

/// Checks it.
pub(super) fn check(ctx: &Ctx, top: &Obj<'_>, version: f32, asked: &mut Asked) -> Found<()> {
    let contents = top.objects("contents")?;
    if contents.is_empty() {
        return Err(Bad::new(What::Missing, "contents", "required"));
    }
    let mut turns = Vec::new();
    for content in &contents {
        turns.push(turn(ctx, content, asked)?);
    }
    order(&turns)?;
    signatures(&turns, version)?;
    let said = turns.iter().rev().find(|turn| turn.user && !turn.texts.is_empty());
    asked.last_text = said.map(|turn| turn.texts.concat()).unwrap_or_default();
    let last = turns.last().map(|turn| turn.results.iter().map(|(_, text)| text.clone()).collect());
    asked.results = last.unwrap_or_default();
    Ok(())
}

fn turn(ctx: &Ctx, content: &Obj<'_>, asked: &Asked) -> Found<Turn> {
    content.only(&["role", "parts"])?;
    if content.text("role")?.is_some_and(|role| !["user", "model"].contains(&role)) {
        return Err(Bad::new(What::Unsupported, content.at("role"), "Please use a valid role: user, model."));
    }
    let mut turn = Turn { user: content.text("role")? != Some("model"), ..Turn::default() };
    let parts = content.objects("parts")?;
    if parts.is_empty() {
        return Err(Bad::value(content.at("parts"), "contents.parts must not be empty."));
    }
    for part in &parts {
        let known: Vec<&str> = DATA.into_iter().chain(BESIDE).collect();
        part.only(&known)?;
        let kind = part.one_of_fields(&DATA).map_err(|bad| match bad.what {
            What::Missing => {
                let text = "required oneof field 'data' must have one initialized field";
                Bad::value(format!("{}.data", part.path), text)
            }
            _ => Bad::value(
                part.path.clone(),
                "oneof field 'data' is already set. Cannot set two members of a union.",
            ),
        })?;
        let signature = signature(ctx, part, asked)?;
        step(part, kind, signature, &mut turn)?;
    }
    Ok(turn)
}

/// Whether a part carries a signature; a foreign one is refused.
fn signature(ctx: &Ctx, part: &Obj<'_>, asked: &Asked) -> Found<bool> {
    let Some(token) = part.text("thoughtSignature")? else { return Ok(false) };
    if token != SENTINEL && ctx.seal.check(token, "thought", asked.base(), "").is_err() {
        return Err(Bad::new(What::Unsupported, part.at("thoughtSignature"), "Corrupted thought signature."));
    }
    Ok(true)
}

fn step(part: &Obj<'_>, kind: &str, signed: bool, turn: &mut Turn) -> Found<()> {
    let only = |user: bool| {
        if turn.user == user {
            return Ok(());
        }
        let role = if user { "user" } else { "model" };
        Err(Bad::value(part.path.clone(), format!("'{kind}' is only allowed in a turn of role {role}")))
    };
    match kind {
        "text" => {
            let text = part.need_text("text")?;
            if text.is_empty() && !signed {
                return Err(Bad::value(part.at("text"), "must not be empty"));
            }
            if part.bool("thought")? != Some(true) {
                turn.texts.push(text.to_owned());
            }
        }
        "inlineData" => inline(&part.need_obj("inlineData")?)?,
        "fileData" => file(&part.need_obj("fileData")?)?,
        "functionCall" => {
            only(false)?;
            let call = part.need_obj("functionCall")?;
            call.only(&["id", "name", "args"])?;
            let named = call.need_text("name")?;
            name(call.at("name"), named, 128, "_.:-")?;
            call.text("id")?;
            call.obj("args")?;
            if turn.calls.is_empty() {
                turn.signed = signed;
            }
            turn.calls.push(named.to_owned());
        }
        "functionResponse" => {
            only(true)?;
            let result = part.need_obj("functionResponse")?;
            result.only(&["id", "name", "response", "parts", "willContinue", "scheduling"])?;
            result.text("id")?;
            let named = result.need_text("name")?;
            let response = result.need_obj("response")?;
            turn.results.push((named.to_owned(), said(&Value::Object(response.map.clone()))));
        }
        _ => {}
    }
    Ok(())
}

/// What a result says: its `output` or `error` where that is text, else all of it.
fn said(response: &Value) -> String {
    let one = response.get("output").or_else(|| response.get("error")).and_then(Value::as_str);
    one.map_or_else(|| response.to_string(), str::to_owned)
}

fn inline(data: &Obj<'_>) -> Found<()> {
    data.only(&["mimeType", "data", "displayName"])?;
    let mime = data.need_text("mimeType")?;
    let bytes = data.need_text("data")?;
    if !is_base64(bytes) {
        return Err(Bad::value(data.at("data"), "Base64 decoding failed"));
    }
    let known = match mime.split_once('/') {
        Some(("image", _)) => PICTURES.contains(&mime),
        Some(("audio" | "video" | "text", _)) => true,
        _ => mime == "application/pdf",
    };
    if !known {
        return Err(Bad::new(
            What::Unsupported,
            data.at("mimeType"),
            format!("Unsupported MIME type: {mime}"),
        ));
    }
    if !is_picture(mime, bytes) {
        return Err(Bad::new(
            What::Unsupported,
            data.at("data"),
            "Unable to process input image. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
        ));
    }
    Ok(())
}

fn file(data: &Obj<'_>) -> Found<()> {
    data.only(&["mimeType", "fileUri", "displayName"])?;
    data.text("mimeType")?;
    let uri = data.need_text("fileUri")?;
    let known = [
        "https://generativelanguage.googleapis.com/",
        "gs://",
        "https://www.youtube.com/",
        "https://youtu.be/",
    ];
    if known.iter().any(|prefix| uri.starts_with(prefix)) {
        return Ok(());
    }
    Err(Bad::new(What::Unsupported, data.at("fileUri"), "Invalid or unsupported file uri."))
}

/// Calls come behind the user or behind results; results come right behind their calls, one for each.
fn order(turns: &[Turn]) -> Found<()> {
    let refused = |i: usize, text: &str| Err(Bad::new(What::Unsupported, format!("contents[{i}]"), text));
    for (i, turn) in turns.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| turns.get(i));
        if !turn.calls.is_empty() && before.is_none_or(|turn| !turn.user) {
            return refused(
                i,
                "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
            );
        }
        let asked = before.map(|turn| turn.calls.as_slice()).unwrap_or_default();
        if !turn.results.is_empty() && asked.is_empty() {
            return refused(
                i,
                "Please ensure that function response turn comes immediately after a function call turn.",
            );
        }
        if turn.results.len() != asked.len() {
            return refused(
                i,
                "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
            );
        }
        let mut open: Vec<&String> = asked.iter().collect();
        for (named, _) in &turn.results {
            match open.iter().position(|call| *call == named) {
                Some(at) => drop(open.remove(at)),
                None => {
                    return refused(
                        i,
                        &format!("Function response name '{named}' does not match any function call."),
                    );
                }
            }
        }
    }
    match turns.last() {
        Some(last) if !last.calls.is_empty() => refused(
            turns.len() - 1,
            "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
        ),
        _ => Ok(()),
    }
}

/// From Gemini 3 on the first call of each turn since the user's last text must be signed.
fn signatures(turns: &[Turn], version: f32) -> Found<()> {
    if version < 3.0 {
        return Ok(());
    }
    let current = turns.iter().rposition(|turn| turn.user && turn.results.is_empty()).unwrap_or(0);
    for (i, turn) in turns.iter().enumerate().skip(current) {
        if let Some(call) = turn.calls.first().filter(|_| !turn.signed) {
            let text = format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly. Additional data, function call `default_api:{call}`, position {}.",
                i + 1
            );
            return Err(Bad::new(What::Unsupported, format!("contents[{i}]"), text));
        }
    }
    Ok(())
}
