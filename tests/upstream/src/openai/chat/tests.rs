//! A case for every rule of Chat, and answers whole and streamed.

use serde_json::{Value, json};

use crate::fake::Kind;
use crate::fake::asked::Said;
use crate::fake::script::Script;
use crate::fake::tale::Tale;
use crate::fake::test::{accepts, ctx, refuses, route};

const PATH: &str = "/v1/chat/completions";
const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

fn base() -> Value {
    json!({"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hi"}]})
}

fn tool() -> Value {
    json!({"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": false}, "strict": true}})
}

fn call(id: &str) -> Value {
    json!({"role": "assistant", "content": null, "tool_calls": [{"id": id, "type": "function",
        "function": {"name": "get_weather", "arguments": "{}"}}]})
}

fn result(id: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": "21"})
}

fn said(content: Value) -> Value {
    json!({"messages": [{"role": "user", "content": content}]})
}

#[test]
fn refuses_wrong_fields() {
    let rules = [
        (json!({"max_output_tokens": 5}), "Unknown parameter: 'max_output_tokens'"),
        (json!({"model": null}), "missing_required_parameter"),
        (json!({"messages": []}), "empty_array"),
        (json!({"stream": "yes"}), "expected a boolean"),
        (json!({"stream_options": {"include_usage": true}}), "only allowed when 'stream' is enabled"),
        (json!({"temperature": 2.5}), "between 0 and 2"),
        (json!({"stop": ["a", "b", "c", "d", "e"]}), "at most 4"),
        (json!({"top_logprobs": 3}), "only allowed when 'logprobs'"),
        (json!({"max_tokens": 5, "max_completion_tokens": 5}), "at the same time"),
        (json!({"model": "gpt-6-luna", "max_tokens": 5}), "Use 'max_completion_tokens'"),
        (json!({"model": "gpt-6-luna", "temperature": 0.2}), "unsupported_value"),
        (json!({"model": "o4-mini", "stop": "x"}), "'stop' is not supported"),
        (json!({"reasoning_effort": "low"}), "'reasoning_effort' is not supported"),
        (json!({"model": "gpt-6-astra", "reasoning_effort": "none"}), "unsupported_value"),
        (json!({"model": "gpt-6-luna", "tools": [tool()]}), "Please use /v1/responses"),
        (json!({"model": "gpt-5.4-mini", "reasoning_effort": "low", "tools": [tool()]}), "/v1/responses"),
        (json!({"metadata": {"k": 1}}), "expected a string"),
        (json!({"service_tier": "standard"}), "Supported values"),
        (json!({"response_format": {"type": "json_object"}}), "must contain the word 'json'"),
        (json!({"response_format": {"type": "json_schema", "name": "x", "schema": {}}}), "Unknown parameter"),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}),
            "json_schema.name",
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": true,
            "schema": {"type": "object", "properties": {}}}}}),
            "additionalProperties",
        ),
    ];
    refuses(Kind::Openai, PATH, &base(), &rules);
    accepts(
        Kind::Openai,
        PATH,
        &base(),
        &[
            json!({"stream": true, "stream_options": {"include_usage": true}, "stop": "x", "seed": 1}),
            json!({"model": "gpt-6-luna", "reasoning_effort": "none", "temperature": 0.2, "tools": [tool()]}),
            json!({"model": "llama-4", "min_p": 0.1}),
        ],
    );
}

#[test]
fn refuses_wrong_tools() {
    let flat = json!({"type": "function", "name": "f", "parameters": {}});
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    let open = json!({"type": "function", "function": {"name": "f", "strict": true,
        "parameters": {"type": "object", "properties": {"a": {}}}}});
    let rules = [
        (json!({"tools": []}), "too short"),
        (json!({"tools": [flat]}), "Unknown parameter: 'tools[0].name'"),
        (json!({"tools": [named("a.b")]}), "does not match"),
        (json!({"tools": [open]}), "additionalProperties"),
        (json!({"tool_choice": "required"}), "only allowed when 'tools' are specified"),
        (json!({"parallel_tool_calls": false}), "only allowed when 'tools' are specified"),
        (json!({"tools": [tool()], "tool_choice": "any"}), "Supported values"),
        (json!({"tools": [tool()], "tool_choice": named("other")}), "not found in 'tools'"),
        (
            json!({"tools": [tool()], "tool_choice": {"type": "function", "name": "get_weather"}}),
            "Unknown parameter",
        ),
    ];
    refuses(Kind::Openai, PATH, &base(), &rules);
    let allowed =
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named("get_weather")]}});
    accepts(
        Kind::Openai,
        PATH,
        &base(),
        &[
            json!({"tools": [tool()], "tool_choice": named("get_weather"), "parallel_tool_calls": false}),
            json!({"tools": [tool(), {"type": "custom", "custom": {"name": "c"}}], "tool_choice": allowed}),
        ],
    );
}

#[test]
fn refuses_wrong_messages() {
    let user = json!({"role": "user", "content": "Hi"});
    let long = "x".repeat(41);
    let image = |url: &str| said(json!([{"type": "image_url", "image_url": {"url": url}}]));
    let rules = [
        (json!({"messages": [{"role": "bot", "content": "x"}]}), "Supported values"),
        (json!({"messages": [{"role": "user", "content": null}]}), "got null"),
        (
            json!({"messages": [{"role": "user", "content": "x", "cache_control": {}}]}),
            "messages[0].cache_control",
        ),
        (json!({"messages": [user, {"role": "assistant", "content": null}]}), "got null"),
        (
            json!({"messages": [user, {"role": "assistant", "content": "a", "reasoning_content": "r"}]}),
            "reasoning_content",
        ),
        (json!({"messages": [user, result("call_1")]}), "must be a response to a preceeding message"),
        (json!({"messages": [user, call("call_1")]}), "did not have response messages: call_1"),
        (json!({"messages": [user, call("call_1"), user]}), "did not have response messages: call_1"),
        (json!({"messages": [user, call("call_1"), result("call_2")]}), "must be a response"),
        (json!({"messages": [user, call(&long), result(&long)]}), "string_above_max_length"),
        (
            json!({"messages": [user, call("call_1"), {"role": "tool", "tool_call_id": "call_1",
            "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]}),
            "Supported values are: 'text'",
        ),
        (said(json!([])), "empty_array"),
        (said(json!([{"type": "input_text", "text": "x"}])), "Supported values"),
        (said(json!([{"type": "text", "text": "x", "cache_control": {}}])), "content[0].cache_control"),
        (image("data:image/tiff;base64,AAAA"), "invalid_image_format"),
        (image("data:image/png;base64,AAAA"), "invalid_image"),
        (image("AAAA"), "invalid_image_url"),
        (said(json!([{"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}}])), "data URL"),
        (
            said(json!([{"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}])),
            "filename",
        ),
        (
            said(json!([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "ogg"}}])),
            "Supported values",
        ),
    ];
    refuses(Kind::Openai, PATH, &base(), &rules);
    accepts(
        Kind::Openai,
        PATH,
        &base(),
        &[
            image(PNG),
            image("https://example.org/a.png"),
            json!({"messages": [user, call("call_1"), result("call_1"), user]}),
            json!({"model": "deepseek-r9", "messages": [user, {"role": "assistant", "content": "a", "reasoning_content": "r"}]}),
        ],
    );
}

#[test]
fn refuses_a_wrong_key_and_path() {
    let send = |path: &str, key: Option<&str>| {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(key.map(|key| ("authorization", format!("Bearer {key}"))));
        let call = crate::fake::test::incoming(path, &headers, &base());
        crate::openai::route(&ctx(Kind::Openai), &call).unwrap_err()
    };
    assert_eq!(send(PATH, None).body["error"]["code"], "invalid_api_key");
    assert_eq!(send(PATH, Some("sk-other")).status, 401);
    assert_eq!(send("/v1/chat/completion", Some(Kind::Openai.key())).body["error"]["code"], "unknown_url");
    assert_eq!(send("/chat/completions", Some(Kind::Openai.key())).status, 404);
}

/// What a stream amounts to.
fn folded(body: &Value) -> (Value, Value) {
    let asked = route(Kind::Openai, PATH, body).unwrap();
    let ctx = ctx(Kind::Openai);
    let script = Script::of(&asked.model, &asked.last_text).unwrap();
    let tale = Tale::of(&asked, &script, "openai", 0);
    let made = Said { asked: &asked, tale: &tale, seal: &ctx.seal };
    let whole = super::answer::whole(made);
    let (mut content, mut refusal, mut reasoning) = (String::new(), String::new(), String::new());
    let mut calls: Vec<Value> = Vec::new();
    let (mut finish, mut usage) = (Value::Null, Value::Null);
    for event in super::stream::events(made) {
        let text = String::from_utf8(event.bytes.to_vec()).unwrap();
        let data = text.strip_prefix("data: ").unwrap().trim_end();
        if data == "[DONE]" {
            continue;
        }
        let chunk: Value = serde_json::from_str(data).unwrap();
        if chunk["usage"].is_object() {
            usage = chunk["usage"].clone();
        }
        let delta = &chunk["choices"][0]["delta"];
        content += delta["content"].as_str().unwrap_or_default();
        refusal += delta["refusal"].as_str().unwrap_or_default();
        reasoning += delta["reasoning_content"].as_str().unwrap_or_default();
        for part in delta["tool_calls"].as_array().into_iter().flatten() {
            let i = usize::try_from(part["index"].as_u64().unwrap()).unwrap();
            if i == calls.len() {
                let mut call = part.clone();
                call.as_object_mut().unwrap().remove("index");
                calls.push(call);
            } else {
                let grown = calls[i]["function"]["arguments"].as_str().unwrap().to_owned()
                    + part["function"]["arguments"].as_str().unwrap();
                calls[i]["function"]["arguments"] = json!(grown);
            }
        }
        if chunk["choices"][0]["finish_reason"].is_string() {
            finish = chunk["choices"][0]["finish_reason"].clone();
        }
    }
    let message = &whole["choices"][0]["message"];
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let of_whole = json!([
        text(&message["content"]),
        text(&message["refusal"]),
        text(&message["reasoning_content"]),
        message.get("tool_calls").cloned().unwrap_or(json!([])),
        whole["choices"][0]["finish_reason"],
        whole.get("usage").cloned().unwrap_or_default()
    ]);
    (json!([content, refusal, reasoning, calls, finish, usage]), of_whole)
}

#[test]
fn streams_say_what_whole_answers_say() {
    for words in [
        "text",
        "tools",
        "parallel",
        "sequential",
        "empty_args",
        "thinking",
        "refusal",
        "safety",
        "length",
        "stop_sequence",
        "json",
        "cached",
        "no_usage",
        "odd_usage",
        "text+tools",
    ] {
        for model in ["gpt-4.1-mini", "qwen-4"] {
            let body = json!({"model": format!("{model}--{words}"), "stream": true,
                "stream_options": {"include_usage": true}, "tools": [tool()],
                "messages": [{"role": "user", "content": "Hi"}]});
            let (streamed, whole) = folded(&body);
            assert_eq!(streamed, whole, "{words}");
        }
    }
}
