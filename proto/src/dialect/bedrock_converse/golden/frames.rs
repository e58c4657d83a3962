//! Streams made of whole answers, in the provider's framing: what the service would have sent for them.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use serde_json::{Value, json};

/// A frame with these headers.
pub(in super::super) fn frame(headers: &[(&'static str, &str)], payload: &str) -> Vec<u8> {
    let mut message = Message::new(payload.to_owned().into_bytes());
    for (name, value) in headers {
        message = message.add_header(Header::new(*name, HeaderValue::String((*value).to_owned().into())));
    }
    let mut out = Vec::new();
    write_message_to(&message, &mut out).unwrap();
    out
}

/// An event's frame, with the padding that the service adds.
pub(in super::super) fn event(kind: &str, mut payload: Value) -> Vec<u8> {
    payload["p"] = json!("abcdefghijkl");
    let headers = [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, &payload.to_string())
}

/// An exception's frame.
pub(in super::super) fn exception(kind: &str, payload: &Value) -> Vec<u8> {
    let headers =
        [(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")];
    frame(&headers, &payload.to_string())
}

/// The whole stream of an answer.
pub(in super::super) fn stream(answer: &Value) -> Vec<u8> {
    let mut out = event("messageStart", json!({ "role": "assistant" }));
    for (n, block) in answer["output"]["message"]["content"].as_array().unwrap().iter().enumerate() {
        blocks(n, block, &mut out);
        out.extend(event("contentBlockStop", json!({ "contentBlockIndex": n })));
    }
    let mut stop = json!({ "stopReason": answer["stopReason"] });
    if let Some(fields) = answer.get("additionalModelResponseFields") {
        stop["additionalModelResponseFields"] = fields.clone();
    }
    out.extend(event("messageStop", stop));
    let mut metadata = json!({ "metrics": { "latencyMs": 900 } });
    for key in ["usage", "serviceTier"] {
        if let Some(value) = answer.get(key) {
            metadata[key] = value.clone();
        }
    }
    out.extend(event("metadata", metadata));
    out
}

fn blocks(n: usize, block: &Value, out: &mut Vec<u8>) {
    let mut delta = |delta: Value| {
        out.extend(event("contentBlockDelta", json!({ "contentBlockIndex": n, "delta": delta })))
    };
    if let Some(text) = block["text"].as_str() {
        pieces(text).for_each(|piece| delta(json!({ "text": piece })));
    } else if let Some(call) = block.get("toolUse") {
        let hosted = call["type"] == "server_tool_use";
        let start = match hosted {
            true => json!({ "toolUse": call }),
            false => json!({ "toolUse": { "toolUseId": call["toolUseId"], "name": call["name"] } }),
        };
        out.extend(event("contentBlockStart", json!({ "contentBlockIndex": n, "start": start })));
        if !hosted && call["input"] != json!({}) {
            let input = call["input"].to_string();
            pieces(&input).for_each(|piece| {
                let delta = json!({ "toolUse": { "input": piece } });
                out.extend(event("contentBlockDelta", json!({ "contentBlockIndex": n, "delta": delta })));
            });
        }
    } else if let Some(thought) = block.get("reasoningContent") {
        if let Some(shown) = thought.get("reasoningText") {
            pieces(shown["text"].as_str().unwrap())
                .for_each(|piece| delta(json!({ "reasoningContent": { "text": piece } })));
            if let Some(signature) = shown.get("signature") {
                delta(json!({ "reasoningContent": { "signature": signature } }));
            }
        } else {
            delta(json!({ "reasoningContent": thought }));
        }
    } else if let Some(cited) = block.get("citationsContent") {
        for text in cited["content"].as_array().unwrap() {
            pieces(text["text"].as_str().unwrap()).for_each(|piece| delta(json!({ "text": piece })));
        }
        for citation in cited["citations"].as_array().unwrap() {
            delta(json!({ "citation": citation }));
        }
    } else {
        out.extend(event("contentBlockStart", json!({ "contentBlockIndex": n, "start": block })));
    }
}

/// A text in pieces of a few characters.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(7).map(|piece| piece.iter().collect()).collect::<Vec<String>>().into_iter()
}
