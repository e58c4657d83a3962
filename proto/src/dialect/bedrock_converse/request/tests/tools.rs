//! Tools, calls, and answers that are calls.

use super::*;

#[test]
fn tool_results_stand_first_behind_their_calls() {
    let mut request = base();
    request.tools = vec![function(0, "f")];
    let picture = Source::Base64 { media_type: "image/png".into(), data: "iVBO".into() };
    request.turns.push(turn(Role::Assistant, 1, [text("Both."), call("a b", ""), call("c2", "[1]")]));
    request.turns.push(turn(Role::User, 2, [text("And?"), result("a b", [text("{\"t\":1}")], false)]));
    let image = Content::Image { source: picture, detail: Some("low".into()) };
    request.turns.push(turn(Role::User, 3, [result("c2", [text("bad"), image], true)]));
    let (body, warnings) = encode(&request, CLAUDE);
    let id = names::call_id("a b");
    let assistant = json!([
        { "text": "Both." },
        { "toolUse": { "toolUseId": id, "name": "f", "input": {} } },
        { "toolUse": { "toolUseId": "c2", "name": "f", "input": { "_raw": "[1]" } } },
    ]);
    let user = json!([
        { "toolResult": { "toolUseId": id, "content": [{ "text": "{\"t\":1}" }] } },
        { "toolResult": { "toolUseId": "c2", "content": [
            { "text": "bad" }, { "image": { "format": "png", "source": { "bytes": "iVBO" } } }], "status": "error" } },
        { "text": "And?" },
    ]);
    assert_eq!(body["messages"][1]["content"], assistant);
    assert_eq!(body["messages"][2], json!({ "role": "user", "content": user }));
    assert_eq!(warnings, ["arguments_not_json messages[1].content[2]", "image_detail_dropped messages[0]"]);
}

#[test]
fn arguments_keep_their_order_and_customs_are_wrapped() {
    let mut request = base();
    let custom = Content::ToolCall {
        id: "c".into(),
        name: "sh".into(),
        kind: CallKind::Custom,
        arguments: "ls -l".into(),
        opaque: Vec::new(),
    };
    request.turns.push(turn(Role::Assistant, 1, [call("a", r#"{"z":1,"a":{"y":2,"b":3}}"#), custom]));
    request.turns.push(turn(Role::User, 2, [result("a", [], false), result("c", [text("x")], false)]));
    let format = Some(json!({ "type": "grammar" }));
    let kind = ToolKind::Custom { name: "sh".into(), description: Some("Runs.".into()), format };
    request.tools = vec![Tool { at: 0, cache: None, kind }];
    let (body, warnings, encoded) = encode_with(&request, CLAUDE, &profile()).unwrap();
    let content = &body["messages"][1]["content"];
    assert_eq!(content[0]["toolUse"]["input"].to_string(), r#"{"z":1,"a":{"y":2,"b":3}}"#);
    assert_eq!(content[1]["toolUse"]["input"], json!({ "input": "ls -l" }));
    assert_eq!(
        body["messages"][2]["content"][0]["toolResult"]["content"],
        json!([{ "text": "(no output)" }])
    );
    let spec = &body["toolConfig"]["tools"][0]["toolSpec"];
    assert_eq!(spec["inputSchema"]["json"]["required"], json!(["input"]));
    assert!(spec["description"].as_str().unwrap().contains("grammar"));
    assert_eq!(encoded.wrapped, [("sh".to_owned(), Wrapped::Custom)]);
    assert_eq!(warnings, ["custom_tool_format_described tools[0]"]);
}

#[test]
fn calls_and_results_have_to_belong_together() {
    let mut request = base();
    request.turns.push(turn(Role::Assistant, 1, [call("a", "{}")]));
    request.turns.push(turn(Role::User, 2, [text("never mind")]));
    assert_eq!(refusal(&request, &profile()), "messages[1].content[0]");
    let mut request = base();
    request.turns.push(turn(Role::User, 1, [result("a", [text("x")], false)]));
    assert_eq!(refusal(&request, &profile()), "messages[1].content[0]");
}

#[test]
fn tools_are_there_once_the_history_has_calls() {
    let mut request = base();
    request.turns.push(turn(Role::Assistant, 1, [call("a", "{}")]));
    request.turns.push(turn(Role::User, 2, [result("a", [text("x")], false)]));
    let (body, warnings) = encode(&request, CLAUDE);
    let schema = json!({ "type": "object", "properties": {} });
    let tool = json!({ "toolSpec": { "name": "f", "inputSchema": { "json": schema } } });
    assert_eq!(body["toolConfig"], json!({ "tools": [tool] }));
    assert_eq!(body["system"], json!([{ "text": "Do not call any tool." }]));
    assert_eq!(warnings, ["tool_choice_degraded tools"]);
    request.tools = vec![function(0, "f")];
    request.tool_choice = Some(ToolChoice::None);
    let (body, warnings) = encode(&request, CLAUDE);
    assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(
        (warnings, body["toolConfig"].get("toolChoice")),
        (vec!["tool_choice_degraded tool_choice".to_owned()], None)
    );
    request.turns.truncate(1);
    let (body, warnings) = encode(&request, CLAUDE);
    assert_eq!((body.get("toolConfig"), warnings.len()), (None, 0));
}

#[test]
fn tool_choices_are_said_or_degraded() {
    let mut request = base();
    request.tools = vec![function(0, "f"), function(1, "ns.g")];
    let choose = |choice: ToolChoice, profile: &Profile| {
        let request = Request { tool_choice: Some(choice), ..request.clone() };
        let (body, warnings, _) = encode_with(&request, CLAUDE, profile).unwrap();
        (body["toolConfig"]["toolChoice"].clone(), body["system"].clone(), warnings)
    };
    let able = profile();
    let unable = Profile { forced_tools: false, ..profile() };
    let none: Vec<String> = Vec::new();
    assert_eq!(choose(ToolChoice::Auto, &able), (json!(null), json!(null), none.clone()));
    assert_eq!(choose(ToolChoice::Required, &able), (json!({ "any": {} }), json!(null), none.clone()));
    let named = choose(ToolChoice::Named("ns.g".into()), &able).0;
    assert!(named["tool"]["name"].as_str().unwrap().starts_with("ns_g_"));
    let degraded = vec!["tool_choice_degraded tool_choice".to_owned()];
    let filtered = vec!["tools_filtered tool_choice".to_owned()];
    let sentence = json!([{ "text": "You must call the tool `f`." }]);
    assert_eq!(choose(ToolChoice::Named("f".into()), &unable), (json!(null), sentence, degraded));
    let some = ToolChoice::Allowed { required: true, names: vec!["f".into()] };
    assert_eq!(choose(some.clone(), &able), (json!({ "any": {} }), json!(null), filtered));
    let narrowed = Request { tool_choice: Some(some), ..request.clone() };
    let (body, _, encoded) = encode_with(&narrowed, CLAUDE, &able).unwrap();
    assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 1);
    assert!(encoded.renamed.is_empty());
    let (_, _, encoded) = encode_with(&request, CLAUDE, &able).unwrap();
    assert_eq!(encoded.renamed[0].1, "ns.g");
    request.tool_choice = Some(ToolChoice::Named("h".into()));
    assert_eq!(refusal(&request, &able), "tool_choice");
    request.tools.clear();
    request.tool_choice = Some(ToolChoice::Required);
    assert_eq!(refusal(&request, &able), "tool_choice");
}

#[test]
fn one_call_at_a_time_is_claudes_and_stands_alone() {
    let mut request = base();
    request.tools = vec![function(0, "f")];
    request.parallel_tools = Some(false);
    let (body, warnings) = encode(&request, CLAUDE);
    let switch = json!({ "tool_choice": { "type": "auto", "disable_parallel_tool_use": true } });
    assert_eq!((&body["additionalModelRequestFields"], warnings.len()), (&switch, 0));
    let dropped = ["parameter_dropped parallel_tool_calls"];
    assert_eq!(encode(&request, NOVA).1, dropped);
    request.tool_choice = Some(ToolChoice::Required);
    let (body, warnings) = encode(&request, CLAUDE);
    assert_eq!(
        (body.get("additionalModelRequestFields"), warnings.as_slice()),
        (None, &dropped.map(String::from)[..])
    );
}

#[test]
fn strict_tools_and_hosted_ones() {
    let mut request = base();
    let kind = ToolKind::Function {
        name: "f".into(),
        description: None,
        schema: Some(json!({})),
        strict: Some(true),
    };
    request.tools = vec![Tool { at: 0, cache: None, kind }];
    let (body, _) = encode(&request, CLAUDE);
    let schema = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    let spec = json!({ "name": "f", "inputSchema": { "json": schema }, "strict": true });
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"], spec);
    let lax = Profile { strict_tools: false, ..profile() };
    let (body, warnings, _) = encode_with(&request, CLAUDE, &lax).unwrap();
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"].get("strict"), None);
    assert_eq!(warnings, ["strict_dropped tools[0]"]);
    assert_eq!(refusal(&request, &Profile { tools: false, ..profile() }), "tools");
    let hosted =
        |name: &str| ToolKind::Hosted { name: name.into(), raw: json!({}), origin: Dialect::OpenaiResponses };
    request.tools.push(Tool { at: 4, cache: None, kind: hosted("web_search") });
    let (body, warnings) = encode(&request, CLAUDE);
    assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(warnings, ["hosted_tool_dropped tools[4]"]);
    request.tools[1].kind = hosted("code_interpreter");
    assert_eq!(refusal(&request, &profile()), "tools[4]");
}

#[test]
fn schemas_are_held_called_or_asked_for() {
    let mut request = base();
    let schema = json!({ "type": "object", "properties": { "b": {}, "a": {} } });
    request.output = Output::JsonSchema {
        name: Some("person".into()),
        description: None,
        schema: schema.clone(),
        strict: Some(true),
    };
    let (body, warnings) = encode(&request, CLAUDE);
    let closed =
        json!({ "type": "object", "properties": { "b": {}, "a": {} }, "additionalProperties": false });
    let held = json!({ "schema": closed.to_string(), "name": "person" });
    let expected = json!({ "textFormat": { "type": "json_schema", "structure": { "jsonSchema": held } } });
    assert_eq!((&body["outputConfig"], warnings.len()), (&expected, 0));

    let lax = Profile { json_schema: false, ..profile() };
    let (body, warnings, encoded) = encode_with(&request, NOVA, &lax).unwrap();
    assert_eq!(body["toolConfig"]["toolChoice"], json!({ "tool": { "name": "respond" } }));
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"], schema);
    assert_eq!((encoded.wrapped, warnings.len()), (vec![("respond".to_owned(), Wrapped::Answer)], 0));

    request.tools = vec![function(0, "respond")];
    let (body, _, encoded) = encode_with(&request, NOVA, &lax).unwrap();
    assert_eq!(body["toolConfig"]["toolChoice"], json!({ "any": {} }));
    assert_eq!(encoded.wrapped, [("respond_".to_owned(), Wrapped::Answer)]);
    request.tool_choice = Some(ToolChoice::Named("respond".into()));
    let (_, _, encoded) = encode_with(&request, NOVA, &lax).unwrap();
    assert!(encoded.wrapped.is_empty(), "the answer is a call");

    request.tools.clear();
    request.tool_choice = None;
    let unable = Profile { forced_tools: false, ..lax };
    let (body, warnings, _) = encode_with(&request, NOVA, &unable).unwrap();
    assert_eq!(warnings, ["json_schema_emulated response_format"]);
    assert!(body["system"][0]["text"].as_str().unwrap().ends_with(&schema.to_string()));
    request.output = Output::JsonObject;
    request.dialect = Dialect::OpenaiResponses;
    let (body, warnings) = encode(&request, CLAUDE);
    assert_eq!(warnings, ["json_object_emulated text.format"]);
    assert_eq!(body["system"][0]["text"], "Respond with one JSON object and nothing else.");
}
