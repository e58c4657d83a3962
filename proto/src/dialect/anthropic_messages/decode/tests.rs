//! Where every member of a request goes, and what is said of one that is wrong.

use serde_json::json;

use super::*;
use crate::canonical::{Content, Opaque, OpaqueKind, Origin, Source, ToolChoice, ToolKind};
use crate::secret::Secret;

fn carrier() -> Carrier {
    Carrier::new(&Secret::new([9; 32]))
}

fn read(more: Value) -> Result<Request, Fault> {
    let mut body = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    decode_request(body.to_string().as_bytes(), &carrier())
}

fn contents(role: &str, blocks: Value) -> Vec<Content> {
    let request = read(json!({"messages": [{"role": role, "content": blocks}]})).unwrap();
    request.turns[0].parts.iter().map(|part| part.content.clone()).collect()
}

#[test]
fn parameters_find_their_places() {
    let request = read(json!({
        "stream": true, "temperature": 0.5, "top_k": 3, "stop_sequences": ["a"], "system": "s", "metadata": {"user_id": "u", "x": 1},
        "service_tier": "standard_only", "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
        "output_config": {"effort": "high", "task_budget": {"x": 1}}, "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "container": "c", "top_p": null}))
    .unwrap();
    assert!(request.stream && request.sampling.top_p.is_none());
    assert_eq!((request.sampling.top_k, request.end_user.as_deref()), (Some(3), Some("u")));
    assert_eq!(request.service_tier.as_deref(), Some("default"));
    let reasoning = &request.reasoning;
    assert_eq!(
        (reasoning.effort, reasoning.budget, reasoning.show),
        (Some(Effort::High), Some(2000), Some(Show::None))
    );
    assert_eq!(request.cache.auto, Some(CacheMark { ttl: CacheTtl::Long }));
    let rest: Vec<&String> = request.rest.keys().collect();
    assert_eq!(rest, ["output_config", "container"]);
    assert_eq!(
        read(json!({"speed": "fast", "service_tier": "auto"})).unwrap().service_tier.as_deref(),
        Some("fast")
    );
    assert!(read(json!({"thinking": {"type": "between_tools"}})).unwrap().rest.contains_key("thinking"));
    assert_eq!(read(json!({"thinking": {"type": "adaptive"}})).unwrap().reasoning.enabled, Some(true));
}

#[test]
fn tokens_of_ours_are_opened_and_others_kept() {
    let origin = Origin { provider: "p".into(), model: "m".into() };
    let token = |kind| carrier().wrap(&Opaque { origin: None, kind, data: "D".into() }, &origin);
    let encrypted = Opaque { origin: Some(origin.clone()), kind: OpaqueKind::Encrypted, data: "D".into() };
    let found = contents(
        "assistant",
        json!([
        {"type": "thinking", "thinking": "t", "signature": token(OpaqueKind::Encrypted)},
        {"type": "thinking", "thinking": "t", "signature": "Eo"},
        {"type": "thinking", "thinking": "t", "signature": "fb1.forged"},
        {"type": "redacted_thinking", "data": "R"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"b": 1, "a": 2}},
        {"type": "redacted_thinking", "data": token(OpaqueKind::ThoughtSignature)}]),
    );
    let opaque = |content: &Content| match content {
        Content::Reasoning { opaque, .. } | Content::ToolCall { opaque, .. } => opaque.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(opaque(&found[0]), [encrypted]);
    assert_eq!(opaque(&found[1]), [Opaque { origin: None, kind: OpaqueKind::Signature, data: "Eo".into() }]);
    assert_eq!(opaque(&found[2]), []);
    assert_eq!(opaque(&found[3])[0].kind, OpaqueKind::Redacted);
    // What a call's provider wants back with it stands behind it.
    assert_eq!((found.len(), opaque(&found[4])[0].kind), (5, OpaqueKind::ThoughtSignature));
    let Content::ToolCall { arguments, .. } = &found[4] else { panic!("no call") };
    assert_eq!(arguments, r#"{"b":1,"a":2}"#);
}

#[test]
fn documents_of_every_source() {
    let found = contents(
        "user",
        json!([
        {"type": "document", "title": "T", "context": "C", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}},
        {"type": "document", "source": {"type": "content", "content": "s"}},
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
        {"type": "search_result", "source": "https://x.example", "title": "X", "content": [{"type": "text", "text": "y"}]},
        {"type": "container_upload", "file_id": "f"}]),
    );
    let text = |text: &str, name: Option<&str>| Content::Document {
        source: Source::Text(text.into()),
        name: name.map(str::to_owned),
    };
    assert!(matches!(&found[0], Content::Text { text, .. } if text == "C"));
    assert_eq!(found[1], text("d", Some("T")));
    assert_eq!(found[2], text("a\n\nb", None));
    assert_eq!(found[3], text("s", None));
    assert_eq!(found[4], Content::Document { source: Source::File("f".into()), name: None });
    assert_eq!(found[5], text("Source: https://x.example\n\ny", Some("X")));
    assert!(matches!(&found[6], Content::Hosted { .. }));
}

#[test]
fn tools_and_what_has_no_place() {
    let request = read(json!({
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "strict": true, "defer_loading": true, "cache_control": {"type": "ephemeral"}},
            {"type": "bash_20250124", "name": "bash"}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a", "odd": 1}]}, {"role": "system", "content": "now"}]}))
    .unwrap();
    assert!(matches!(&request.tools[0].kind, ToolKind::Function { strict: Some(true), .. }));
    assert!(request.tools[0].cache.is_some());
    assert!(matches!(&request.tools[1].kind, ToolKind::Hosted { name, .. } if name == "bash_20250124"));
    assert_eq!(
        (request.tool_choice, request.parallel_tools),
        (Some(ToolChoice::Named("f".into())), Some(false))
    );
    assert_eq!(request.turns[1].role, Role::System);
    let mut rest: Vec<&String> = request.rest.keys().collect();
    rest.sort();
    assert_eq!(rest, ["messages[0].content[0].odd", "tools[0].defer_loading"]);
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        (json!({"system": 1}), "system"),
        (json!({"system": [{"type": "image"}]}), "system[0]"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user", "content": 1}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": [{"text": "x"}]}]}), "messages[0].content[0].type"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
            "messages[0].content[0].text",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "x"}}]}]}),
            "messages[0].content[0].source.type",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": "x"}]}]}),
            "messages[0].content[0].input",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "2h"}}]}]}),
            "messages[0].content[0].cache_control.ttl",
        ),
        (json!({"messages": []}), "messages"),
        (json!({"tools": [{"input_schema": {}}]}), "tools[0].name"),
        (json!({"tool_choice": {"type": "some"}}), "tool_choice.type"),
        (json!({"thinking": {"type": "enabled"}}), "thinking.budget_tokens"),
        (json!({"output_config": {"effort": "huge"}}), "output_config.effort"),
        (json!({"output_config": {"format": {"type": "json_schema"}}}), "output_config.format.schema"),
        (json!({"stop_sequences": ["a", 1]}), "stop_sequences[1]"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"temperature": "hot"}), "temperature"),
    ];
    for (body, param) in cases {
        assert_eq!(read(body.clone()).unwrap_err().param.as_deref(), Some(param), "{body}");
    }
}
