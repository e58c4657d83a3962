//! A case for every rule of Messages, and answers whole and streamed.

mod blocks;
mod streams;

use serde_json::{Value, json};

use crate::fake::Kind;
use crate::fake::test::{accepts, ctx, headers, incoming, patched, refuses, route};

const PATH: &str = "/v1/messages";

fn base() -> Value {
    json!({"model": "claude-sonnet-4-5", "max_tokens": 4096, "messages": [{"role": "user", "content": "Hi"}]})
}

fn tool() -> Value {
    json!({"name": "get_weather", "description": "d", "input_schema": {"type": "object",
        "properties": {"city": {"type": "string"}}}})
}

fn user(content: Value) -> Value {
    json!({"role": "user", "content": content})
}

fn assistant(content: Value) -> Value {
    json!({"role": "assistant", "content": content})
}

fn call(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "get_weather", "input": {}})
}

fn result(id: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": "21"})
}

fn says(messages: &[Value]) -> Value {
    json!({"messages": messages})
}

#[test]
fn refuses_wrong_fields() {
    let schema =
        |schema: Value| json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let manual = json!({"type": "enabled", "budget_tokens": 2048});
    let rules = [
        (json!({"max_tokens": null}), "max_tokens: Field required"),
        (json!({"foo": 1}), "foo: Extra inputs are not permitted"),
        (json!({"context_management": {}}), "context_management: Extra inputs"),
        (json!({"stream": 1}), "stream: Input should be a valid boolean"),
        (json!({"messages": []}), "at least one message is required"),
        (json!({"temperature": 1.5}), "between 0 and 1"),
        (json!({"temperature": 0.5, "top_p": 0.5}), "cannot both be specified"),
        (json!({"model": "claude-opus-4-7", "temperature": 0.5}), "not supported on this model"),
        (json!({"model": "claude-opus-5-5", "top_k": 5}), "not supported on this model"),
        (json!({"stop_sequences": [" "]}), "non-whitespace"),
        (json!({"metadata": {"user": "x"}}), "metadata.user: Extra inputs"),
        (json!({"service_tier": "default"}), "service_tier"),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 512}}), "expected a value >= 1024"),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 5000}}),
            "must be greater than `thinking.budget_tokens`",
        ),
        (json!({"thinking": {"type": "adaptive"}}), "not supported on this model"),
        (json!({"model": "claude-opus-4-7", "thinking": manual}), "not supported on this model"),
        (
            json!({"model": "claude-opus-5-5", "thinking": {"type": "disabled"}}),
            "not supported on this model",
        ),
        (json!({"thinking": manual, "temperature": 0.5}), "when thinking is enabled"),
        (json!({"output_config": {"effort": "low"}}), "does not support the effort"),
        (schema(json!({"type": "object", "properties": {}})), "additionalProperties"),
        (schema(json!({"type": "integer", "minimum": 1})), "property 'minimum' is not supported"),
    ];
    refuses(Kind::Anthropic, PATH, &base(), &rules);
    accepts(
        Kind::Anthropic,
        PATH,
        &base(),
        &[
            json!({"temperature": 0.5, "stop_sequences": ["x"]}),
            json!({"thinking": manual, "metadata": {"user_id": "u"}}),
            json!({"model": "claude-opus-5-5", "thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
            schema(json!({"type": "object", "properties": {}, "additionalProperties": false})),
        ],
    );
    let other = patched(&base(), &json!({"model": "gpt-6-luna"}));
    assert_eq!(route(Kind::Anthropic, PATH, &other).unwrap_err().status, 404);
}

#[test]
fn refuses_wrong_tools() {
    let forced = json!({"type": "tool", "name": "get_weather"});
    let with = |change: Value| patched(&json!({"tools": [tool()]}), &change);
    let rules = [
        (json!({"tools": [{"name": "a.b", "input_schema": {"type": "object"}}]}), "does not match"),
        (json!({"tools": [{"name": "a", "input_schema": {}}]}), "input_schema.type: Field required"),
        (
            json!({"tools": [{"name": "a", "input_schema": {"type": "object", "oneOf": []}}]}),
            "at the top level",
        ),
        (json!({"tools": [{"type": "function", "name": "a"}]}), "does not match any of the expected tags"),
        (json!({"tools": [tool(), tool()]}), "Tool names must be unique"),
        (json!({"tool_choice": {"type": "any"}}), "while providing tools"),
        (with(json!({"tool_choice": "auto"})), "valid dictionary"),
        (with(json!({"tool_choice": {"type": "required"}})), "tool_choice.type"),
        (with(json!({"tool_choice": {"type": "tool", "name": "x"}})), "not found"),
        (with(json!({"tool_choice": {"type": "none", "disable_parallel_tool_use": true}})), "Extra inputs"),
        (
            with(
                json!({"tool_choice": {"type": "any"}, "thinking": {"type": "enabled", "budget_tokens": 2048}}),
            ),
            "Thinking may not be enabled when tool_choice forces tool use",
        ),
        (
            with(json!({"tool_choice": {"type": "any"}, "model": "claude-opus-5-5"})),
            "thinking cannot be disabled",
        ),
        (with(json!({"tool_choice": forced, "model": "claude-sonnet-5-5"})), "thinking cannot be disabled"),
        (with(json!({"tool_choice": forced, "model": "claude-fable-5-1"})), "thinking cannot be disabled"),
    ];
    refuses(Kind::Anthropic, PATH, &base(), &rules);
    accepts(
        Kind::Anthropic,
        PATH,
        &base(),
        &[
            with(json!({"tool_choice": forced})),
            with(
                json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}, "model": "claude-opus-5-5"}),
            ),
        ],
    );
}

#[test]
fn refuses_calls_without_their_results() {
    let hi = user(json!("Hi"));
    let rules = [
        (
            says(&[hi.clone(), assistant(json!([call("toolu_1")])), hi.clone()]),
            "without `tool_result` blocks immediately after: toolu_1",
        ),
        (
            says(&[
                hi.clone(),
                assistant(json!([call("toolu_1")])),
                user(json!([{"type": "text", "text": "x"}, result("toolu_1")])),
            ]),
            "immediately after",
        ),
        (says(&[user(json!([result("toolu_1")]))]), "unexpected `tool_use_id`"),
        (
            says(&[hi.clone(), assistant(json!("a")), user(json!([result("toolu_1")]))]),
            "unexpected `tool_use_id`",
        ),
        (
            says(&[
                hi.clone(),
                assistant(json!([call("toolu_1")])),
                user(json!([result("toolu_1"), result("toolu_1")])),
            ]),
            "single result",
        ),
        (
            says(&[hi.clone(), assistant(json!([call("call:1")])), user(json!([result("call:1")]))]),
            "does not match",
        ),
        (
            says(&[
                hi.clone(),
                assistant(json!([{"type": "tool_use", "id": "t", "name": "n", "input": "{}"}])),
            ]),
            "valid dictionary",
        ),
    ];
    refuses(Kind::Anthropic, PATH, &base(), &rules);
    let results =
        [user(json!([result("toolu_2")])), user(json!([result("toolu_1"), {"type": "text", "text": "x"}]))];
    let [first, second] = results;
    let calls = assistant(json!([call("toolu_1"), call("toolu_2")]));
    accepts(Kind::Anthropic, PATH, &base(), &[says(&[hi, calls, first, second])]);
}

#[test]
fn refuses_wrong_turns() {
    let hi = user(json!("Hi"));
    let system = json!({"role": "system", "content": "s"});
    let rules = [
        (says(&[assistant(json!("a")), hi.clone()]), "first message must use"),
        (says(&[json!({"role": "tool", "content": "x"})]), "role"),
        (says(&[user(json!(""))]), "must have non-empty content"),
        (says(&[user(json!([{"type": "text", "text": ""}]))]), "must be non-empty"),
        (says(&[user(json!([{"type": "text", "text": " \n"}]))]), "non-whitespace text"),
        (json!({"system": [{"type": "text", "text": ""}]}), "must be non-empty"),
        (says(&[hi.clone(), assistant(json!("ends with space "))]), "trailing whitespace"),
        (
            patched(&says(&[hi.clone(), assistant(json!("a"))]), &json!({"model": "claude-opus-4-7"})),
            "assistant message prefill",
        ),
        (says(&[hi.clone(), system.clone()]), "role 'system' is not supported"),
        (
            patched(&says(&[system.clone(), hi.clone()]), &json!({"model": "claude-opus-5-5"})),
            "must directly follow",
        ),
        (
            json!({"system": (0..5).map(|i| json!({"type": "text", "text": i.to_string(), "cache_control": {"type": "ephemeral"}})).collect::<Vec<_>>()}),
            "maximum of 4 blocks",
        ),
        (
            json!({"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}),
            "must not come after",
        ),
    ];
    refuses(Kind::Anthropic, PATH, &base(), &rules);
    accepts(
        Kind::Anthropic,
        PATH,
        &base(),
        &[
            says(&[hi.clone(), hi.clone(), assistant(json!("a"))]),
            patched(&says(&[hi.clone(), system]), &json!({"model": "claude-opus-5-5"})),
        ],
    );
}

#[test]
fn versions_and_keys() {
    let ctx = ctx(Kind::Anthropic);
    let status = |change: &[(&'static str, Option<&str>)], body: &Value| {
        let mut all = headers(Kind::Anthropic);
        for (name, value) in change {
            all.retain(|(n, _)| n != name);
            all.extend(value.map(|value| (*name, value.to_owned())));
        }
        crate::anthropic::route(&ctx, &incoming(PATH, &all, body))
            .err()
            .map(|refusal| (refusal.status, refusal.body.to_string()))
    };
    assert!(status(&[("anthropic-version", None)], &base()).unwrap().1.contains("header is required"));
    assert!(
        status(&[("anthropic-version", Some("2024-01-01"))], &base())
            .unwrap()
            .1
            .contains("not a valid version")
    );
    let bearer = format!("Bearer {}", Kind::Anthropic.key());
    assert_eq!(status(&[("x-api-key", None), ("authorization", Some(&bearer))], &base()), None);
    assert_eq!(status(&[("x-api-key", None)], &base()).unwrap().0, 401);
    assert!(status(&[("x-api-key", Some("no"))], &base()).unwrap().1.contains("authentication_error"));
    let new = [("anthropic-version", Some("2026-10-21"))];
    let warm = patched(&base(), &json!({"temperature": 1.0}));
    assert_eq!(status(&[], &warm), None);
    assert!(status(&new, &warm).unwrap().1.contains("temperature: Extra inputs"));
    let document =
        json!([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}]);
    let replayed = patched(&base(), &says(&[user(json!("Hi")), assistant(document), user(json!("x"))]));
    assert_eq!(status(&[], &replayed), None);
    assert_eq!(status(&new, &replayed).unwrap().0, 400);
    let cited = says(&[user(json!([{"type": "text", "text": "x", "citations": [{}]}]))]);
    assert_eq!(status(&new, &patched(&base(), &cited)).unwrap().0, 400);
    let beta = [("anthropic-beta", Some("context-management-2025-06-27"))];
    assert_eq!(status(&beta, &patched(&base(), &json!({"context_management": {}}))), None);
}
