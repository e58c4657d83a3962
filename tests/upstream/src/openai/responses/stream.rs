//! Streams of Responses: every item opens, grows part by part, closes; the last event holds it all.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{arguments, items, response, status, whole};
use crate::fake::asked::{Event, Said};
use crate::fake::tale::Piece;

/// Numbers events.
#[derive(Debug, Default)]
struct Writer {
    events: Vec<Event>,
}

impl Writer {
    fn put(&mut self, kind: &str, fields: Value, tokens: u64) {
        let mut event = json!({"type": kind, "sequence_number": self.events.len()});
        if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
            event.extend(fields);
        }
        let bytes = Bytes::from(format!("event: {kind}\ndata: {event}\n\n"));
        self.events.push(Event { bytes, tokens });
    }
}

/// An error in the middle, behind so many events.
pub(crate) fn error(sent: usize) -> Bytes {
    let event = json!({"type": "error", "sequence_number": sent, "code": "server_error",
        "message": "The server had an error while processing your request.", "param": null});
    format!("event: error\ndata: {event}\n\n").into()
}

/// All of it.
pub(crate) fn events(said: Said<'_>) -> Vec<Event> {
    let mut writer = Writer::default();
    let begun = response(said, "in_progress", &Value::Null, Vec::new(), false);
    writer.put("response.created", json!({"response": begun}), 0);
    writer.put("response.in_progress", json!({"response": begun}), 0);
    for (i, (item, piece)) in items(said).into_iter().zip(&said.tale.pieces).enumerate() {
        one(&mut writer, i, &item, piece);
    }
    let terminal = format!("response.{}", status(said).0);
    writer.put(&terminal, json!({"response": whole(said)}), 0);
    writer.events
}

fn one(writer: &mut Writer, i: usize, item: &Value, piece: &Piece) {
    let mut opened = item.clone();
    for key in ["content", "summary"] {
        if opened.get(key).is_some() {
            opened[key] = json!([]);
        }
    }
    for key in ["arguments", "input"] {
        if opened.get(key).is_some() {
            opened[key] = json!("");
        }
    }
    if opened.get("status").is_some() {
        opened["status"] = json!("in_progress");
    }
    if let Some(token) = item["encrypted_content"].as_str() {
        // What stands there at first may be incomplete.
        opened["encrypted_content"] = json!(token[..token.len() / 2]);
    }
    writer.put("response.output_item.added", json!({"output_index": i, "item": opened}), 0);
    let id = &item["id"];
    match piece {
        Piece::Reasoning(words) if item["summary"].get(0).is_some() => summary(writer, i, id, words),
        Piece::Reasoning(_) | Piece::Redacted => {}
        Piece::Text(words) => content(writer, i, item, words, "output_text"),
        Piece::Refusal(words) => content(writer, i, item, words, "refusal"),
        Piece::Call(call) => {
            let (kind, whole, key) = if call.custom {
                ("response.custom_tool_call_input", call.arguments.concat(), "input")
            } else {
                ("response.function_call_arguments", arguments(call), "arguments")
            };
            for part in &call.arguments {
                let fields = json!({"item_id": id, "output_index": i, "delta": part});
                writer.put(&format!("{kind}.delta"), fields, 1);
            }
            let done = json!({"item_id": id, "output_index": i, key: whole});
            writer.put(&format!("{kind}.done"), done, u64::from(call.arguments.is_empty()));
        }
    }
    writer.put("response.output_item.done", json!({"output_index": i, "item": item}), 0);
}

fn summary(writer: &mut Writer, i: usize, id: &Value, words: &[String]) {
    let at = |more: Value| {
        let mut fields = json!({"item_id": id, "output_index": i, "summary_index": 0});
        if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
            fields.extend(more);
        }
        fields
    };
    let part = |text: &str| json!({"type": "summary_text", "text": text});
    let whole = words.concat();
    writer.put("response.reasoning_summary_part.added", at(json!({"part": part("")})), 0);
    for word in words {
        writer.put("response.reasoning_summary_text.delta", at(json!({"delta": word})), 0);
    }
    writer.put("response.reasoning_summary_text.done", at(json!({"text": whole})), 0);
    writer.put("response.reasoning_summary_part.done", at(json!({"part": part(&whole)})), 0);
}

fn content(writer: &mut Writer, i: usize, item: &Value, words: &[String], kind: &str) {
    let at = |more: Value| {
        let mut fields = json!({"item_id": item["id"], "output_index": i, "content_index": 0});
        if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
            fields.extend(more);
        }
        fields
    };
    let key = if kind == "refusal" { "refusal" } else { "text" };
    let mut empty = item["content"][0].clone();
    empty[key] = json!("");
    writer.put("response.content_part.added", at(json!({"part": empty})), 0);
    for word in words {
        let mut fields = json!({"delta": word});
        if key == "text" {
            fields["logprobs"] = json!([]);
        }
        writer.put(&format!("response.{kind}.delta"), at(fields), 1);
    }
    let mut fields = json!({key: words.concat()});
    if key == "text" {
        fields["logprobs"] = json!([]);
    }
    writer.put(&format!("response.{kind}.done"), at(fields), 0);
    writer.put("response.content_part.done", at(json!({"part": item["content"][0]})), 0);
}
