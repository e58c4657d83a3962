//! Tools, sampling, output and reasoning.

use super::*;

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
    assert_eq!(said, ["strict_dropped;tools[0]", "tool_choice_degraded;tool_choice"]);
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
    assert_eq!(with(|r| r.max_tokens = Some(0)), "max_completion_tokens");
    assert_eq!(with(|r| drop(r.rest.insert("audio".into(), json!({})))), "modalities");
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

type Asked = (Option<Effort>, Option<u64>, Option<bool>);

/// The configuration, and what was said about it.
fn thinking((effort, budget, enabled): Asked, max: Option<u64>, profile: &Profile) -> (Value, Vec<String>) {
    let mut request = hello();
    request.reasoning = crate::canonical::Reasoning { effort, budget, enabled, show: None };
    request.max_tokens = max;
    let (body, _, said) = encoded(&request, profile).unwrap();
    (body["generationConfig"]["thinkingConfig"].clone(), said)
}

fn effort(effort: Effort) -> Asked {
    (Some(effort), None, None)
}

fn said(code: &str) -> Vec<String> {
    vec![format!("{code};reasoning_effort")]
}

#[test]
fn reasoning_by_level() {
    let level = |word: &str| json!({ "thinkingLevel": word });
    assert_eq!(thinking((None, None, None), None, &levels()), (Value::Null, vec![]));
    assert_eq!(thinking((None, None, Some(true)), None, &levels()), (Value::Null, vec![]));
    assert_eq!(thinking(effort(Effort::Low), None, &levels()), (level("LOW"), vec![]));
    assert_eq!(
        thinking(effort(Effort::None), None, &levels()),
        (level("MINIMAL"), said("reasoning_not_disabled"))
    );
    assert_eq!(
        thinking((None, None, Some(false)), None, &levels()),
        (level("MINIMAL"), said("reasoning_not_disabled"))
    );
    assert_eq!(thinking(effort(Effort::Max), None, &levels()), (level("HIGH"), said("effort_changed")));
    assert_eq!(thinking((None, Some(9000), Some(true)), None, &levels()), (level("MEDIUM"), vec![]));
    let unknown = Profile::default();
    assert_eq!(thinking(effort(Effort::Xhigh), None, &unknown), (level("HIGH"), said("effort_changed")));
    assert_eq!(thinking(effort(Effort::None), None, &unknown), (level("MINIMAL"), vec![]));
    assert_eq!(thinking((None, Some(300), None), None, &unknown).0, json!({"thinkingBudget": 300}));
}

#[test]
fn reasoning_by_budget() {
    let budget = |tokens: i64| json!({ "thinkingBudget": tokens });
    assert_eq!(
        thinking(effort(Effort::None), None, &budgets()),
        (budget(128), said("reasoning_not_disabled"))
    );
    assert_eq!(thinking(effort(Effort::Minimal), None, &budgets()), (budget(512), vec![]));
    assert_eq!(thinking(effort(Effort::Max), None, &budgets()), (budget(32_768), vec![]));
    assert_eq!(
        thinking((None, Some(1 << 40), None), None, &budgets()),
        (budget(32_768), said("effort_changed"))
    );
    assert_eq!(thinking((None, Some(4000), Some(true)), None, &budgets()), (budget(4000), vec![]));
    assert_eq!(thinking((None, None, Some(true)), None, &budgets()), (budget(-1), vec![]));
    assert_eq!(thinking(effort(Effort::High), Some(2000), &budgets()), (budget(1000), vec![]));
    let off = ReasoningControl::Budget { min: 1, max: 24_576, can_disable: true };
    let flash = Profile { reasoning: off, ..Profile::default() };
    assert_eq!(thinking((None, None, Some(false)), None, &flash), (budget(0), vec![]));
    assert_eq!(thinking((None, Some(0), None), None, &flash), (budget(0), vec![]));
    let none = Profile { reasoning: ReasoningControl::None, ..Profile::default() };
    assert_eq!(thinking(effort(Effort::High), None, &none), (Value::Null, said("parameter_dropped")));
    assert_eq!(thinking(effort(Effort::None), None, &none), (Value::Null, vec![]));
}

#[test]
fn thoughts_are_shown_to_who_wants_them() {
    let mut request = hello();
    for (show, expected) in [
        (None, Value::Null),
        (Some(Show::None), Value::Null),
        (Some(Show::Summary), json!({"includeThoughts": true})),
        (Some(Show::Full), json!({"includeThoughts": true})),
    ] {
        request.reasoning.show = show;
        assert_eq!(body(&request, &levels())["generationConfig"]["thinkingConfig"], expected);
    }
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
