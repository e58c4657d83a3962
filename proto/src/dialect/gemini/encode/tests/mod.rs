//! What canonical requests become: conversations here, options and arbitrary requests in files of their own.

mod options;
mod random;

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
    assert_eq!(encoded(&all, &budgets()).unwrap().2, ["image_detail_dropped;messages[0].content[1]"]);
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
    assert_eq!(said, ["tool_result_media_moved;messages[2].content[0]"]);
}
