//! What providers are sent, one test a rule.

use serde_json::{Value, json};

use crate::canonical::{
    At, CacheMark, CallKind, Content, Effort, Opaque, OpaqueKind, Origin, Output, Part, Request, Role,
    Source, SystemText, Tool, ToolChoice, ToolKind, Turn,
};
use crate::catalogue::{Profile, ReasoningControl};
use crate::config::ProviderKind::{self, AzureOpenai, Openai, OpenaiCompatible};
use crate::dialect::Dialect;
use crate::dialect::codec::Wrapped;
use crate::dialect::openai_chat::decode_request;
use crate::dialect::openai_chat::fixtures::{capable, carrier, cases, encoded, origin, read};

fn fixture(name: &str) -> Request {
    decode_request(&read(&format!("{name}.request.json")), &carrier()).unwrap()
}

fn sent(request: &Request, kind: ProviderKind, profile: &Profile) -> (Value, Vec<(&'static str, String)>) {
    let (encoded, warnings) = encoded(request, kind, profile).unwrap();
    let warnings = warnings.all().iter().map(|warning| (warning.code, warning.field.clone())).collect();
    (serde_json::from_slice(&encoded.body).unwrap(), warnings)
}

fn warned(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs.iter().map(|(code, field)| (*code, (*field).to_owned())).collect()
}

pub(super) fn part(content: Content) -> Part {
    Part::new(At::default(), content)
}

pub(super) fn text(text: &str) -> Part {
    part(Content::Text { text: text.into(), citations: vec![] })
}

pub(super) fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts, phase: None }
}

pub(super) fn call(id: &str, name: &str, arguments: &str) -> Part {
    let (id, name, arguments) = (id.into(), name.into(), arguments.into());
    part(Content::ToolCall { id, name, kind: CallKind::Function, arguments, opaque: vec![] })
}

pub(super) fn result(id: &str, parts: Vec<Part>, is_error: bool) -> Part {
    part(Content::ToolResult { id: id.into(), parts, is_error })
}

fn function(name: &str) -> Tool {
    let kind = ToolKind::Function { name: name.into(), description: None, schema: None, strict: None };
    Tool { at: 0, cache: None, kind }
}

fn asking(dialect: Dialect) -> Request {
    let mut request = Request::new(dialect, "alias");
    request.turns = vec![turn(Role::User, vec![text("Hi")])];
    request
}

#[test]
fn what_chat_can_express_comes_through() {
    // Read in more forms than are written.
    const OTHER_FORMS: [&str; 4] = ["legacy_functions", "tolerated", "thinking_signature", "stream_options"];
    for case in cases(".request.json").iter().filter(|case| !OTHER_FORMS.contains(&case.as_str())) {
        let before: Value = serde_json::from_slice(&read(&format!("{case}.request.json"))).unwrap();
        let (after, warnings) = sent(&fixture(case), Openai, &capable());
        assert_eq!((after, warnings), (before, vec![]), "{case}");
    }
}

#[test]
fn every_fixture_can_be_sent_to_a_compatible_server() {
    for case in cases(".request.json") {
        encoded(&fixture(&case), OpenaiCompatible, &Profile::default()).unwrap();
    }
}

#[test]
fn streams_are_asked_for_their_usage() {
    let mut request = fixture("stream_options");
    let (body, _) = sent(&request, Openai, &capable());
    assert_eq!((&body["stream"], &body["stream_options"]), (&json!(true), &json!({"include_usage": true})));
    request.stream = false;
    assert_eq!(sent(&request, Openai, &capable()).0.get("stream_options"), None);
}

#[test]
fn instructions_are_whose_role_the_model_knows() {
    let request = fixture("system_variants");
    let (body, _) = sent(&request, OpenaiCompatible, &Profile::default());
    assert_eq!(
        body["messages"][0],
        json!({"role": "system", "content": "You are terse.\n\nAnswer in French."})
    );
    assert_eq!(body["messages"][3]["role"], "system");
}

#[test]
fn results_come_first_and_their_images_last() {
    let image = part(Content::Image { source: Source::Url("https://x/y.png".into()), detail: None });
    let mut request = asking(Dialect::AnthropicMessages);
    let calls = vec![text("Look"), call("a", "f", " "), call("b", "g", "{\"x\":1}")];
    request.turns.push(turn(Role::Assistant, calls));
    let results = vec![text("Now?"), result("b", vec![text("one"), image], false), result("a", vec![], true)];
    request.turns.push(turn(Role::User, results));
    let (body, warnings) = sent(&request, OpenaiCompatible, &Profile::default());
    let expected = json!([
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Look", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{\"x\":1}"}},
        ]},
        {"role": "tool", "tool_call_id": "b", "content": "one"},
        {"role": "tool", "tool_call_id": "a", "content": "Error"},
        {"role": "user", "content": [
            {"type": "text", "text": "Attachment of tool call b:"},
            {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
            {"type": "text", "text": "Now?"},
        ]},
    ]);
    assert_eq!(body["messages"], expected);
    assert_eq!(warnings, warned(&[("tool_result_media_moved", "messages[0]")]));
}

#[test]
fn a_failed_result_says_so_once() {
    let content = |said: &str| {
        let mut request = asking(Dialect::AnthropicMessages);
        request.turns.push(turn(Role::Assistant, vec![call("a", "f", "{}")]));
        request.turns.push(turn(Role::User, vec![result("a", vec![text(said)], true)]));
        sent(&request, Openai, &capable()).0["messages"][2]["content"].clone()
    };
    assert_eq!(content("no such file"), "Error: no such file");
    assert_eq!(content("Error: no such file"), "Error: no such file");
}

#[test]
fn calls_are_answered_before_the_assistant_speaks_again() {
    let mut request = asking(Dialect::OpenaiResponses);
    request.turns.push(turn(Role::Assistant, vec![call("a", "f", "{}")]));
    request.turns.push(turn(Role::Assistant, vec![text("And"), call("b", "g", "{}")]));
    request.turns.push(turn(Role::User, vec![result("a", vec![], false)]));
    request.turns.push(turn(Role::User, vec![result("b", vec![], false)]));
    let (body, _) = sent(&request, Openai, &capable());
    let message = &body["messages"][1];
    assert_eq!((message["tool_calls"].as_array().unwrap().len(), &message["content"]), (2, &json!("And")));
    assert_eq!(body["messages"][2], json!({"role": "tool", "tool_call_id": "a", "content": ""}));
    request.turns.push(turn(Role::User, vec![result("nobody", vec![], false)]));
    let fault = encoded(&request, Openai, &capable()).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("input[0]"));
}

#[test]
fn ids_and_names_are_made_to_fit_and_given_back() {
    let long = "x".repeat(41);
    let mut request = asking(Dialect::AnthropicMessages);
    request.tools = vec![function("mein werkzeug"), function(&"n".repeat(65))];
    request.turns.push(turn(Role::Assistant, vec![call(&long, "mein werkzeug", "{}")]));
    request.turns.push(turn(Role::User, vec![result(&long, vec![text("ok")], false)]));
    let (encoded, _) = encoded(&request, Openai, &capable()).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    let call = &body["messages"][1]["tool_calls"][0];
    assert_eq!(call["id"], body["messages"][2]["tool_call_id"]);
    assert_eq!(call["id"].as_str().unwrap().len(), 26);
    assert_eq!(call["function"]["name"], body["tools"][0]["function"]["name"]);
    assert_eq!(encoded.renamed.len(), 2);
    assert!(
        encoded
            .renamed
            .iter()
            .any(|(there, here)| here == "mein werkzeug" && there.starts_with("mein_werkzeug_"))
    );
    assert!(encoded.renamed.iter().all(|(there, _)| there.len() <= 64));
}

#[test]
fn custom_tools_are_functions_where_there_are_none() {
    let request = fixture("custom_tool");
    let (encoded, warnings) = encoded(&request, OpenaiCompatible, &Profile::default()).unwrap();
    assert_eq!(encoded.wrapped, [("apply_patch".into(), Wrapped::Custom), ("say".into(), Wrapped::Custom)]);
    assert_eq!(warnings.all()[0].code, "custom_tool_wrapped");
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(body["tool_choice"], json!({"type": "function", "function": {"name": "apply_patch"}}));
    let description = body["tools"][0]["function"]["description"].as_str().unwrap();
    assert!(description.starts_with("Applies a patch.") && description.contains("lark"));
    let arguments = body["messages"][1]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(arguments).unwrap()["input"].as_str().unwrap().starts_with("***"));
}

#[test]
fn choices_that_cannot_be_made_are_asked_for_in_words() {
    let mut request = asking(Dialect::OpenaiChat);
    request.tools = vec![function("f"), function("g")];
    let weak = Profile { forced_tools: false, ..Profile::default() };
    let mut choose = |choice: ToolChoice, profile: &Profile| {
        request.tool_choice = Some(choice);
        sent(&request, OpenaiCompatible, profile)
    };
    let (body, warnings) = choose(ToolChoice::Named("g".into()), &weak);
    assert_eq!(
        (&body["tool_choice"], warnings),
        (&json!("auto"), warned(&[("tool_choice_degraded", "tool_choice")]))
    );
    assert_eq!(body["messages"][0], json!({"role": "system", "content": "You must call the tool `g`."}));
    let (body, _) = choose(ToolChoice::None, &weak);
    assert_eq!(body["tool_choice"], "none");
    let allowed = ToolChoice::Allowed { required: true, names: vec!["g".into()] };
    let (body, warnings) = choose(allowed, &Profile::default());
    assert_eq!((&body["tool_choice"], body["tools"].as_array().unwrap().len()), (&json!("required"), 1));
    assert_eq!(warnings, warned(&[("tools_filtered", "tool_choice")]));
    request.tools.clear();
    request.tool_choice = Some(ToolChoice::Auto);
    request.parallel_tools = Some(false);
    let (body, _) = sent(&request, Openai, &capable());
    assert!(body.get("tool_choice").is_none() && body.get("parallel_tool_calls").is_none());
}

#[test]
fn hosted_tools_of_others_go_unless_they_are_meant() {
    let mut request = asking(Dialect::OpenaiResponses);
    let raw = json!({"type": "web_search"});
    let kind = ToolKind::Hosted { name: "web_search".into(), raw, origin: Dialect::OpenaiResponses };
    request.tools = vec![function("f"), Tool { at: 1, cache: None, kind }];
    let (body, warnings) = sent(&request, Openai, &capable());
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(warnings, warned(&[("hosted_tool_dropped", "tools[1]")]));
    request.tool_choice = Some(ToolChoice::Named("web_search".into()));
    let fault = encoded(&request, Openai, &capable()).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("tools[1]"));
    request.tool_choice = None;
    if let ToolKind::Hosted { name, .. } = &mut request.tools[1].kind {
        *name = "code_interpreter".into();
    }
    let fault = encoded(&request, Openai, &capable()).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("tools[1]"));
}

#[test]
fn reasoning_models_draw_as_they_like() {
    let number = |text: &str| serde_json::from_str::<serde_json::Number>(text).unwrap();
    let mut request = asking(Dialect::OpenaiChat);
    request.sampling.temperature = Some(number("0.2"));
    request.sampling.top_p = Some(number("1"));
    let profile = Profile { sampling: false, ..capable() };
    let (body, warnings) = sent(&request, Openai, &profile);
    assert!(body.get("temperature").is_none() && body.get("top_p").is_none());
    assert_eq!(warnings, warned(&[("parameter_dropped", "temperature")]));
    request.reasoning.effort = Some(Effort::None);
    assert_eq!(sent(&request, Openai, &profile).0["temperature"], 0.2);
    request.sampling.top_k = Some(5);
    assert_eq!(sent(&request, Openai, &capable()).1, warned(&[("parameter_dropped", "top_k")]));
    assert_eq!(sent(&request, OpenaiCompatible, &capable()).0["top_k"], 5);
}

#[test]
fn effort_is_what_the_model_knows() {
    let levels = vec![Effort::Low, Effort::Medium, Effort::High];
    let some = Profile { reasoning: ReasoningControl::Effort { levels }, ..Profile::default() };
    let none = Profile { reasoning: ReasoningControl::None, ..Profile::default() };
    let effort = |set: fn(&mut Request), profile: &Profile| {
        let mut request = asking(Dialect::AnthropicMessages);
        set(&mut request);
        let (body, warnings) = sent(&request, Openai, profile);
        (body.get("reasoning_effort").and_then(Value::as_str).map(str::to_owned), warnings)
    };
    let changed = warned(&[("reasoning_effort_changed", "thinking")]);
    let max: fn(&mut Request) = |request| request.reasoning.effort = Some(Effort::Max);
    let budget: fn(&mut Request) = |request| request.reasoning.budget = Some(8_000);
    let off: fn(&mut Request) = |request| request.reasoning.enabled = Some(false);
    assert_eq!(effort(max, &some), (Some("high".into()), changed.clone()));
    assert_eq!(effort(budget, &some), (Some("medium".into()), vec![]));
    assert_eq!(effort(off, &some), (Some("low".into()), changed));
    assert_eq!(effort(off, &Profile::default()), (None, vec![]));
    assert_eq!(effort(max, &Profile::default()), (Some("max".into()), vec![]));
    assert_eq!(effort(budget, &none), (None, warned(&[("parameter_dropped", "thinking")])));
    assert_eq!(effort(off, &none), (None, vec![]));
}

#[test]
fn limits_go_by_the_name_and_the_size_the_model_knows() {
    let mut request = asking(Dialect::AnthropicMessages);
    request.max_tokens = Some(32_000);
    request.stop = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    let (body, warnings) = sent(&request, OpenaiCompatible, &Profile::default());
    assert_eq!((&body["max_tokens"], body["stop"].as_array().unwrap().len()), (&json!(32_000), 5));
    assert_eq!(warnings, []);
    let (body, warnings) = sent(&request, AzureOpenai, &Profile { output_tokens: 16_384, ..capable() });
    assert_eq!((&body["max_completion_tokens"], body["stop"].as_array().unwrap().len()), (&json!(16_384), 4));
    let expected = [("max_tokens_clamped", "max_tokens"), ("stop_truncated", "stop_sequences")];
    assert_eq!(warnings, warned(&expected));
}

#[test]
fn schemas_are_described_where_they_cannot_be_held_to() {
    let mut request = asking(Dialect::AnthropicMessages);
    let schema = json!({"type": "object"});
    request.output =
        Output::JsonSchema { name: None, description: None, schema: schema.clone(), strict: None };
    let (body, _) = sent(&request, Openai, &capable());
    assert_eq!(body["response_format"]["json_schema"], json!({"name": "response", "schema": schema}));
    let (body, warnings) = sent(&request, Openai, &Profile { json_schema: false, ..capable() });
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
    assert!(body["messages"][0]["content"].as_str().unwrap().contains("JSON Schema"));
    assert_eq!(warnings, warned(&[("json_schema_emulated", "output_config.format")]));
}

#[test]
fn thoughts_go_back_to_whom_they_came_from_alone() {
    let opaque = |origin: Option<Origin>, data: &str| Opaque {
        origin,
        kind: OpaqueKind::Signature,
        data: data.into(),
    };
    let think = |opaque: Opaque| {
        let mut request = asking(Dialect::AnthropicMessages);
        let content = Content::Reasoning { text: "Hm.".into(), summary: vec![], opaque: vec![opaque] };
        request.turns.push(turn(Role::Assistant, vec![part(content), text("So.")]));
        request.turns.push(turn(Role::User, vec![text("And?")]));
        request
    };
    let detail = r#"{"type":"reasoning.text","signature":"s","index":0}"#;
    let own = think(opaque(Some(origin()), detail));
    let (body, warnings) = sent(&own, OpenaiCompatible, &Profile::default());
    let message = &body["messages"][1];
    assert_eq!(message["reasoning_content"], "Hm.");
    assert_eq!(
        message["reasoning_details"],
        json!([{"type": "reasoning.text", "signature": "s", "index": 0, "text": "Hm."}])
    );
    assert_eq!(warnings, []);
    let dropped = warned(&[("reasoning_state_dropped", "messages[0]")]);
    let other = Origin { model: "other".into(), ..origin() };
    for (request, kind) in [
        (own, Openai),
        (think(opaque(None, "raw")), OpenaiCompatible),
        (think(opaque(Some(other), detail)), OpenaiCompatible),
    ] {
        let (body, warnings) = sent(&request, kind, &Profile::default());
        assert_eq!(body["messages"][1], json!({"role": "assistant", "content": "So."}));
        assert_eq!(warnings, dropped);
    }
}

#[test]
fn what_has_no_place_is_refused_by_its_name() {
    let with = |content: Content| {
        let mut request = asking(Dialect::AnthropicMessages);
        request.turns[0].parts = vec![Part::new(At { turn: 2, part: Some(1) }, content)];
        request
    };
    let document = |source: Source| Content::Document { source, name: None };
    let audio = |source: Source| Content::Audio { source, format: "wav".into() };
    let image = |source: Source| Content::Image { source, detail: None };
    let base64 = || Source::Base64 { media_type: "image/png".into(), data: "AA==".into() };
    let blind = Profile { images: false, documents: false, audio: false, ..Profile::default() };
    for (content, profile) in [
        (document(Source::Url("https://x/y.pdf".into())), capable()),
        (document(Source::File("file_1".into())), capable()),
        (document(base64()), blind.clone()),
        (image(Source::File("file_1".into())), capable()),
        (image(base64()), blind.clone()),
        (audio(Source::Url("https://x/y.wav".into())), capable()),
        (audio(base64()), blind),
    ] {
        let fault = encoded(&with(content), Openai, &profile).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("messages[2].content[1]"), "{}", fault.message);
    }
    let refused = |set: fn(&mut Request)| {
        let mut request = asking(Dialect::OpenaiChat);
        set(&mut request);
        encoded(&request, Openai, &capable()).unwrap_err().param.unwrap()
    };
    assert_eq!(refused(|request| request.sampling.n = Some(2)), "n");
    assert_eq!(refused(|request| request.sampling.logprobs = true), "logprobs");
    assert_eq!(refused(|request| request.state.previous_id = Some("resp_1".into())), "previous_response_id");
    assert_eq!(
        refused(|request| drop(request.rest.insert("modalities".into(), json!(["audio"])))),
        "modalities"
    );
    assert_eq!(refused(|request| request.max_tokens = Some(0)), "max_tokens");
}

#[test]
fn text_documents_are_text() {
    let mut request = asking(Dialect::AnthropicMessages);
    let document =
        |source, name: Option<&str>| part(Content::Document { source, name: name.map(str::to_owned) });
    let encoded_text = Source::Base64 { media_type: "text/plain".into(), data: "SGFsbG8=".into() };
    request.turns[0].parts =
        vec![document(Source::Text("One".into()), Some("a.txt")), document(encoded_text, None)];
    let (body, _) = sent(&request, Openai, &Profile { documents: false, ..capable() });
    let expected =
        json!([{"type": "text", "text": "Document a.txt:\nOne"}, {"type": "text", "text": "Hallo"}]);
    assert_eq!(body["messages"][0]["content"], expected);
}

#[test]
fn fields_of_other_dialects_are_dropped_aloud() {
    let mut request = asking(Dialect::AnthropicMessages);
    request.rest.insert("context_management".into(), json!({}));
    request.system = vec![SystemText { text: "S".into(), cache: Some(CacheMark::default()) }];
    request.end_user = Some("u".repeat(150));
    request.service_tier = Some("priority".into());
    let (body, warnings) = sent(&request, OpenaiCompatible, &Profile::default());
    let expected = [
        ("parameter_dropped", "service_tier"),
        ("unknown_field_dropped", "context_management"),
        ("cache_mark_dropped", "system[0]"),
    ];
    assert_eq!(warnings, warned(&expected));
    assert_eq!(body["user"].as_str().unwrap().len(), 64);
    request.turns.push(turn(Role::Assistant, vec![text("{")]));
    let (_, warnings) = sent(&request, Openai, &capable());
    assert!(warnings.contains(&("prefill_not_continued", "messages[0]".into())));
}
