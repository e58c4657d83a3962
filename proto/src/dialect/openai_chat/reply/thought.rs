//! One thought on its way to the caller: what was shown of it, kept until its opaque data is known.

use serde_json::{Value, json};

use crate::canonical::Opaque;
use crate::dialect::codec::Reply;

/// What tells our pieces from those of others.
const FORMAT: &str = "forebay-v1";

/// The most bytes of a thought that are repeated beside its opaque data.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// A thought.
#[derive(Debug, Default)]
pub(super) struct Thought {
    text: String,
    summary: Vec<String>,
    too_long: bool,
    pub(super) opaque: Vec<Opaque>,
}

impl Thought {
    pub(super) fn whole(text: String, summary: Vec<String>) -> Self {
        Self { text, summary, ..Self::default() }
    }

    pub(super) fn think(&mut self, text: &str) {
        if self.text.len() + text.len() <= TEXT_BYTES_MAX {
            self.text.push_str(text);
        } else {
            self.too_long = true;
        }
    }

    /// Adds to a paragraph of the summary; whether it is another than the last.
    pub(super) fn sum_up(&mut self, part: u32, text: &str) -> bool {
        let part = part as usize;
        let another = !self.summary.is_empty() && part >= self.summary.len();
        if part >= self.summary.len() && self.summary.len() < 1_024 {
            self.summary.push(String::new());
        }
        match self.summary.last_mut() {
            Some(last) if last.len() + text.len() <= TEXT_BYTES_MAX => last.push_str(text),
            _ => self.too_long = true,
        }
        another
    }

    /// The pieces of `reasoning_details`, none without opaque data. `index` counts on through the answer.
    pub(super) fn details(self, place: u32, index: &mut u32, reply: &Reply) -> Vec<Value> {
        let id = format!("rs_{place}");
        let mut pieces = Vec::new();
        let mut add = |mut piece: Value| {
            piece["id"] = id.as_str().into();
            piece["format"] = FORMAT.into();
            piece["index"] = (*index).into();
            *index += 1;
            pieces.push(piece);
        };
        let shown = !self.text.is_empty() && !self.too_long;
        for (i, opaque) in self.opaque.iter().enumerate() {
            let token = reply.carrier.wrap(opaque, &reply.origin);
            if i == 0 {
                for summary in self.summary.iter().filter(|text| !text.is_empty()) {
                    add(json!({"type": "reasoning.summary", "summary": summary}));
                }
            }
            if i == 0 && shown {
                add(json!({"type": "reasoning.text", "text": self.text, "signature": token}));
            } else {
                add(json!({"type": "reasoning.encrypted", "data": token}));
            }
        }
        pieces
    }

    /// All that is shown of it.
    pub(super) fn shown(&self) -> String {
        if self.summary.is_empty() {
            return self.text.clone();
        }
        let mut paragraphs: Vec<&str> = self.summary.iter().map(String::as_str).collect();
        paragraphs.insert(0, &self.text);
        paragraphs.retain(|text| !text.is_empty());
        paragraphs.join("\n\n")
    }
}
