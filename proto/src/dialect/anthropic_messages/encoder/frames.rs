//! The events of the wire.

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::Value;

use crate::dialect::anthropic_messages::answer::message_id;
use crate::dialect::anthropic_messages::stop::Ending;
use crate::dialect::anthropic_messages::usage::Usage;
use crate::dialect::codec::Reply;

#[derive(Serialize)]
struct Start<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: [(); 0],
    stop_reason: Option<()>,
    stop_sequence: Option<()>,
    stop_details: Option<()>,
    usage: Usage,
}

#[derive(Serialize)]
struct BlockStart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u64,
    content_block: &'a Value,
}

#[derive(Serialize)]
struct BlockDelta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u64,
    delta: &'a Piece<'a>,
}

#[derive(Serialize)]
struct BlockStop {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u64,
}

#[derive(Serialize)]
struct MessageDelta {
    #[serde(rename = "type")]
    kind: &'static str,
    delta: Ending,
    usage: Usage,
}

/// What a block grows by.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the names are the wire's")]
pub(super) enum Piece<'a> {
    TextDelta { text: &'a str },
    ThinkingDelta { thinking: &'a str },
    SignatureDelta { signature: &'a str },
    InputJsonDelta { partial_json: &'a str },
    CitationsDelta { citation: &'a Value },
}

pub(super) fn start(provider_id: &str, reply: &Reply, usage: Usage, out: &mut BytesMut) {
    let message = Message {
        id: message_id(provider_id, reply),
        kind: "message",
        role: "assistant",
        model: &reply.asked.model,
        content: [],
        stop_reason: None,
        stop_sequence: None,
        stop_details: None,
        usage,
    };
    put("message_start", &Start { kind: "message_start", message }, out);
}

pub(super) fn block_start(index: u64, block: &Value, out: &mut BytesMut) {
    let kind = "content_block_start";
    put(kind, &BlockStart { kind, index, content_block: block }, out);
}

pub(super) fn delta(index: u64, delta: &Piece<'_>, out: &mut BytesMut) {
    let kind = "content_block_delta";
    put(kind, &BlockDelta { kind, index, delta }, out);
}

pub(super) fn block_stop(index: u64, out: &mut BytesMut) {
    let kind = "content_block_stop";
    put(kind, &BlockStop { kind, index }, out);
}

pub(super) fn end(ending: Ending, usage: Usage, out: &mut BytesMut) {
    let kind = "message_delta";
    put(kind, &MessageDelta { kind, delta: ending, usage }, out);
    out.extend_from_slice(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

/// Too much waits for its turn: better an error than an answer with a hole in it.
pub(super) fn overflow(out: &mut BytesMut) {
    out.extend_from_slice(b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"The provider's answer interleaves more than can be held back.\"}}\n\n");
}

/// Writing to memory does not fail, and everything here serialises.
fn put(name: &str, data: &impl Serialize, out: &mut BytesMut) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let _written = serde_json::to_writer(out.writer(), data);
    out.extend_from_slice(b"\n\n");
}
