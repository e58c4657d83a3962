//! A whole answer.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::thought::Thought;
use super::{Came, annotation, explanation, extra_content, finish_word, id, image, is_legacy, model, usage};
use crate::canonical::{CallKind, Folded, Item, Meta, Opaque, Response};
use crate::dialect::codec::Reply;

/// Writes a whole answer.
pub fn encode_response(response: &Response, reply: &Reply) -> Bytes {
    let mut message = Message { legacy: is_legacy(reply), ..Message::default() };
    for (place, folded) in response.items.iter().enumerate() {
        message.item(u32::try_from(place).unwrap_or(u32::MAX), folded, reply);
    }
    let refused = response.finish.as_ref().and_then(explanation);
    let came =
        Came { calls: !message.calls.is_empty(), refusal: message.refusal.is_some(), legacy: message.legacy };
    let word = finish_word(response.finish.as_ref().map(|finish| finish.reason), came);
    if let (None, Some(words)) = (&message.refusal, refused) {
        message.refusal = Some(words.to_owned());
    }
    let chars = message.chars;
    let body = json!({
        "id": id(&response.id, reply),
        "object": "chat.completion",
        "created": response.created.unwrap_or(reply.created),
        "model": model(&response.model, reply),
        "choices": [{
            "index": 0,
            "message": message.written(),
            "logprobs": null,
            "finish_reason": word,
        }],
        "usage": usage::usage(response.usage.as_ref(), chars, reply),
    });
    Bytes::from(body.to_string())
}

#[derive(Default)]
struct Message {
    legacy: bool,
    content: Option<String>,
    refusal: Option<String>,
    reasoning: Vec<String>,
    details: Vec<Value>,
    index: u32,
    annotations: Vec<Value>,
    calls: Vec<Value>,
    images: Vec<Value>,
    chars: u64,
}

impl Message {
    fn item(&mut self, place: u32, folded: &Folded, reply: &Reply) {
        let summary = folded.summary.iter().map(|text| text.chars().count()).sum::<usize>();
        self.chars += (folded.text.chars().count() + summary) as u64;
        let opaque = || {
            folded.metas.iter().filter_map(|meta| match meta {
                Meta::Opaque(opaque) => Some(opaque.clone()),
                Meta::Citation(_) => None,
            })
        };
        match &folded.item {
            Item::Text => {
                self.content.get_or_insert_default().push_str(&folded.text);
                self.annotations.extend(folded.metas.iter().filter_map(|meta| match meta {
                    Meta::Citation(citation) => Some(annotation(citation)),
                    Meta::Opaque(_) => None,
                }));
            }
            Item::Refusal => self.refusal.get_or_insert_default().push_str(&folded.text),
            Item::Reasoning => {
                let mut thought = Thought::whole(folded.text.clone(), folded.summary.clone());
                thought.opaque = opaque().collect();
                self.reasoning.push(thought.shown());
                let details = thought.details(place, &mut self.index, reply);
                self.details.extend(details);
            }
            Item::ToolCall { id, name, kind } => {
                let opaque: Vec<Opaque> = opaque().collect();
                let mut call = match kind {
                    CallKind::Function => json!({"id": id, "type": "function",
                        "function": {"name": name, "arguments": folded.text}}),
                    CallKind::Custom => json!({"id": id, "type": "custom",
                        "custom": {"name": name, "input": folded.text}}),
                };
                if let Some(extra) = extra_content(&opaque, reply) {
                    call["extra_content"] = extra;
                }
                self.calls.push(call);
            }
            Item::Hosted { raw } => self.images.extend(image(raw)),
        }
    }

    fn written(mut self) -> Value {
        let mut message = Map::new();
        message.insert("role".into(), "assistant".into());
        // An answer of nothing is an empty text.
        if self.calls.is_empty() && self.refusal.is_none() {
            self.content.get_or_insert_default();
        }
        let content = self.content.filter(|text| !text.is_empty() || self.calls.is_empty());
        message.insert("content".into(), content.map_or(Value::Null, Value::String));
        message.insert("refusal".into(), self.refusal.map_or(Value::Null, Value::String));
        message.insert("annotations".into(), Value::Array(self.annotations));
        self.reasoning.retain(|text| !text.is_empty());
        if !self.reasoning.is_empty() {
            message.insert("reasoning_content".into(), self.reasoning.join("\n\n").into());
        }
        if !self.details.is_empty() {
            message.insert("reasoning_details".into(), Value::Array(self.details));
        }
        if !self.images.is_empty() {
            message.insert("images".into(), Value::Array(self.images));
        }
        if !self.calls.is_empty() && self.legacy {
            let mut call = self.calls.swap_remove(0);
            message.insert("function_call".into(), call["function"].take());
        } else if !self.calls.is_empty() {
            message.insert("tool_calls".into(), Value::Array(self.calls));
        }
        Value::Object(message)
    }
}
