//! What the scripted provider says: a sentence about the last user message, whole or in chunks. Pure.

use proto::usage::estimate_tokens;
use serde_json::{Value, json};

/// One answer, ready to send.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

/// A question is quoted up to this many characters.
const QUOTE_MAX: usize = 200;

/// Answers a Chat Completions request; an error is a sentence for the caller.
pub(super) fn answer(body: &[u8]) -> Result<Answer, &'static str> {
    let request: Value = serde_json::from_slice(body).map_err(|_| "The body is not JSON.")?;
    let model = request["model"].as_str().ok_or("`model` must be a string.")?;
    let messages = request["messages"].as_array().ok_or("`messages` must be an array.")?;
    let chars: usize = messages.iter().map(|m| text_of(&m["content"]).chars().count()).sum();
    let text = sentence(messages);
    let usage = usage(chars, &text);
    Ok(if request["stream"] == true {
        let with_usage = request["stream_options"]["include_usage"] == true;
        Answer { content_type: "text/event-stream", body: events(model, &text, with_usage.then_some(&usage)) }
    } else {
        let message = json!({ "role": "assistant", "content": text, "refusal": null });
        let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" });
        let mut answer = envelope(model, "chat.completion");
        answer["choices"] = json!([choice]);
        answer["usage"] = usage;
        Answer { content_type: "application/json", body: answer.to_string() }
    })
}

fn sentence(messages: &[Value]) -> String {
    let asked = messages.iter().rev().find(|m| m["role"] == "user").map(|m| text_of(&m["content"]));
    match asked.as_deref().map(str::trim) {
        None | Some("") => "This is Forebay's scripted provider. It has nothing to answer.".to_owned(),
        Some(text) => {
            let quote: String = text.chars().take(QUOTE_MAX).collect();
            format!("This is Forebay's scripted provider. You said: {quote}")
        }
    }
}

/// The text of a message's content: a string, or the text parts of a list.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

fn usage(input_chars: usize, output: &str) -> Value {
    let tokens = |chars: usize| estimate_tokens(u64::try_from(chars).unwrap_or(u64::MAX));
    let (input, output) = (tokens(input_chars), tokens(output.chars().count()));
    json!({ "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output })
}

fn envelope(model: &str, object: &str) -> Value {
    let created = proto::clock::now_ms() / 1000;
    json!({ "id": "chatcmpl-scripted", "object": object, "created": created, "model": model })
}

/// The text word by word, as a stream.
fn events(model: &str, text: &str, usage: Option<&Value>) -> String {
    let frame = envelope(model, "chat.completion.chunk");
    let mut body = String::new();
    let mut push = |choices: Value, usage: Option<&Value>| {
        let mut chunk = frame.clone();
        chunk["choices"] = choices;
        if let Some(usage) = usage {
            chunk["usage"] = usage.clone();
        }
        body.push_str(&format!("data: {chunk}\n\n"));
    };
    let delta =
        |delta: Value, finish: Value| json!([{ "index": 0, "delta": delta, "finish_reason": finish }]);
    push(delta(json!({ "role": "assistant", "content": "" }), Value::Null), None);
    for word in text.split_inclusive(' ') {
        push(delta(json!({ "content": word }), Value::Null), None);
    }
    push(delta(json!({}), "stop".into()), None);
    if let Some(usage) = usage {
        push(json!([]), Some(usage));
    }
    body.push_str("data: [DONE]\n\n");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(extra: &str) -> Answer {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hello"}}]{extra}}}"#);
        answer(body.as_bytes()).unwrap()
    }

    #[test]
    fn a_whole_answer_has_its_usage() {
        let value: Value = serde_json::from_str(&ask("").body).unwrap();
        let text = value["choices"][0]["message"]["content"].as_str().unwrap();
        assert_eq!(text, "This is Forebay's scripted provider. You said: hello");
        assert_eq!(value["usage"], json!({"prompt_tokens": 2, "completion_tokens": 13, "total_tokens": 15}));
    }

    #[test]
    fn a_stream_says_the_same_in_words() {
        let answer = ask(r#","stream":true,"stream_options":{"include_usage":true}"#);
        assert_eq!(answer.content_type, "text/event-stream");
        assert!(answer.body.ends_with("data: [DONE]\n\n"));
        let chunks: Vec<Value> = answer
            .body
            .split("\n\n")
            .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
            .collect();
        let text: String =
            chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, "This is Forebay's scripted provider. You said: hello");
        assert_eq!(chunks.last().unwrap()["usage"]["total_tokens"], 15);
        assert!(!ask(r#","stream":true"#).body.contains("usage"));
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        assert!(answer(b"{").is_err());
        assert!(answer(br#"{"messages":[]}"#).unwrap_err().contains("model"));
        assert!(answer(br#"{"model":"m"}"#).unwrap_err().contains("messages"));
    }
}
