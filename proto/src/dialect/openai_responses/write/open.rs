//! An item that is being written, and what stands in the events about it.

use serde_json::{Map, Value, json};

use crate::canonical::{CallKind, Opaque};

/// An open item.
#[derive(Debug)]
pub(super) struct Open {
    /// Its place in `output`.
    pub(super) at: usize,
    pub(super) id: String,
    pub(super) body: Body,
    pub(super) opaque: Vec<Opaque>,
}

#[derive(Debug)]
pub(super) enum Body {
    Text {
        text: String,
        annotations: Vec<Value>,
    },
    Refusal(String),
    /// Paragraphs of the summary.
    Reasoning(Vec<Paragraph>),
    Call {
        call_id: String,
        space: Option<String>,
        name: String,
        kind: CallKind,
        arguments: String,
    },
}

/// A paragraph of a summary.
#[derive(Debug)]
pub(super) struct Paragraph {
    /// The provider's number of it; thoughts in full have none.
    pub(super) key: Option<u32>,
    pub(super) text: String,
}

impl Open {
    /// Keeps a piece of its text.
    pub(super) fn push(&mut self, piece: &str) {
        match &mut self.body {
            Body::Text { text, .. } | Body::Refusal(text) => text.push_str(piece),
            Body::Call { arguments, .. } => arguments.push_str(piece),
            Body::Reasoning(parts) => {
                if let Some(last) = parts.last_mut() {
                    last.text.push_str(piece);
                }
            }
        }
    }

    /// Begins another paragraph: its place.
    pub(super) fn paragraph(&mut self, key: Option<u32>) -> Option<usize> {
        let Body::Reasoning(parts) = &mut self.body else { return None };
        parts.push(Paragraph { key, text: String::new() });
        Some(parts.len() - 1)
    }

    /// The event of a piece of its text, the index of the part and that of the paragraph.
    pub(super) fn delta(&self) -> (&'static str, Option<u32>, Option<usize>) {
        match &self.body {
            Body::Text { .. } => ("response.output_text.delta", Some(0), None),
            Body::Refusal(_) => ("response.refusal.delta", Some(0), None),
            Body::Reasoning(parts) => {
                ("response.reasoning_summary_text.delta", None, Some(parts.len().saturating_sub(1)))
            }
            Body::Call { kind: CallKind::Custom, .. } => {
                ("response.custom_tool_call_input.delta", None, None)
            }
            Body::Call { .. } => ("response.function_call_arguments.delta", None, None),
        }
    }

    /// Whether it is a function's call without any arguments: OpenAI writes those as an empty object.
    pub(super) fn needs_braces(&self) -> bool {
        matches!(&self.body, Body::Call { kind: CallKind::Function, arguments, .. } if arguments.is_empty())
    }

    /// The event that repeats its text whole.
    pub(super) fn text_done(&self) -> Option<(&'static str, Value)> {
        let (id, at) = (&self.id, self.at);
        Some(match &self.body {
            Body::Text { text, .. } => {
                let place = json!({ "item_id": id, "output_index": at, "content_index": 0, "text": text, "logprobs": [] });
                ("response.output_text.done", place)
            }
            Body::Refusal(text) => {
                let place = json!({ "item_id": id, "output_index": at, "content_index": 0, "refusal": text });
                ("response.refusal.done", place)
            }
            Body::Call { kind: CallKind::Custom, arguments, .. } => {
                let place = json!({ "item_id": id, "output_index": at, "input": arguments });
                ("response.custom_tool_call_input.done", place)
            }
            Body::Call { arguments, name, .. } => {
                let place =
                    json!({ "item_id": id, "output_index": at, "name": name, "arguments": arguments });
                ("response.function_call_arguments.done", place)
            }
            Body::Reasoning(_) => return None,
        })
    }

    /// The one part of a message, empty or as it is.
    pub(super) fn part(&self, empty: bool) -> Option<Value> {
        match &self.body {
            Body::Text { .. } if empty => {
                Some(json!({ "type": "output_text", "text": "", "annotations": [], "logprobs": [] }))
            }
            Body::Text { text, annotations } => Some(
                json!({ "type": "output_text", "text": text, "annotations": annotations, "logprobs": [] }),
            ),
            Body::Refusal(text) => {
                Some(json!({ "type": "refusal", "refusal": if empty { "" } else { text.as_str() } }))
            }
            Body::Reasoning(_) | Body::Call { .. } => None,
        }
    }

    /// The item with its status. It is empty while in progress.
    pub(super) fn item(&self, status: &str, token: Option<&str>) -> Value {
        let begun = status == "in_progress";
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| {
            out.insert(name.to_owned(), value);
        };
        put("id", json!(self.id));
        match &self.body {
            Body::Text { .. } | Body::Refusal(_) => {
                put("type", json!("message"));
                put("status", json!(status));
                put("role", json!("assistant"));
                let parts: Vec<Value> =
                    if begun { Vec::new() } else { self.part(false).into_iter().collect() };
                put("content", Value::Array(parts));
            }
            Body::Reasoning(parts) => {
                put("type", json!("reasoning"));
                let summary = |part: &Paragraph| json!({ "type": "summary_text", "text": part.text });
                put("summary", parts.iter().map(summary).collect());
                if let Some(token) = token {
                    put("encrypted_content", json!(token));
                }
            }
            Body::Call { call_id, space, name, kind, arguments } => {
                let custom = *kind == CallKind::Custom;
                put("type", json!(if custom { "custom_tool_call" } else { "function_call" }));
                put("status", json!(status));
                put("call_id", json!(call_id));
                put("name", json!(name));
                if let Some(space) = space {
                    put("namespace", json!(space));
                }
                let written = if begun { "" } else { arguments };
                put(if custom { "input" } else { "arguments" }, json!(written));
            }
        }
        Value::Object(out)
    }
}

/// Whether an object is an output item of this dialect.
pub(super) fn is_native(raw: &Value) -> bool {
    let kind = raw["type"].as_str().unwrap_or_default();
    kind.ends_with("_call")
        || kind.ends_with("_call_output")
        || matches!(
            kind,
            "mcp_list_tools"
                | "mcp_approval_request"
                | "compaction"
                | "tool_search_output"
                | "program"
                | "program_output"
        )
}

/// Chat Completions nests a citation under its type; here it stands flat.
pub(super) fn flat_citation(citation: Value) -> Value {
    match citation["url_citation"].as_object() {
        Some(inner) => {
            let mut flat = Map::new();
            flat.insert("type".into(), json!("url_citation"));
            flat.extend(inner.clone());
            Value::Object(flat)
        }
        None => citation,
    }
}
