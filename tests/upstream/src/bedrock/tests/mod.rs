//! A case for every rule of Converse.

mod signed;
mod streams;

use serde_json::{Value, json};

use crate::fake::Kind;
use crate::fake::seal::Seal;
use crate::fake::test::{accepts, patched, refuses, route};

const PATH: &str = "/model/anthropic.claude-3-7-sonnet-20250219-v1%3A0/converse";
const NEW: &str = "/model/us.anthropic.claude-opus-5-5/converse";
const NOVA: &str = "/model/amazon.nova-2-lite-v1%3A0/converse";

fn base() -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]})
}

fn tools() -> Value {
    json!({"tools": [{"toolSpec": {"name": "get_weather", "description": "d", "inputSchema": {"json": {
        "type": "object", "properties": {"city": {"type": "string"}}}}}}]})
}

fn user(blocks: Value) -> Value {
    json!({"role": "user", "content": blocks})
}

fn assistant(blocks: Value) -> Value {
    json!({"role": "assistant", "content": blocks})
}

fn call(id: &str) -> Value {
    json!({"toolUse": {"toolUseId": id, "name": "get_weather", "input": {}}})
}

fn result(id: &str) -> Value {
    json!({"toolResult": {"toolUseId": id, "content": [{"text": "21"}]}})
}

fn says(messages: &[Value]) -> Value {
    json!({"messages": messages, "toolConfig": tools()})
}

#[test]
fn refuses_wrong_fields() {
    let extra = |extra: Value| json!({"additionalModelRequestFields": extra});
    let schema = |schema: &str| {
        json!({"outputConfig": {"textFormat": {"type": "json_schema",
        "structure": {"jsonSchema": {"schema": schema}}}}})
    };
    let rules = [
        (json!({"max_tokens": 5}), "extraneous key [max_tokens]"),
        (json!({"messages": null}), "must not be null"),
        (json!({"inferenceConfig": {"maxTokens": 0}}), "inferenceConfig.maxTokens"),
        (json!({"inferenceConfig": {"temperature": 1.5}}), "between 0 and 1"),
        (json!({"inferenceConfig": {"topK": 5}}), "extraneous key"),
        (json!({"system": "s"}), "SerializationException"),
        (json!({"system": [{"text": ""}]}), "is blank"),
        (json!({"serviceTier": {"type": "standard"}}), "serviceTier.type"),
        (extra(json!({"foo": 1})), "foo: Extra inputs are not permitted"),
        (extra(json!({"thinking": {"type": "adaptive"}})), "not supported on this model"),
        (extra(json!({"tool_choice": {"disable_parallel_tool_use": true}})), "tool_choice.type"),
        (
            json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": {}}}}}}),
            "a string",
        ),
        (schema("{}"), "doesn't support the outputConfig.textFormat"),
    ];
    let rules: Vec<(Value, &str)> = rules
        .into_iter()
        .map(|(change, words)| {
            let words = if words == "SerializationException" { "expected an array" } else { words };
            let needs_tools = change.pointer("/additionalModelRequestFields/tool_choice").is_some();
            let change = if needs_tools { patched(&change, &json!({"toolConfig": tools()})) } else { change };
            (change, words)
        })
        .collect();
    refuses(Kind::Bedrock, PATH, &base(), &rules);
    let new = [
        (json!({"inferenceConfig": {"temperature": 0.5}}), "not supported on this model"),
        (extra(json!({"top_k": 5})), "not supported on this model"),
        (extra(json!({"thinking": {"type": "disabled"}})), "not supported on this model"),
        (schema("{"), "not valid JSON"),
        (schema(r#"{"type":"object","properties":{}}"#), "additionalProperties"),
    ];
    refuses(Kind::Bedrock, NEW, &base(), &new);
    accepts(
        Kind::Bedrock,
        NEW,
        &base(),
        &[
            json!({"outputConfig": {"effort": "max"}, "additionalModelRequestFields": {"thinking": {"type": "adaptive"}}}),
            schema(r#"{"type":"object","properties":{},"additionalProperties":false}"#),
        ],
    );
    refuses(Kind::Bedrock, NOVA, &base(), &[(json!({"outputConfig": {"effort": "low"}}), "doesn't support")]);
}

#[test]
fn refuses_wrong_tools() {
    let spec = |spec: Value| json!({"toolConfig": {"tools": [{"toolSpec": spec}]}});
    let choice = |choice: Value| json!({"toolConfig": patched(&tools(), &json!({"toolChoice": choice}))});
    let object = json!({"json": {"type": "object"}});
    let rules = [
        (json!({"toolConfig": {"tools": []}}), "greater than or equal to 1"),
        (spec(json!({"name": "a.b", "inputSchema": object})), "does not match"),
        (spec(json!({"name": "a", "description": "", "inputSchema": object})), "greater than or equal to 1"),
        (spec(json!({"name": "a"})), "inputSchema"),
        (spec(json!({"name": "a", "inputSchema": {"json": {}}})), "must be one of the following: object"),
        (choice(json!({"none": {}})), "extraneous key"),
        (choice(json!({"auto": {}, "any": {}})), "more than one member"),
        (choice(json!({"tool": {"name": "x"}})), "not in toolConfig.tools"),
        (
            patched(
                &choice(json!({"any": {}})),
                &json!({"additionalModelRequestFields": {"tool_choice": {"type": "auto"}}}),
            ),
            "conflicts with an existing field",
        ),
    ];
    refuses(Kind::Bedrock, PATH, &base(), &rules);
    let always = "thinking cannot be disabled";
    refuses(
        Kind::Bedrock,
        NEW,
        &base(),
        &[(choice(json!({"any": {}})), always), (choice(json!({"tool": {"name": "get_weather"}})), always)],
    );
    refuses(
        Kind::Bedrock,
        "/model/meta.llama4-v1%3A0/converse",
        &base(),
        &[(choice(json!({"any": {}})), "doesn't support the toolConfig.toolChoice.any")],
    );
    accepts(
        Kind::Bedrock,
        PATH,
        &base(),
        &[choice(json!({"any": {}})), choice(json!({"tool": {"name": "get_weather"}}))],
    );
}

#[test]
fn refuses_wrong_messages() {
    let hi = user(json!([{"text": "Hi"}]));
    let rules = [
        (says(&[hi.clone(), hi.clone()]), "must alternate between user and assistant roles"),
        (says(&[assistant(json!([{"text": "a"}])), hi.clone()]), "must start with a user message"),
        (says(&[user(json!([]))]), "is empty"),
        (says(&[user(json!("Hi"))]), "expected an array"),
        (says(&[user(json!([{"text": " "}]))]), "is blank"),
        (says(&[user(json!([{"type": "text", "text": "x"}]))]), "extraneous key"),
        (says(&[user(json!([{"text": "x", "image": {}}]))]), "more than one member"),
        (
            says(&[hi.clone(), json!({"role": "system", "content": [{"text": "s"}]})]),
            "doesn't support the system role",
        ),
        (
            says(&[hi.clone(), assistant(json!([call("tooluse_1")])), hi.clone()]),
            "Expected toolResult blocks at messages.2.content for the following Ids: tooluse_1",
        ),
        (says(&[hi.clone(), assistant(json!([call("tooluse_1")]))]), "Expected toolResult blocks"),
        (says(&[user(json!([result("tooluse_1")]))]), "exceeds the number of toolUse blocks"),
        (
            patched(
                &says(&[hi.clone(), assistant(json!([call("t")])), user(json!([result("t")]))]),
                &json!({"toolConfig": null}),
            ),
            "toolConfig field must be defined",
        ),
        (
            says(&[
                hi.clone(),
                assistant(json!([call(&"x".repeat(65))])),
                user(json!([result(&"x".repeat(65))])),
            ]),
            "toolUseId",
        ),
        (
            says(&[
                hi.clone(),
                assistant(json!([{"toolUse": {"toolUseId": "t", "name": "n", "input": "{}"}}])),
            ]),
            "Provide a json object",
        ),
    ];
    refuses(Kind::Bedrock, PATH, &base(), &rules);
    let prefill = says(&[hi, assistant(json!([{"text": "a"}]))]);
    refuses(Kind::Bedrock, NEW, &base(), &[(prefill, "must end with a user message")]);
}

#[test]
fn refuses_wrong_blocks() {
    let hi = user(json!([{"text": "Hi"}]));
    let image = |format: &str, bytes: &str| {
        says(&[user(json!([{"image": {"format": format, "source": {"bytes": bytes}}}]))])
    };
    let document =
        |name: &str| json!({"document": {"format": "pdf", "name": name, "source": {"bytes": "AAAA"}}});
    let reasoned = |name: &str, model: &str| {
        let signature = Seal { name: name.to_owned() }.make("signature", model, "t");
        let block = json!({"reasoningContent": {"reasoningText": {"text": "t", "signature": signature}}});
        says(&[hi.clone(), assistant(json!([block, call("tooluse_1")])), user(json!([result("tooluse_1")]))])
    };
    let model = "anthropic.claude-3-7-sonnet-20250219-v1:0";
    let rules = [
        (
            says(&[user(json!([{"image": {"format": "png", "source": {"url": "https://x"}}}]))]),
            "extraneous key",
        ),
        (image("jpg", "iVBORw0KGgo="), "format"),
        (image("png", "AAAA"), "Could not process image"),
        (says(&[user(json!([document("a")]))]), "A text block must be included"),
        (says(&[user(json!([{"text": "x"}, document("a.pdf")]))]), "can only contain alphanumeric"),
        (says(&[user(json!([{"text": "x"}, document("a"), document("a")]))]), "must be unique"),
        (
            says(&[user(json!([{"cachePoint": {"type": "default"}}, {"text": "x"}]))]),
            "must follow other content",
        ),
        (says(&[hi.clone(), assistant(json!([{"text": "a "}]))]), "trailing whitespace"),
        (reasoned("anthropic", model), "Invalid `signature`"),
        (reasoned("bedrock", "other"), "Invalid `signature`"),
    ];
    refuses(Kind::Bedrock, PATH, &base(), &rules);
    accepts(
        Kind::Bedrock,
        PATH,
        &base(),
        &[
            reasoned("bedrock", model),
            image("png", "iVBORw0KGgo="),
            says(&[user(
                json!([{"text": "x"}, document("My file (1)"), {"cachePoint": {"type": "default", "ttl": "1h"}}]),
            )]),
        ],
    );
}

#[test]
fn models() {
    let refused = |path: &str| route(Kind::Bedrock, path, &base()).unwrap_err();
    assert!(
        refused("/model/anthropic.claude-opus-5-5/converse")
            .body
            .to_string()
            .contains("on-demand throughput")
    );
    assert!(refused("/model/claude-opus-5-5/converse").body.to_string().contains("identifier is invalid"));
    assert_eq!(refused("/model/us.anthropic.claude-opus-5-5/chat").status, 404);
    assert_eq!(refused("/model/arn:aws:bedrock:us-east-1:1:inference-profile/x/converse").status, 404);
    let arn = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse";
    assert!(route(Kind::Bedrock, arn, &base()).is_ok());
    assert!(route(Kind::Bedrock, NOVA, &base()).is_ok());
    let embed = "/model/amazon.titan-embed-text-v2%3A0/invoke";
    refuses(
        Kind::Bedrock,
        embed,
        &json!({"inputText": "Hi"}),
        &[
            (json!({"inputText": ""}), "minLength"),
            (json!({"input": "x"}), "extraneous key"),
            (json!({"dimensions": 300}), "256, 512, 1024"),
        ],
    );
}
