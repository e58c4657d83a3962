//! What depends on the model: the form of the answer, thinking, sampling.

use super::*;

#[test]
fn the_form_of_the_answer() {
    let mut request = hello();
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    request.output = Output::JsonSchema {
        name: Some("x".into()),
        description: None,
        schema: schema.clone(),
        strict: Some(true),
    };
    let (body, _) = body_of(&request, &Profile::default());
    assert_eq!(body["output_config"]["format"]["type"], "json_schema");
    assert_eq!(body["output_config"]["format"]["schema"]["additionalProperties"], false);
    let old = Profile { json_schema: false, ..Profile::default() };
    let encoded_ = encoded(&request, &old).0.unwrap();
    let body: Value = serde_json::from_slice(&encoded_.body).unwrap();
    assert_eq!((&body["tools"][0]["name"], &body["tools"][0]["input_schema"]), (&json!("respond"), &schema));
    assert_eq!(body["tool_choice"]["name"], "respond");
    assert_eq!(encoded_.wrapped, [("respond".to_owned(), Wrapped::Answer)]);
    // With tools of the caller's own, or where nothing can be forced, it is asked for in words.
    let unforced = Profile { forced_tools: false, ..old.clone() };
    let (body, warnings) = body_of(&request, &unforced);
    assert!(body.get("tools").is_none() && warned(&warnings, "json_schema_emulated", "response_format"));
    request.tools.push(function(0, "look"));
    assert!(body_of(&request, &old).0["system"][0]["text"].as_str().unwrap().contains("JSON Schema"));
    request.output = Output::JsonObject;
    assert!(warned(&body_of(&request, &old).1, "json_object_emulated", "response_format"));
}

#[test]
fn thinking_in_the_models_terms() {
    let with = |effort: Option<Effort>, budget: Option<u64>, enabled: Option<bool>| {
        let mut request = hello();
        request.reasoning.effort = effort;
        request.reasoning.budget = budget;
        request.reasoning.enabled = enabled;
        request
    };
    let thinking = |request: &Request, profile: &Profile| {
        let (body, _) = body_of(request, profile);
        (body["thinking"].clone(), body["output_config"]["effort"].clone())
    };
    let (nil, high) = (Value::Null, json!("high"));
    let on = json!({"type": "adaptive"});
    assert_eq!(
        thinking(&with(Some(Effort::High), None, None), &adaptive(true, false)),
        (on.clone(), high.clone())
    );
    assert_eq!(thinking(&with(Some(Effort::Minimal), None, None), &adaptive(true, false)).1, "low");
    assert_eq!(thinking(&with(Some(Effort::Xhigh), None, None), &adaptive(true, false)), (on.clone(), high));
    assert_eq!(
        thinking(&with(None, Some(8000), Some(true)), &adaptive(true, false)),
        (on.clone(), json!("medium"))
    );
    assert_eq!(
        thinking(&with(Some(Effort::None), None, None), &adaptive(true, true)),
        (json!({"type": "disabled"}), nil.clone())
    );
    assert_eq!(
        thinking(&with(Some(Effort::None), None, None), &adaptive(true, false)),
        (nil.clone(), nil.clone())
    );
    let always = adaptive(false, true);
    assert_eq!(thinking(&with(None, None, Some(false)), &always), (nil.clone(), json!("low")));
    assert!(warned(
        &body_of(&with(None, None, Some(false)), &always).1,
        "reasoning_not_disabled",
        "reasoning_effort"
    ));
    let enabled = |n: u64| json!({"type": "enabled", "budget_tokens": n});
    assert_eq!(thinking(&with(Some(Effort::Medium), None, None), &budget()), (enabled(8192), nil.clone()));
    assert_eq!(thinking(&with(Some(Effort::Max), None, None), &budget()), (enabled(8000), nil.clone()));
    assert_eq!(thinking(&with(None, Some(5000), Some(true)), &budget()), (enabled(5000), nil.clone()));
    let mut tight = with(Some(Effort::High), None, None);
    tight.max_tokens = Some(1000);
    assert_eq!(thinking(&tight, &budget()), (nil.clone(), nil.clone()));
    let mute = Profile { reasoning: ReasoningControl::None, ..Profile::default() };
    assert!(warned(
        &body_of(&with(Some(Effort::Low), None, None), &mute).1,
        "parameter_dropped",
        "reasoning_effort"
    ));
    assert_eq!(thinking(&with(Some(Effort::Low), None, None), &Profile::default()), (on, json!("low")));
    let mut shown = with(Some(Effort::Low), None, None);
    shown.reasoning.show = Some(Show::Summary);
    assert_eq!(thinking(&shown, &adaptive(true, true)).0["display"], "summarized");
}

#[test]
fn thinking_by_budget_has_its_conditions() {
    let mut request = chat(vec![
        (Role::User, vec![text("a")]),
        (Role::Assistant, vec![call("c", "{}")]),
        (Role::User, vec![result("c", "x")]),
    ]);
    request.reasoning.effort = Some(Effort::High);
    let (body, warnings) = body_of(&request, &budget());
    assert!(
        body.get("thinking").is_none() && warned(&warnings, "reasoning_state_dropped", "reasoning_effort")
    );
    let mut request = hello();
    request.reasoning.effort = Some(Effort::Low);
    request.sampling.temperature = serde_json::Number::from_f64(0.5);
    request.tools.push(function(0, "look"));
    request.tool_choice = Some(ToolChoice::Required);
    let (body, warnings) = body_of(&request, &budget());
    assert!(body.get("temperature").is_none() && body["tool_choice"]["type"] == "auto");
    assert!(
        warned(&warnings, "parameter_dropped", "temperature")
            && warned(&warnings, "tool_choice_degraded", "tool_choice")
    );
}

#[test]
fn sampling_and_other_numbers() {
    let mut request = hello();
    request.sampling.temperature = serde_json::Number::from_f64(1.7);
    request.sampling.seed = Some(7);
    request.sampling.top_p = serde_json::Number::from_f64(0.9);
    request.stop = vec!["END".into(), "\n".into()];
    request.end_user = Some("u1".into());
    request.service_tier = Some("default".into());
    request.rest.insert("store_it".into(), true.into());
    request.verbosity = Some("low".into());
    let (result, warnings) = encoded(&request, &Profile::default());
    let encoded_ = result.unwrap();
    let body: Value = serde_json::from_slice(&encoded_.body).unwrap();
    assert_eq!((&body["temperature"], body.get("top_p")), (&json!(1), None));
    assert_eq!((&body["stop_sequences"], &body["metadata"]), (&json!(["END"]), &json!({"user_id": "u1"})));
    assert_eq!(body["service_tier"], "standard_only");
    assert_eq!(encoded_.headers[0].1, "2023-06-01");
    for (code, field) in [
        ("temperature_clamped", "temperature"),
        ("parameter_dropped", "top_p"),
        ("parameter_dropped", "seed"),
        ("parameter_dropped", "verbosity"),
        ("parameter_dropped", "stop"),
        ("unknown_field_dropped", "store_it"),
    ] {
        assert!(warned(&warnings, code, field), "{code} {field}: {warnings:?}");
    }
    let (body, warnings) = body_of(&request, &adaptive(true, false));
    assert!(body.get("temperature").is_none() && warned(&warnings, "parameter_dropped", "temperature"));
}
