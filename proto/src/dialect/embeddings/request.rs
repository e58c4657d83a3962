//! A request read in full, for providers that do not speak the dialect.

use super::input::{self, Kind};
use super::scan;
use crate::canonical::Warnings;
use crate::dialect::json;
use crate::dialect::openai_chat::request::{expected, invalid, model};
use crate::fault::Fault;

/// What a caller asks to embed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedRequest {
    /// The model as the caller names it.
    pub model: String,
    /// What to embed, 1 to 2048 of them.
    pub inputs: Vec<Input>,
    /// How many numbers each vector is to have; `None` = as many as the model likes.
    pub dimensions: Option<u64>,
    /// How vectors are to be written.
    pub encoding: Encoding,
    /// An opaque id of the person the caller serves.
    pub user: Option<String>,
    /// Names of fields that are none of the above.
    pub rest: Vec<String>,
}

/// One thing to embed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A text.
    Text(String),
    /// Ids of a vocabulary that only the model's own provider knows.
    Tokens(Vec<u32>),
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// As arrays of numbers.
    #[default]
    Float,
    /// As base64 of little-endian `f32`; official clients ask for it unless told otherwise.
    Base64,
}

impl EmbedRequest {
    /// Notes what no other provider can be told.
    pub fn warn(&self, warnings: &mut Warnings) {
        for field in &self.rest {
            warnings.add("unknown_field_dropped", field);
        }
    }

    /// The text at `index`.
    ///
    /// # Errors
    /// [`FaultCode::InvalidRequest`](crate::fault::FaultCode::InvalidRequest) for token ids, which only their own
    /// provider can read, and where there is no such input.
    pub(super) fn text(&self, index: usize) -> Result<&str, Fault> {
        match self.inputs.get(index) {
            Some(Input::Text(text)) => Ok(text),
            Some(Input::Tokens(_)) => {
                let message = "`input` cannot be carried: the model's provider takes texts, not token ids.";
                Err(invalid(message).with_param("input"))
            }
            None => Err(invalid("There is no such input.").with_param("input")),
        }
    }
}

/// Reads a caller's body in full.
///
/// # Errors
/// As [`scan`](super::scan()).
pub fn decode_request(body: &[u8]) -> Result<EmbedRequest, Fault> {
    let wanted = scan::wanted(body)?;
    input::measure(wanted.input)?;
    let encoding = if scan::base64(wanted.encoding_format)? { Encoding::Base64 } else { Encoding::Float };
    Ok(EmbedRequest {
        model: model(wanted.model)?,
        inputs: inputs(wanted.input.unwrap_or_default())?,
        dimensions: scan::dimensions(wanted.dimensions)?,
        encoding,
        user: wanted.user.and_then(json::string).map(std::borrow::Cow::into_owned),
        rest: wanted.rest,
    })
}

fn inputs(raw: &str) -> Result<Vec<Input>, Fault> {
    if raw.starts_with('"') {
        return Ok(vec![Input::Text(text(raw)?)]);
    }
    let first = raw.get(1..).unwrap_or_default().trim_ascii_start();
    match input::kind(first) {
        Some(Kind::Tokens) => Ok(vec![Input::Tokens(tokens(raw)?)]),
        Some(kind @ (Kind::Texts | Kind::TokenLists)) => {
            let mut inputs = Vec::new();
            let mut fault = None;
            let walked = input::elements(raw, |element| {
                let input = match kind {
                    Kind::Texts => text(element).map(Input::Text),
                    Kind::TokenLists | Kind::Tokens => tokens(element).map(Input::Tokens),
                };
                input.map(|input| inputs.push(input)).map_err(|wrong| fault = Some(wrong)).is_ok()
            });
            match (fault, walked) {
                (Some(fault), _) => Err(fault),
                (None, Err(_)) => Err(expected("input", "valid JSON")),
                (None, Ok(())) => Ok(inputs),
            }
        }
        None => Err(expected("input", "a list of texts or token ids")),
    }
}

fn text(raw: &str) -> Result<String, Fault> {
    json::string(raw)
        .map(std::borrow::Cow::into_owned)
        .ok_or_else(|| expected("input", "texts of whole characters: a lone surrogate is none"))
}

fn tokens(raw: &str) -> Result<Vec<u32>, Fault> {
    serde_json::from_str(raw).map_err(|_| expected("input", "token ids"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_in_full() {
        let body = br#"{"model":"m","input":[ "a\n", "b"],"dimensions":256,"encoding_format":"base64","user":"u","truncate":true}"#;
        let request = decode_request(body).unwrap();
        let expected = EmbedRequest {
            model: "m".into(),
            inputs: vec![Input::Text("a\n".into()), Input::Text("b".into())],
            dimensions: Some(256),
            encoding: Encoding::Base64,
            user: Some("u".into()),
            rest: vec!["truncate".into()],
        };
        assert_eq!(request, expected);
        let mut warnings = Warnings::default();
        request.warn(&mut warnings);
        assert_eq!(warnings.header().unwrap(), "unknown_field_dropped;field=truncate");
    }

    #[test]
    fn every_kind_of_input_is_kept() {
        let inputs = |input: &str| {
            decode_request(format!(r#"{{"model":"m","input":{input}}}"#).as_bytes()).unwrap().inputs
        };
        assert_eq!(inputs(r#""x""#), [Input::Text("x".into())]);
        assert_eq!(inputs("[1,2]"), [Input::Tokens(vec![1, 2])]);
        assert_eq!(inputs("[ [1,2],[3] ]"), [Input::Tokens(vec![1, 2]), Input::Tokens(vec![3])]);
        assert!(decode_request(br#"{"model":"m","input":["\ud800"]}"#).is_err());
        assert!(decode_request(br#"{"model":"m","input":[1,[2]]}"#).is_err());
    }

    #[test]
    fn requests_of_real_clients_are_taken() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embeddings");
        let mut seen = 0;
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let body = std::fs::read(&path).unwrap();
            if name.ends_with(".request.json") {
                let request = decode_request(&body).unwrap();
                let scan = super::super::scan(&body).unwrap();
                assert_eq!(request.model, scan.model, "{name}");
                assert_eq!(request.rest.is_empty(), name != "unknown_fields.request.json", "{name}");
                seen += 1;
            } else if name.starts_with("openai_") {
                let answer = super::super::read_answer(&body).unwrap();
                assert!(answer.choices > 0 && answer.reported.is_some(), "{name}");
                seen += 1;
            }
        }
        assert!(seen >= 7, "{seen}");
    }
}
