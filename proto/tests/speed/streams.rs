//! Long streams of every provider, one event for each packet, as they come where nothing is held up.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use proto::canonical::{Carrier, Origin};
use proto::catalogue;
use proto::config::ProviderKind;
use proto::dialect::Dialect;
use proto::dialect::codec::Target;
use proto::dialect::exchange::{Ask, Exchange};
use proto::secret::Secret;
use serde_json::{Value, json};

pub(crate) const CALLERS: [Dialect; 3] =
    [Dialect::OpenaiChat, Dialect::OpenaiResponses, Dialect::AnthropicMessages];

pub(crate) const PROVIDERS: [Dialect; 5] = [
    Dialect::OpenaiChat,
    Dialect::OpenaiResponses,
    Dialect::AnthropicMessages,
    Dialect::Gemini,
    Dialect::BedrockConverse,
];

/// A piece of text as models send it.
const PIECE: &str = " quite \"usual\"";

pub(crate) fn exchange(caller: Dialect, provider: Dialect) -> Exchange {
    let body = match caller {
        Dialect::OpenaiResponses => json!({"model": "m", "stream": true, "input": "Hi"}),
        _ => json!({
            "model": "m", "stream": true, "max_tokens": 9000,
            "messages": [{"role": "user", "content": "Hi"}],
        }),
    };
    let body = Bytes::from(body.to_string());
    let (kind, model) = match provider {
        Dialect::OpenaiResponses => (ProviderKind::Openai, "gpt-5.6-sol"),
        Dialect::AnthropicMessages => (ProviderKind::Anthropic, "claude-sonnet-4-5"),
        Dialect::Gemini => (ProviderKind::Gemini, "gemini-3.8-flash"),
        Dialect::BedrockConverse => (ProviderKind::Bedrock, "amazon.nova-pro-v1:0"),
        Dialect::OpenaiChat | Dialect::OpenaiEmbeddings => (ProviderKind::OpenaiCompatible, "local"),
    };
    let origin = Origin { provider: "there".into(), model: model.into() };
    let profile = catalogue::profile(kind, model);
    let ask = Ask {
        dialect: caller,
        body: &body,
        model: "m",
        stream: true,
        include_usage: true,
        strict: false,
        forget: false,
        anthropic: (None, None),
        request: "req_01890a5d1f2c7000800000000000beef".parse().unwrap(),
        price: None,
        input_estimate: 1,
        carrier: &Carrier::new(&Secret::new([7; 32])),
    };
    let target = Target { kind, origin: &origin, profile: &profile };
    Exchange::prepare(&ask, &target, provider, &mut None).unwrap()
}

/// The packets of a stream with so many pieces of text.
pub(crate) fn stream(provider: Dialect, pieces: usize) -> Vec<Vec<u8>> {
    match provider {
        Dialect::OpenaiResponses => responses(pieces),
        Dialect::AnthropicMessages => messages(pieces),
        Dialect::Gemini => gemini(pieces),
        Dialect::BedrockConverse => bedrock(pieces),
        Dialect::OpenaiChat | Dialect::OpenaiEmbeddings => chat(pieces),
    }
}

fn data(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

fn named(value: &Value) -> Vec<u8> {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap()).into_bytes()
}

fn chat(pieces: usize) -> Vec<Vec<u8>> {
    let chunk = |delta: Value, finish: Value| {
        data(&json!({
            "id": "chatcmpl-A1b2C3d4E5f6G7h8", "object": "chat.completion.chunk", "created": 1_790_000_000,
            "model": "gpt-5.4-mini-2026-03-01", "service_tier": "default", "system_fingerprint": "fp_44709d6fcb",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
            "usage": null, "obfuscation": "k3Jd81",
        }))
    };
    let mut out = vec![chunk(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null)];
    out.extend((0..pieces).map(|_| chunk(json!({"content": PIECE}), Value::Null)));
    out.push(chunk(json!({}), json!("stop")));
    let usage = json!({"prompt_tokens": 9, "completion_tokens": pieces, "total_tokens": pieces + 9});
    out.push(data(&json!({"id": "chatcmpl-A1b2C3d4E5f6G7h8", "choices": [], "usage": usage})));
    out.push(b"data: [DONE]\n\n".to_vec());
    out
}

fn responses(pieces: usize) -> Vec<Vec<u8>> {
    let response = |status: &str, output: Value, usage: Value| {
        json!({
            "id": "resp_1", "object": "response", "created_at": 1_790_000_000, "status": status, "error": null,
            "incomplete_details": null, "instructions": null, "model": "gpt-5.6-sol", "output": output,
            "parallel_tool_calls": true, "tools": [], "tool_choice": "auto", "temperature": 1.0, "top_p": 1.0,
            "metadata": {}, "usage": usage,
        })
    };
    let place = |kind: &str| json!({"type": kind, "item_id": "msg_1", "output_index": 0, "content_index": 0});
    let text = PIECE.repeat(pieces);
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let item = |status: &str, content: Value| json!({"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content});
    let with = |kind: &str, field: &str, value: Value| {
        let mut event = place(kind);
        event[field] = value;
        event
    };
    let mut events = vec![
        json!({"type": "response.created", "response": response("in_progress", json!([]), Value::Null)}),
        json!({"type": "response.in_progress", "response": response("in_progress", json!([]), Value::Null)}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", json!([]))}),
        with("response.content_part.added", "part", part("")),
    ];
    events.extend((0..pieces).map(|_| {
        let mut delta = with("response.output_text.delta", "delta", json!(PIECE));
        delta["logprobs"] = json!([]);
        delta["obfuscation"] = json!("k3Jd81");
        delta
    }));
    events.push(with("response.output_text.done", "text", json!(text)));
    events.push(with("response.content_part.done", "part", part(&text)));
    let whole = item("completed", json!([part(&text)]));
    events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": whole}));
    let usage = json!({"input_tokens": 9, "output_tokens": pieces, "total_tokens": pieces + 9});
    events.push(
        json!({"type": "response.completed", "response": response("completed", json!([whole]), usage)}),
    );
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = number.into();
    }
    events.iter().map(named).collect()
}

fn messages(pieces: usize) -> Vec<Vec<u8>> {
    let usage = json!({"input_tokens": 9, "output_tokens": 1});
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    let block = json!({"type": "text", "text": ""});
    let delta =
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": PIECE}});
    let end = json!({"stop_reason": "end_turn", "stop_sequence": null});
    let mut out = vec![
        named(&json!({"type": "message_start", "message": message})),
        named(&json!({"type": "content_block_start", "index": 0, "content_block": block})),
    ];
    out.extend((0..pieces).map(|_| named(&delta)));
    out.push(named(&json!({"type": "content_block_stop", "index": 0})));
    out.push(named(&json!({"type": "message_delta", "delta": end, "usage": {"output_tokens": pieces}})));
    out.push(named(&json!({"type": "message_stop"})));
    out
}

fn gemini(pieces: usize) -> Vec<Vec<u8>> {
    let chunk = |n: usize, finish: Option<&str>| {
        let parts = json!([{"text": PIECE}]);
        let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
        if let Some(finish) = finish {
            candidate["finishReason"] = finish.into();
        }
        let text = json!([{"modality": "TEXT", "tokenCount": 9}]);
        let usage = json!({
            "promptTokenCount": 9, "candidatesTokenCount": n, "totalTokenCount": n + 9, "promptTokensDetails": text,
        });
        data(&json!({
            "candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3.8-flash",
            "responseId": "kDgeabX9Mv6gjMcPr6zb4Q4",
        }))
    };
    (1..=pieces).map(|n| chunk(n, (n == pieces).then_some("STOP"))).collect()
}

fn bedrock(pieces: usize) -> Vec<Vec<u8>> {
    let frame = |kind: &'static str, payload: Value| {
        let header =
            |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
        let message = Message::new(payload.to_string().into_bytes())
            .add_header(header(":event-type", kind))
            .add_header(header(":content-type", "application/json"))
            .add_header(header(":message-type", "event"));
        let mut out = Vec::new();
        write_message_to(&message, &mut out).unwrap();
        out
    };
    let delta = json!({"contentBlockIndex": 0, "delta": {"text": PIECE}, "p": "abcdefghijkl"});
    let mut out = vec![frame("messageStart", json!({"role": "assistant", "p": "abc"}))];
    out.extend((0..pieces).map(|_| frame("contentBlockDelta", delta.clone())));
    out.push(frame("contentBlockStop", json!({"contentBlockIndex": 0})));
    out.push(frame("messageStop", json!({"stopReason": "end_turn"})));
    let usage = json!({"inputTokens": 9, "outputTokens": pieces, "totalTokens": pieces + 9});
    out.push(frame("metadata", json!({"usage": usage, "metrics": {"latencyMs": 900}})));
    out
}
