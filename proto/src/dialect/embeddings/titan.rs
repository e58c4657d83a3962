//! Amazon Titan Text Embeddings by Bedrock's InvokeModel: one call for each input (AWS's Bedrock guide, read 2026-11).

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::response::{finite, input_only};
use super::{EmbedRequest, Embedded};
use crate::dialect::{BadAnswer, json as text};
use crate::fault::{Fault, FaultCode};

/// The body for the input at `index`. Version 1 of the model knows `inputText` alone, so dimensions are sent only where
/// they were asked for.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] for an input in token ids.
pub fn encode_titan(request: &EmbedRequest, index: usize) -> Result<Bytes, Fault> {
    let mut body = json!({ "inputText": request.text(index)? });
    if let Some(dimensions) = request.dimensions {
        body["dimensions"] = dimensions.into();
    }
    let body = serde_json::to_vec(&body).map_err(|_| {
        Fault::new(FaultCode::Internal, "The request for the model's provider could not be written.")
    })?;
    Ok(Bytes::from(body))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    embedding: Vec<f32>,
    #[serde(borrow)]
    input_text_token_count: Option<&'a RawValue>,
}

/// Reads a successful answer: one vector.
///
/// # Errors
/// [`BadAnswer`] if it has no vector of finite numbers.
pub fn decode_titan(body: &[u8]) -> Result<Embedded, BadAnswer> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| BadAnswer::NotACompletion)?;
    let tokens = answer.input_text_token_count.and_then(|raw| text::count(raw.get()));
    Ok(Embedded { vectors: vec![finite(answer.embedding)?], usage: tokens.map(input_only) })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::decode_request;
    use super::*;

    #[test]
    fn one_call_for_each_input() {
        let mut request = decode_request(br#"{"model":"m","input":["a","b"],"dimensions":512}"#).unwrap();
        let body: Value = serde_json::from_slice(&encode_titan(&request, 1).unwrap()).unwrap();
        assert_eq!(body, json!({"inputText": "b", "dimensions": 512}));
        request.dimensions = None;
        assert_eq!(&encode_titan(&request, 0).unwrap()[..], br#"{"inputText":"a"}"#);
        assert!(encode_titan(&request, 2).is_err());
        let tokens = decode_request(br#"{"model":"m","input":[1,2]}"#).unwrap();
        assert_eq!(encode_titan(&tokens, 0).unwrap_err().param.as_deref(), Some("input"));
    }

    #[test]
    fn a_vector_and_its_tokens_are_read() {
        let body = include_bytes!("../../../fixtures/embeddings/titan.answer.json");
        let embedded = decode_titan(body).unwrap();
        assert_eq!(embedded.vectors, [vec![-0.066_943_5, 0.032_912_4, 0.25]]);
        assert_eq!(embedded.usage, Some(input_only(6)));
        for bad in ["{}", "[]", r#"{"embedding":[]}"#, r#"{"message":"no"}"#] {
            assert_eq!(decode_titan(bad.as_bytes()), Err(BadAnswer::NotACompletion), "{bad}");
        }
    }
}
