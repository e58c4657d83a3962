//! Embeddings: checked, then made up from the text, the same for the same.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Host;
use crate::fake::asked::{Fixed, Form, Routed};
use crate::fake::look::{Bad, Found, Obj, What};
use crate::fake::record::Billed;

/// A vector made from a text.
pub(crate) fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let digest = Sha256::digest(text.as_bytes());
    (0..dimensions).map(|i| (f32::from(digest[i % digest.len()]) - 127.5) / 128.0).collect()
}

/// What a text counts as.
pub(crate) fn tokens(text: &str) -> u64 {
    1 + (text.len() / 4) as u64
}

/// Checks and answers.
pub(super) fn answer(body: &Value, host: Host<'_>) -> Found<Routed> {
    let top = Obj::of("", body)?;
    top.only(&["model", "input", "dimensions", "encoding_format", "user"])?;
    let model = match host.deployment {
        Some(deployment) => deployment,
        None => top.need_text("model")?,
    };
    let base64 = top.word("encoding_format", &["float", "base64"])? == Some("base64");
    let dimensions = top.int("dimensions", 1, 3072)?.unwrap_or(8);
    top.text("user")?;
    let inputs = inputs(&top)?;
    let dimensions = usize::try_from(dimensions).unwrap_or(8);
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(i, text)| {
            let vector = vector(text, dimensions);
            let bytes: Vec<u8> = vector.iter().flat_map(|f| f.to_le_bytes()).collect();
            let embedding = if base64 { json!(STANDARD.encode(bytes)) } else { json!(vector) };
            json!({"object": "embedding", "index": i, "embedding": embedding})
        })
        .collect();
    let input_tokens = inputs.iter().map(|text| tokens(text)).sum();
    let body = json!({"object": "list", "model": model, "data": data,
        "usage": {"prompt_tokens": input_tokens, "total_tokens": input_tokens}});
    let billed = Billed { input_tokens, ..Billed::default() };
    Ok(Routed::Fixed(Fixed { form: Form::Embeddings, model: model.to_owned(), body, billed }))
}

/// The inputs as texts; token numbers become the text of their list.
fn inputs(top: &Obj<'_>) -> Found<Vec<String>> {
    let wrong = |text: &str| Bad::value("input", text);
    let numbers = |list: &[Value]| !list.is_empty() && list.iter().all(Value::is_u64);
    let inputs = match top.get("input") {
        None => return Err(Bad::new(What::Missing, "input", "required")),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) if numbers(list) => vec![format!("{list:?}")],
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::Array(list)) if list.iter().all(|item| item.as_array().is_some_and(|l| numbers(l))) => {
            list.iter().map(|item| format!("{item:?}")).collect()
        }
        Some(_) => return Err(Bad::new(What::Type, "input", "a string or an array of strings or tokens")),
    };
    if inputs.is_empty() || inputs.iter().any(String::is_empty) {
        return Err(wrong("input cannot be an empty string."));
    }
    if inputs.len() > 2048 {
        return Err(wrong("too many inputs: expected at most 2048"));
    }
    Ok(inputs)
}
