//! What a generateContent request may say.

use serde_json::Value;

use super::{config, contents, tools};
use crate::fake::Ctx;
use crate::fake::asked::{Asked, Form};
use crate::fake::look::{Bad, Found, Obj};
use crate::fake::script::Script;

const FIELDS: [&str; 11] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "labels",
    "serviceTier",
    "store",
    "continuationToken",
];
const CATEGORIES: [&str; 6] = [
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
    "HARM_CATEGORY_CIVIC_INTEGRITY",
    "HARM_CATEGORY_JAILBREAK",
];
const THRESHOLDS: [&str; 5] =
    ["BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"];

/// The version in a name: 3.8 of `gemini-3.8-flash`.
pub(super) fn version(model: &str) -> f32 {
    let number = model.strip_prefix("gemini-").and_then(|rest| rest.split('-').next());
    number.and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

/// Checks a request.
pub(super) fn check(ctx: &Ctx, body: &Value, model: &str) -> Found<Asked> {
    let top = Obj::of("", body)?;
    top.only(&FIELDS)?;
    all(ctx, &top, body, model)
}

/// Checks a request whose tokens are counted; it may name its model.
pub(super) fn counted(ctx: &Ctx, body: &Value, model: &str) -> Found<Asked> {
    let top = Obj::of("", body)?;
    let mut known = FIELDS.to_vec();
    known.push("model");
    top.only(&known)?;
    all(ctx, &top, body, model)
}

fn all(ctx: &Ctx, top: &Obj<'_>, body: &Value, model: &str) -> Found<Asked> {
    let mut asked = Asked::new(Form::Gemini, model, body);
    let version = version(Script::base(model));
    contents::check(ctx, top, version, &mut asked)?;
    if let Some(system) = top.obj("systemInstruction")? {
        system.only(&["role", "parts"])?;
        for part in system.objects("parts")? {
            part.only(&["text"])?;
            part.need_text("text")?;
        }
    }
    tools::check(top, &mut asked)?;
    config::check(top, version, &mut asked)?;
    for setting in top.objects("safetySettings")? {
        setting.only(&["category", "threshold", "method"])?;
        setting.need_word("category", &CATEGORIES)?;
        setting.need_word("threshold", &THRESHOLDS)?;
    }
    top.word("serviceTier", &["unspecified", "standard", "flex", "priority"])?;
    if top.text("cachedContent")?.is_some_and(|name| !name.starts_with("cachedContents/")) {
        return Err(Bad::value("cachedContent", "must be of the form cachedContents/{id}"));
    }
    Ok(asked)
}
