//! A provider's whole answer: is it one, and what did it use. The answer itself is forwarded as it came.

use super::choice;
use super::chunk::{array_len, each_choice};
use super::error::{UpstreamError, truthy_error};
use super::usage;
use crate::dialect::json;
use crate::fault::{Fault, FaultCode};
use crate::usage::Reported;

/// What an answer says that the books need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The provider's own numbers, if it gave any.
    pub reported: Option<Reported>,
    /// Characters of text in the answer, for an estimate.
    pub output_chars: u64,
    /// How many choices it has.
    pub choices: usize,
}

/// An answer with a success status that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// Not a JSON object with a `choices` array.
    #[error("the provider's answer is not one of its dialect")]
    NotACompletion,
    /// An error in a success's clothing.
    #[error("the provider answered with an error: {}", .0.message)]
    Upstream(UpstreamError),
}

impl BadAnswer {
    /// The fault the caller sees.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NotACompletion => Fault::new(
                FaultCode::UpstreamError,
                "The provider's answer cannot be read as one of its dialect.",
            ),
            Self::Upstream(error) => error.fault(FaultCode::UpstreamError),
        }
    }
}

/// Reads the body of a successful answer that is not a stream.
///
/// # Errors
/// [`BadAnswer`] unless it is a JSON object with a `choices` array and without a truthy `error`.
pub fn read_answer(body: &[u8]) -> Result<Answer, BadAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| BadAnswer::NotACompletion)?;
    let (mut choices, mut used, mut error, mut tier) = (None, None, None, None);
    json::members(text, |member| match &*member.name() {
        "choices" => choices = Some(member.value),
        "usage" => used = Some(member.value),
        "error" => error = Some(member.value),
        "service_tier" => tier = json::string(member.value).and_then(|word| usage::tier_of(&word)),
        _ => {}
    })
    .map_err(|_| BadAnswer::NotACompletion)?;
    if let Some(error) = error.and_then(truthy_error) {
        return Err(BadAnswer::Upstream(error));
    }
    let raw = choices.ok_or(BadAnswer::NotACompletion)?;
    let choices = array_len(raw).ok_or(BadAnswer::NotACompletion)?;
    let mut output_chars = 0;
    // Choices of a shape unknown to us are the caller's business; their text still counts.
    if each_choice(raw, |_, choice| output_chars += choice.text_chars()).is_err() {
        output_chars = choice::text_chars(raw);
    }
    let reported = used.and_then(usage::reported).map(|reported| Reported { tier, ..reported });
    Ok(Answer { reported, output_chars, choices })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Tier;

    #[test]
    fn an_answer_tells_what_it_used() {
        let body = r#"{"id":"chatcmpl-A1","object":"chat.completion","service_tier":"flex","choices":[
            {"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Hi é","refusal":null}},
            {"index":1,"finish_reason":"stop","message":{"role":"assistant","content":"Ho"}}],
            "usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;
        let answer = read_answer(body.as_bytes()).unwrap();
        assert_eq!((answer.choices, answer.output_chars), (2, 6));
        let reported = answer.reported.unwrap();
        assert_eq!((reported.input_tokens, reported.output_tokens), (Some(9), Some(2)));
        assert_eq!(reported.tier, Some(Tier::Flex));
    }

    #[test]
    fn usage_may_be_missing_and_choices_strange() {
        let answer = read_answer(br#"{"choices":[{"message":"odd"}],"usage":null}"#).unwrap();
        assert_eq!((answer.reported, answer.output_chars, answer.choices), (None, 3, 1));
        assert_eq!(read_answer(br#"{"choices":[]}"#).unwrap().choices, 0);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let bodies: [&[u8]; 7] = [
            b"",
            b"[]",
            b"{}",
            br#"{"choices":{}}"#,
            br#"{"choices":null}"#,
            b"<html>",
            b"{\"choices\":[]}\xff",
        ];
        for body in bodies {
            assert_eq!(read_answer(body), Err(BadAnswer::NotACompletion));
        }
    }

    #[test]
    fn an_error_with_a_success_status_is_an_error() {
        let body = br#"{"error":{"message":"boom at https://secret.example.com/x","code":503},"choices":[]}"#;
        let Err(BadAnswer::Upstream(error)) = read_answer(body) else { panic!("not an error") };
        assert_eq!((error.message.as_str(), error.code.as_deref()), ("boom at [redacted]", Some("503")));
        assert!(read_answer(br#"{"error":null,"choices":[]}"#).is_ok());
        let fault = BadAnswer::Upstream(error).fault();
        assert_eq!((fault.code, fault.upstream_code.as_deref()), (FaultCode::UpstreamError, Some("503")));
    }
}
