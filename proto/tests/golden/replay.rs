//! What a provider wants back comes back: each caller answers an answer, as its clients do, and the state in it reaches
//! the provider and model that made it, and no other.

use bytes::Bytes;
use proto::config::ProviderKind;
use proto::dialect::Dialect;
use serde_json::{Value, json};

use super::answers::exchange;
use super::cast::{CALLERS, Place, answering, prepare, question};
use super::shelf;

/// Answers with state in them, and the state.
const ANSWERS: [(Dialect, &str, &str); 12] = [
    (Dialect::OpenaiResponses, "thinking_signature", "gAAAAABo+/x=="),
    (Dialect::OpenaiResponses, "thinking_hidden", "gAAAAABo"),
    (Dialect::AnthropicMessages, "thinking_signature", "EoYBCkYIBxgCKkAxyz=="),
    (Dialect::AnthropicMessages, "thinking_omitted", "EoYBCkYIBxgCKkAxyz=="),
    (Dialect::AnthropicMessages, "redacted_thinking", "EmwKAhgBEgy3va3pzix/LafPsn4a"),
    (Dialect::AnthropicMessages, "thinking_tools", "Eo1="),
    (Dialect::Gemini, "thinking_signature", "CoIDAb4+9vt5ZmF=="),
    (Dialect::Gemini, "parallel_tools", "Cs8BSig1=="),
    (Dialect::Gemini, "custom_tool", "CsSig2=="),
    (Dialect::Gemini, "reasoning", "CtoBAb4+9vv0abc="),
    (Dialect::BedrockConverse, "thinking_signature", "EqQBCgIYAhIkNGYxMWQw"),
    (Dialect::BedrockConverse, "redacted_thinking", "RXNBQkNnSVlBaElr"),
];

/// The question again, with the answer and the results of its calls.
fn next(caller: Dialect, case: &str, answer: &Value) -> Bytes {
    let mut body: Value = serde_json::from_slice(&question(caller, case)).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    match caller {
        Dialect::OpenaiChat => {
            let message = answer["choices"][0]["message"].clone();
            let results = list(&message["tool_calls"])
                .into_iter()
                .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "3"}));
            let results: Vec<Value> = results.collect();
            let messages = body["messages"].as_array_mut().unwrap();
            messages.push(message);
            messages.extend(results);
        }
        Dialect::OpenaiResponses => {
            let output = list(&answer["output"]);
            let results: Vec<Value> = output
                .iter()
                .filter_map(|item| {
                    match item["type"].as_str()? {
                        "function_call" => Some("function_call_output"),
                        "custom_tool_call" => Some("custom_tool_call_output"),
                        _ => None,
                    }
                    .map(|kind| json!({"type": kind, "call_id": item["call_id"], "output": "3"}))
                })
                .collect();
            let mut input = vec![json!({"role": "user", "content": "Well?"})];
            input.extend(output);
            input.extend(results);
            body["input"] = input.into();
        }
        _ => {
            let results: Vec<Value> = list(&answer["content"])
                .iter()
                .filter(|block| block["type"] == "tool_use")
                .map(|block| json!({"type": "tool_result", "tool_use_id": block["id"], "content": "3"}))
                .collect();
            let messages = body["messages"].as_array_mut().unwrap();
            messages.push(json!({"role": "assistant", "content": answer["content"]}));
            if !results.is_empty() {
                messages.push(json!({"role": "user", "content": results}));
            }
        }
    }
    let more = json!({"role": "user", "content": "Go on."});
    let list = if caller == Dialect::OpenaiResponses { "input" } else { "messages" };
    body[list].as_array_mut().unwrap().push(more);
    body.to_string().into()
}

fn sent(caller: Dialect, body: &Bytes, place: &Place, dialect: Dialect) -> String {
    let exchange = prepare(caller, body, place, dialect).unwrap_or_else(|fault| panic!("{fault:?}"));
    String::from_utf8(exchange.bodies[0].to_vec()).unwrap()
}

#[test]
fn state_goes_back_to_its_maker_alone() {
    for (dialect, case, state) in ANSWERS {
        let answer = shelf::read(dialect, case, shelf::ANSWER).unwrap();
        for caller in CALLERS {
            let name = format!("{}/{case} by {}", dialect.as_str(), caller.as_str());
            let (body, _) =
                exchange(caller, dialect, case).answer(vec![Bytes::from(answer.clone())]).unwrap();
            let body = next(caller, case, &serde_json::from_slice(&body).unwrap());
            // Of a text it may come back (vendor docs, read 2026-11), and Chat has no place for it.
            let optional = (dialect, case, caller) == (Dialect::Gemini, "reasoning", Dialect::OpenaiChat);
            let quoted = |text: &str| text.contains(&format!("\"{state}\""));
            let home = sent(caller, &body, &answering(dialect, case), dialect);
            assert!(quoted(&home) || optional, "{name}: {home}");
            assert!(!home.contains("fb1."), "{name}: {home}");
            if caller == dialect {
                // Without a token of ours it is passed on to whoever is next, as it would be without us.
                continue;
            }
            for (kind, model, foreign) in [
                (ProviderKind::OpenaiCompatible, "local", Dialect::OpenaiChat),
                (ProviderKind::Openai, "gpt-6-luna", Dialect::OpenaiResponses),
                (ProviderKind::Anthropic, "claude-opus-5-5", Dialect::AnthropicMessages),
                (ProviderKind::Gemini, "gemini-4-argon", Dialect::Gemini),
                (ProviderKind::Bedrock, "us.anthropic.claude-opus-5-5", Dialect::BedrockConverse),
            ] {
                let away = sent(caller, &body, &Place::new(kind, model), foreign);
                assert!(!quoted(&away) && !away.contains("fb1."), "{name} to {model}: {away}");
            }
        }
    }
}
