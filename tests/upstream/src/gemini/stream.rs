//! Streams of generateContent: the same shape again and again, numbers on each.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{finish, parts, response};
use super::error::failure;
use crate::fake::asked::{Event, Said};
use crate::fake::script::Failure;
use crate::fake::tale::Ending;

/// An error in the middle.
pub(crate) fn error(array: bool) -> Bytes {
    let body = failure(Failure::Status(503)).body;
    if array { format!(",\r\n{body}]").into() } else { format!("data: {body}\r\n\r\n").into() }
}

/// The responses, and the output in each.
fn responses(said: Said<'_>) -> Vec<(Value, u64)> {
    if said.tale.ending == Ending::PromptBlock {
        return vec![(response(said, None, 0), 0)];
    }
    let parts = parts(said);
    let mut visible = 0;
    let mut all: Vec<(Value, u64)> = Vec::new();
    for (part, tokens) in parts {
        visible += tokens;
        let candidate = json!({"content": {"parts": [part], "role": "model"}, "index": 0});
        all.push((response(said, Some(json!([candidate])), visible), tokens));
    }
    match all.last_mut() {
        Some((last, _)) => last["candidates"][0]["finishReason"] = json!(finish(said)),
        None => {
            let candidate = json!({"finishReason": finish(said), "index": 0});
            all.push((response(said, Some(json!([candidate])), said.tale.counts.visible), 0));
        }
    }
    if let Some((last, _)) = all.last_mut()
        && let Some(usage) = super::answer::usage(said, said.tale.counts.visible)
    {
        last["usageMetadata"] = usage;
    }
    all
}

/// All of it: events, or without `alt=sse` one JSON array that grows.
pub(crate) fn events(said: Said<'_>) -> Vec<Event> {
    let array = said.asked.variant;
    let mut events: Vec<Event> = responses(said)
        .into_iter()
        .enumerate()
        .map(|(i, (response, tokens))| {
            let text = match (array, i) {
                (false, _) => format!("data: {response}\r\n\r\n"),
                (true, 0) => format!("[{response}"),
                (true, _) => format!(",\r\n{response}"),
            };
            Event { bytes: Bytes::from(text), tokens }
        })
        .collect();
    if array {
        events.push(Event::bare(Bytes::from_static(b"]")));
    }
    events
}
