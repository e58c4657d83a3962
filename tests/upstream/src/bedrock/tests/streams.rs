//! Streams against whole answers.

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use bytes::BytesMut;
use serde_json::{Value, json};

use super::{base, tools};
use crate::bedrock::{answer, stream};
use crate::fake::Kind;
use crate::fake::asked::Said;
use crate::fake::script::Script;
use crate::fake::tale::Tale;
use crate::fake::test::{SCRIPTS, ctx, route};

/// The frames of a stream: their kind and payload. Check sums are verified on the way.
fn frames(mut bytes: BytesMut) -> Vec<(String, Value)> {
    let mut decoder = MessageFrameDecoder::new();
    let mut frames = Vec::new();
    while let DecodedFrame::Complete(message) = decoder.decode_frame(&mut bytes).unwrap() {
        let header = |name: &str| {
            let found = message.headers().iter().find(|header| header.name().as_str() == name);
            found.map(|header| header.value().as_string().unwrap().as_str().to_owned())
        };
        let kind = header(":event-type").or(header(":exception-type")).unwrap();
        frames.push((kind, serde_json::from_slice(message.payload()).unwrap()));
    }
    assert!(bytes.is_empty());
    frames
}

#[test]
fn streams_say_what_whole_answers_say() {
    for words in SCRIPTS {
        let path = format!("/model/us.anthropic.claude-sonnet-5--{words}/converse-stream");
        let body = json!({"messages": base()["messages"], "toolConfig": tools(),
            "additionalModelRequestFields": {"thinking": {"type": "adaptive", "display": "summarized"}}});
        let asked = route(Kind::Bedrock, &path, &body).unwrap();
        let ctx = ctx(Kind::Bedrock);
        let tale = Tale::of(&asked, &Script::of(&asked.model, "").unwrap(), "bedrock", 0);
        let said = Said { asked: &asked, tale: &tale, seal: &ctx.seal };
        let whole = answer::whole(said);
        let bytes: BytesMut = stream::events(said).iter().flat_map(|e| e.bytes.to_vec()).collect();
        let (mut content, mut input): (Vec<Value>, String) = (Vec::new(), String::new());
        let all = frames(bytes);
        for (kind, payload) in &all {
            let i = usize::try_from(payload["contentBlockIndex"].as_u64().unwrap_or(0)).unwrap();
            match kind.as_str() {
                "contentBlockStart" => {
                    content.push(payload["start"].clone());
                    content[i]["toolUse"]["input"] = json!({});
                }
                "contentBlockDelta" => {
                    let delta = &payload["delta"];
                    if content.len() == i {
                        let reasons = delta.get("reasoningContent");
                        content.push(match reasons {
                            Some(part) if part.get("redactedContent").is_some() => delta.clone(),
                            Some(_) => {
                                json!({"reasoningContent": {"reasoningText": {"text": "", "signature": ""}}})
                            }
                            None if delta.get("text").is_some() => json!({"text": ""}),
                            None => Value::Null,
                        });
                    }
                    for (from, to) in [
                        ("/text", "/text"),
                        ("/reasoningContent/text", "/reasoningContent/reasoningText/text"),
                        ("/reasoningContent/signature", "/reasoningContent/reasoningText/signature"),
                    ] {
                        if let Some(more) = delta.pointer(from).and_then(Value::as_str) {
                            let at = content[i].pointer_mut(to).unwrap();
                            *at = json!(at.as_str().unwrap().to_owned() + more);
                        }
                    }
                    input += delta.pointer("/toolUse/input").and_then(Value::as_str).unwrap_or_default();
                }
                "contentBlockStop" if !input.is_empty() => {
                    content[i]["toolUse"]["input"] =
                        serde_json::from_str(&std::mem::take(&mut input)).unwrap();
                }
                _ => {}
            }
        }
        assert_eq!(json!(content), whole["output"]["message"]["content"], "{words}");
        let (kind, stop) = &all[all.len() - 2];
        assert_eq!((kind.as_str(), &stop["stopReason"]), ("messageStop", &whole["stopReason"]));
        let (kind, metadata) = &all[all.len() - 1];
        assert_eq!((kind.as_str(), metadata.get("usage")), ("metadata", whole.get("usage")), "{words}");
    }
}
