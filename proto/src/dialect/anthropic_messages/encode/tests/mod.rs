//! Every rule of the bodies that go to a provider.

mod models;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::canonical::{
    CacheMark, CacheTtl, CallKind, Carrier, Content, Effort, Opaque, OpaqueKind, Origin, Output, Part, Role,
    Show, Source, SystemText, Tool, ToolChoice, ToolKind, Turn,
};
use crate::catalogue::{Profile, ReasoningControl};
use crate::config::ProviderKind;
use crate::dialect::anthropic_messages::decode_request;
use crate::secret::Secret;

fn carrier() -> Carrier {
    Carrier::new(&Secret::new([1; 32]))
}

fn origin() -> Origin {
    Origin { provider: "claude".into(), model: "claude-x".into() }
}

fn encoded(request: &Request, profile: &Profile) -> (Result<Encoded, Fault>, Vec<(String, String)>) {
    let origin = origin();
    let target = Target { kind: ProviderKind::Anthropic, origin: &origin, profile };
    let mut warnings = Warnings::default();
    let result = encode_request(request, &target, &mut warnings);
    (result, warnings.all().iter().map(|w| (w.code.to_owned(), w.field.clone())).collect())
}

fn body_of(request: &Request, profile: &Profile) -> (Value, Vec<(String, String)>) {
    let (result, warnings) = encoded(request, profile);
    (serde_json::from_slice(&result.unwrap().body).unwrap(), warnings)
}

fn warned(warnings: &[(String, String)], code: &str, field: &str) -> bool {
    warnings.contains(&(code.to_owned(), field.to_owned()))
}

fn refused(request: &Request, profile: &Profile) -> String {
    let fault = encoded(request, profile).0.unwrap_err();
    assert_eq!(fault.code, FaultCode::InvalidRequest);
    fault.param.unwrap()
}

fn text(text: &str) -> Content {
    Content::Text { text: text.into(), citations: Vec::new() }
}

fn turn(n: u32, role: Role, contents: Vec<Content>) -> Turn {
    let part = |(p, content)| Part::new(At { turn: n, part: Some(p) }, content);
    Turn { role, parts: (0..).zip(contents).map(part).collect(), phase: None }
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

fn result(id: &str, of: &str) -> Content {
    let parts = vec![Part::new(At::default(), text(of))];
    Content::ToolResult { id: id.into(), parts, is_error: false }
}

fn chat(turns: Vec<(Role, Vec<Content>)>) -> Request {
    let mut request = Request::new(Dialect::OpenaiChat, "alias");
    request.turns = (0..).zip(turns).map(|(n, (role, contents))| turn(n, role, contents)).collect();
    request
}

fn hello() -> Request {
    chat(vec![(Role::User, vec![text("Hello")])])
}

fn function(at: u32, name: &str) -> Tool {
    let kind = ToolKind::Function { name: name.into(), description: None, schema: None, strict: None };
    Tool { at, cache: None, kind }
}

fn adaptive(can_disable: bool, default_on: bool) -> Profile {
    Profile {
        sampling: false,
        forced_tools: can_disable,
        prefill: false,
        mid_system: true,
        output_tokens: 32_000,
        reasoning: ReasoningControl::Adaptive {
            can_disable,
            default_on,
            levels: vec![Effort::Low, Effort::Medium, Effort::High, Effort::Max],
        },
        ..Profile::default()
    }
}

fn budget() -> Profile {
    Profile {
        output_tokens: 16_000,
        reasoning: ReasoningControl::Budget { min: 1024, max: 32_000, can_disable: true },
        ..Profile::default()
    }
}

#[test]
fn the_plainest_request() {
    let (body, warnings) = body_of(&hello(), &Profile::default());
    assert_eq!(
        body,
        json!({"model": "claude-x", "max_tokens": 4096, "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]}]})
    );
    assert_eq!(warnings, []);
    let headers = encoded(&hello(), &Profile::default()).0.unwrap().headers;
    assert_eq!(headers, [("anthropic-version", "2026-10-21".to_owned())]);
}

#[test]
fn turns_are_brought_into_order() {
    let request = chat(vec![
        (Role::User, vec![text("a"), text("  ")]),
        (Role::User, vec![text("b")]),
        (Role::Assistant, vec![text(""), call("c1", "{\"x\": 1}"), call("c 2", "")]),
        (Role::User, vec![text("and")]),
        (Role::User, vec![result("c 2", "two"), result("c1", "one")]),
    ]);
    let (body, warnings) = body_of(&request, &Profile::default());
    let messages = &body["messages"];
    assert_eq!(messages.as_array().unwrap().len(), 3);
    assert_eq!(messages[0]["content"], json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]));
    assert_eq!(
        messages[1]["content"][0],
        json!({"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}})
    );
    let mapped = messages[1]["content"][1]["id"].as_str().unwrap();
    assert!(mapped.starts_with("t_") && mapped.len() == 26);
    assert_eq!(messages[1]["content"][1]["input"], json!({}));
    assert_eq!(messages[2]["content"][0]["tool_use_id"], mapped);
    assert_eq!(messages[2]["content"][1]["content"], json!([{"type": "text", "text": "one"}]));
    assert_eq!(messages[2]["content"][2]["text"], "and");
    assert_eq!(warnings, []);
}

#[test]
fn what_cannot_stand_is_refused_by_name() {
    let user = || (Role::User, vec![text("hi")]);
    let plain = Profile::default();
    assert_eq!(refused(&chat(vec![(Role::Assistant, vec![text("x")]), user()]), &plain), "messages[0]");
    assert_eq!(refused(&chat(vec![(Role::User, vec![text(" ")])]), &plain), "messages");
    let orphan = chat(vec![user(), (Role::User, vec![result("c", "x")])]);
    assert_eq!(refused(&orphan, &plain), "messages[1].content[0]");
    let open = chat(vec![user(), (Role::Assistant, vec![call("c", "")]), user()]);
    assert_eq!(refused(&open, &plain), "messages[1].content[0]");
    let prefill = chat(vec![user(), (Role::Assistant, vec![text("{ ")])]);
    assert_eq!(refused(&prefill, &adaptive(true, false)), "messages[1]");
    let (body, _) = body_of(&prefill, &plain);
    assert_eq!(body["messages"][1]["content"][0]["text"], "{");
    let audio = Content::Audio { source: Source::Url("x".into()), format: "wav".into() };
    assert_eq!(refused(&chat(vec![(Role::User, vec![audio])]), &plain), "messages[0].content[0]");
    let tiff = Source::Base64 { media_type: "image/tiff".into(), data: "AA".into() };
    let tiff = Content::Image { source: tiff, detail: None };
    assert_eq!(refused(&chat(vec![(Role::User, vec![tiff])]), &plain), "messages[0].content[0]");
    let file = Content::Image { source: Source::File("file_1".into()), detail: None };
    assert_eq!(refused(&chat(vec![(Role::User, vec![file])]), &plain), "messages[0].content[0]");
    let mut several = hello();
    several.sampling.n = Some(2);
    assert_eq!(refused(&several, &plain), "n");
    let mut state = hello();
    state.state.previous_id = Some("resp_1".into());
    assert_eq!(refused(&state, &plain), "previous_response_id");
    let mut hosted = hello();
    let kind =
        ToolKind::Hosted { name: "file_search".into(), raw: json!({}), origin: Dialect::OpenaiResponses };
    hosted.tools.push(Tool { at: 0, cache: None, kind });
    assert_eq!(refused(&hosted, &plain), "tools[0]");
}

#[test]
fn instructions_in_the_middle() {
    let request = chat(vec![
        (Role::System, vec![text("first")]),
        (Role::User, vec![text("a")]),
        (Role::System, vec![text("now French")]),
        (Role::Assistant, vec![text("b")]),
        (Role::System, vec![text("now German")]),
        (Role::User, vec![text("c")]),
    ]);
    let (body, warnings) = body_of(&request, &adaptive(true, false));
    assert_eq!(body["system"], json!([{"type": "text", "text": "first"}]));
    assert_eq!(
        body["messages"][1],
        json!({"role": "system", "content": [{"type": "text", "text": "now French"}]})
    );
    assert_eq!(body["messages"][3]["content"][0]["text"], "<system>\nnow German\n</system>");
    assert_eq!(warnings, [("system_merged".to_owned(), "messages[4].content[0]".to_owned())]);
    let (body, _) = body_of(&request, &Profile::default());
    assert_eq!(body["messages"][0]["content"][1]["text"], "<system>\nnow French\n</system>");
}

#[test]
fn thoughts_go_to_whom_they_came_from() {
    let thought = |origin: Option<Origin>, kind| {
        let opaque = vec![Opaque { origin, kind, data: "Eo".into() }];
        let content = Content::Reasoning { text: "hm".into(), summary: Vec::new(), opaque };
        let (user, more) = (vec![text("a")], vec![text("c")]);
        chat(vec![(Role::User, user), (Role::Assistant, vec![content, text("b")]), (Role::User, more)])
    };
    let first =
        |request: &Request| body_of(request, &Profile::default()).0["messages"][1]["content"][0].clone();
    let own = thought(Some(origin()), OpaqueKind::Signature);
    assert_eq!(first(&own), json!({"type": "thinking", "thinking": "hm", "signature": "Eo"}));
    assert_eq!(
        first(&thought(Some(origin()), OpaqueKind::Redacted)),
        json!({"type": "redacted_thinking", "data": "Eo"})
    );
    for foreign in [
        thought(None, OpaqueKind::Signature),
        thought(Some(Origin { model: "other".into(), ..origin() }), OpaqueKind::Signature),
        thought(Some(origin()), OpaqueKind::Encrypted),
    ] {
        let (body, warnings) = body_of(&foreign, &Profile::default());
        assert_eq!(body["messages"][1]["content"], json!([{"type": "text", "text": "b"}]));
        assert!(warned(&warnings, "reasoning_state_dropped", "messages[1].content[0]"));
    }
    let mut native = thought(None, OpaqueKind::Signature);
    native.dialect = Dialect::AnthropicMessages;
    assert_eq!(first(&native)["signature"], "Eo");
}

#[test]
fn tools_and_choices() {
    let mut request = hello();
    let strict = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}});
    request.tools = vec![
        function(0, "look"),
        Tool {
            at: 1,
            cache: Some(CacheMark::default()),
            kind: ToolKind::Function {
                name: "num.ber".into(),
                description: Some("d".into()),
                schema: Some(strict),
                strict: Some(true),
            },
        },
        Tool {
            at: 2,
            cache: None,
            kind: ToolKind::Custom {
                name: "patch".into(),
                description: None,
                format: Some(json!({"type": "grammar"})),
            },
        },
    ];
    request.parallel_tools = Some(false);
    let (result, warnings) = encoded(&request, &Profile::default());
    let encoded_ = result.unwrap();
    let body: Value = serde_json::from_slice(&encoded_.body).unwrap();
    assert_eq!(
        body["tools"][0],
        json!({"name": "look", "input_schema": {"type": "object", "properties": {}}})
    );
    assert_eq!(body["tools"][1]["strict"], true);
    assert_eq!(body["tools"][1]["input_schema"]["additionalProperties"], false);
    assert_eq!(body["tools"][1]["cache_control"], json!({"type": "ephemeral"}));
    let renamed = body["tools"][1]["name"].as_str().unwrap();
    assert_eq!(encoded_.renamed, [(renamed.to_owned(), "num.ber".to_owned())]);
    assert_eq!(body["tools"][2]["input_schema"]["required"], json!(["input"]));
    assert_eq!(encoded_.wrapped, [("patch".to_owned(), Wrapped::Custom)]);
    assert_eq!(body["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    assert!(
        warned(&warnings, "schema_constraint_moved", "tools[1]")
            && warned(&warnings, "parameter_dropped", "tools[2].format")
    );

    request.tools = vec![function(0, "look"), function(1, "see")];
    request.parallel_tools = None;
    let choice = |choice: ToolChoice, profile: &Profile| {
        let mut request = request.clone();
        request.tool_choice = Some(choice);
        body_of(&request, profile)
    };
    let plain = Profile::default();
    assert_eq!(choice(ToolChoice::None, &plain).0["tool_choice"], json!({"type": "none"}));
    assert_eq!(choice(ToolChoice::Required, &plain).0["tool_choice"], json!({"type": "any"}));
    let named = ToolChoice::Named("see".into());
    assert_eq!(choice(named.clone(), &plain).0["tool_choice"], json!({"type": "tool", "name": "see"}));
    let some = ToolChoice::Allowed { required: true, names: vec!["see".into()] };
    let (body, warnings) = choice(some, &plain);
    assert_eq!((body["tools"].as_array().unwrap().len(), &body["tool_choice"]["type"]), (1, &json!("any")));
    assert!(warned(&warnings, "tools_filtered", "tool_choice"));
    // A model that always thinks cannot be forced.
    let (body, warnings) = choice(named, &adaptive(false, true));
    assert_eq!(body["tool_choice"], json!({"type": "auto"}));
    assert!(body["system"][0]["text"].as_str().unwrap().contains("`see`"));
    assert!(warned(&warnings, "tool_choice_degraded", "tool_choice"));
}

#[test]
fn of_too_many_cache_marks_the_last_four_stay() {
    let mut request = hello();
    let mark = |ttl| Some(CacheMark { ttl });
    request.system =
        (0..3).map(|n| SystemText { text: format!("s{n}"), cache: mark(CacheTtl::Long) }).collect();
    let parts = &mut request.turns[0].parts;
    parts[0].cache = mark(CacheTtl::Short);
    parts.push(Part { at: At::default(), cache: mark(CacheTtl::Long), content: text("b") });
    let (body, warnings) = body_of(&request, &Profile::default());
    let marks = |list: &Value| -> Vec<Value> {
        list.as_array().unwrap().iter().map(|block| block["cache_control"].clone()).collect()
    };
    let (long, short) = (json!({"type": "ephemeral", "ttl": "1h"}), json!({"type": "ephemeral"}));
    assert_eq!(marks(&body["system"]), [Value::Null, long.clone(), long]);
    // Nothing long-lived stands behind what is short-lived.
    assert_eq!(marks(&body["messages"][0]["content"]), [short.clone(), short]);
    assert!(
        warned(&warnings, "cache_mark_dropped", "messages")
            && warned(&warnings, "cache_ttl_changed", "messages")
    );
}

#[test]
fn documents_and_images() {
    let url = |url: &str| Source::Url(url.into());
    let request = chat(vec![(
        Role::User,
        vec![
            Content::Image { source: url("data:image/jpg;base64,AAAA"), detail: Some("high".into()) },
            Content::Image { source: url("https://a.example/x.png"), detail: None },
            Content::Document {
                source: Source::Base64 { media_type: "text/csv".into(), data: "YSxi".into() },
                name: Some("t.csv".into()),
            },
            Content::Document {
                source: Source::Base64 { media_type: "application/pdf".into(), data: "JVBE".into() },
                name: None,
            },
        ],
    )]);
    let (body, warnings) = body_of(&request, &Profile::default());
    let content = &body["messages"][0]["content"];
    assert_eq!(content[0]["source"], json!({"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}));
    assert_eq!(content[1]["source"], json!({"type": "url", "url": "https://a.example/x.png"}));
    assert_eq!(
        content[2],
        json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}, "title": "t.csv"})
    );
    assert_eq!(content[3]["source"]["media_type"], "application/pdf");
    assert!(warned(&warnings, "parameter_dropped", "messages[0].content[0]"));
}

#[test]
fn a_callers_own_dialect_keeps_all_it_said() {
    let body = json!({
        "model": "alias", "max_tokens": 2000, "stream": true,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "image", "source": {"type": "file", "file_id": "file_1"}}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "Eo"},
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, 2.50]}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true,
                "content": [{"type": "text", "text": "no"}], "cache_control": {"type": "ephemeral"}}]}],
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}, "strict": false},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 1500, "display": "summarized"},
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "oneOf": []}}},
        "stop_sequences": ["x"], "metadata": {"user_id": "u"}, "service_tier": "standard_only",
        "cache_control": {"type": "ephemeral"}, "container": "c1", "context_management": {"edits": []},
    });
    let request = decode_request(body.to_string().as_bytes(), &carrier()).unwrap();
    let (mut back, warnings) = body_of(&request, &Profile::default());
    assert_eq!(warnings, []);
    back["model"] = "alias".into();
    assert_eq!(back, body);
}

fn any_text() -> impl Strategy<Value = Content> {
    "[a-z]{1,6}".prop_map(|words| text(&words))
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(users in prop::collection::vec(any_text(), 1..4), answers in prop::collection::vec(any_text(), 1..4),
        temperature in prop::option::of(0_u8..=10), top_k in prop::option::of(1_u64..100), stop in prop::collection::vec("[a-z]{1,5}", 0..3))
    {
        let mut request = chat(vec![(Role::User, users.clone()), (Role::Assistant, answers), (Role::User, users)]);
        request.dialect = Dialect::AnthropicMessages;
        request.model = "claude-x".into();
        request.max_tokens = Some(77);
        request.sampling.temperature = temperature.and_then(|t| serde_json::Number::from_f64(f64::from(t) / 10.0));
        request.sampling.top_k = top_k;
        request.stop = stop;
        let encoded = encoded(&request, &Profile::default()).0.unwrap();
        prop_assert_eq!(decode_request(&encoded.body, &carrier()).unwrap(), request);
    }
}
