//! A whole response to a caller's body.
//!
//! | item | blocks |
//! |---|---|
//! | text, refusal | `text`, unless empty |
//! | reasoning | `thinking` with its signature, then a `redacted_thinking` for all else that is opaque |
//! | tool call | `tool_use`, then a `redacted_thinking` for what the provider wants back with it |
//! | hosted | as it stood, if it is a block of this dialect |

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::cite;
use super::stop::{self, Ending};
use super::usage::Usage;
use crate::canonical::{CallKind, Folded, Item, Meta, Opaque, OpaqueKind, Response};
use crate::dialect::codec::Reply;
use crate::usage::{Estimate, estimate_tokens};

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Value>,
    #[serde(flatten)]
    ending: Ending,
    usage: Usage,
}

/// The answer as a Messages client reads it. Its model is named as the caller named it.
pub fn encode_response(response: &Response, reply: Reply) -> Bytes {
    let mut content = Vec::with_capacity(response.items.len());
    let mut chars = 0;
    for (n, item) in response.items.iter().enumerate() {
        chars +=
            item.text.chars().count() + item.summary.iter().map(|text| text.chars().count()).sum::<usize>();
        blocks(item, n as u64, &reply, &mut content);
    }
    let is = |wanted: fn(&Item) -> bool| response.items.iter().any(|item| wanted(&item.item));
    let called = is(|item| matches!(item, Item::ToolCall { .. }));
    let refused = is(|item| matches!(item, Item::Refusal));
    let estimate =
        Estimate { input_tokens: reply.input_estimate, output_tokens: estimate_tokens(chars as u64) };
    let message = Message {
        id: message_id(&response.id, &reply),
        kind: "message",
        role: "assistant",
        model: &reply.asked.model,
        content,
        ending: stop::ending(response.finish.as_ref(), called, refused),
        usage: Usage::new(response.usage.as_ref(), estimate),
    };
    // Strings, numbers and JSON values always serialise.
    Bytes::from(serde_json::to_vec(&message).unwrap_or_default())
}

/// The provider's id where it is one of this dialect, else one made of ours.
pub(super) fn message_id(theirs: &str, reply: &Reply) -> String {
    if theirs.starts_with("msg_") {
        theirs.to_owned()
    } else {
        format!("msg_{:032x}", reply.request.as_u128())
    }
}

/// A call's id; one is made up for the `n`th item where there is none.
pub(super) fn call_id(theirs: String, n: u64, reply: &Reply) -> String {
    if theirs.is_empty() { format!("toolu_{:032x}_{n}", reply.request.as_u128()) } else { theirs }
}

/// What stands for opaque data in a reasoning block: a token of ours, since only a token says whose the data is when
/// it comes back, perhaps to another provider.
pub(super) fn mark(opaque: &Opaque, reply: &Reply) -> String {
    reply.carrier.wrap(opaque, &reply.origin)
}

/// Whether a hosted item is a block of this dialect.
pub(super) fn is_block(raw: &Value) -> bool {
    raw["type"].as_str().is_some_and(|word| {
        word.ends_with("_tool_result")
            || matches!(
                word,
                "server_tool_use" | "container_upload" | "compaction" | "mcp_tool_use" | "fallback"
            )
    })
}

/// Arguments as the object that this dialect wants.
fn input(arguments: &str, kind: CallKind) -> Value {
    if kind == CallKind::Custom {
        return json!({ "input": arguments });
    }
    match serde_json::from_str(arguments) {
        Ok(Value::Object(map)) => Value::Object(map),
        _ if arguments.trim().is_empty() => Value::Object(Map::new()),
        _ => json!({ "_raw": arguments }),
    }
}

fn redacted(data: String) -> Value {
    json!({ "type": "redacted_thinking", "data": data })
}

fn blocks(folded: &Folded, n: u64, reply: &Reply, content: &mut Vec<Value>) {
    let opaques = folded.metas.iter().filter_map(|meta| match meta {
        Meta::Opaque(opaque) => Some(opaque),
        Meta::Citation(_) => None,
    });
    match &folded.item {
        Item::Text | Item::Refusal => {
            if !folded.text.is_empty() {
                let citations: Vec<Value> = folded
                    .metas
                    .iter()
                    .filter_map(|meta| match meta {
                        Meta::Citation(ours) => cite::encoded(ours),
                        Meta::Opaque(_) => None,
                    })
                    .collect();
                let mut block = json!({ "type": "text", "text": folded.text });
                if !citations.is_empty() {
                    block["citations"] = citations.into();
                }
                content.push(block);
            }
            content.extend(opaques.map(|opaque| redacted(reply.carrier.wrap(opaque, &reply.origin))));
        }
        Item::Reasoning => {
            let mut text = folded.text.clone();
            let shown = folded.summary.iter().filter(|part| !part.is_empty());
            for part in shown {
                text.push_str(if text.is_empty() { "" } else { "\n\n" });
                text.push_str(part);
            }
            let (mut signature, mut rest) = (None, Vec::new());
            for opaque in opaques {
                if opaque.kind != OpaqueKind::Redacted && signature.is_none() {
                    signature = Some(mark(opaque, reply));
                } else {
                    rest.push(redacted(mark(opaque, reply)));
                }
            }
            if !text.is_empty() || signature.is_some() {
                let signature = signature.unwrap_or_default();
                content.push(json!({ "type": "thinking", "thinking": text, "signature": signature }));
            }
            content.append(&mut rest);
        }
        Item::ToolCall { id, name, kind } => {
            let id = call_id(id.clone(), n, reply);
            let input = input(&folded.text, *kind);
            content.push(json!({ "type": "tool_use", "id": id, "name": name, "input": input }));
            content.extend(opaques.map(|opaque| redacted(reply.carrier.wrap(opaque, &reply.origin))));
        }
        Item::Hosted { raw } if is_block(raw) => content.push(raw.clone()),
        Item::Hosted { .. } => {}
    }
}
