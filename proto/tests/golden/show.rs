//! How bodies and streams are written down: JSON on as few lines as fit, streams one event a line without what every
//! event repeats. What is left out is checked here instead.

use proto::canonical::Opaque;
use proto::dialect::Dialect;
use serde_json::{Map, Value};

use super::cast::{carrier, request_id};

const WIDTH: usize = 116;

/// JSON on as few lines as fit.
pub(crate) fn json(value: &Value) -> String {
    let mut out = String::new();
    put(value, 0, 0, &mut out);
    out
}

fn put(value: &Value, indent: usize, before: usize, out: &mut String) {
    let flat = value.to_string();
    let many = match value {
        Value::Array(list) if !list.is_empty() => list.len(),
        Value::Object(map) if !map.is_empty() => map.len(),
        _ => 0,
    };
    if many == 0 || indent + before + flat.chars().count() <= WIDTH {
        out.push_str(&flat);
        return;
    }
    let pad = " ".repeat(indent + 1);
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    out.push(open);
    let members: Vec<(String, &Value)> = match value {
        Value::Object(map) => {
            map.iter().map(|(k, v)| (format!("{}: ", Value::from(k.as_str())), v)).collect()
        }
        Value::Array(list) => list.iter().map(|v| (String::new(), v)).collect(),
        _ => Vec::new(),
    };
    for (at, (key, member)) in members.iter().enumerate() {
        out.push('\n');
        out.push_str(&pad);
        out.push_str(key);
        put(member, indent + 1, key.len() + 1, out);
        if at + 1 < members.len() {
            out.push(',');
        }
    }
    out.push('\n');
    out.push_str(&" ".repeat(indent));
    out.push(close);
}

/// What Responses repeats of the request; the same in all answers to the same question.
const ECHO: [&str; 23] = [
    "object",
    "background",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
    "top_logprobs",
    "user",
    "completed_at",
    "created_at",
];

fn without_echo(response: &Value) -> Value {
    let map = response.as_object().cloned().unwrap_or_default();
    for field in ["tools", "tool_choice", "parallel_tool_calls", "temperature", "top_p", "metadata"] {
        assert!(map.contains_key(field), "{field} is wanting");
    }
    Value::Object(map.into_iter().filter(|(key, _)| !ECHO.contains(&key.as_str())).collect())
}

/// A whole answer; of Responses in `full` or without what it repeats of the request.
pub(crate) fn answer(caller: Dialect, body: &[u8], full: bool) -> String {
    let value: Value = serde_json::from_slice(body).unwrap();
    plain(&match caller {
        Dialect::OpenaiResponses if !full => json(&without_echo(&value)),
        _ => json(&value),
    })
}

/// The events of a stream: name and data.
fn events(stream: &[u8]) -> Vec<(Option<String>, String)> {
    let text = std::str::from_utf8(stream).expect("a stream of text").replace("\r\n", "\n");
    let blocks = text.split("\n\n").filter(|block| !block.is_empty());
    let field = |block: &str, name: &str| {
        let lines: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix(name)).collect();
        (!lines.is_empty()).then(|| lines.iter().map(|line| line.trim_start()).collect::<Vec<_>>().join("\n"))
    };
    blocks
        .map(|block| (field(block, "event:"), field(block, "data:").unwrap_or_else(|| block.to_owned())))
        .collect()
}

/// A stream as its caller reads it. `written` by us, it keeps every rule of its dialect; else it is only shown.
pub(crate) fn stream(caller: Dialect, bytes: &[u8], written: bool) -> String {
    let mut out = String::new();
    let mut chunks = Chunks::default();
    let mut responses = Responses::default();
    for (name, data) in events(bytes) {
        let Ok(Value::Object(map)) = serde_json::from_str::<Value>(&data) else {
            out.push_str(&format!("{data}\n"));
            continue;
        };
        let line = match caller {
            _ if !written => format!("{} {}", name.unwrap_or_default(), Value::Object(map)),
            Dialect::OpenaiChat => {
                assert!(name.is_none());
                chunks.line(map)
            }
            Dialect::OpenaiResponses => responses.line(name.as_deref(), map),
            _ => message_line(name.as_deref(), map),
        };
        out.push_str(&plain(&line));
        out.push('\n');
    }
    out
}

/// Text with the request's id as `R` and tokens of ours opened.
pub(crate) fn plain(text: &str) -> String {
    let text = text.replace(&format!("{:032x}", request_id().as_u128()), "R");
    let mut pieces = text.split("fb1.");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find('"').unwrap_or(piece.len());
        match carrier().unwrap(&format!("fb1.{}", &piece[..end])) {
            Some(Opaque { origin: Some(origin), kind, data }) => {
                out.push_str(&format!(
                    "token of {}/{}: {kind:?} {}",
                    origin.provider,
                    origin.model,
                    data.replace('"', "'")
                ));
            }
            _ => out.push_str(&format!("no token {}", &piece[..end])),
        }
        out.push_str(&piece[end..]);
    }
    out
}

/// Chunks of Chat: all of one answer say the same about it.
#[derive(Default)]
struct Chunks(Map<String, Value>);

impl Chunks {
    fn line(&mut self, mut map: Map<String, Value>) -> String {
        for key in ["id", "object", "created", "model"] {
            let Some(is) = map.get(key).cloned() else { continue };
            if let Some(was) = self.0.insert(key.to_owned(), is.clone()) {
                assert_eq!(was, is, "{key} changes");
                map.shift_remove(key);
            }
        }
        Value::Object(map).to_string()
    }
}

/// Events of Messages, without what every answer begins with.
fn message_line(name: Option<&str>, mut map: Map<String, Value>) -> String {
    let kind = map.shift_remove("type").unwrap_or_default();
    assert_eq!(kind.as_str(), name);
    if let Some(message) = map.get("message") {
        assert_eq!(message["content"], Value::Array(Vec::new()));
        assert_eq!((&message["stop_reason"], &message["role"]), (&Value::Null, &Value::from("assistant")));
        return format!("message_start {} {}", message["id"], message["usage"]);
    }
    let mut line = name.unwrap_or_default().to_owned();
    if let Some(index) = map.shift_remove("index") {
        line.push_str(&format!(" [{index}]"));
    }
    if !map.is_empty() {
        line.push_str(&format!(" {}", Value::Object(map)));
    }
    line
}

/// Events of Responses: numbered without a gap, each about an item that is open, each `done` the sum of its deltas, and
/// the last response made of the items that were done.
#[derive(Default)]
struct Responses {
    next: u64,
    /// Id, text since the last part began, and the item when it is done.
    items: Vec<(Value, String, Option<Value>)>,
}

impl Responses {
    fn line(&mut self, name: Option<&str>, mut map: Map<String, Value>) -> String {
        let kind = map.shift_remove("type").unwrap_or_default();
        assert_eq!(kind.as_str(), name);
        assert_eq!(map.shift_remove("sequence_number"), Some(self.next.into()));
        self.next += 1;
        let name = name.unwrap_or_default().trim_start_matches("response.");
        if let Some(response) = map.get("response") {
            return format!("{name} {}", self.response(response));
        }
        let Some(at) = map.shift_remove("output_index").and_then(|at| at.as_u64()) else {
            return format!("{name} {}", Value::Object(map));
        };
        let place = usize::try_from(at).unwrap();
        if name == "output_item.added" {
            assert_eq!(place, self.items.len());
            self.items.push((map["item"]["id"].clone(), String::new(), None));
        }
        let (id, text, done) = &mut self.items[place];
        assert!(done.is_none(), "item {at} is done");
        let named = map.shift_remove("item_id").or_else(|| Some(map.get("item")?["id"].clone()));
        assert_eq!(named.as_ref(), Some(&*id));
        for index in ["content_index", "summary_index"] {
            if map.get(index) == Some(&0.into()) {
                map.shift_remove(index);
            }
        }
        match name {
            "output_item.done" => *done = Some(map["item"].clone()),
            "content_part.added" | "reasoning_summary_part.added" => text.clear(),
            _ => {}
        }
        if let Some(delta) = map.shift_remove("delta") {
            text.push_str(delta.as_str().unwrap());
            assert!(map.keys().all(|key| key.ends_with("_index") || key == "logprobs"));
            return format!("{name} [{at}] {delta}");
        }
        let whole = ["text", "refusal", "arguments", "input"].iter().find_map(|key| map.get(*key)?.as_str());
        if let (true, Some(whole)) = (name.ends_with(".done"), whole) {
            assert_eq!(whole, text);
            return format!("{name} [{at}]");
        }
        if name == "content_part.done" {
            let part = &map["part"];
            let whole = part["text"].as_str().or(part["refusal"].as_str());
            assert_eq!(whole, Some(text.as_str()));
            return format!("{name} [{at}]");
        }
        format!("{name} [{at}] {}", map.values().next().unwrap_or(&Value::Null))
    }

    fn response(&self, response: &Value) -> Value {
        if response["status"] == "in_progress" {
            assert_eq!(response["output"], Value::Array(Vec::new()));
            return response["id"].clone();
        }
        let done: Vec<Value> = self.items.iter().filter_map(|item| item.2.clone()).collect();
        let failed = response["status"] == "failed";
        assert!(failed || response["output"] == Value::Array(done));
        let mut short = without_echo(response);
        if let Some(map) = short.as_object_mut() {
            map.retain(|key, value| {
                matches!(key.as_str(), "status" | "error" | "incomplete_details" | "usage")
                    && !value.is_null()
            });
        }
        short
    }
}
