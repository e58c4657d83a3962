//! Passing through: the provider's body from the caller's and the caller's answer from the provider's, made by changing
//! the model's name alone.

use bytes::Bytes;

use super::Answer;
use super::usage::Numbers;
use crate::dialect::BadAnswer;
use crate::dialect::json::{self, Edit};
use crate::dialect::openai_chat::choice::text_chars;
use crate::dialect::openai_chat::error::truthy_error;
use crate::dialect::openai_chat::request::{expected, invalid, object, utf8};
use crate::dialect::openai_chat::rewrite::{quoted, splice};
use crate::fault::Fault;

/// The caller's body, byte for byte, but for the value of its top-level `model`.
///
/// # Errors
/// [`FaultCode::InvalidRequest`](crate::fault::FaultCode::InvalidRequest) for a body that [`scan`](super::scan()) would
/// have refused as well.
pub fn rewrite(body: &Bytes, model: &str) -> Result<Bytes, Fault> {
    let text = utf8(body)?;
    let (mut named, mut twice) = (None, false);
    object(text, |member| {
        if member.name() == "model" {
            twice |= named.replace(member.value).is_some();
        }
    })?;
    if twice {
        return Err(invalid("The body names `model` twice.").with_param("model"));
    }
    let named = named.ok_or_else(|| expected("model", "a string"))?;
    if json::string(named).ok_or_else(|| expected("model", "a string"))? == model {
        return Ok(body.clone());
    }
    Ok(splice(body, vec![Edit::replace(text, named, quoted(model))]))
}

/// A provider's whole answer with its model named as the caller named it; unchanged if it names none.
pub fn rename_answer(body: &Bytes, model: &str) -> Bytes {
    match std::str::from_utf8(body).ok().and_then(|text| renaming(text, model)) {
        Some(edit) => splice(body, vec![edit]),
        None => body.clone(),
    }
}

/// The edit that gives the message `text` another `model`, if it names one.
pub(super) fn renaming(text: &str, model: &str) -> Option<Edit> {
    let mut named = None;
    json::members(text, |member| {
        if member.name() == "model" {
            named = Some(member.value);
        }
    })
    .ok()?;
    let named = named.filter(|raw| raw.starts_with('"'))?;
    Some(Edit::replace(text, named, quoted(model)))
}

/// Reads the body of a successful answer that is not a stream.
///
/// # Errors
/// [`BadAnswer`] unless it is a JSON object with a `content` array and without an error.
pub fn read_answer(body: &[u8]) -> Result<Answer, BadAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| BadAnswer::NotACompletion)?;
    let (mut content, mut used, mut error) = (None, None, None);
    json::members(text, |member| match &*member.name() {
        "content" => content = Some(member.value),
        "usage" => used = Some(member.value),
        "error" => error = Some(member.value),
        _ => {}
    })
    .map_err(|_| BadAnswer::NotACompletion)?;
    if let Some(error) = error.and_then(truthy_error) {
        return Err(BadAnswer::Upstream(error));
    }
    let content = content.filter(|raw| raw.starts_with('[')).ok_or(BadAnswer::NotACompletion)?;
    let mut numbers = Numbers::default();
    if let Some(raw) = used {
        numbers.merge(raw);
    }
    Ok(Answer { reported: numbers.reported(), output_chars: text_chars(content), choices: 1 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_model_changes_there_and_back() {
        let body = Bytes::from_static(
            b"{\n \"max_tokens\": 1e1, \"model\" : \"alias\" ,\"messages\":[{\"model\":\"alias\"}] }",
        );
        let there = rewrite(&body, "claude-\"x\"").unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        assert_eq!(there, text.replacen("\"alias\"", "\"claude-\\\"x\\\"\"", 1));
        assert_eq!(rename_answer(&there, "alias"), body);
        assert_eq!(rewrite(&body, "alias").unwrap().as_ptr(), body.as_ptr());
        for bad in ["{}", "[]", r#"{"model":1}"#, r#"{"model":"a","model":"b"}"#] {
            assert!(rewrite(&Bytes::from_static(bad.as_bytes()), "m").is_err(), "{bad}");
        }
        for kept in ["{}", "nonsense", r#"{"model":null}"#] {
            assert_eq!(rename_answer(&Bytes::from_static(kept.as_bytes()), "m"), kept);
        }
    }

    #[test]
    fn an_answer_tells_what_it_used() {
        let body = br#"{"id":"msg_1","type":"message","model":"m","content":[{"type":"thinking","thinking":"hm","signature":"EoEo"},
            {"type":"text","text":"Hi \u00e9"}],"usage":{"input_tokens":5,"cache_read_input_tokens":4,"output_tokens":2}}"#;
        let answer = read_answer(body).unwrap();
        assert_eq!(answer.output_chars, 6);
        let reported = answer.reported.unwrap();
        assert_eq!((reported.input_tokens, reported.output_tokens), (Some(9), Some(2)));
        let error = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        let Err(BadAnswer::Upstream(error)) = read_answer(error) else { panic!("no error") };
        assert_eq!(error.kind.as_deref(), Some("overloaded_error"));
        for bad in ["", "[]", "{}", r#"{"content":"x"}"#] {
            assert_eq!(read_answer(bad.as_bytes()), Err(BadAnswer::NotACompletion), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn renaming_there_and_back_is_nothing(alias in ".{1,12}", model in ".{1,12}", text in ".{0,30}") {
            let body = serde_json::json!({"model": alias, "messages": [text]}).to_string();
            let body = Bytes::from(body);
            let there = rewrite(&body, &model).unwrap();
            prop_assert_eq!(rewrite(&there, &alias).unwrap(), body);
        }
    }
}
