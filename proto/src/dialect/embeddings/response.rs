//! Whole answers: read where they are passed on, written where another provider gave the vectors.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Encoding;
use super::input::elements;
use crate::dialect::BadAnswer;
use crate::dialect::json;
use crate::dialect::openai_chat::Answer;
use crate::dialect::openai_chat::error::truthy_error;
use crate::dialect::openai_chat::rewrite::quoted;
use crate::usage::{Reported, Usage};

/// Vectors in the order of their inputs, from one provider call or several.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embedded {
    /// The vectors.
    pub vectors: Vec<Vec<f32>>,
    /// The provider's numbers; `None` = it gave none.
    pub usage: Option<Reported>,
}

impl Embedded {
    /// Adds what the next call gave: its vectors behind these, its numbers to these. Numbers of which a part is
    /// missing are missing.
    pub fn append(&mut self, mut next: Self) {
        let first = self.vectors.is_empty() && self.usage.is_none();
        self.vectors.append(&mut next.vectors);
        self.usage = match (self.usage, next.usage) {
            (None, next) if first => next,
            (Some(one), Some(other)) => {
                let sum = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
                Some(Reported {
                    input_tokens: sum(one.input_tokens, other.input_tokens),
                    output_tokens: sum(one.output_tokens, other.output_tokens),
                    total_tokens: sum(one.total_tokens, other.total_tokens),
                    ..Reported::default()
                })
            }
            _ => None,
        };
    }

    /// The same, if there is one vector for each of `inputs`.
    ///
    /// # Errors
    /// [`BadAnswer::NotACompletion`] if there are more or fewer.
    pub fn for_inputs(self, inputs: usize) -> Result<Self, BadAnswer> {
        if self.vectors.len() == inputs { Ok(self) } else { Err(BadAnswer::NotACompletion) }
    }
}

/// What providers report of an embedding: input alone.
pub(super) fn input_only(tokens: u64) -> Reported {
    Reported {
        input_tokens: Some(tokens),
        output_tokens: Some(0),
        total_tokens: Some(tokens),
        ..Reported::default()
    }
}

/// Vectors from JSON: every number finite.
pub(super) fn finite(vector: Vec<f32>) -> Result<Vec<f32>, BadAnswer> {
    if vector.is_empty() || vector.iter().any(|x| !x.is_finite()) {
        return Err(BadAnswer::NotACompletion);
    }
    Ok(vector)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireUsage<'a> {
    #[serde(borrow)]
    prompt_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    total_tokens: Option<&'a RawValue>,
}

/// Reads the body of a successful answer that is passed on: `choices` counts its vectors, and there is no output.
///
/// # Errors
/// [`BadAnswer`] unless it is a JSON object with a `data` array and without a truthy `error`.
pub fn read_answer(body: &[u8]) -> Result<Answer, BadAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| BadAnswer::NotACompletion)?;
    let (mut data, mut usage, mut error) = (None, None, None);
    json::members(text, |member| match &*member.name() {
        "data" => data = Some(member.value),
        "usage" => usage = Some(member.value),
        "error" => error = Some(member.value),
        _ => {}
    })
    .map_err(|_| BadAnswer::NotACompletion)?;
    if let Some(error) = error.and_then(truthy_error) {
        return Err(BadAnswer::Upstream(error));
    }
    let mut choices = 0;
    let counted = elements(data.ok_or(BadAnswer::NotACompletion)?, |_| {
        choices += 1;
        true
    });
    counted.map_err(|_| BadAnswer::NotACompletion)?;
    Ok(Answer { reported: usage.and_then(reported), output_chars: 0, choices })
}

/// OpenAI's numbers. Some servers give the total alone, which is all input.
fn reported(raw: &str) -> Option<Reported> {
    let usage: WireUsage<'_> = serde_json::from_str(raw).ok()?;
    let count = |raw: Option<&RawValue>| json::count(raw?.get());
    let total = count(usage.total_tokens);
    let input = count(usage.prompt_tokens).or(total)?;
    Some(Reported { total_tokens: total, ..input_only(input) })
}

/// OpenAI's answer with these vectors, in order.
pub fn encode_response(vectors: &[Vec<f32>], usage: &Usage, model: &str, encoding: Encoding) -> Bytes {
    let numbers: usize = vectors.iter().map(Vec::len).sum();
    let each = if encoding == Encoding::Base64 { 6 } else { 14 };
    let mut out = String::with_capacity(256 + vectors.len() * 64 + numbers * each);
    out.push_str(r#"{"object":"list","data":["#);
    for (index, vector) in vectors.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _written = write!(out, r#"{comma}{{"object":"embedding","index":{index},"embedding":"#);
        match encoding {
            Encoding::Float => array(vector, &mut out),
            Encoding::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                out.push('"');
                STANDARD.encode_string(bytes, &mut out);
                out.push('"');
            }
        }
        out.push('}');
    }
    let tokens = usage.input_tokens;
    let _written = write!(
        out,
        r#"],"model":{},"usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#,
        quoted(model)
    );
    Bytes::from(out)
}

fn array(vector: &[f32], out: &mut String) {
    out.push('[');
    for (at, x) in vector.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        // As short as reads back the same; what JSON cannot say counts as nothing.
        let x = if x.is_finite() { *x } else { 0.0 };
        let _written = write!(out, "{x:?}");
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn usage(input_tokens: u64) -> Usage {
        Usage { input_tokens, ..Usage::default() }
    }

    #[test]
    fn an_answer_passed_on_tells_its_numbers() {
        let body = br#"{"object":"list","data":[{"embedding":[0.1]},{"embedding":"AAAA"}],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
        let answer = read_answer(body).unwrap();
        assert_eq!((answer.choices, answer.output_chars), (2, 0));
        assert_eq!(answer.reported, Some(input_only(8)));
        let total = read_answer(br#"{"data":[],"usage":{"total_tokens":5}}"#).unwrap();
        assert_eq!(total.reported, Some(input_only(5)));
        assert_eq!(read_answer(br#"{"data":[],"usage":null}"#).unwrap().reported, None);
        for bad in [&b""[..], b"[]", b"{}", br#"{"data":{}}"#, br#"{"data":[1,]}"#, b"\xff"] {
            assert_eq!(read_answer(bad), Err(BadAnswer::NotACompletion));
        }
        assert!(matches!(
            read_answer(br#"{"error":{"message":"no"},"data":[]}"#),
            Err(BadAnswer::Upstream(error)) if error.message == "no"
        ));
    }

    #[test]
    fn vectors_are_written_as_asked() {
        let vectors = vec![vec![0.5, -1.0, 3.0e-8], vec![1.0, 0.1, 0.0]];
        let floats = encode_response(&vectors, &usage(9), "m\"x", Encoding::Float);
        let floats: Value = serde_json::from_slice(&floats).unwrap();
        assert_eq!(floats["data"][0]["embedding"], json!([0.5, -1.0, 3e-8]));
        assert_eq!(
            floats["data"][1],
            json!({"object": "embedding", "index": 1, "embedding": [1.0, 0.1, 0.0]})
        );
        assert_eq!(floats["usage"], json!({"prompt_tokens": 9, "total_tokens": 9}));
        assert_eq!((&floats["model"], &floats["object"]), (&json!("m\"x"), &json!("list")));
        let base64 = encode_response(&[vec![1.0, -2.0]], &usage(1), "m", Encoding::Base64);
        let base64: Value = serde_json::from_slice(&base64).unwrap();
        assert_eq!(base64["data"][0]["embedding"], "AACAPwAAAMA=");
        assert_eq!(
            read_answer(&encode_response(&vectors, &usage(9), "m", Encoding::Base64)).unwrap().choices,
            2
        );
    }

    #[test]
    fn calls_add_up() {
        let one = |tokens: Option<u64>| Embedded { vectors: vec![vec![1.0]], usage: tokens.map(input_only) };
        let mut all = Embedded::default();
        all.append(one(Some(3)));
        all.append(one(Some(4)));
        assert_eq!((all.vectors.len(), all.usage), (2, Some(input_only(7))));
        assert!(all.clone().for_inputs(2).is_ok() && all.clone().for_inputs(3).is_err());
        all.append(one(None));
        all.append(one(Some(1)));
        assert_eq!(all.usage, None);
    }

    proptest! {
        #[test]
        fn base64_and_floats_read_back_the_same(vector in prop::collection::vec(-1e9f32..1e9, 1..40)) {
            let vectors = [vector];
            let floats: Value =
                serde_json::from_slice(&encode_response(&vectors, &usage(1), "m", Encoding::Float)).unwrap();
            let read: Vec<f32> = serde_json::from_value(floats["data"][0]["embedding"].clone()).unwrap();
            prop_assert_eq!(&read, &vectors[0]);
            let base64: Value =
                serde_json::from_slice(&encode_response(&vectors, &usage(1), "m", Encoding::Base64)).unwrap();
            let bytes = STANDARD.decode(base64["data"][0]["embedding"].as_str().unwrap()).unwrap();
            let read: Vec<f32> =
                bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
            prop_assert_eq!(&read, &vectors[0]);
        }

        #[test]
        fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..80)) {
            let _read = (read_answer(&body), super::super::scan(&body), super::super::decode_request(&body));
            let _other = (super::super::decode_gemini(&body), super::super::decode_titan(&body));
        }
    }
}
