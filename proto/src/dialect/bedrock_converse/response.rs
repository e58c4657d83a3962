//! A whole answer, read to the events its stream would have had.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::{Answer, Numbers, Stop, ToolHead};
use crate::canonical::Event;
use crate::dialect::{BadAnswer, BrokenStream, JSON_DEPTH_MAX, nested_too_deep};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    output: Output<'a>,
    stop_reason: String,
    #[serde(default)]
    additional_model_response_fields: Option<Value>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Vec<&'a RawValue>,
}

/// A content block; one of its members is set.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    #[serde(default)]
    text: Option<String>,
    #[serde(borrow, default)]
    tool_use: Option<&'a RawValue>,
    #[serde(default)]
    reasoning_content: Option<Thought>,
    #[serde(borrow, default)]
    citations_content: Option<Cited<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thought {
    #[serde(default)]
    reasoning_text: Option<ThoughtText>,
    #[serde(default)]
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
struct ThoughtText {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Cited<'a> {
    #[serde(default)]
    content: Vec<CitedText>,
    #[serde(borrow, default)]
    citations: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct CitedText {
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    input: Option<Value>,
}

/// Reads the body of a successful call of Converse; appends its events.
///
/// # Errors
/// [`BadAnswer`] if it is not of the dialect, or if the model's answer was malformed.
pub fn decode_response(body: &[u8], out: &mut Vec<Event>) -> Result<(), BadAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| BadAnswer::NotACompletion)?;
    if nested_too_deep(body, JSON_DEPTH_MAX) {
        return Err(BadAnswer::NotACompletion);
    }
    let whole: Body<'_> = serde_json::from_str(text).map_err(|_| BadAnswer::NotACompletion)?;
    let numbers: Numbers<'_> = serde_json::from_str(text).map_err(|_| BadAnswer::NotACompletion)?;
    let mut answer = Answer::new(false);
    answer.start(out);
    let read = read(&mut answer, whole, out);
    answer.numbers(&numbers);
    let ended = answer.end(out);
    read.and(ended).map_err(|broken| match broken {
        BrokenStream::Upstream(error) => BadAnswer::Upstream(error),
        BrokenStream::TooLarge | BrokenStream::NotAChunk | BrokenStream::CutShort => {
            BadAnswer::NotACompletion
        }
    })
}

fn read(answer: &mut Answer, whole: Body<'_>, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
    for (n, raw) in (0u64..).zip(whole.output.message.content) {
        block(answer, n, raw, out)?;
        answer.close(n, out);
    }
    let fields = whole.additional_model_response_fields;
    answer.stop(Stop { stop_reason: whole.stop_reason, additional_model_response_fields: fields }, out);
    Ok(())
}

fn block(answer: &mut Answer, n: u64, raw: &RawValue, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
    let block: Block<'_> = serde_json::from_str(raw.get()).map_err(|_| BrokenStream::NotAChunk)?;
    if let Some(text) = block.text {
        answer.text(n, text, out)
    } else if let Some(call) = block.tool_use {
        let head: ToolHead = serde_json::from_str(call.get()).map_err(|_| BrokenStream::NotAChunk)?;
        let input: Input = serde_json::from_str(call.get()).map_err(|_| BrokenStream::NotAChunk)?;
        answer.call(n, head, raw, out)?;
        // Written compactly and in the model's order, as its stream does it.
        let input = input.input.filter(|input| !input.is_null() && *input != serde_json::json!({}));
        answer.arguments(n, input.map(|input| input.to_string()).unwrap_or_default(), out)
    } else if let Some(thought) = block.reasoning_content {
        let (text, signature) =
            thought.reasoning_text.map(|shown| (shown.text, shown.signature)).unwrap_or_default();
        answer.thought(n, text, signature, thought.redacted_content, out)
    } else if let Some(cited) = block.citations_content {
        let text: String = cited.content.into_iter().filter_map(|piece| piece.text).collect();
        answer.text(n, text, out)?;
        cited.citations.iter().try_for_each(|citation| answer.citation(n, citation, out))
    } else {
        answer.other(n, raw, out).map(|_| ())
    }
}
