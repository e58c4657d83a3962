//! Answers and chunks as servers write them: every scalar as it stands, since servers differ in what they put there.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::json;

/// A chunk, or a whole answer.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) created: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// A choice: `message` of a whole answer, `delta` of a chunk.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice<'a> {
    #[serde(borrow)]
    pub(super) index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<&'a RawValue>,
    /// vLLM: the stop text that came, or its token.
    #[serde(borrow)]
    pub(super) stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) delta: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
}

/// What is said.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    pub(super) function_call: Option<Function<'a>>,
    #[serde(borrow)]
    pub(super) annotations: Option<&'a RawValue>,
}

/// A call, or a piece of one.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) function: Option<Function<'a>>,
    #[serde(borrow)]
    pub(super) custom: Option<Function<'a>>,
    #[serde(borrow)]
    pub(super) extra_content: Option<&'a RawValue>,
}

/// What is called, and with what.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
}

/// Reads an answer or a chunk, which is an object: a list of the members' values would do for serde.
pub(super) fn read(text: &str) -> Option<Answer<'_>> {
    text.trim_ascii_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// The text that a value is, unless it is empty or none. Half a surrogate pair, which servers that cut between
/// tokens write, becomes U+FFFD.
pub(super) fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = raw?.get();
    if !raw.starts_with('"') || raw.len() == 2 {
        return None;
    }
    json::string(raw).or_else(|| Some(Cow::Owned(lossy(raw))))
}

fn lossy(raw: &str) -> String {
    struct Bytes;

    impl serde::de::Visitor<'_> for Bytes {
        type Value = String;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }

    let mut reader = serde_json::Deserializer::from_str(raw);
    serde::Deserializer::deserialize_bytes(&mut reader, Bytes).unwrap_or_default()
}

/// Content is a text, or a list of parts (Mistral): its text, and its thoughts.
pub(super) fn content(raw: Option<&RawValue>) -> (Option<Cow<'_, str>>, Option<String>) {
    let Some(list) = raw.filter(|raw| raw.get().starts_with('[')) else { return (text(raw), None) };
    let Ok(Value::Array(parts)) = serde_json::from_str::<Value>(list.get()) else { return (None, None) };
    let (mut said, mut thought) = (String::new(), String::new());
    for part in &parts {
        match (&part["text"], &part["thinking"]) {
            (Value::String(text), _) => said.push_str(text),
            (_, Value::String(text)) => thought.push_str(text),
            (_, Value::Array(pieces)) => {
                thought.extend(pieces.iter().filter_map(|piece| piece["text"].as_str()));
            }
            _ => {}
        }
    }
    let some = |text: String| (!text.is_empty()).then_some(text);
    (some(said).map(Cow::Owned), some(thought))
}

/// Arguments are a text; some servers (Ollama) write the object itself.
pub(super) fn arguments(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    match raw.map(RawValue::get) {
        Some(object) if object.starts_with('{') => {
            let value = serde_json::from_str::<Value>(object);
            Some(value.map_or(Cow::Borrowed(object), |value| Cow::Owned(value.to_string())))
        }
        _ => text(raw),
    }
}
