//! One item on its way: the block it is, and what is written after it.

use bytes::BytesMut;
use serde_json::{Value, json};

use super::Step;
use super::frames::{self, Piece};
use crate::canonical::{CallKind, Delta, Item, Meta, OpaqueKind};
use crate::dialect::anthropic_messages::answer::{call_id, is_block, mark};
use crate::dialect::anthropic_messages::cite;
use crate::dialect::codec::Reply;

/// What a block is.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    Reasoning,
    /// `held`: the text of a custom tool, which is one argument here.
    Call {
        custom: bool,
        held: String,
    },
    Hosted,
}

/// The item whose turn it is.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) i: u32,
    pub(super) kind: Kind,
    /// The block's index, once it has begun.
    at: Option<u64>,
    /// The paragraph of a summary that was written last.
    paragraph: Option<u32>,
    signature: Option<String>,
    /// Opaque data that follow in blocks of their own.
    after: Vec<String>,
}

impl Current {
    /// Begins; only a tool call and a hosted block are on the wire at once.
    pub(super) fn open(i: u32, item: Item, index: &mut u64, reply: &Reply, out: &mut BytesMut) -> Self {
        let kind = match &item {
            Item::Text | Item::Refusal => Kind::Text,
            Item::Reasoning => Kind::Reasoning,
            Item::ToolCall { kind, .. } => {
                Kind::Call { custom: *kind == CallKind::Custom, held: String::new() }
            }
            Item::Hosted { .. } => Kind::Hosted,
        };
        let mut current = Self { i, kind, at: None, paragraph: None, signature: None, after: Vec::new() };
        match item {
            Item::ToolCall { id, name, .. } => {
                let id = call_id(id, u64::from(i), reply);
                let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
                current.begin(&block, index, out);
            }
            Item::Hosted { raw } if is_block(&raw) => current.begin(&raw, index, out),
            Item::Text | Item::Refusal | Item::Reasoning | Item::Hosted { .. } => {}
        }
        current
    }

    /// Whether it must be complete before another block begins.
    pub(super) fn is_call(&self) -> bool {
        matches!(self.kind, Kind::Call { .. })
    }

    fn begin(&mut self, block: &Value, index: &mut u64, out: &mut BytesMut) {
        frames::block_start(*index, block, out);
        self.at = Some(*index);
        *index += 1;
    }

    /// The block's index; begins it if it has not.
    fn at(&mut self, index: &mut u64, out: &mut BytesMut) -> u64 {
        if let Some(at) = self.at {
            return at;
        }
        let block = match self.kind {
            Kind::Reasoning => json!({ "type": "thinking", "thinking": "", "signature": "" }),
            Kind::Text | Kind::Call { .. } | Kind::Hosted => json!({ "type": "text", "text": "" }),
        };
        let at = *index;
        self.begin(&block, index, out);
        at
    }

    /// Takes in one step of its item.
    pub(super) fn take(&mut self, step: Step, index: &mut u64, reply: &Reply, out: &mut BytesMut) {
        match step {
            Step::Delta(delta) => self.grow(&delta, index, out),
            Step::Meta(Meta::Citation(ours)) => {
                if let (Kind::Text, Some(citation)) = (&self.kind, cite::encoded(&ours)) {
                    let at = self.at(index, out);
                    frames::delta(at, &Piece::CitationsDelta { citation: &citation }, out);
                }
            }
            Step::Meta(Meta::Opaque(opaque)) => match self.kind {
                Kind::Reasoning if opaque.kind != OpaqueKind::Redacted && self.signature.is_none() => {
                    self.signature = Some(mark(&opaque, reply));
                }
                Kind::Reasoning => self.after.push(mark(&opaque, reply)),
                Kind::Text | Kind::Call { .. } | Kind::Hosted => {
                    self.after.push(reply.carrier.wrap(&opaque, &reply.origin));
                }
            },
        }
    }

    fn grow(&mut self, delta: &Delta, index: &mut u64, out: &mut BytesMut) {
        match (&mut self.kind, delta) {
            (Kind::Text, Delta::Text(text)) if !text.is_empty() => {
                let at = self.at(index, out);
                frames::delta(at, &Piece::TextDelta { text }, out);
            }
            (Kind::Reasoning, Delta::Reasoning(text)) if !text.is_empty() => {
                let at = self.at(index, out);
                frames::delta(at, &Piece::ThinkingDelta { thinking: text }, out);
            }
            (Kind::Reasoning, Delta::Summary { part, text }) if !text.is_empty() => {
                let fresh = self.at.is_some() && self.paragraph != Some(*part);
                self.paragraph = Some(*part);
                let at = self.at(index, out);
                if fresh {
                    frames::delta(at, &Piece::ThinkingDelta { thinking: "\n\n" }, out);
                }
                frames::delta(at, &Piece::ThinkingDelta { thinking: text }, out);
            }
            (Kind::Call { custom: true, held }, Delta::Arguments(text)) => held.push_str(text),
            (Kind::Call { custom: false, .. }, Delta::Arguments(text)) if !text.is_empty() => {
                let at = self.at(index, out);
                frames::delta(at, &Piece::InputJsonDelta { partial_json: text }, out);
            }
            _ => {}
        }
    }

    /// Ends the block and writes what follows it.
    pub(super) fn close(mut self, index: &mut u64, out: &mut BytesMut) {
        if let Kind::Call { custom: true, held } = &mut self.kind {
            let input = json!({ "input": std::mem::take(held) }).to_string();
            let at = self.at(index, out);
            frames::delta(at, &Piece::InputJsonDelta { partial_json: &input }, out);
        }
        if let Some(signature) = self.signature.take() {
            let at = self.at(index, out);
            frames::delta(at, &Piece::SignatureDelta { signature: &signature }, out);
        }
        if let Some(at) = self.at {
            frames::block_stop(at, out);
        }
        for data in self.after {
            frames::block_start(*index, &json!({ "type": "redacted_thinking", "data": data }), out);
            frames::block_stop(*index, out);
            *index += 1;
        }
    }
}
