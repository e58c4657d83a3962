//! Recorded requests and what they mean.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::fixtures::{asked, carrier};
use super::*;
use crate::canonical::{
    CacheTtl, CallKind, Content, Opaque, OpaqueKind, Origin, Role, Source, ToolChoice, ToolKind,
};

fn decode(body: Value) -> Result<Request, Fault> {
    decode_request(body.to_string().as_bytes(), &carrier())
}

fn roles(request: &Request) -> Vec<Role> {
    request.turns.iter().map(|turn| turn.role).collect()
}

fn contents(request: &Request, turn: usize) -> Vec<&Content> {
    request.turns[turn].parts.iter().map(|part| &part.content).collect()
}

fn text(text: &str) -> Content {
    Content::Text { text: text.into(), citations: vec![] }
}

#[test]
fn instructions_come_first_and_stay_in_order() {
    let request = asked("system_variants");
    let system: Vec<&str> = request.system.iter().map(|block| block.text.as_str()).collect();
    assert_eq!(system, ["Be brief.", "Answer in French.", "No emoji."]);
    assert_eq!(roles(&request), [Role::User, Role::Assistant, Role::System, Role::User]);
    assert_eq!(request.path(request.turns[2].parts[0].at), "input[4]");
    assert_eq!(contents(&asked("text"), 0), [&text("Say hello.")]);
}

#[test]
fn neighbours_fold() {
    let request = asked("parallel_tools");
    assert_eq!(roles(&request), [Role::User, Role::Assistant, Role::User]);
    assert!(matches!(contents(&request, 1)[..], [Content::ToolCall { .. }, Content::ToolCall { .. }]));
    assert!(matches!(contents(&request, 2)[..], [Content::ToolResult { .. }, Content::ToolResult { .. }]));
    let request = asked("tool_results");
    assert_eq!(contents(&request, 1).len(), 4);
    let Content::ToolResult { parts, .. } = contents(&request, 2)[1] else { panic!() };
    assert!(matches!(parts[1].content, Content::Image { source: Source::Base64 { .. }, .. }));
    let request = asked("phases");
    assert_eq!(roles(&request), [Role::User, Role::Assistant, Role::Assistant, Role::User]);
    assert_eq!(request.turns[1].phase.as_deref(), Some("commentary"));
    assert_eq!(request.turns[2].phase.as_deref(), Some("final_answer"));
    assert!(matches!(contents(&request, 2)[0], Content::Reasoning { .. }));
}

#[test]
fn media_are_read() {
    let base64 = |media_type: &str, source: &Source| matches!(source, Source::Base64 { media_type: m, .. } if m == media_type);
    let request = asked("image_base64");
    let Content::Image { source, detail } = contents(&request, 0)[1] else { panic!() };
    assert!(base64("image/png", source) && detail.as_deref() == Some("low"));
    let request = asked("image_url");
    assert!(
        matches!(contents(&request, 0)[0], Content::Image { source: Source::Url(url), .. } if url.ends_with("cat.jpg"))
    );
    let request = asked("pdf_base64");
    let Content::Document { source, name } = contents(&request, 0)[0] else { panic!() };
    assert!(base64("application/pdf", source) && name.as_deref() == Some("report.pdf"));
    assert!(matches!(contents(&asked("pdf_url"), 0)[0], Content::Document { source: Source::Url(_), .. }));
    assert!(matches!(contents(&asked("file_id"), 0)[0], Content::Document { source: Source::File(_), .. }));
    assert!(
        matches!(contents(&asked("audio_input"), 0)[0], Content::Audio { format, .. } if format == "wav")
    );
}

#[test]
fn tools_and_choices_are_read() {
    assert_eq!(asked("tool_choice_required").tool_choice, Some(ToolChoice::Required));
    assert_eq!(asked("tool_choice_none").tool_choice, Some(ToolChoice::None));
    assert_eq!(asked("tool_choice_named").tool_choice, Some(ToolChoice::Named("search".into())));
    let allowed = ToolChoice::Allowed { required: true, names: vec!["search".into()] };
    assert_eq!(asked("tool_choice_allowed").tool_choice, Some(allowed));
    assert!(matches!(&asked("strict_schema").tools[0].kind, ToolKind::Function { strict: Some(true), .. }));
    assert!(matches!(&asked("empty_arguments").tools[0].kind, ToolKind::Function { schema: None, .. }));
    let custom = asked("custom_tool");
    assert!(
        matches!(&custom.tools[0].kind, ToolKind::Custom { format: Some(f), .. } if f["syntax"] == "lark")
    );
    assert!(matches!(contents(&custom, 1)[0], Content::ToolCall { kind: CallKind::Custom, .. }));
    assert_eq!(asked("parallel_off").parallel_tools, Some(false));
    let hosted = decode(json!({"model":"m","input":"x","tool_choice":{"type":"web_search"}})).unwrap();
    assert_eq!((hosted.tool_choice, &hosted.rest["tool_choice"]), (None, &json!({"type":"web_search"})));
    let deferred = json!([{"type":"function","name":"f","defer_loading":true}]);
    let rest = decode(json!({"model":"m","input":"x","tools":deferred})).unwrap().rest;
    assert_eq!(rest["tools[0].defer_loading"], true);
}

#[test]
fn namespaces_are_flattened() {
    let request = asked("namespace_tools");
    let names: Vec<&str> = request
        .tools
        .iter()
        .map(|tool| match &tool.kind {
            ToolKind::Function { name, .. }
            | ToolKind::Custom { name, .. }
            | ToolKind::Hosted { name, .. } => name.as_str(),
        })
        .collect();
    assert_eq!(names, ["get_weather", "mcp__files__read_file", "web_search"]);
    assert!(
        matches!(contents(&request, 1)[0], Content::ToolCall { name, .. } if name == "mcp__files__read_file")
    );
    let ToolKind::Function { description, .. } = &request.tools[1].kind else { panic!() };
    assert_eq!(description.as_deref(), Some("Files of the project.\n\nReads a file."));
    assert!(request.rest.contains_key("client_metadata") && request.stream);
}

#[test]
fn reasoning_is_told_apart_by_whose_it_is() {
    let request = asked("thinking_signature");
    let Content::Reasoning { summary, opaque, .. } = contents(&request, 1)[0] else { panic!() };
    assert_eq!(summary, &["I need the weather."]);
    let raw = Opaque { origin: None, kind: OpaqueKind::Encrypted, data: "rs_1|gAAAAABo+/x==".into() };
    assert_eq!(opaque, &[raw]);
    let origin = Origin { provider: "claude".into(), model: "opus".into() };
    let theirs = Opaque { origin: None, kind: OpaqueKind::Signature, data: "Eo==".into() };
    let token = carrier().wrap(&theirs, &origin);
    let item = json!({"type":"reasoning","id":"rs_9","summary":[{"type":"summary_text","text":"deep"}],"encrypted_content":token});
    let request = decode(json!({"model":"m","input":[item]})).unwrap();
    let Content::Reasoning { text, summary, opaque } = contents(&request, 0)[0] else { panic!() };
    assert_eq!((text.as_str(), summary.len()), ("deep", 0));
    assert_eq!(opaque, &[Opaque { origin: Some(origin), ..theirs }]);
    let forged = json!({"type":"reasoning","summary":[],"encrypted_content":"fb1.AAAA"});
    let request = decode(json!({"model":"m","input":[forged]})).unwrap();
    assert!(
        matches!(contents(&request, 0)[0], Content::Reasoning { opaque, .. } if opaque[0].origin.is_none())
    );
}

#[test]
fn settings_are_read() {
    let request = asked("json_schema");
    assert!(
        matches!(&request.output, Output::JsonSchema { name: Some(n), strict: Some(true), .. } if n == "cat")
    );
    assert_eq!(request.verbosity.as_deref(), Some("low"));
    assert_eq!(asked("json_mode").output, Output::JsonObject);
    let request = asked("reasoning_detailed");
    assert_eq!((request.reasoning.effort, request.reasoning.show), (Some(Effort::Low), Some(Show::Summary)));
    assert_eq!(request.rest["reasoning.summary"], "detailed");
    assert_eq!(request.rest["reasoning.context"], "all_turns");
    let request = asked("cache_marks");
    assert_eq!((request.cache.key.as_deref(), request.cache.ttl), (Some("tenant-7"), Some(CacheTtl::Long)));
    assert_eq!(request.system[0].cache.unwrap().ttl, CacheTtl::Long);
    assert_eq!(request.turns[0].parts[0].cache.unwrap().ttl, CacheTtl::Short);
    let request = asked("metadata");
    assert_eq!((request.end_user.as_deref(), request.service_tier.as_deref()), (Some("u-1"), Some("flex")));
    let rest = asked("unknown_fields").rest;
    assert_eq!(
        rest.keys().collect::<Vec<_>>(),
        ["truncation", "max_tool_calls", "client_metadata", "moderation"]
    );
    assert_eq!(asked("hosted_tools").rest["include"], json!(["web_search_call.results"]));
    let state = decode(json!({"model":"m","previous_response_id":"resp_1","store":false})).unwrap().state;
    assert_eq!((state.previous_id.as_deref(), state.store), (Some("resp_1"), Some(false)));
}

#[test]
fn what_does_not_fit_is_named() {
    let message = |content: Value| json!([{"role":"user","content":content}]);
    for (body, param) in [
        (json!({"input":"x"}), "model"),
        (json!({"model":"m","input":7}), "input"),
        (json!({"model":"m","input":[7]}), "input[0]"),
        (json!({"model":"m","input":[{}]}), "input[0].type"),
        (json!({"model":"m","input":[{"role":"robot","content":"x"}]}), "input[0].role"),
        (json!({"model":"m","input":[{"role":"user"}]}), "input[0].content"),
        (json!({"model":"m","input":message(json!([{"type":"input_text"}]))}), "input[0].content[0].text"),
        (
            json!({"model":"m","input":message(json!([{"type":"input_image"}]))}),
            "input[0].content[0].image_url",
        ),
        (json!({"model":"m","input":[{"type":"function_call","name":"f"}]}), "input[0].call_id"),
        (json!({"model":"m","input":[{"type":"function_call_output","call_id":"c"}]}), "input[0].output"),
        (json!({"model":"m","input":[{"type":"item_reference","id":"msg_1"}]}), "input[0].id"),
        (json!({"model":"m","input":"x","prompt":{"id":"p"}}), "prompt"),
        (json!({"model":"m","input":"x","tools":[{"type":"function"}]}), "tools[0].name"),
        (json!({"model":"m","input":"x","tool_choice":"maybe"}), "tool_choice"),
        (json!({"model":"m","input":"x","text":{"format":{"type":"xml"}}}), "text.format.type"),
        (json!({"model":"m","input":"x","reasoning":{"effort":"huge"}}), "reasoning.effort"),
        (json!({"model":"m","input":"x","temperature":"hot"}), "temperature"),
        (json!({"model":"m","input":"x","max_output_tokens":-1}), "max_output_tokens"),
    ] {
        assert_eq!(decode(body.clone()).unwrap_err().param.as_deref(), Some(param), "{body}");
    }
}

#[test]
fn what_no_other_dialect_knows_is_kept_whole() {
    let request = asked("hosted_tools");
    assert!(matches!(contents(&request, 1)[0], Content::Hosted { raw, .. } if raw["id"] == "ws_1"));
    assert!(matches!(contents(&request, 1)[1], Content::Text { citations, .. } if citations.len() == 1));
    let odd = json!([{"role":"user","content":[{"type":"input_video","url":"x"}]}]);
    let request = decode(json!({"model":"m","input":odd})).unwrap();
    assert!(
        matches!(contents(&request, 0)[0], Content::Hosted { .. })
            && request.turns[0].parts[0].at.part == Some(0)
    );
}

proptest! {
    #[test]
    fn any_bytes_are_survived(input in prop::collection::vec(any::<u8>(), 0..300)) {
        let _read = decode_request(&input, &carrier());
    }

    #[test]
    fn any_items_are_survived(
        kinds in prop::collection::vec(prop::sample::select(vec![
            "message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "x_output", "x"]), 0..9),
        role in prop::sample::select(vec!["user", "assistant", "system"]), text in "[a-é|]{0,6}",
    ) {
        let item = |kind: &&str| json!({"type":kind,"role":role,"content":if *kind == "reasoning" { json!([]) } else { json!(text) },
            "call_id":text,"name":"f","output":text,"input":text,"arguments":text,"encrypted_content":text,"id":"rs_1"});
        let items: Vec<Value> = kinds.iter().map(item).collect();
        let count = items.len();
        let request = decode(json!({"model":"m","input":items})).unwrap();
        let parts: usize = request.turns.iter().map(|turn| turn.parts.len()).sum();
        prop_assert_eq!(parts + request.system.len(), count);
    }
}
