//! A provider's whole answer: is it one, and what did it use.

use super::UpstreamError;
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
    #[error("the provider's answer is not a chat completion")]
    NotACompletion,
    /// An error in a success's clothing.
    #[error("the provider answered with an error: {}", .0.message)]
    Upstream(UpstreamError),
}

impl BadAnswer {
    /// The fault the caller sees.
    pub fn fault(&self) -> Fault {
        Fault::new(FaultCode::UpstreamError, self.to_string())
    }
}

/// Reads the body of a successful answer that is not a stream.
pub fn read_answer(body: &[u8]) -> Result<Answer, BadAnswer> {
    let value: serde_json::Value =
        serde_json::from_slice(body).map_err(|_| BadAnswer::NotACompletion)?;
    let choices = value["choices"].as_array().ok_or(BadAnswer::NotACompletion)?;
    let usage = &value["usage"];
    let reported = usage.is_object().then(|| Reported {
        input_tokens: usage["prompt_tokens"].as_u64(),
        output_tokens: usage["completion_tokens"].as_u64(),
        total_tokens: usage["total_tokens"].as_u64(),
        ..Reported::default()
    });
    Ok(Answer { reported, output_chars: body.len() as u64, choices: choices.len() })
}
