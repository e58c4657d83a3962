//! What callers write, one test a rule.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::decode_request;
use crate::canonical::{
    At, CacheMark, CacheTtl, CallKind, Content, Opaque, OpaqueKind, Origin, Part, Request, Role, Show,
    Source, ToolChoice, ToolKind,
};
use crate::dialect::openai_chat::fixtures::{carrier, cases, read};
use crate::fault::{Fault, FaultCode};

fn decoded(body: &Value) -> Result<Request, Fault> {
    decode_request(body.to_string().as_bytes(), &carrier())
}

fn fixture(name: &str) -> Request {
    decode_request(&read(&format!("{name}.request.json")), &carrier()).unwrap()
}

fn text(text: &str) -> Content {
    Content::Text { text: text.into(), citations: vec![] }
}

#[test]
fn every_fixture_is_read() {
    let cases = cases(".request.json");
    assert!(cases.len() >= 30, "{}", cases.len());
    for case in cases {
        fixture(&case);
    }
}

#[test]
fn leading_instructions_stand_apart_from_later_ones() {
    let request = fixture("system_variants");
    let system: Vec<&str> = request.system.iter().map(|system| system.text.as_str()).collect();
    assert_eq!(system, ["You are terse.", "Answer in French."]);
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::System, Role::User]);
    assert_eq!(request.turns[2].parts[0].at, At { turn: 3, part: None });
}

#[test]
fn parts_know_what_they_are_and_where_they_stood() {
    let request = fixture("image_base64");
    let image = &request.turns[0].parts[1];
    assert_eq!(request.path(image.at), "messages[0].content[1]");
    let Content::Image { source: Source::Base64 { media_type, data }, detail } = &image.content else {
        panic!("no image")
    };
    assert_eq!((media_type.as_str(), detail.as_deref()), ("image/png", Some("low")));
    assert!(data.starts_with("iVBOR"));
    let Content::Document { source: Source::Base64 { media_type, .. }, name } =
        &fixture("pdf").turns[0].parts[0].content
    else {
        panic!("no document")
    };
    assert_eq!((media_type.as_str(), name.as_deref()), ("application/pdf", Some("report.pdf")));
    let Content::Audio { format, .. } = &fixture("audio_input").turns[0].parts[0].content else {
        panic!("no recording")
    };
    assert_eq!(format, "wav");
}

#[test]
fn tool_results_are_the_users_one_turn_each() {
    let request = fixture("parallel_tools");
    let ids: Vec<&str> = request.turns[2..]
        .iter()
        .map(|turn| match &turn.parts[0].content {
            Content::ToolResult { id, .. } => id.as_str(),
            _ => panic!("no result"),
        })
        .collect();
    assert_eq!(ids, ["call_2", "call_1"]);
    assert!(request.turns[2..].iter().all(|turn| turn.role == Role::User));
    assert_eq!(request.parallel_tools, Some(true));
}

#[test]
fn who_asks_for_thoughts_is_shown_them() {
    let show = |effort: &str| {
        let body =
            json!({"model": "m", "messages": [{"role": "user", "content": "a"}], "reasoning_effort": effort});
        decoded(&body).unwrap().reasoning.show
    };
    assert_eq!((show("low"), show("none")), (Some(Show::Summary), None));
}

#[test]
fn the_first_way_of_offering_tools_is_read_as_todays() {
    let request = fixture("legacy_functions");
    assert!(matches!(&request.tools[0].kind, ToolKind::Function { name, .. } if name == "get_weather"));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("get_weather".into())));
    assert_eq!(request.parallel_tools, Some(false));
    assert!(request.echo.contains_key("functions"));
    let (Content::ToolCall { id: call, .. }, Content::ToolResult { id: result, .. }) =
        (&request.turns[1].parts[0].content, &request.turns[2].parts[0].content)
    else {
        panic!("no call and result")
    };
    assert_eq!(call, result);
}

#[test]
fn what_is_common_is_tolerated() {
    let request = fixture("tolerated");
    let long = CacheMark { ttl: CacheTtl::Long };
    assert_eq!((request.system[0].cache, request.system[1].cache), (Some(long), None));
    let user = &request.turns[0].parts;
    assert_eq!(user[0].cache, Some(CacheMark::default()));
    assert!(matches!(&user[1].content, Content::Image { source: Source::Url(_), .. }));
    assert_eq!(user[2].content, text("and tell"));
    let [thought, call] = request.turns[1].parts.as_slice() else { panic!("{:?}", request.turns[1]) };
    assert!(matches!(&thought.content, Content::Reasoning { text, .. } if text == "hm"));
    assert!(matches!(&call.content, Content::ToolCall { arguments, .. } if arguments == "{\"a\":1}"));
    assert_eq!(request.max_tokens, Some(50));
    assert_eq!(request.end_user.as_deref(), Some("ada"));
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));
    assert_eq!(request.tools[0].cache, Some(CacheMark::default()));
    assert!(request.rest.is_empty(), "{:?}", request.rest);
}

#[test]
fn unknown_fields_are_kept_under_their_path() {
    let request = decoded(&json!({"model": "m", "x": 1, "y": null, "stream_options": {"z": 2},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a", "odd": true}], "weird": "w"}]}))
    .unwrap();
    let names: Vec<&String> = request.rest.keys().collect();
    assert_eq!(names, ["stream_options.z", "messages[0].content[0].odd", "messages[0].weird", "x"]);
}

#[test]
fn thoughts_come_back_with_their_origin_if_they_are_ours() {
    let origin = Origin { provider: "claude".into(), model: "opus".into() };
    let own = Opaque { origin: Some(origin.clone()), kind: OpaqueKind::Signature, data: "sig".into() };
    let hidden = Opaque { kind: OpaqueKind::Redacted, data: "red".into(), ..own.clone() };
    let token = |opaque: &Opaque| carrier().wrap(opaque, &origin);
    let request = decoded(&json!({"model": "m", "messages": [{"role": "assistant", "content": "So.",
        "reasoning_content": "one",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "one", "signature": token(&own), "id": "rs_0", "index": 0},
            {"type": "reasoning.encrypted", "data": token(&hidden), "id": "rs_1", "index": 1},
            {"type": "reasoning.summary", "summary": "a", "id": "rs_2"},
            {"type": "reasoning.summary", "summary": "b", "id": "rs_2"},
            {"type": "reasoning.encrypted", "data": "raw", "id": "rs_2"},
            {"type": "reasoning.encrypted", "data": "fb1.forged", "id": "rs_3"},
        ],
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""},
            "extra_content": {"google": {"thought_signature": token(&own)}, "forebay": {"opaque": [token(&hidden)]}}}],
    }]}))
    .unwrap();
    let contents: Vec<&Content> = request.turns[0].parts.iter().map(|part| &part.content).collect();
    let thought = |text: &str, summary: &[&str], opaque: Vec<Opaque>| Content::Reasoning {
        text: text.into(),
        summary: summary.iter().map(|text| (*text).to_owned()).collect(),
        opaque,
    };
    assert_eq!(contents[0], &thought("one", &[], vec![own.clone()]));
    assert_eq!(contents[1], &thought("", &[], vec![hidden.clone()]));
    let raw = Opaque { origin: None, kind: OpaqueKind::Encrypted, data: "raw".into() };
    assert_eq!(contents[2], &thought("", &["a", "b"], vec![raw]));
    assert_eq!(contents[3], &text("So."));
    assert!(matches!(contents[4], Content::ToolCall { opaque, .. } if *opaque == [own, hidden]));
    assert!(request.rest.contains_key("messages[0].reasoning_details[5]"));
}

#[test]
fn custom_calls_and_choices_are_read() {
    let request = fixture("custom_tool");
    assert!(matches!(&request.tools[1].kind, ToolKind::Custom { format: None, .. }));
    assert!(matches!(
        &request.turns[1].parts[0],
        Part { content: Content::ToolCall { kind: CallKind::Custom, .. }, .. }
    ));
    let ToolChoice::Allowed { required, names } = fixture("tool_choice_allowed").tool_choice.unwrap() else {
        panic!("not a subset")
    };
    assert_eq!((required, names), (true, vec!["f".to_owned(), "h".to_owned()]));
}

#[test]
fn what_does_not_fit_is_named() {
    let with = |extra: Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "a"}]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let message = |message: Value| json!({"model": "m", "messages": [message]});
    let part = |part: Value| message(json!({"role": "user", "content": [part]}));
    let cases = [
        (json!({"messages": []}), "model"),
        (json!({"model": "m"}), "messages"),
        (json!({"model": "m", "messages": []}), "messages"),
        (message(json!("hi")), "messages[0]"),
        (message(json!({"content": "a"})), "messages[0].role"),
        (message(json!({"role": "robot", "content": "a"})), "messages[0].role"),
        (message(json!({"role": "user"})), "messages[0].content"),
        (message(json!({"role": "user", "content": 7})), "messages[0].content"),
        (message(json!({"role": "tool", "content": "a"})), "messages[0].tool_call_id"),
        (message(json!({"role": "function", "name": "f", "content": "a"})), "messages[0].name"),
        (
            message(
                json!({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}),
            ),
            "messages[0].content",
        ),
        (
            message(json!({"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]})),
            "messages[0].tool_calls[0].id",
        ),
        (
            message(json!({"role": "assistant", "tool_calls": [{"id": "a", "type": "x"}]})),
            "messages[0].tool_calls[0].type",
        ),
        (part(json!({"type": "video_url"})), "messages[0].content[0].type"),
        (part(json!({"type": "text"})), "messages[0].content[0].text"),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:image/png,x"}})),
            "messages[0].content[0].image_url.url",
        ),
        (part(json!({"type": "file", "file": {}})), "messages[0].content[0].file.file_data"),
        (with(json!({"temperature": "hot"})), "temperature"),
        (with(json!({"max_tokens": 0})), "max_tokens"),
        (with(json!({"n": 1.5})), "n"),
        (with(json!({"stop": [1]})), "stop[0]"),
        (with(json!({"reasoning_effort": "huge"})), "reasoning_effort"),
        (with(json!({"response_format": {"type": "xml"}})), "response_format.type"),
        (with(json!({"response_format": {"type": "json_schema"}})), "response_format.json_schema"),
        (with(json!({"tools": [{"type": "function"}]})), "tools[0].function"),
        (with(json!({"tools": [{"type": "function", "function": {"name": ""}}]})), "tools[0].function.name"),
        (with(json!({"tool_choice": "maybe"})), "tool_choice"),
        (with(json!({"tool_choice": {"type": "function"}})), "tool_choice.function"),
        (with(json!({"functions": [{}]})), "functions[0].name"),
    ];
    for (body, param) in cases {
        let fault = decoded(&body).unwrap_err();
        assert_eq!(fault.code, FaultCode::InvalidRequest);
        assert_eq!(fault.param.as_deref(), Some(param), "{body}");
        assert!(fault.message.contains("expected"), "{}", fault.message);
    }
    for body in ["", "[]", "{", "{\"model\":"] {
        assert!(decode_request(body.as_bytes(), &carrier()).is_err(), "{body}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(decode_request(deep.as_bytes(), &carrier()).is_err());
}

fn nearly_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "model",
        "messages",
        "role",
        "user",
        "assistant",
        "tool",
        "system",
        "content",
        "type",
        "text",
        "image_url",
        "url",
        "data:image/png;base64,AA",
        "file",
        "tool_calls",
        "id",
        "function",
        "name",
        "arguments",
        "tools",
        "tool_choice",
        "required",
        "stop",
        "reasoning_details",
        "signature",
        "fb1.AA",
        "response_format",
        "json_schema",
        "schema",
        "cache_control",
        "functions",
        "extra_content",
        "google",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ignored = decode_request(&body, &carrier());
    }

    #[test]
    fn nothing_like_a_request_makes_it_panic(messages in nearly_json(), tools in nearly_json(), more in nearly_json()) {
        let body = json!({"model": "m", "messages": [messages, {"role": "assistant", "content": more}], "tools": [tools], "stop": more});
        let _ignored = decoded(&body);
        let body = json!({"model": "m", "messages": messages, "tool_choice": tools, "response_format": more});
        let _ignored = decoded(&body);
    }
}
