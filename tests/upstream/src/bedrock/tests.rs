//! A case for every rule of Converse, signatures, and answers whole and streamed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::BytesMut;
use serde_json::{Value, json};

use crate::fake::asked::Said;
use crate::fake::script::Script;
use crate::fake::seal::Seal;
use crate::fake::tale::Tale;
use crate::fake::test::{accepts, ctx, patched, refuses, route, send};
use crate::fake::{ACCESS_KEY, Fake, Kind, REGION, SECRET_KEY};

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
    let rules: Vec<(Value, &str)> = rules.into_iter().collect();
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
    refuses(
        Kind::Bedrock,
        NEW,
        &base(),
        &[(says(&[hi, assistant(json!([{"text": "a"}]))]), "must end with a user message")],
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

/// Signed headers for a POST to a URL, and what may be wrong about it.
fn signed(
    url: &str,
    body: &Value,
    secret: &str,
    region: &str,
    service: &str,
    at: SystemTime,
) -> Vec<(&'static str, String)> {
    let identity: Identity = Credentials::new(ACCESS_KEY, secret, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(at)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let body = body.to_string();
    let headers = [("content-type", "application/json")].into_iter();
    let request = SignableRequest::new("POST", url, headers, SignableBody::Bytes(body.as_bytes())).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut all = vec![("content-type", "application/json".to_owned()), ("host", host.to_owned())];
    for (name, value) in instructions.headers() {
        let name = ["authorization", "x-amz-date"].into_iter().find(|known| *known == name).unwrap();
        all.push((name, value.to_owned()));
    }
    all
}

#[tokio::test]
async fn signatures() {
    let fake = Fake::start(Kind::Bedrock).await.unwrap();
    let url = format!("{}{PATH}", fake.url());
    let now = SystemTime::now();
    let right = signed(&url, &base(), SECRET_KEY, REGION, "bedrock", now);
    assert_eq!(send(&fake, PATH, &right, &base()).await.status, 200);
    let raw = url.replace("%3A", ":");
    let old = now - Duration::from_secs(3600);
    assert!(old > UNIX_EPOCH);
    for (wrong, why) in [
        (signed(&url, &base(), "other", REGION, "bedrock", now), "does not match"),
        (signed(&url, &base(), SECRET_KEY, "eu-west-1", "bedrock", now), "valid region"),
        (signed(&url, &base(), SECRET_KEY, REGION, "bedrock-runtime", now), "correct service"),
        (signed(&url, &base(), SECRET_KEY, REGION, "bedrock", old), "expired"),
        (signed(&raw, &base(), SECRET_KEY, REGION, "bedrock", now), "does not match"),
        (signed(&url, &json!({}), SECRET_KEY, REGION, "bedrock", now), "does not match"),
        (vec![("content-type", "application/json".to_owned())], "Missing Authentication Token"),
        (vec![("authorization", "Bearer no".to_owned())], "API Key is valid"),
    ] {
        let reply = send(&fake, PATH, &wrong, &base()).await;
        assert_eq!(reply.status, 403, "{why}");
        assert!(reply.json()["message"].as_str().unwrap().contains(why), "{why}: {}", reply.text());
        assert!(reply.headers.contains_key("x-amzn-errortype"));
    }
    assert_eq!(fake.refusals().len(), 8);
    assert_eq!(fake.calls()[0].header("authorization"), Some("[present]"));
}

/// The frames of a stream: their kind and payload. Check sums are verified on the way.
fn frames(mut bytes: BytesMut) -> Vec<(String, Value)> {
    let mut decoder = MessageFrameDecoder::new();
    let mut frames = Vec::new();
    while let DecodedFrame::Complete(message) = decoder.decode_frame(&mut bytes).unwrap() {
        let header = |name: &str| {
            let found = message.headers().iter().find(|header| header.name().as_str() == name);
            found.map(|header| header.value().as_string().unwrap().as_str().to_owned())
        };
        let kind = header(":event-type").or(header(":exception-type")).unwrap();
        frames.push((kind, serde_json::from_slice(message.payload()).unwrap()));
    }
    assert!(bytes.is_empty());
    frames
}

#[test]
fn streams_say_what_whole_answers_say() {
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
        "prompt_block",
        "length",
        "stop_sequence",
        "json",
        "cached",
        "no_usage",
        "odd_usage",
    ] {
        let path = format!("/model/us.anthropic.claude-sonnet-5--{words}/converse-stream");
        let body = json!({"messages": base()["messages"], "toolConfig": tools(),
            "additionalModelRequestFields": {"thinking": {"type": "adaptive", "display": "summarized"}}});
        let asked = route(Kind::Bedrock, &path, &body).unwrap();
        let ctx = ctx(Kind::Bedrock);
        let tale = Tale::of(&asked, &Script::of(&asked.model, "").unwrap(), "bedrock", 0);
        let said = Said { asked: &asked, tale: &tale, seal: &ctx.seal };
        let whole = super::answer::whole(said);
        let bytes: BytesMut = super::stream::events(said).iter().flat_map(|e| e.bytes.to_vec()).collect();
        let (mut content, mut input): (Vec<Value>, String) = (Vec::new(), String::new());
        let all = frames(bytes);
        for (kind, payload) in &all {
            let i = usize::try_from(payload["contentBlockIndex"].as_u64().unwrap_or(0)).unwrap();
            match kind.as_str() {
                "contentBlockStart" => {
                    content.push(payload["start"].clone());
                    content[i]["toolUse"]["input"] = json!({});
                }
                "contentBlockDelta" => {
                    let delta = &payload["delta"];
                    if content.len() == i {
                        let reasons = delta.get("reasoningContent");
                        content.push(match reasons {
                            Some(part) if part.get("redactedContent").is_some() => delta.clone(),
                            Some(_) => {
                                json!({"reasoningContent": {"reasoningText": {"text": "", "signature": ""}}})
                            }
                            None if delta.get("text").is_some() => json!({"text": ""}),
                            None => Value::Null,
                        });
                    }
                    for (from, to) in [
                        ("/text", "/text"),
                        ("/reasoningContent/text", "/reasoningContent/reasoningText/text"),
                        ("/reasoningContent/signature", "/reasoningContent/reasoningText/signature"),
                    ] {
                        if let Some(more) = delta.pointer(from).and_then(Value::as_str) {
                            let at = content[i].pointer_mut(to).unwrap();
                            *at = json!(at.as_str().unwrap().to_owned() + more);
                        }
                    }
                    input += delta.pointer("/toolUse/input").and_then(Value::as_str).unwrap_or_default();
                }
                "contentBlockStop" if !input.is_empty() => {
                    content[i]["toolUse"]["input"] =
                        serde_json::from_str(&std::mem::take(&mut input)).unwrap();
                }
                _ => {}
            }
        }
        assert_eq!(json!(content), whole["output"]["message"]["content"], "{words}");
        let (kind, stop) = &all[all.len() - 2];
        assert_eq!((kind.as_str(), &stop["stopReason"]), ("messageStop", &whole["stopReason"]));
        let (kind, metadata) = &all[all.len() - 1];
        assert_eq!((kind.as_str(), metadata.get("usage")), ("metadata", whole.get("usage")), "{words}");
    }
}
