//! Round trips of recorded requests, and every rule of the target.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::fixtures::{asked, body, carrier, cases, encoded, origin, profile};
use super::*;
use crate::canonical::{
    At, CacheMark, CallKind, Content, Opaque, OpaqueKind, Part, Role, Source, SystemText, Tool, ToolChoice,
    ToolKind, Turn,
};
use crate::catalogue::Profile;

/// A request of another dialect with these turns.
fn foreign(turns: Vec<(Role, Vec<Content>)>) -> Request {
    let mut request = Request::new(Dialect::AnthropicMessages, "m");
    request.turns = (0..)
        .zip(turns)
        .map(|(n, (role, contents))| {
            let part = |content| Part::new(At { turn: n, part: Some(0) }, content);
            Turn { role, parts: contents.into_iter().map(part).collect(), phase: None }
        })
        .collect();
    request
}

fn text(text: &str) -> Content {
    Content::Text { text: text.into(), citations: vec![] }
}

fn codes(warnings: &Warnings) -> Vec<(&'static str, &str)> {
    warnings.all().iter().map(|warning| (warning.code, warning.field.as_str())).collect()
}

fn refusal(request: &Request) -> Option<String> {
    encoded(request, &profile()).0.unwrap_err().param
}

#[test]
fn recorded_requests_come_back() {
    for case in cases(".request.json") {
        let before = asked(&case);
        let (body, warnings) = encoded(&before, &profile());
        let body = body.unwrap_or_else(|fault| panic!("{case}: {fault:?}"));
        assert_eq!(body["model"], "gpt-there", "{case}");
        let mut back = super::super::decode_request(body.to_string().as_bytes(), &carrier()).unwrap();
        let mut before = before;
        (back.model, before.model) = (String::new(), String::new());
        (back.state, before.state) = (Default::default(), Default::default());
        (back.echo, before.echo) = (Default::default(), Default::default());
        if before.system.len() == 1
            || case == "phases"
            || case == "namespace_tools"
            || case == "system_variants"
        {
            (back.system, before.system) = (Vec::new(), Vec::new());
        }
        for request in [&mut back, &mut before] {
            for (n, part) in request.turns.iter_mut().flat_map(|turn| &mut turn.parts).enumerate() {
                part.at = At { turn: n as u32, part: None };
                match &mut part.content {
                    Content::ToolCall { arguments, .. } if arguments.is_empty() => *arguments = "{}".into(),
                    Content::Image { detail, .. } => *detail = detail.take().or(Some("auto".into())),
                    Content::ToolResult { parts, .. } => {
                        parts.iter_mut().for_each(|part| part.at = At::default())
                    }
                    _ => {}
                }
            }
            request.tools.iter_mut().for_each(|tool| tool.at = 0);
        }
        assert_eq!(back, before, "{case}");
        assert_eq!(codes(&warnings), [], "{case}");
    }
}

#[test]
fn a_foreign_request_asks_for_what_it_needs_back() {
    let mut request = foreign(vec![(Role::User, vec![text("Hi")])]);
    request.system = vec![SystemText { text: "Be brief.".into(), cache: None }];
    request.max_tokens = Some(5);
    request.stream = true;
    let (body, warnings) = encoded(&request, &profile());
    let wanted = json!({
        "model": "gpt-there",
        "instructions": "Be brief.",
        "input": [{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}],
        "max_output_tokens": 16,
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "stream": true,
    });
    assert_eq!(body.unwrap(), wanted);
    assert_eq!(codes(&warnings), [("max_tokens_raised", "max_tokens")]);
}

#[test]
fn what_has_no_place_is_refused_by_name() {
    let plain = || foreign(vec![(Role::User, vec![text("Hi")])]);
    let with = |edit: fn(&mut Request)| {
        let mut request = plain();
        edit(&mut request);
        refusal(&request)
    };
    assert_eq!(with(|r| r.stop = vec!["x".into()]).as_deref(), Some("stop_sequences"));
    assert_eq!(with(|r| r.sampling.n = Some(2)).as_deref(), Some("n"));
    assert_eq!(with(|r| r.sampling.logprobs = true).as_deref(), Some("logprobs"));
    assert_eq!(with(|r| r.max_tokens = Some(0)).as_deref(), Some("max_tokens"));
    let sound = |r: &mut Request| {
        r.dialect = Dialect::OpenaiChat;
        r.rest.insert("modalities".into(), json!(["text", "audio"]));
    };
    assert_eq!(with(sound).as_deref(), Some("modalities"));
    assert_eq!(with(|r| r.state.previous_id = Some("r".into())).as_deref(), Some("previous_response_id"));
    assert_eq!(with(|r| r.state.conversation = Some("c".into())).as_deref(), Some("conversation"));
    let mut chat = plain();
    chat.dialect = Dialect::OpenaiChat;
    chat.stop = vec!["x".into()];
    assert_eq!(refusal(&chat).as_deref(), Some("stop"));
    let file = Content::Document { source: Source::File("file_1".into()), name: None };
    assert_eq!(refusal(&foreign(vec![(Role::User, vec![file])])).as_deref(), Some("messages[0].content[0]"));
    let image = Content::Image { source: Source::Url("https://x".into()), detail: None };
    assert_eq!(
        refusal(&foreign(vec![(Role::Assistant, vec![image])])).as_deref(),
        Some("messages[0].content[0]")
    );
    let hosted = |name: &str| {
        let raw = json!({});
        let kind = ToolKind::Hosted { name: name.into(), raw, origin: Dialect::AnthropicMessages };
        let mut request = plain();
        request.tools = vec![Tool { at: 0, cache: None, kind }];
        request
    };
    assert_eq!(refusal(&hosted("bash_20250124")).as_deref(), Some("tools[0]"));
    let (body, warnings) = encoded(&hosted("web_search_20250305"), &profile());
    assert!(body.unwrap().get("tools").is_none());
    assert_eq!(codes(&warnings), [("hosted_tool_dropped", "tools[0]")]);
}

#[test]
fn what_is_lost_is_told() {
    let mut request = foreign(vec![(Role::User, vec![text("Hi")])]);
    request.sampling.top_k = Some(4);
    request.sampling.seed = Some(4);
    request.sampling.temperature = serde_json::Number::from_f64(0.5);
    request.rest.insert("container".into(), json!(1));
    let stiff = Profile { sampling: false, ..profile() };
    let (body, warnings) = encoded(&request, &stiff);
    assert!(body.unwrap().get("temperature").is_none());
    let wanted = [
        ("parameter_dropped", "temperature"),
        ("parameter_dropped", "top_k"),
        ("parameter_dropped", "seed"),
        ("unknown_field_dropped", "container"),
    ];
    assert_eq!(codes(&warnings), wanted);
    request.turns[0].parts[0].cache = Some(CacheMark::default());
    let plain = Profile { cache_marks: false, ..profile() };
    let (body, warnings) = encoded(&request, &plain);
    assert!(body.unwrap()["input"][0]["content"][0].get("prompt_cache_breakpoint").is_none());
    assert!(codes(&warnings).contains(&("cache_mark_dropped", "messages[0].content[0]")));
}

#[test]
fn reasoning_goes_back_only_where_it_came_from() {
    let thought = |provider: &str, data: &str| Content::Reasoning {
        text: String::new(),
        summary: vec!["hm".into()],
        opaque: vec![Opaque {
            origin: Some(crate::canonical::Origin { provider: provider.into(), ..origin() }),
            kind: OpaqueKind::Encrypted,
            data: data.into(),
        }],
    };
    let said = |content| {
        foreign(vec![(Role::Assistant, vec![content, text("Done")]), (Role::User, vec![text("Go")])])
    };
    let (body, warnings) = encoded(&said(thought("openai", "rs_7|gAA=")), &profile());
    let item = json!({"type":"reasoning","id":"rs_7","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAA="});
    assert_eq!((&body.unwrap()["input"][0], codes(&warnings).len()), (&item, 0));
    let (body, warnings) = encoded(&said(thought("openai", "gAA=")), &profile());
    assert_eq!((body.unwrap()["input"][0].get("id"), codes(&warnings).len()), (None, 0));
    let (body, warnings) = encoded(&said(thought("other", "gAA=")), &profile());
    assert_eq!(body.unwrap()["input"][0]["type"], "message");
    assert_eq!(codes(&warnings), [("reasoning_state_dropped", "messages[0].content[0]")]);
    // Nothing of the assistant's follows: OpenAI would refuse it.
    let lonely =
        foreign(vec![(Role::Assistant, vec![thought("openai", "g")]), (Role::User, vec![text("Go")])]);
    let (body, warnings) = encoded(&lonely, &profile());
    assert_eq!((body.unwrap()["input"].as_array().unwrap().len(), codes(&warnings).len()), (1, 1));
}

#[test]
fn calls_and_results_fit_the_target() {
    let id = "x".repeat(65);
    let call = Content::ToolCall {
        id: id.clone(),
        name: "a.b".into(),
        kind: CallKind::Function,
        arguments: " ".into(),
        opaque: vec![],
    };
    let parts = vec![Part::new(At::default(), text("boom"))];
    let result = Content::ToolResult { id, parts, is_error: true };
    let mut request = foreign(vec![(Role::Assistant, vec![call]), (Role::User, vec![result])]);
    let kind = ToolKind::Function { name: "a.b".into(), description: None, schema: None, strict: None };
    request.tools = vec![Tool { at: 0, cache: None, kind }];
    request.tool_choice = Some(ToolChoice::Named("a.b".into()));
    let body = body(&request);
    let there = body["tools"][0]["name"].as_str().unwrap();
    assert!(there.starts_with("a_b_") && body["tools"][0]["strict"] == false, "{body}");
    assert_eq!((&body["input"][0]["name"], &body["tool_choice"]["name"]), (&json!(there), &json!(there)));
    assert_eq!(body["input"][0]["arguments"], "{}");
    assert_eq!(body["input"][1]["output"], "Error: boom");
    assert_eq!(body["input"][0]["call_id"], body["input"][1]["call_id"]);
    assert!(body["input"][0]["call_id"].as_str().unwrap().len() <= 64);
    let origin = origin();
    let profile = profile();
    let target =
        Target { kind: crate::config::ProviderKind::AzureOpenai, origin: &origin, profile: &profile };
    let encoded = encode_request(&request, &target, &mut Warnings::default()).unwrap();
    assert_eq!(encoded.renamed, [(there.to_owned(), "a.b".to_owned())]);
}

#[test]
fn assistants_speak_as_answers_do() {
    let body = body(&asked("multi_turn"));
    let spoken = json!({"type":"message","id":"msg_00000000000000000000000000000000","role":"assistant","status":"completed",
        "content":[{"type":"output_text","text":"Goethe.","annotations":[]}]});
    assert_eq!(body["input"][1], spoken);
    let custom = super::super::fixtures::body(&asked("custom_tool"));
    assert_eq!(custom["input"][2]["type"], "custom_tool_call_output");
    assert_eq!(custom["tools"][0]["format"]["syntax"], "lark");
}

#[test]
fn effort_is_the_nearest_known() {
    let effort = |edit: fn(&mut Request)| {
        let mut request = foreign(vec![(Role::User, vec![text("Hi")])]);
        edit(&mut request);
        let (body, warnings) = encoded(&request, &profile());
        (body.unwrap()["reasoning"]["effort"].clone(), warnings.all().len())
    };
    assert_eq!(effort(|r| r.reasoning.effort = Some(Effort::Max)), (json!("high"), 1));
    assert_eq!(effort(|r| r.reasoning.budget = Some(9000)), (json!("medium"), 0));
    assert_eq!(effort(|r| r.reasoning.enabled = Some(false)), (json!("none"), 0));
    assert_eq!(effort(|_| {}), (Value::Null, 0));
    let mut request = foreign(vec![(Role::User, vec![text("Hi")])]);
    request.reasoning.effort = Some(Effort::Low);
    let none = Profile { reasoning: ReasoningControl::None, ..profile() };
    let (body, warnings) = encoded(&request, &none);
    let body = body.unwrap();
    assert!(body.get("reasoning").is_none() && body.get("include").is_none());
    assert_eq!(codes(&warnings), [("parameter_dropped", "thinking")]);
}

#[test]
fn a_summary_is_not_asked_for_where_the_caller_cannot_ask() {
    let mut request = foreign(vec![(Role::User, vec![text("Hi")])]);
    request.reasoning.show = Some(Show::Summary);
    assert_eq!(body(&request)["reasoning"]["summary"], "auto");
    request.dialect = Dialect::OpenaiChat;
    assert_eq!(body(&request).get("reasoning"), None);
}

proptest! {
    #[test]
    fn no_item_is_lost(kinds in prop::collection::vec(0..4_u8, 1..12)) {
        let contents = kinds.iter().map(|kind| match kind {
            0 => (Role::User, vec![text("u")]),
            1 => (Role::Assistant, vec![text("a")]),
            2 => (Role::Assistant, vec![Content::ToolCall { id: "c".into(), name: "f".into(), kind: CallKind::Function, arguments: "{}".into(), opaque: vec![] }]),
            _ => (Role::User, vec![Content::ToolResult { id: "c".into(), parts: vec![], is_error: false }]),
        });
        let request = foreign(contents.collect());
        prop_assert_eq!(body(&request)["input"].as_array().unwrap().len(), kinds.len());
    }
}

#[test]
fn a_last_turn_of_the_assistants_is_not_gone_on_from() {
    let (_, warnings) = encoded(
        &foreign(vec![(Role::User, vec![text("Hi")]), (Role::Assistant, vec![text("{")])]),
        &profile(),
    );
    assert_eq!(codes(&warnings), [("prefill_not_continued", "messages[1].content[0]")]);
}
