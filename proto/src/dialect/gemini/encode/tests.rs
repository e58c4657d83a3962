//! What canonical requests become.

use serde_json::Number;

use super::*;
use crate::canonical::{
    At, CallKind, Content, Effort, Opaque, OpaqueKind, Origin, Output, Part, Role, Show, Source, SystemText,
    Tool, ToolChoice, ToolKind, Turn,
};
use crate::config::ProviderKind;
use crate::dialect::codec::Wrapped;
use crate::dialect::gemini::NO_SIGNATURE;

fn origin() -> Origin {
    Origin { provider: "google".into(), model: "gemini-4".into() }
}

fn levels() -> Profile {
    let levels = vec![Effort::Minimal, Effort::Low, Effort::Medium, Effort::High];
    Profile { reasoning: ReasoningControl::Effort { levels }, ..Profile::default() }
}

fn budgets() -> Profile {
    let reasoning = ReasoningControl::Budget { min: 128, max: 32_768, can_disable: false };
    Profile { reasoning, ..Profile::default() }
}

fn encoded(request: &Request, profile: &Profile) -> Result<(Value, Encoded, Vec<String>), Fault> {
    let origin = origin();
    let target = Target { kind: ProviderKind::Gemini, origin: &origin, profile };
    let mut warnings = Warnings::default();
    let encoded = encode_request(request, &target, &mut warnings)?;
    let said = warnings.all().iter().map(|w| format!("{};{}", w.code, w.field)).collect();
    Ok((serde_json::from_slice(&encoded.body).unwrap(), encoded, said))
}

fn body(request: &Request, profile: &Profile) -> Value {
    let (body, _, said) = encoded(request, profile).unwrap();
    assert_eq!(said, Vec::<String>::new());
    body
}

fn refused(request: &Request, profile: &Profile) -> String {
    let fault = encoded(request, profile).unwrap_err();
    assert_eq!(fault.code, FaultCode::InvalidRequest);
    fault.param.unwrap()
}

fn text(text: &str) -> Content {
    Content::Text { text: text.into(), citations: Vec::new() }
}

fn call(id: &str, arguments: &str, opaque: Vec<Opaque>) -> Content {
    Content::ToolCall {
        id: id.into(),
        name: "get_weather".into(),
        kind: CallKind::Function,
        arguments: arguments.into(),
        opaque,
    }
}

fn answer(id: &str, contents: Vec<Content>, is_error: bool) -> Content {
    let parts = contents.into_iter().map(|content| Part::new(At::default(), content)).collect();
    Content::ToolResult { id: id.into(), parts, is_error }
}

fn signature(origin: Option<Origin>) -> Opaque {
    Opaque { origin, kind: OpaqueKind::ThoughtSignature, data: "SIG".into() }
}

fn request(turns: Vec<(Role, Vec<Content>)>) -> Request {
    let mut request = Request::new(Dialect::OpenaiChat, "m");
    for (turn, (role, contents)) in turns.into_iter().enumerate() {
        let part = |(part, content)| Part::new(At { turn: turn as u32, part: Some(part as u32) }, content);
        let parts = contents.into_iter().enumerate().map(part).collect();
        request.turns.push(Turn { role, parts, phase: None });
    }
    request
}

fn hello() -> Request {
    request(vec![(Role::User, vec![text("Hello")])])
}

fn function(name: &str, strict: Option<bool>) -> Tool {
    let schema =
        json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {"$ref": "#/$defs/x"}}});
    let kind = ToolKind::Function { name: name.into(), description: None, schema: Some(schema), strict };
    Tool { at: 0, cache: None, kind }
}

#[test]
fn text_system_and_turns() {
    let mut request = request(vec![
        (Role::User, vec![text("Hi"), text("")]),
        (Role::User, vec![text("there")]),
        (Role::Assistant, vec![text("")]),
        (Role::Assistant, vec![text("Hello"), Content::Refusal { text: "no".into() }]),
        (Role::User, vec![text("go on")]),
    ]);
    request.system = ["Be brief.", "", "Be kind."].map(|t| SystemText { text: t.into(), cache: None }).into();
    let expected = json!({
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}, {"text": "there"}]},
            {"role": "model", "parts": [{"text": "Hello"}, {"text": "no"}]},
            {"role": "user", "parts": [{"text": "go on"}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
    });
    assert_eq!(body(&request, &levels()), expected);
}

#[test]
fn instructions_between_turns_become_the_users() {
    let request = request(vec![
        (Role::User, vec![text("a")]),
        (Role::System, vec![text("b")]),
        (Role::User, vec![text("c")]),
    ]);
    let (body, _, said) = encoded(&request, &levels()).unwrap();
    let parts = json!([{"text": "a"}, {"text": "<system>\nb\n</system>"}, {"text": "c"}]);
    assert_eq!(body["contents"], json!([{"role": "user", "parts": parts}]));
    assert_eq!(said, ["system_merged;messages[1].content[0]"]);
}

#[test]
fn a_conversation_begins_with_the_user_and_says_something() {
    assert_eq!(refused(&request(vec![]), &levels()), "messages[0]");
    let empty = request(vec![(Role::User, vec![text("")])]);
    assert_eq!(refused(&empty, &levels()), "messages[0].content[0]");
    let model_first = request(vec![(Role::Assistant, vec![text("a")]), (Role::User, vec![text("b")])]);
    assert_eq!(refused(&model_first, &levels()), "messages[0].content[0]");
    let prefill = request(vec![(Role::User, vec![text("a")]), (Role::Assistant, vec![text("b")])]);
    assert_eq!(encoded(&prefill, &levels()).unwrap().2, ["prefill_not_continued;messages[1].content[0]"]);
}

fn tool_loop(opaque: Vec<Opaque>) -> Request {
    request(vec![
        (Role::User, vec![text("Weather?")]),
        (Role::Assistant, vec![call("c1", r#"{"b":1,"a":2.50}"#, opaque), call("c2", " ", vec![])]),
        (Role::User, vec![answer("c2", vec![text("sunny"), text("warm")], false)]),
        (Role::User, vec![text("and?"), answer("c1", vec![text(r#"{"t": 21}"#)], false)]),
    ])
}

#[test]
fn calls_and_results_stand_together_by_name() {
    let body = body(&tool_loop(vec![signature(Some(origin()))]), &levels());
    let expected = json!([
        {"role": "user", "parts": [{"text": "Weather?"}]},
        {"role": "model", "parts": [
            {"functionCall": {"name": "get_weather", "args": {"b": 1, "a": 2.5}, "id": "c1"}, "thoughtSignature": "SIG"},
            {"functionCall": {"name": "get_weather", "args": {}, "id": "c2"}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "get_weather", "response": {"output": "sunny\nwarm"}, "id": "c2"}},
            {"functionResponse": {"name": "get_weather", "response": {"t": 21}, "id": "c1"}},
            {"text": "and?"},
        ]},
    ]);
    assert_eq!(body["contents"], expected);
    let args = body["contents"][1]["parts"][0]["functionCall"]["args"].to_string();
    assert!(args.starts_with(r#"{"b""#), "{args}");
}

#[test]
fn errors_and_odd_arguments_stay_readable() {
    let request = request(vec![
        (Role::User, vec![text("Go")]),
        (Role::Assistant, vec![call("c1", "[1", vec![])]),
        (Role::User, vec![answer("c1", vec![text(r#"{"why":1}"#)], true)]),
    ]);
    let (body, _, said) = encoded(&request, &levels()).unwrap();
    assert_eq!(body["contents"][1]["parts"][0]["functionCall"]["args"], json!({"_raw": "[1"}));
    let response = &body["contents"][2]["parts"][0]["functionResponse"]["response"];
    assert_eq!(response, &json!({"error": r#"{"why":1}"#}));
    assert_eq!(said, ["arguments_not_json;messages[1].content[0]"]);
}

#[test]
fn results_and_calls_must_match() {
    let orphan = request(vec![(Role::User, vec![text("a"), answer("x", vec![], false)])]);
    assert_eq!(refused(&orphan, &levels()), "messages[0].content[1]");
    let mut twice = tool_loop(vec![]);
    twice.turns.push(twice.turns[2].clone());
    assert_eq!(refused(&twice, &levels()), "messages[2].content[0]");
    let mut unanswered = tool_loop(vec![]);
    unanswered.turns.remove(2);
    assert_eq!(refused(&unanswered, &levels()), "messages[1].content[1]");
    let mut late = tool_loop(vec![]);
    late.turns.insert(
        3,
        Turn {
            role: Role::Assistant,
            parts: vec![Part::new(At { turn: 9, part: None }, text("hm"))],
            phase: None,
        },
    );
    assert_eq!(refused(&late, &levels()), "messages[1].content[0]");
}

fn signatures(request: &Request, profile: &Profile) -> (Vec<Option<String>>, Vec<String>) {
    let (body, _, said) = encoded(request, profile).unwrap();
    let parts = body["contents"][1]["parts"].as_array().unwrap();
    (parts.iter().map(|part| part["thoughtSignature"].as_str().map(str::to_owned)).collect(), said)
}

#[test]
fn foreign_and_missing_signatures_become_the_sentinel_on_the_first_call() {
    let sentinel = Some(NO_SIGNATURE.to_owned());
    assert_eq!(signatures(&tool_loop(vec![]), &levels()), (vec![sentinel.clone(), None], vec![]));
    assert_eq!(signatures(&tool_loop(vec![]), &Profile::default()).0, [sentinel.clone(), None]);
    let other = Origin { model: "gemini-3".into(), ..origin() };
    for foreign in [Some(other), None] {
        let (found, said) = signatures(&tool_loop(vec![signature(foreign)]), &levels());
        assert_eq!(found, [sentinel.clone(), None]);
        assert_eq!(said, ["reasoning_state_dropped;messages[1].content[0]"]);
    }
    assert_eq!(signatures(&tool_loop(vec![]), &budgets()).0, [None, None]);
    assert_eq!(signatures(&tool_loop(vec![signature(Some(origin()))]), &budgets()).0[0], Some("SIG".into()));
}

#[test]
fn nothing_is_added_beside_a_real_signature() {
    let mut request = tool_loop(vec![]);
    request.turns[1].parts[1].content = call("c2", "", vec![signature(Some(origin()))]);
    assert_eq!(signatures(&request, &levels()).0, [None, Some("SIG".to_owned())]);
}

#[test]
fn thoughts_of_this_model_go_back_and_others_do_not() {
    let thoughts = |origin| Content::Reasoning {
        text: "Hm.".into(),
        summary: Vec::new(),
        opaque: vec![signature(origin)],
    };
    let mut request = tool_loop(vec![]);
    let part = |content| Part::new(At { turn: 1, part: Some(7) }, content);
    request.turns[1].parts.insert(0, part(thoughts(Some(origin()))));
    assert_eq!(signatures(&request, &levels()).0, [None, Some("SIG".to_owned()), None]);
    assert_eq!(body(&request, &levels())["contents"][1]["parts"][0], json!({"text": "Hm.", "thought": true}));
    request.turns[1].parts[0] = part(thoughts(None));
    let (found, said) = signatures(&request, &levels());
    assert_eq!(found, [Some(NO_SIGNATURE.to_owned()), None]);
    assert_eq!(said, ["reasoning_state_dropped;messages[1].content[7]"]);
    let without_calls = super::tests::request(vec![
        (Role::User, vec![text("a")]),
        (Role::Assistant, vec![thoughts(Some(origin())), text("b")]),
        (Role::User, vec![text("c")]),
    ]);
    assert_eq!(signatures(&without_calls, &levels()).0, [None, Some("SIG".to_owned())]);
}

#[test]
fn media_are_inline_or_where_gemini_reads_itself() {
    let base64 = |media_type: &str| Source::Base64 { media_type: media_type.into(), data: "AAAA".into() };
    let image = |source| Content::Image { source, detail: None };
    let document = |source| Content::Document { source, name: Some("n".into()) };
    let contents = vec![
        image(base64("image/jpg")),
        Content::Image { source: base64("image/png"), detail: Some("low".into()) },
        image(Source::Url("gs://b/cat.webp".into())),
        image(Source::File("files/abc".into())),
        document(base64("application/pdf")),
        document(Source::Text("plain".into())),
        Content::Audio { source: base64(""), format: "mp3".into() },
    ];
    let expected = json!([
        {"inlineData": {"mimeType": "image/jpeg", "data": "AAAA"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "gs://b/cat.webp"}},
        {"fileData": {"fileUri": "files/abc"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        {"text": "plain"},
        {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}},
    ]);
    let all = request(vec![(Role::User, contents)]);
    assert_eq!(body(&all, &levels())["contents"][0]["parts"], expected);
    assert_eq!(encoded(&all, &budgets()).unwrap().2, ["parameter_dropped;messages[0].content[1].detail"]);
    for bad in [
        image(base64("image/gif")),
        image(Source::Url("https://example.com/cat.png".into())),
        image(Source::File("file-abc".into())),
        document(Source::Url("https://example.com/a.pdf".into())),
    ] {
        assert_eq!(refused(&request(vec![(Role::User, vec![bad])]), &levels()), "messages[0].content[0]");
    }
    let blind = Profile { images: false, ..levels() };
    assert_eq!(refused(&all, &blind), "messages[0].content[0]");
}

#[test]
fn images_in_results_go_within_or_beside() {
    let png = || Content::Image {
        source: Source::Base64 { media_type: "image/png".into(), data: "AAAA".into() },
        detail: None,
    };
    let request = request(vec![
        (Role::User, vec![text("Go")]),
        (Role::Assistant, vec![call("c1", "{}", vec![])]),
        (Role::User, vec![answer("c1", vec![text("seen"), png()], false)]),
    ]);
    let inline = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let parts = &body(&request, &levels())["contents"][2]["parts"];
    assert_eq!(parts[0]["functionResponse"]["parts"], json!([inline]));
    let (body, _, said) = encoded(&request, &budgets()).unwrap();
    let parts = &body["contents"][2]["parts"];
    assert_eq!(parts[0]["functionResponse"]["response"], json!({"output": "seen"}));
    assert_eq!((&parts[1]["text"], &parts[2]), (&"Attachment of tool call c1:".into(), &inline));
    assert_eq!(said, ["tool_media_moved;messages[2].content[0]"]);
}

#[test]
fn tools_keep_their_schema_and_illegal_names_come_back() {
    let mut request = hello();
    request.tools = vec![function("get weather", None), function("b", None)];
    let ToolKind::Function { schema, .. } = &mut request.tools[1].kind else { panic!() };
    *schema = None;
    let custom = ToolKind::Custom { name: "shell".into(), description: Some("Runs".into()), format: None };
    request.tools.push(Tool { at: 2, cache: None, kind: custom });
    request.tool_choice = Some(ToolChoice::Named("get weather".into()));
    let (body, encoded, said) = encoded(&request, &levels()).unwrap();
    let declared = &body["tools"][0]["functionDeclarations"];
    let there = declared[0]["name"].as_str().unwrap();
    assert!(there.starts_with("get_weather_"));
    assert_eq!(encoded.renamed, [(there.to_owned(), "get weather".to_owned())]);
    assert_eq!(encoded.wrapped, [("shell".to_owned(), Wrapped::Custom)]);
    let ToolKind::Function { schema: Some(schema), .. } = &request.tools[0].kind else { panic!() };
    assert_eq!(declared[0]["parametersJsonSchema"].to_string(), schema.to_string());
    assert_eq!(declared[1], json!({"name": "b"}));
    assert_eq!(declared[2]["parametersJsonSchema"]["required"], json!(["input"]));
    let mode = json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [there]}});
    assert_eq!((&body["toolConfig"], said.len()), (&mode, 0));
}

#[test]
fn tool_choices_become_modes() {
    let choose = |choice: Option<ToolChoice>, strict: Option<bool>| {
        let mut request = hello();
        request.tools = vec![function("a", strict), function("b", None)];
        request.tool_choice = choice;
        body(&request, &levels())["toolConfig"]["functionCallingConfig"].clone()
    };
    let names = || vec!["a".to_owned()];
    assert_eq!(choose(None, None), Value::Null);
    assert_eq!(choose(None, Some(true)), json!({"mode": "VALIDATED"}));
    assert_eq!(choose(Some(ToolChoice::Auto), Some(false)), json!({"mode": "AUTO"}));
    assert_eq!(choose(Some(ToolChoice::None), Some(true)), json!({"mode": "NONE"}));
    assert_eq!(choose(Some(ToolChoice::Required), None), json!({"mode": "ANY"}));
    let allowed = |required| Some(ToolChoice::Allowed { required, names: names() });
    assert_eq!(choose(allowed(true), None), json!({"mode": "ANY", "allowedFunctionNames": ["a"]}));
    assert_eq!(choose(allowed(false), None), json!({"mode": "VALIDATED", "allowedFunctionNames": ["a"]}));
}

#[test]
fn a_model_that_cannot_be_forced_is_asked() {
    let mut request = hello();
    request.tools = vec![function("a", Some(true))];
    request.tool_choice = Some(ToolChoice::Named("a".into()));
    let profile = Profile { forced_tools: false, strict_tools: false, ..levels() };
    let (body, _, said) = encoded(&request, &profile).unwrap();
    assert_eq!(body["toolConfig"]["functionCallingConfig"], json!({"mode": "AUTO"}));
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], "You must call the tool `a`.");
    assert_eq!(said, ["parameter_dropped;tools[0].strict", "tool_choice_degraded;tool_choice"]);
}

#[test]
fn tools_that_cannot_be_offered() {
    let hosted = |name: &str| Tool {
        at: 3,
        cache: None,
        kind: ToolKind::Hosted { name: name.into(), raw: json!({}), origin: Dialect::OpenaiResponses },
    };
    let mut request = hello();
    request.tools = vec![hosted("web_search")];
    let (body, _, said) = encoded(&request, &levels()).unwrap();
    assert_eq!((&body["tools"], said), (&Value::Null, vec!["hosted_tool_dropped;tools[3]".to_owned()]));
    request.tool_choice = Some(ToolChoice::Required);
    assert_eq!(refused(&request, &levels()), "tool_choice");
    request.tools = vec![hosted("code_interpreter")];
    assert_eq!(refused(&request, &levels()), "tools[3]");
    request.tools = vec![function("a", None)];
    request.tool_choice = Some(ToolChoice::Named("b".into()));
    assert_eq!(refused(&request, &levels()), "tool_choice");
    request.tools.clear();
    assert_eq!(refused(&request, &levels()), "tool_choice");
    request.tools = vec![function("a", None)];
    request.tool_choice = None;
    assert_eq!(refused(&request, &Profile { tools: false, ..levels() }), "tools");
    request.parallel_tools = Some(false);
    assert_eq!(encoded(&request, &levels()).unwrap().2, ["parameter_dropped;parallel_tool_calls"]);
}

#[test]
fn sampling_and_limits() {
    let mut request = hello();
    request.max_tokens = Some(77);
    request.stop = vec!["END".into()];
    request.sampling.temperature = Number::from_f64(1.5);
    request.sampling.top_p = Number::from_f64(0.5);
    request.sampling.top_k = Some(40);
    request.sampling.seed = Some(7);
    request.sampling.presence_penalty = Number::from_f64(-1.0);
    request.sampling.n = Some(1);
    request.service_tier = Some("flex".into());
    let expected = json!({
        "maxOutputTokens": 77, "temperature": 1.5, "topP": 0.5, "topK": 40, "seed": 7, "presencePenalty": -1.0,
        "stopSequences": ["END"],
    });
    let sent = body(&request, &levels());
    assert_eq!((&sent["generationConfig"], &sent["serviceTier"]), (&expected, &"flex".into()));
    request.sampling.seed = Some(1 << 40);
    request.sampling.logit_bias = Some(json!({}));
    request.verbosity = Some("low".into());
    request.service_tier = Some("scale".into());
    request.rest.insert("foo".into(), json!(1));
    let said = encoded(&request, &Profile { sampling: false, ..levels() }).unwrap().2;
    let dropped = [
        "seed",
        "temperature",
        "top_p",
        "top_k",
        "presence_penalty",
        "logit_bias",
        "verbosity",
        "service_tier",
    ];
    let mut expected: Vec<String> =
        dropped.iter().map(|field| format!("parameter_dropped;{field}")).collect();
    expected.push("unknown_field_dropped;foo".into());
    assert_eq!(said, expected);
}

#[test]
fn what_cannot_be_carried_is_refused_by_name() {
    let with = |change: fn(&mut Request)| {
        let mut request = hello();
        change(&mut request);
        refused(&request, &levels())
    };
    assert_eq!(with(|r| r.sampling.n = Some(2)), "n");
    assert_eq!(with(|r| r.sampling.logprobs = true), "logprobs");
    assert_eq!(with(|r| r.state.previous_id = Some("resp_1".into())), "previous_response_id");
    assert_eq!(with(|r| r.state.conversation = Some("conv_1".into())), "conversation");
    assert_eq!(with(|r| r.stop = vec!["x".into(); 6]), "stop");
}

#[test]
fn json_output_and_its_limits() {
    let schema = json!({"type": "object", "properties": {"b": {"type": "integer"}, "a": {}}});
    let output = |strict| Output::JsonSchema {
        name: Some("n".into()),
        description: Some("what for".into()),
        schema: schema.clone(),
        strict,
    };
    let mut request = hello();
    request.output = Output::JsonObject;
    assert_eq!(
        body(&request, &budgets())["generationConfig"],
        json!({"responseMimeType": "application/json"})
    );
    request.output = output(Some(true));
    let config = &body(&request, &budgets())["generationConfig"];
    assert_eq!(config["responseMimeType"], "application/json");
    assert_eq!(config["responseJsonSchema"]["description"], "what for");
    assert_eq!(config["responseJsonSchema"]["properties"].to_string(), schema["properties"].to_string());

    request.tools = vec![function("a", None)];
    assert!(body(&request, &levels())["generationConfig"]["responseJsonSchema"].is_object());
    assert_eq!(refused(&request, &budgets()), "response_format");
    request.output = output(None);
    let (sent, _, said) = encoded(&request, &budgets()).unwrap();
    assert_eq!(
        (&sent["generationConfig"], said),
        (&Value::Null, vec!["json_schema_emulated;response_format".into()])
    );
    let sentence = sent["systemInstruction"]["parts"][0]["text"].as_str().unwrap();
    assert!(sentence.contains(&schema.to_string()), "{sentence}");
    request.output = Output::JsonObject;
    assert_eq!(encoded(&request, &budgets()).unwrap().2, ["json_object_emulated;response_format"]);
    request.tool_choice = Some(ToolChoice::None);
    let sent = body(&request, &budgets());
    assert_eq!((&sent["tools"], &sent["toolConfig"]), (&Value::Null, &Value::Null));
    assert_eq!(sent["generationConfig"]["responseMimeType"], "application/json");
}

#[test]
fn reasoning_is_a_level_or_a_budget() {
    type Asked = (Option<Effort>, Option<u64>, Option<bool>, Option<Show>);
    let thinking = |(effort, budget, enabled, show): Asked, max: Option<u64>, profile: &Profile| {
        let mut request = hello();
        request.reasoning = crate::canonical::Reasoning { effort, budget, enabled, show };
        request.max_tokens = max;
        body(&request, profile)["generationConfig"]["thinkingConfig"].clone()
    };
    let effort = |effort| (Some(effort), None, None, None);
    let level = |word: &str| json!({ "thinkingLevel": word });
    assert_eq!(thinking((None, None, None, None), None, &levels()), Value::Null);
    assert_eq!(thinking(effort(Effort::None), None, &levels()), level("MINIMAL"));
    assert_eq!(thinking(effort(Effort::Max), None, &levels()), level("HIGH"));
    assert_eq!(thinking((None, Some(9000), Some(true), None), None, &levels()), level("MEDIUM"));
    assert_eq!(thinking((None, None, Some(false), None), None, &levels()), level("MINIMAL"));
    let shown = json!({"thinkingLevel": "LOW", "includeThoughts": true});
    assert_eq!(thinking((Some(Effort::Low), None, None, Some(Show::Summary)), None, &levels()), shown);

    let budget = |tokens: i64| json!({ "thinkingBudget": tokens });
    assert_eq!(thinking(effort(Effort::None), None, &budgets()), budget(128));
    assert_eq!(thinking(effort(Effort::Minimal), None, &budgets()), budget(512));
    assert_eq!(thinking(effort(Effort::Max), None, &budgets()), budget(32_768));
    assert_eq!(thinking((None, Some(1 << 40), None, None), None, &budgets()), budget(32_768));
    assert_eq!(thinking((None, None, Some(true), None), None, &budgets()), budget(-1));
    assert_eq!(thinking(effort(Effort::High), Some(2000), &budgets()), budget(1000));
    let off = ReasoningControl::Budget { min: 1, max: 24_576, can_disable: true };
    let flash = Profile { reasoning: off, ..Profile::default() };
    assert_eq!(thinking((None, None, Some(false), None), None, &flash), budget(0));

    let unknown = Profile::default();
    assert_eq!(thinking(effort(Effort::Xhigh), None, &unknown), level("HIGH"));
    assert_eq!(thinking((None, Some(300), None, None), None, &unknown), budget(300));
    let mut request = hello();
    request.reasoning.effort = Some(Effort::High);
    let none = Profile { reasoning: ReasoningControl::None, ..Profile::default() };
    assert_eq!(encoded(&request, &none).unwrap().2, ["parameter_dropped;reasoning_effort"]);
}

#[test]
fn fields_are_named_in_the_callers_dialect() {
    let mut request = hello();
    request.dialect = Dialect::AnthropicMessages;
    request.stop = vec!["x".into(); 6];
    assert_eq!(refused(&request, &levels()), "stop_sequences");
    request.stop.clear();
    request.dialect = Dialect::OpenaiResponses;
    request.sampling.logprobs = true;
    assert_eq!(refused(&request, &levels()), "top_logprobs");
}
