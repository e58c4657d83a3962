//! `reasoning_details`: pieces of thoughts that some servers (OpenRouter) send beside the text and want back whole.

use serde_json::{Map, Value};

use super::Odd;
use crate::canonical::{Opaque, OpaqueKind};

/// The most pieces, and the most bytes, that are kept of an answer.
const PIECES_MAX: usize = 256;
const BYTES_MAX: usize = 4 << 20;

/// The pieces since the last thought ended.
#[derive(Debug, Default)]
pub(super) struct Details {
    pieces: Vec<Map<String, Value>>,
    bytes: usize,
}

impl Details {
    /// Takes in a list of pieces; gives the text they show. Pieces of one index and type are one piece in parts.
    pub(super) fn note(&mut self, raw: &str) -> Result<Option<String>, Odd> {
        let Ok(Value::Array(list)) = serde_json::from_str::<Value>(raw) else { return Ok(None) };
        let mut shown = String::new();
        for piece in list {
            let Value::Object(mut piece) = piece else { continue };
            for key in ["text", "summary"] {
                if let Some(Value::String(text)) = piece.get(key) {
                    shown.push_str(text);
                }
            }
            // The text is the reasoning's own; it is put back from there.
            piece.shift_remove("text");
            self.bytes += size(&piece);
            if self.bytes > BYTES_MAX {
                return Err(Odd);
            }
            self.merge(piece)?;
        }
        Ok((!shown.is_empty()).then_some(shown))
    }

    fn merge(&mut self, piece: Map<String, Value>) -> Result<(), Odd> {
        let same = |held: &Map<String, Value>| {
            piece.get("index").is_some()
                && held.get("index") == piece.get("index")
                && held.get("type") == piece.get("type")
        };
        let Some(held) = self.pieces.iter_mut().rfind(|held| same(held)) else {
            if self.pieces.len() >= PIECES_MAX {
                return Err(Odd);
            }
            self.pieces.push(piece);
            return Ok(());
        };
        for (key, value) in piece {
            match (held.get_mut(&key), value) {
                (_, Value::Null) => {}
                (Some(Value::String(before)), Value::String(more))
                    if matches!(key.as_str(), "signature" | "data" | "summary") =>
                {
                    before.push_str(&more);
                }
                (_, value) => {
                    held.insert(key, value);
                }
            }
        }
        Ok(())
    }

    /// Whether a piece holds what its server wants back.
    pub(super) fn has_state(&self) -> bool {
        self.pieces.iter().any(has_state)
    }

    /// Hands out what is to be kept, and forgets all.
    pub(super) fn take(&mut self, mut each: impl FnMut(Opaque)) {
        self.bytes = 0;
        for piece in self.pieces.drain(..).filter(has_state) {
            let kind =
                if piece.contains_key("signature") { OpaqueKind::Signature } else { OpaqueKind::Encrypted };
            let data = Value::Object(piece).to_string();
            each(Opaque { origin: None, kind, data });
        }
    }
}

fn has_state(piece: &Map<String, Value>) -> bool {
    ["signature", "data"]
        .iter()
        .any(|key| piece.get(*key).and_then(Value::as_str).is_some_and(|text| !text.is_empty()))
}

fn size(piece: &Map<String, Value>) -> usize {
    piece
        .iter()
        .map(|(key, value)| key.len() + value.as_str().map_or_else(|| value.to_string().len(), str::len))
        .sum()
}
