//! A case for every rule of Responses, and answers whole and streamed.

use serde_json::{Value, json};

use crate::fake::Kind;
use crate::fake::asked::Said;
use crate::fake::script::Script;
use crate::fake::seal::Seal;
use crate::fake::tale::Tale;
use crate::fake::test::{accepts, ctx, refuses, route};

const PATH: &str = "/v1/responses";

fn base() -> Value {
    json!({"model": "gpt-6-luna", "input": "Hi"})
}

fn tool() -> Value {
    json!({"type": "function", "name": "get_weather", "parameters": {"type": "object",
        "properties": {"city": {"type": "string"}}}, "strict": false})
}

fn call(id: &str) -> Value {
    json!({"type": "function_call", "id": id, "call_id": "call_1", "name": "f", "arguments": "{}"})
}

fn sealed(name: &str, model: &str) -> Value {
    let seal = Seal { name: name.to_owned() };
    json!({"type": "reasoning", "id": "rs_1", "summary": [],
        "encrypted_content": seal.make("encrypted", model, "")})
}

#[test]
fn refuses_wrong_fields() {
    let nested = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
    let rules = [
        (json!({"stop": ["x"]}), "Unknown parameter: 'stop'"),
        (json!({"max_tokens": 5}), "Unknown parameter: 'max_tokens'"),
        (json!({"messages": []}), "Unknown parameter: 'messages'"),
        (json!({"input": null}), "missing_required_parameter"),
        (json!({"max_output_tokens": 8}), "integer_below_min_value"),
        (json!({"stream_options": {"include_usage": true}}), "include_usage"),
        (json!({"temperature": 0.5}), "unsupported_value"),
        (json!({"reasoning_effort": "low"}), "Unknown parameter"),
        (json!({"reasoning": {"effort": "minimal"}}), "unsupported_value"),
        (json!({"response_format": {"type": "text"}}), "Unknown parameter"),
        (
            json!({"text": {"format": {"type": "json_schema", "json_schema": {"name": "x"}}}}),
            "text.format.name",
        ),
        (json!({"text": {"format": {"type": "json_object"}}}), "must contain the word 'json'"),
        (json!({"tools": [nested]}), "tools[0].name"),
        (json!({"tools": [{"type": "function", "name": "f"}]}), "tools[0].parameters"),
        (json!({"tools": [{"type": "functions", "name": "f"}]}), "Supported values"),
        (json!({"tool_choice": "required"}), "must be specified with 'tools'"),
        (
            json!({"tools": [tool()], "tool_choice": {"type": "function", "name": "x"}}),
            "not found in 'tools'",
        ),
        (json!({"include": ["usage"]}), "Supported values"),
        (json!({"previous_response_id": "resp_x"}), "previous_response_not_found"),
        (json!({"background": true, "store": false}), "must be stored"),
    ];
    refuses(Kind::Openai, PATH, &base(), &rules);
    accepts(
        Kind::Openai,
        PATH,
        &base(),
        &[json!({"tools": [tool(), {"type": "web_search"}], "tool_choice": "required", "store": false,
            "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low", "summary": "auto"}})],
    );
}

#[test]
fn refuses_wrong_items() {
    let user = json!({"role": "user", "content": "Hi"});
    let output = json!({"type": "function_call_output", "call_id": "call_1", "output": "21"});
    let said = |role: &str, part: Value| json!({"input": [user, {"role": role, "content": [part]}]});
    let ours = sealed("openai", "gpt-6-luna");
    let unkept = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let rules = [
        (json!({"input": [user, call("call_9"), output]}), "begins with 'fc'"),
        (
            json!({"input": [{"type": "message", "id": "x", "role": "user", "content": "a"}]}),
            "begins with 'msg'",
        ),
        (json!({"input": [user, {"type": "reasoning", "id": "x", "summary": []}]}), "begins with 'rs'"),
        (json!({"input": [user, call("fc_1")]}), "No tool output found for function call call_1"),
        (json!({"input": [user, output]}), "No tool call found for function call output"),
        (json!({"input": [user, call("fc_r_1"), output]}), "without its required 'reasoning' item"),
        (json!({"input": [user, ours, output]}), "without its required following item"),
        (json!({"input": [user, ours]}), "without its required following item"),
        (
            json!({"input": [user, sealed("other", "gpt-6-luna"), call("fc_1"), output]}),
            "invalid_encrypted_content",
        ),
        (
            json!({"input": [user, sealed("openai", "gpt-6-sol"), call("fc_1"), output]}),
            "invalid_encrypted_content",
        ),
        (
            said("assistant", json!({"type": "input_text", "text": "x"})),
            "Supported values are: 'output_text'",
        ),
        (said("user", json!({"type": "output_text", "text": "x"})), "Supported values are: 'input_text'"),
        (said("user", json!({"type": "text", "text": "x"})), "Supported values"),
        (said("user", json!({"type": "input_image", "image_url": {"url": "x"}})), "expected a string"),
        (
            said("user", json!({"type": "input_image", "image_url": "data:image/tiff;base64,AAAA"})),
            "invalid_image_format",
        ),
        (json!({"input": [{"type": "tool_result"}]}), "is not an item type"),
    ];
    refuses(Kind::Openai, PATH, &base(), &rules);
    accepts(
        Kind::Openai,
        PATH,
        &base(),
        &[
            json!({"input": [user, ours, call("fc_r_1"), output]}),
            json!({"input": [user, call("fc_1"), output, {"role": "assistant", "content": "a"}, user]}),
        ],
    );
    let missing =
        crate::fake::test::patched(&base(), &json!({"input": [user, unkept, call("fc_1"), output]}));
    assert_eq!(route(Kind::Openai, PATH, &missing).unwrap_err().status, 404);
}

#[test]
fn streams_end_with_the_whole_answer() {
    for words in [
        "text",
        "tools",
        "parallel",
        "empty_args",
        "thinking",
        "thinking+tools",
        "redacted",
        "refusal",
        "safety",
        "length",
        "json",
        "cached",
        "no_usage",
        "odd_usage",
    ] {
        let body = json!({"model": format!("gpt-6-luna--{words}"), "stream": true, "input": "Hi",
            "reasoning": {"summary": "auto"}, "tools": [tool()]});
        let asked = route(Kind::Openai, PATH, &body).unwrap();
        let ctx = ctx(Kind::Openai);
        let tale = Tale::of(&asked, &Script::of(&asked.model, "").unwrap(), "openai", 0);
        let said = Said { asked: &asked, tale: &tale, seal: &ctx.seal };
        let whole = super::answer::whole(said);
        let (mut items, mut grown) = (Vec::new(), String::new());
        for (n, event) in super::stream::events(said).iter().enumerate() {
            let text = String::from_utf8(event.bytes.to_vec()).unwrap();
            let (name, data) = text.trim_end().split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(name.strip_prefix("event: ").unwrap(), data["type"]);
            assert_eq!(data["sequence_number"], n);
            if name.ends_with(".delta") {
                grown += data["delta"].as_str().unwrap();
            }
            if name.ends_with("output_item.done") {
                items.push(data["item"].clone());
            }
            if data["response"]["status"] == whole["status"] {
                assert_eq!(data["response"], whole, "{words}");
            }
        }
        assert_eq!(json!(items), whole["output"], "{words}");
        let all = whole["output"].to_string().replace('\\', "");
        assert!(!grown.is_empty() || ["empty_args"].contains(&words), "{words}");
        assert!(
            all.contains("Köln") || all.contains("höher") || words == "refusal" || words == "empty_args",
            "{all}"
        );
    }
}

#[test]
fn what_it_made_it_takes_back() {
    let body = json!({"model": "gpt-6-luna--thinking+tools", "input": "Hi", "tools": [tool()]});
    let asked = route(Kind::Openai, PATH, &body).unwrap();
    let ctx = ctx(Kind::Openai);
    let tale = Tale::of(&asked, &Script::of(&asked.model, "").unwrap(), "openai", 0);
    let whole = super::answer::whole(Said { asked: &asked, tale: &tale, seal: &ctx.seal });
    let mut input = vec![json!({"role": "user", "content": "Hi"})];
    input.extend(whole["output"].as_array().unwrap().iter().cloned());
    input.push(json!({"type": "function_call_output", "call_id": input[2]["call_id"], "output": "21"}));
    accepts(Kind::Openai, PATH, &body, &[json!({"input": input})]);
}
