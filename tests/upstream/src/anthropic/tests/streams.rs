//! Streams against whole answers.

use serde_json::{Value, json};

use super::{PATH, tool, user};
use crate::anthropic::{answer, stream};
use crate::fake::Kind;
use crate::fake::asked::Said;
use crate::fake::script::Script;
use crate::fake::tale::Tale;
use crate::fake::test::{SCRIPTS, ctx, route};

/// The content, the reason and the numbers that a stream amounts to.
fn folded(said: Said<'_>) -> (Value, Value, Value) {
    let (mut content, mut delta, mut usage): (Vec<Value>, Value, Value) =
        (Vec::new(), Value::Null, Value::Null);
    let mut input = String::new();
    for event in stream::events(said) {
        let text = String::from_utf8(event.bytes.to_vec()).unwrap();
        let data: Value = serde_json::from_str(text.trim_end().split_once("\ndata: ").unwrap().1).unwrap();
        match data["type"].as_str().unwrap() {
            "message_start" => usage = data["message"]["usage"].clone(),
            "content_block_start" => {
                assert_eq!(data["index"], content.len());
                content.push(data["content_block"].clone());
                input.clear();
            }
            "content_block_delta" => {
                let block = content.last_mut().unwrap();
                for (kind, key) in [("text", "text"), ("thinking", "thinking"), ("signature", "signature")] {
                    if let Some(more) = data["delta"][kind].as_str() {
                        block[key] = json!(block[key].as_str().unwrap().to_owned() + more);
                    }
                }
                input += data["delta"]["partial_json"].as_str().unwrap_or_default();
            }
            "content_block_stop" if !input.is_empty() => {
                content.last_mut().unwrap()["input"] = serde_json::from_str(&input).unwrap();
            }
            "message_delta" => {
                delta = data["delta"].clone();
                for (key, value) in data["usage"].as_object().into_iter().flatten() {
                    usage[key] = value.clone();
                }
            }
            _ => {}
        }
    }
    (json!(content), delta, usage)
}

#[test]
fn streams_say_what_whole_answers_say() {
    for words in SCRIPTS {
        for display in ["summarized", "omitted"] {
            let body = json!({"model": format!("claude-opus-5-5--{words}"), "max_tokens": 64, "tools": [tool()],
                "thinking": {"type": "adaptive", "display": display}, "messages": [user(json!("Hi"))]});
            let asked = route(Kind::Anthropic, PATH, &body).unwrap();
            let ctx = ctx(Kind::Anthropic);
            let tale = Tale::of(&asked, &Script::of(&asked.model, "").unwrap(), "anthropic", 0);
            let said = Said { asked: &asked, tale: &tale, seal: &ctx.seal };
            let whole = answer::whole(said);
            let (content, delta, usage) = folded(said);
            assert_eq!(content, whole["content"], "{words}");
            for key in ["stop_reason", "stop_sequence", "stop_details"] {
                assert_eq!(delta[key], whole[key], "{words}");
            }
            assert_eq!(usage, whole.get("usage").cloned().unwrap_or_default(), "{words}");
        }
    }
}
