//! Order, numbers and opaque data of the streams that callers get.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::canonical::{CallKind, Carrier, FinishReason, Opaque, OpaqueKind, Origin, Request};
use crate::dialect::Dialect;
use crate::id::RequestId;
use crate::secret::Secret;

fn reply() -> Reply {
    Reply {
        request: RequestId::new(),
        asked: Arc::new(Request::new(Dialect::AnthropicMessages, "alias")),
        include_usage: false,
        created: 0,
        carrier: Carrier::new(&Secret::new([3; 32])),
        origin: Origin { provider: "p".into(), model: "m".into() },
        price: None,
        input_estimate: 42,
    }
}

fn written(events: Vec<Event>) -> Vec<Value> {
    let mut encoder = encoder(reply());
    let mut out = BytesMut::new();
    events.into_iter().for_each(|event| encoder.event(event, &mut out));
    encoder.end(&mut out);
    let text = String::from_utf8(out.to_vec()).unwrap();
    text.split_terminator("\n\n")
        .map(|block| {
            let (name, data) = block.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
            data
        })
        .collect()
}

fn start() -> Event {
    Event::Start { id: "chatcmpl-1".into(), model: "gpt".into(), created: None }
}

fn call(i: u32) -> Event {
    let item = Item::ToolCall { id: format!("call_{i}"), name: "f".into(), kind: CallKind::Function };
    Event::ItemStart { i, item }
}

fn item(i: u32, item: Item) -> Event {
    Event::ItemStart { i, item }
}

fn text(i: u32, text: &str) -> Event {
    Event::Delta { i, delta: Delta::Text(text.into()) }
}

fn arguments(i: u32, piece: &str) -> Event {
    Event::Delta { i, delta: Delta::Arguments(piece.into()) }
}

/// Blocks as `index type pieces`.
fn blocks(events: &[Value]) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    for event in events {
        let index = &event["index"];
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                blocks.push(format!("{index} {}", event["content_block"]["type"].as_str().unwrap()));
            }
            "content_block_delta" => {
                let delta = &event["delta"];
                let piece = ["text", "thinking", "partial_json", "signature"]
                    .iter()
                    .find_map(|key| delta[*key].as_str());
                let last = blocks.last_mut().unwrap();
                assert!(last.starts_with(&index.to_string()));
                last.push_str(&format!(" {}", piece.unwrap_or("?")));
            }
            _ => {}
        }
    }
    blocks
}

#[test]
fn a_stream_begins_and_ends_as_the_dialect_says() {
    let usage = Reported {
        input_tokens: Some(10),
        cached_input_tokens: Some(4),
        output_tokens: Some(7),
        ..Reported::default()
    };
    let events = written(vec![
        start(),
        item(0, Item::Text),
        text(0, "Hi"),
        Event::ItemEnd { i: 0 },
        Event::Finish(Finish::new(FinishReason::Length)),
        Event::Usage(usage),
    ]);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    let message = &events[0]["message"];
    assert!(message["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!(
        (&message["model"], &message["content"], &message["usage"]["input_tokens"]),
        (&json!("alias"), &json!([]), &json!(42))
    );
    assert_eq!(events[4]["delta"]["stop_reason"], "max_tokens");
    let usage = &events[4]["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["cache_read_input_tokens"], &usage["output_tokens"]),
        (&json!(6), &json!(4), &json!(7))
    );
}

#[test]
fn numbers_that_come_first_are_in_the_start() {
    let early = Reported { input_tokens: Some(10), ..Reported::default() };
    let events = written(vec![start(), Event::Usage(early), item(0, Item::Text), text(0, "abcde")]);
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], 10);
    // Output that nobody counted is estimated.
    assert_eq!(events[4]["usage"]["output_tokens"], 2);
}

#[test]
fn interleaved_calls_come_one_after_the_other() {
    let events = written(vec![
        start(),
        item(0, Item::Text),
        text(0, "look"),
        call(1),
        arguments(1, "{\"a\""),
        call(2),
        arguments(2, "{"),
        arguments(1, ":1}"),
        item(3, Item::Text),
        text(3, "so"),
        arguments(2, "}"),
        Event::ItemEnd { i: 2 },
        Event::ItemEnd { i: 1 },
        text(3, "!"),
        Event::ItemEnd { i: 3 },
        Event::ItemEnd { i: 0 },
        Event::Finish(Finish::new(FinishReason::Stop)),
    ]);
    assert_eq!(blocks(&events), ["0 text look", "1 tool_use {\"a\" :1}", "2 tool_use {}", "3 text so !"]);
    let delta = &events[events.len() - 2]["delta"];
    assert_eq!(delta["stop_reason"], "tool_use");
}

#[test]
fn what_comes_late_is_a_block_of_its_own() {
    let events = written(vec![
        start(),
        item(0, Item::Text),
        text(0, "a"),
        call(1),
        text(0, "b"),
        Event::ItemEnd { i: 1 },
        text(0, "c"),
        Event::ItemEnd { i: 0 },
    ]);
    assert_eq!(blocks(&events), ["0 text a", "1 tool_use", "2 text b c"]);
    // What never ends is closed by the end.
    let events =
        written(vec![start(), call(0), call(1), arguments(1, "{}"), item(2, Item::Text), text(2, "x")]);
    assert_eq!(blocks(&events), ["0 tool_use", "1 tool_use {}", "2 text x"]);
    let stops = events.iter().filter(|event| event["type"] == "content_block_stop").count();
    assert_eq!(stops, 3);
}

#[test]
fn thoughts_carry_what_their_provider_wants_back() {
    let opaque = |i, kind| {
        let opaque = Opaque { origin: None, kind, data: "Eo".into() };
        Event::Meta { i, meta: Meta::Opaque(opaque) }
    };
    let thought = |i, text: &str| Event::Delta { i, delta: Delta::Reasoning(text.into()) };
    let end = |i| Event::ItemEnd { i };
    let summary = |part, text: &str| Event::Delta { i: 2, delta: Delta::Summary { part, text: text.into() } };
    let events = written(vec![
        start(),
        item(0, Item::Reasoning),
        opaque(0, OpaqueKind::Signature),
        thought(0, "hm"),
        end(0),
        item(1, Item::Reasoning),
        opaque(1, OpaqueKind::Redacted),
        end(1),
        item(2, Item::Reasoning),
        summary(0, "a"),
        summary(0, "b"),
        summary(1, "c"),
        opaque(2, OpaqueKind::Encrypted),
        end(2),
        item(3, Item::Reasoning),
        end(3),
        call(4),
        opaque(4, OpaqueKind::ThoughtSignature),
        end(4),
    ]);
    let blocks = blocks(&events);
    assert!(blocks[0].starts_with("0 thinking hm fb1."), "{}", blocks[0]);
    assert_eq!(blocks[1], "1 redacted_thinking");
    assert!(blocks[2].starts_with("2 thinking a b \n\n c fb1."), "{}", blocks[2]);
    assert_eq!(
        (blocks[3].as_str(), blocks[4].as_str(), blocks.len()),
        ("3 tool_use", "4 redacted_thinking", 5)
    );
    let redacted =
        events.iter().rfind(|event| event["content_block"]["type"] == "redacted_thinking").unwrap();
    let token = redacted["content_block"]["data"].as_str().unwrap();
    assert_eq!(reply().carrier.unwrap(token).unwrap().kind, OpaqueKind::ThoughtSignature);
}

#[test]
fn refusals_and_custom_calls() {
    let custom = Item::ToolCall { id: String::new(), name: "p".into(), kind: CallKind::Custom };
    let events = written(vec![
        start(),
        item(0, custom),
        arguments(0, "a\n"),
        arguments(0, "b"),
        Event::ItemEnd { i: 0 },
    ]);
    assert_eq!(blocks(&events), [r#"0 tool_use {"input":"a\nb"}"#]);
    assert!(events[1]["content_block"]["id"].as_str().unwrap().starts_with("toolu_"));
    let events = written(vec![
        start(),
        item(0, Item::Refusal),
        text(0, "No."),
        Event::ItemEnd { i: 0 },
        Event::Finish(Finish::new(FinishReason::Stop)),
    ]);
    assert_eq!(events[4]["delta"]["stop_reason"], "refusal");
    assert_eq!(written(vec![]).len(), 3);
}

#[test]
fn too_much_that_waits_is_an_error() {
    let mut encoder = encoder(reply());
    let mut out = BytesMut::new();
    encoder.event(call(0), &mut out);
    encoder.event(call(1), &mut out);
    let piece = "x".repeat(1 << 20);
    for _ in 0..40 {
        encoder.event(arguments(1, &piece), &mut out);
    }
    encoder.end(&mut out);
    let text = String::from_utf8_lossy(&out);
    assert!(text.contains("event: error") && !text.contains("message_stop"));
}
