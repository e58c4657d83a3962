//! Cache marks: at most four, the mark for all among them, of which the last count; and no long-lived one behind a
//! short-lived one.

use serde_json::{Map, Value};

use super::Encoding;

/// The most marks a request may have.
const MARKS_MAX: usize = 4;

impl Encoding<'_> {
    pub(super) fn limit_marks(&mut self, body: &mut Map<String, Value>) {
        let most = MARKS_MAX - usize::from(body.contains_key("cache_control"));
        let mut marked: Vec<&mut Map<String, Value>> = Vec::new();
        let (mut tools, mut system, mut messages) = (None, None, None);
        for (key, value) in body.iter_mut() {
            match key.as_str() {
                "tools" => tools = Some(value),
                "system" => system = Some(value),
                "messages" => messages = Some(value),
                _ => {}
            }
        }
        // The order in which the prompt is put together.
        for part in [tools, system, messages].into_iter().flatten() {
            collect(part, &mut marked);
        }
        let excess = marked.len().saturating_sub(most);
        if excess > 0 {
            self.warn("cache_mark_dropped", self.field("messages", "input", "messages"));
        }
        for block in marked.iter_mut().take(excess) {
            block.shift_remove("cache_control");
        }
        if self.native() {
            return;
        }
        let mut short = false;
        let any = marked.len() > excess;
        for block in marked.into_iter().skip(excess) {
            match block.get_mut("cache_control") {
                Some(Value::Object(mark)) if short => drop(mark.shift_remove("ttl")),
                Some(mark) => short = mark.get("ttl").is_none(),
                None => {}
            }
        }
        if any {
            self.warn("cache_ttl_changed", self.field("messages", "input", "messages"));
        }
    }
}

/// The blocks with a mark, in order, those within results and messages too.
fn collect<'a>(list: &'a mut Value, marked: &mut Vec<&'a mut Map<String, Value>>) {
    let Value::Array(blocks) = list else { return };
    for block in blocks {
        let Value::Object(block) = block else { continue };
        if block.contains_key("cache_control") {
            marked.push(block);
        } else if let Some(content) = block.get_mut("content") {
            collect(content, marked);
        }
    }
}
