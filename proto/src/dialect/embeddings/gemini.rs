//! Gemini's `batchEmbedContents` (ai.google.dev/api/embeddings, read 2026-11).

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::response::{finite, input_only};
use super::{EmbedRequest, Embedded};
use crate::dialect::BadAnswer;
use crate::dialect::gemini::read_error;
use crate::dialect::json as text;
use crate::fault::{Fault, FaultCode};

/// The most inputs of one call; more are several calls.
pub const GEMINI_BATCH_MAX: usize = 100;

/// The body for all inputs in one call.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] for inputs in token ids.
pub fn encode_gemini(request: &EmbedRequest, model: &str) -> Result<Bytes, Fault> {
    encode_gemini_part(request, model, 0..request.inputs.len())
}

/// The body for a range of the inputs, at most [`GEMINI_BATCH_MAX`] of them.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] for inputs in token ids.
pub fn encode_gemini_part(request: &EmbedRequest, model: &str, part: Range<usize>) -> Result<Bytes, Fault> {
    let model = format!("models/{}", model.strip_prefix("models/").unwrap_or(model));
    let mut requests = Vec::with_capacity(part.len().min(request.inputs.len()));
    for index in part {
        let mut one = Map::new();
        one.insert("model".into(), model.as_str().into());
        one.insert("content".into(), json!({ "parts": [{ "text": request.text(index)? }] }));
        if let Some(dimensions) = request.dimensions {
            one.insert("outputDimensionality".into(), dimensions.into());
        }
        requests.push(Value::Object(one));
    }
    let body = serde_json::to_vec(&json!({ "requests": requests })).map_err(|_| {
        Fault::new(FaultCode::Internal, "The request for the model's provider could not be written.")
    })?;
    Ok(Bytes::from(body))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    embeddings: Option<Vec<Vector>>,
    embedding: Option<Vector>,
    #[serde(borrow)]
    usage_metadata: Option<Usage<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Vector {
    #[serde(default)]
    values: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage<'a> {
    #[serde(borrow)]
    prompt_token_count: Option<&'a RawValue>,
    #[serde(borrow)]
    total_token_count: Option<&'a RawValue>,
}

/// Reads a successful answer. Gemini may leave out its numbers.
///
/// # Errors
/// [`BadAnswer`] if it is an error or has no vectors of finite numbers.
pub fn decode_gemini(body: &[u8]) -> Result<Embedded, BadAnswer> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| BadAnswer::NotACompletion)?;
    if answer.error.is_some() {
        return Err(BadAnswer::Upstream(read_error(200, body)));
    }
    let vectors = answer.embeddings.or(answer.embedding.map(|one| vec![one]));
    let vectors = vectors.ok_or(BadAnswer::NotACompletion)?;
    let vectors = vectors.into_iter().map(|vector| finite(vector.values)).collect::<Result<Vec<_>, _>>()?;
    let count = |raw: Option<&RawValue>| text::count(raw?.get());
    let tokens = answer
        .usage_metadata
        .and_then(|usage| count(usage.prompt_token_count).or(count(usage.total_token_count)));
    Ok(Embedded { vectors, usage: tokens.map(input_only) })
}

#[cfg(test)]
mod tests {
    use super::super::decode_request;
    use super::*;

    #[test]
    fn inputs_become_one_batch() {
        let request = decode_request(br#"{"model":"m","input":["a","b"],"dimensions":768}"#).unwrap();
        let body: Value =
            serde_json::from_slice(&encode_gemini(&request, "gemini-embedding-001").unwrap()).unwrap();
        let one = |text: &str| json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]}, "outputDimensionality": 768});
        assert_eq!(body, json!({ "requests": [one("a"), one("b")] }));
        let part: Value =
            serde_json::from_slice(&encode_gemini_part(&request, "models/x", 1..2).unwrap()).unwrap();
        assert_eq!(
            (&part["requests"][0]["model"], part["requests"].as_array().unwrap().len()),
            (&"models/x".into(), 1)
        );
        assert!(encode_gemini_part(&request, "x", 1..9).is_err());
        let tokens = decode_request(br#"{"model":"m","input":[[1],[2]]}"#).unwrap();
        assert_eq!(encode_gemini(&tokens, "x").unwrap_err().param.as_deref(), Some("input"));
    }

    #[test]
    fn vectors_and_numbers_are_read() {
        let body = include_bytes!("../../../fixtures/embeddings/gemini.answer.json");
        let embedded = decode_gemini(body).unwrap();
        assert_eq!(embedded.vectors, [vec![0.013_168_559, -0.008_711_4, 0.5], vec![-0.25, 0.0, 1.0]]);
        assert_eq!(embedded.usage, Some(input_only(7)));
        let single = decode_gemini(br#"{"embedding":{"values":[1]}}"#).unwrap();
        assert_eq!((single.vectors, single.usage), (vec![vec![1.0]], None));
        for bad in [r#"{}"#, "[]", r#"{"embeddings":[{}]}"#, r#"{"embeddings":[{"values":[1e300]}]}"#] {
            assert_eq!(decode_gemini(bad.as_bytes()), Err(BadAnswer::NotACompletion), "{bad}");
        }
        let error = br#"{"error":{"code":503,"message":"Busy.","status":"UNAVAILABLE"}}"#;
        assert!(matches!(decode_gemini(error), Err(BadAnswer::Upstream(error)) if error.message == "Busy."));
    }
}
