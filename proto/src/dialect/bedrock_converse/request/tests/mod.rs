//! What becomes of every part of a request.

mod thinking;
mod tools;

use serde_json::{Value, json};

use super::*;
use crate::canonical::{
    At, CacheTtl, CallKind, Content, Effort, Opaque, OpaqueKind, Origin, Output, Part, Role, Show, Source,
    Tool, ToolChoice, ToolKind, Turn,
};
use crate::catalogue::{Profile, ReasoningControl};
use crate::config::ProviderKind;

const CLAUDE: &str = "us.anthropic.claude-opus-5-5";
const NOVA: &str = "amazon.nova-2-lite-v1:0";

fn base() -> Request {
    let mut request = Request::new(Dialect::OpenaiChat, "m");
    request.turns.push(turn(Role::User, 0, [text("Hi")]));
    request
}

fn text(text: &str) -> Content {
    Content::Text { text: text.into(), citations: Vec::new() }
}

fn turn(role: Role, n: u32, contents: impl IntoIterator<Item = Content>) -> Turn {
    let parts = (0u32..)
        .zip(contents)
        .map(|(part, content)| Part::new(At { turn: n, part: Some(part) }, content))
        .collect();
    Turn { role, parts, phase: None }
}

fn call(id: &str, arguments: &str) -> Content {
    Content::ToolCall {
        id: id.into(),
        name: "f".into(),
        kind: CallKind::Function,
        arguments: arguments.into(),
        opaque: Vec::new(),
    }
}

fn result(id: &str, parts: impl IntoIterator<Item = Content>, is_error: bool) -> Content {
    let parts = parts.into_iter().map(|content| Part::new(At::default(), content)).collect();
    Content::ToolResult { id: id.into(), parts, is_error }
}

fn function(at: u32, name: &str) -> Tool {
    let schema = Some(json!({ "type": "object", "properties": { "b": {}, "a": {} } }));
    let kind =
        ToolKind::Function { name: name.into(), description: Some("Does.".into()), schema, strict: None };
    Tool { at, cache: None, kind }
}

fn origin(model: &str) -> Origin {
    Origin { provider: "aws".into(), model: model.into() }
}

/// The body and the warnings, or the refusal.
fn encode_with(
    request: &Request,
    model: &str,
    profile: &Profile,
) -> Result<(Value, Vec<String>, Encoded), Fault> {
    let origin = origin(model);
    let target = Target { kind: ProviderKind::Bedrock, origin: &origin, profile };
    let mut warnings = Warnings::default();
    let encoded = encode_request(request, &target, &mut warnings)?;
    let said = warnings.all().iter().map(|w| format!("{} {}", w.code, w.field)).collect();
    Ok((serde_json::from_slice(&encoded.body).unwrap(), said, encoded))
}

fn profile() -> Profile {
    Profile { cache_marks: true, ..Profile::default() }
}

fn encode(request: &Request, model: &str) -> (Value, Vec<String>) {
    let (body, warnings, _) = encode_with(request, model, &profile()).unwrap();
    (body, warnings)
}

fn refusal(request: &Request, profile: &Profile) -> String {
    let fault = encode_with(request, CLAUDE, profile).unwrap_err();
    assert_eq!(fault.code, FaultCode::InvalidRequest);
    fault.param.unwrap()
}

#[test]
fn a_plain_request_is_plain() {
    let (body, warnings) = encode(&base(), CLAUDE);
    assert_eq!(body, json!({ "messages": [{ "role": "user", "content": [{ "text": "Hi" }] }] }));
    assert!(warnings.is_empty());
}

#[test]
fn instructions_keep_their_order_and_blank_ones_go() {
    let mut request = base();
    let system = |text: &str, cache| SystemText { text: text.into(), cache };
    request.system =
        vec![system("One", None), system(" \n", None), system("Two", Some(CacheMark::default()))];
    let (body, warnings) = encode(&request, CLAUDE);
    let mark = json!({ "cachePoint": { "type": "default" } });
    assert_eq!(body["system"], json!([{ "text": "One" }, { "text": "Two" }, mark]));
    assert_eq!(warnings, ["cache_ttl_changed system"]);
}

#[test]
fn roles_alternate_and_instructions_in_the_middle_become_the_users() {
    let mut request = base();
    request.turns.push(turn(Role::User, 1, [text("there"), text("  ")]));
    request.turns.push(turn(Role::Assistant, 2, [text("Yes?")]));
    request.turns.push(turn(Role::Assistant, 3, [Content::Refusal { text: "No.".into() }]));
    request.turns.push(turn(Role::Assistant, 4, [text("")]));
    request.turns.push(turn(Role::System, 5, [text("Be brief.")]));
    request.turns.push(turn(Role::User, 6, [text("Why?")]));
    let (body, warnings) = encode(&request, CLAUDE);
    let expected = json!([
        { "role": "user", "content": [{ "text": "Hi" }, { "text": "there" }] },
        { "role": "assistant", "content": [{ "text": "Yes?" }, { "text": "No." }] },
        { "role": "user", "content": [{ "text": "<system>Be brief.</system>" }, { "text": "Why?" }] },
    ]);
    assert_eq!(body["messages"], expected);
    assert_eq!(warnings, ["system_merged messages[5].content[0]"]);
    request.turns.push(turn(Role::System, 7, [text("Really.")]));
    let takes = Profile { mid_system: true, ..profile() };
    let (body, warnings, _) = encode_with(&request, CLAUDE, &takes).unwrap();
    assert_eq!(body["messages"][3], json!({ "role": "system", "content": [{ "text": "Really." }] }));
    assert_eq!(warnings, ["system_merged messages[5].content[0]"], "behind an assistant it cannot stand");
}

#[test]
fn conversations_begin_with_the_user_and_end_as_the_model_takes_it() {
    let mut request = base();
    request.turns.insert(0, turn(Role::Assistant, 0, [text("I first.")]));
    assert_eq!(refusal(&request, &profile()), "messages[0]");
    let mut request = base();
    request.turns.push(turn(Role::Assistant, 1, [text("{")]));
    assert_eq!(encode(&request, CLAUDE).0["messages"][1]["role"], "assistant");
    assert_eq!(refusal(&request, &Profile { prefill: false, ..profile() }), "messages[1]");
    request.turns = vec![turn(Role::User, 0, [text(" ")])];
    assert_eq!(refusal(&request, &profile()), "messages");
    request.dialect = Dialect::OpenaiResponses;
    assert_eq!(refusal(&request, &profile()), "input");
}

#[test]
fn pictures_and_documents_are_bytes() {
    let base64 = |media_type: &str| Source::Base64 { media_type: media_type.into(), data: "QUJD".into() };
    let document = |source, name: &str| Content::Document { source, name: Some(name.into()) };
    let mut request = Request::new(Dialect::AnthropicMessages, "m");
    request.turns.push(turn(
        Role::User,
        0,
        [
            Content::Image { source: base64("image/jpeg"), detail: None },
            document(base64("application/pdf"), "a/b.pdf"),
            document(base64("application/octet-stream"), "a b.DOCX"),
            document(Source::Text("Plain".into()), "notes"),
            Content::Audio { source: base64("audio/mpeg"), format: "mp3".into() },
        ],
    ));
    let (body, warnings) = encode(&request, NOVA);
    let bytes = json!({ "bytes": "QUJD" });
    let expected = json!([
        { "image": { "format": "jpeg", "source": bytes } },
        { "document": { "format": "pdf", "name": "a b", "source": bytes } },
        { "document": { "format": "docx", "name": "a b (2)", "source": bytes } },
        { "document": { "format": "txt", "name": "notes", "source": { "bytes": "UGxhaW4=" } } },
        { "audio": { "format": "mp3", "source": bytes } },
        { "text": "See the document." },
    ]);
    assert_eq!((&body["messages"][0]["content"], warnings.len()), (&expected, 0));
    let refuse = |content: Content, profile: &Profile| {
        let mut request = base();
        request.turns.push(turn(Role::User, 1, [text("x"), content]));
        assert_eq!(refusal(&request, profile), "messages[1].content[1]");
    };
    for url in ["https://example.org/a.png", "s3://bucket/a.png"] {
        refuse(Content::Image { source: Source::Url(url.into()), detail: None }, &profile());
        refuse(document(Source::Url(url.into()), "a"), &profile());
    }
    refuse(Content::Image { source: Source::File("file-1".into()), detail: None }, &profile());
    refuse(Content::Image { source: base64("image/tiff"), detail: None }, &profile());
    refuse(document(base64("application/zip"), "a.pdf"), &profile());
    let blind = Profile { images: false, documents: false, audio: false, ..profile() };
    refuse(Content::Image { source: base64("image/png"), detail: None }, &blind);
    refuse(document(base64("application/pdf"), "a"), &blind);
    refuse(Content::Audio { source: base64("audio/wav"), format: "wav".into() }, &blind);
}

#[test]
fn thoughts_go_back_only_to_where_they_came_from() {
    let thought = |origin: Option<Origin>, kind: OpaqueKind| Content::Reasoning {
        text: "Hm.".into(),
        summary: Vec::new(),
        opaque: vec![Opaque { origin, kind, data: "c2ln".into() }],
    };
    let mut request = base();
    request.turns.push(turn(
        Role::Assistant,
        1,
        [
            thought(Some(origin(CLAUDE)), OpaqueKind::Signature),
            thought(Some(origin(CLAUDE)), OpaqueKind::Redacted),
            thought(Some(origin("other")), OpaqueKind::Signature),
            thought(None, OpaqueKind::Signature),
            Content::Reasoning { text: "Unsigned.".into(), summary: Vec::new(), opaque: Vec::new() },
            text("So."),
        ],
    ));
    request.turns.push(turn(Role::User, 2, [text("Go on.")]));
    let (body, warnings) = encode(&request, CLAUDE);
    let expected = json!([
        { "reasoningContent": { "reasoningText": { "text": "Hm.", "signature": "c2ln" } } },
        { "reasoningContent": { "redactedContent": "c2ln" } },
        { "text": "So." },
    ]);
    assert_eq!(body["messages"][1]["content"], expected);
    let lost: Vec<String> =
        (2..5).map(|n| format!("reasoning_state_dropped messages[1].content[{n}]")).collect();
    assert_eq!(warnings, lost);
}

#[test]
fn foreign_traces_are_dropped_and_references_refused() {
    let hosted =
        |kind: &str| Content::Hosted { raw: json!({ "type": kind }), origin: Dialect::OpenaiResponses };
    let mut request = base();
    request.turns.push(turn(Role::Assistant, 1, [hosted("web_search_call"), text("Found.")]));
    request.turns.push(turn(Role::User, 2, [text("ok")]));
    assert_eq!(encode(&request, CLAUDE).1, ["hosted_item_dropped messages[1].content[0]"]);
    request.turns[1].parts[0].content = hosted("item_reference");
    assert_eq!(refusal(&request, &profile()), "messages[1].content[0]");
    request.turns[1].role = Role::User;
    request.turns[1].parts[0].content = hosted("container_upload");
    assert_eq!(refusal(&request, &profile()), "messages[1].content[0]");
}

#[test]
fn sampling_is_clamped_dropped_or_carried() {
    let mut request = base();
    request.max_tokens = Some(100);
    request.sampling.temperature = serde_json::Number::from_f64(1.5);
    request.sampling.top_p = serde_json::Number::from_f64(0.9);
    request.sampling.top_k = Some(40);
    request.stop = vec!["END".into(), " ".into()];
    let (body, warnings) = encode(&request, CLAUDE);
    let expected = json!({ "maxTokens": 100, "temperature": 1, "stopSequences": ["END"] });
    assert_eq!(body["inferenceConfig"], expected);
    assert_eq!(body["additionalModelRequestFields"], json!({ "top_k": 40 }));
    assert_eq!(body["additionalModelResponseFieldPaths"], json!(["/stop_sequence"]));
    assert_eq!(
        warnings,
        ["temperature_clamped temperature", "parameter_dropped top_p", "parameter_dropped stop"]
    );
    let (body, _) = encode(&request, NOVA);
    assert_eq!(body["inferenceConfig"]["topP"], 0.9);
    assert_eq!(body["additionalModelRequestFields"], json!({ "inferenceConfig": { "topK": 40 } }));
    assert_eq!(body["inferenceConfig"]["topP"], 0.9, "only Claude refuses both");
    assert_eq!(body.get("additionalModelResponseFieldPaths"), None);
    assert_eq!(
        encode(&request, "meta.llama4-scout-17b-instruct-v1:0").1.last().unwrap(),
        "parameter_dropped top_k"
    );
    request.stop.clear();
    let fixed = Profile { sampling: false, ..profile() };
    let (body, warnings, _) = encode_with(&request, CLAUDE, &fixed).unwrap();
    assert_eq!(body["inferenceConfig"], json!({ "maxTokens": 100 }));
    assert_eq!(
        warnings,
        ["parameter_dropped temperature", "parameter_dropped top_p", "parameter_dropped top_k"]
    );
    request.max_tokens = Some(0);
    assert_eq!(refusal(&request, &profile()), "max_completion_tokens");
}

#[test]
fn what_has_no_place_is_said_or_refused() {
    let mut request = base();
    request.sampling.seed = Some(1);
    request.sampling.presence_penalty = serde_json::Number::from_f64(0.5);
    request.sampling.frequency_penalty = serde_json::Number::from_f64(0.5);
    request.sampling.logit_bias = Some(json!({ "1": 2 }));
    request.verbosity = Some("low".into());
    request.rest.insert("modalities".into(), json!(["text"]));
    request.service_tier = Some("scale".into());
    let warnings = encode(&request, CLAUDE).1;
    let dropped = ["seed", "presence_penalty", "frequency_penalty", "logit_bias", "verbosity"];
    let mut expected: Vec<String> =
        dropped.iter().map(|field| format!("parameter_dropped {field}")).collect();
    expected.push("unknown_field_dropped modalities".into());
    expected.push("parameter_dropped service_tier".into());
    assert_eq!(warnings, expected);
    for (change, field) in [
        (Box::new(|r: &mut Request| r.sampling.n = Some(2)) as Box<dyn Fn(&mut Request)>, "n"),
        (Box::new(|r| r.sampling.logprobs = true), "logprobs"),
        (Box::new(|r| r.state.previous_id = Some("resp_1".into())), "previous_response_id"),
        (Box::new(|r| r.state.conversation = Some("conv_1".into())), "conversation"),
    ] {
        let mut request = base();
        change(&mut request);
        assert_eq!(refusal(&request, &profile()), field);
    }
    let mut quiet = base();
    quiet.sampling.n = Some(1);
    quiet.state.store = Some(false);
    quiet.verbosity = Some("medium".into());
    quiet.cache.key = Some("k".into());
    assert!(encode(&quiet, CLAUDE).1.is_empty());
}

#[test]
fn tiers_and_metadata() {
    let mut request = base();
    for (asked, sent) in
        [("auto", None), ("default", Some("default")), ("flex", Some("flex")), ("priority", Some("priority"))]
    {
        request.service_tier = Some(asked.into());
        let (body, warnings) = encode(&request, CLAUDE);
        assert_eq!((body["serviceTier"]["type"].as_str(), warnings.len()), (sent, 0));
    }
    request.end_user = Some("u-1".into());
    request.metadata.insert("team".into(), json!("a b"));
    request.metadata.insert("bad\u{7}".into(), json!("x"));
    request.metadata.insert("long".into(), json!("x".repeat(300)));
    assert_eq!(encode(&request, CLAUDE).0["requestMetadata"], json!({ "user": "u-1", "team": "a b" }));
}

#[test]
fn the_last_four_marks_stand() {
    let mark = |ttl| Some(CacheMark { ttl });
    let mut request = Request::new(Dialect::AnthropicMessages, "m");
    request.tools = vec![Tool { cache: mark(CacheTtl::Long), ..function(0, "f") }];
    request.system = vec![SystemText { text: "S".into(), cache: mark(CacheTtl::Long) }];
    let mut first = turn(Role::User, 0, [text("a"), text("b"), text("  ")]);
    first.parts[0].cache = mark(CacheTtl::Short);
    first.parts[2].cache = mark(CacheTtl::Short);
    request.turns.push(first);
    request.cache.auto = mark(CacheTtl::Short);
    request.turns.push(turn(Role::User, 1, [text("c")]));
    let (body, warnings) = encode(&request, CLAUDE);
    assert_eq!(warnings, ["cache_mark_dropped cache_control"]);
    assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 1, "the first mark is one too many");
    assert_eq!(body["system"][1], json!({ "cachePoint": { "type": "default", "ttl": "1h" } }));
    let point = json!({ "cachePoint": { "type": "default" } });
    let expected = json!([{ "text": "a" }, point, { "text": "b" }, point, { "text": "c" }, point]);
    assert_eq!(body["messages"][0]["content"], expected);
    let none = Profile { cache_marks: false, ..profile() };
    let (body, warnings, _) = encode_with(&request, "meta.llama", &none).unwrap();
    assert!(!body.to_string().contains("cachePoint"));
    assert!(warnings.iter().all(|warning| warning.starts_with("cache_mark_dropped ")));
}
