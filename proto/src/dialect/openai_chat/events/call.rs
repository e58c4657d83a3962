//! Tool calls that arrive in pieces.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Odd;
use super::answer::ITEMS_MAX;
use super::wire::{self, Call, Function};
use crate::canonical::{CallKind, Delta, Event, Item, Meta, Opaque, OpaqueKind};
use crate::dialect::json;

/// The most bytes of arguments that wait for the name of their call.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// The calls of an answer.
#[derive(Debug, Default)]
pub(super) struct Calls {
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    i: u32,
    /// The server's number of it.
    index: Option<u64>,
    id: String,
    /// The call was announced; before that its pieces wait.
    open: bool,
    waiting: String,
    signature: Option<String>,
}

/// One piece.
struct Piece<'a> {
    index: Option<u64>,
    id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    arguments: Option<Cow<'a, str>>,
    kind: CallKind,
    signature: Option<String>,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Takes in an element of `tool_calls`; of a whole answer each is a call of its own.
    pub(super) fn note(
        &mut self,
        call: &Call<'_>,
        whole: bool,
        answer: &str,
        next: &mut u32,
        out: &mut Vec<Event>,
    ) -> Result<(), Odd> {
        let (kind, function) = match (&call.custom, &call.function) {
            (Some(custom), None) => (CallKind::Custom, Some(custom)),
            (_, function) => (CallKind::Function, function.as_ref()),
        };
        let piece = Piece {
            index: call.index.and_then(|raw| json::count(raw.get())),
            id: wire::text(call.id),
            name: function.and_then(|function| wire::text(function.name)),
            arguments: function.and_then(|function| wire::arguments(function.arguments.or(function.input))),
            kind,
            signature: call.extra_content.and_then(|raw| signature(raw.get())),
        };
        self.piece(piece, whole, answer, next, out)
    }

    /// Takes in a `function_call`, of which there is one at most.
    pub(super) fn note_function(
        &mut self,
        call: &Function<'_>,
        answer: &str,
        next: &mut u32,
        out: &mut Vec<Event>,
    ) -> Result<(), Odd> {
        let piece = Piece {
            index: Some(u64::MAX),
            id: None,
            name: wire::text(call.name),
            arguments: wire::arguments(call.arguments),
            kind: CallKind::Function,
            signature: None,
        };
        self.piece(piece, false, answer, next, out)
    }

    fn piece(
        &mut self,
        piece: Piece<'_>,
        whole: bool,
        answer: &str,
        next: &mut u32,
        out: &mut Vec<Event>,
    ) -> Result<(), Odd> {
        let at = match self.find(&piece).filter(|_| !whole) {
            Some(at) => at,
            None => {
                if *next >= ITEMS_MAX || self.slots.len() >= ITEMS_MAX as usize {
                    return Err(Odd);
                }
                self.slots.push(Slot { index: piece.index, ..Slot::default() });
                self.slots.len() - 1
            }
        };
        let slot = &mut self.slots[at];
        if let (Some(id), true) = (&piece.id, slot.id.is_empty()) {
            slot.id = id.clone().into_owned();
        }
        if let (Some(name), false) = (piece.name, slot.open) {
            slot.announce(name.into_owned(), piece.kind, &made_up_for(answer, at), next, out);
        }
        if let Some(signature) = piece.signature {
            slot.sign(signature, out);
        }
        slot.grow(piece.arguments, out)
    }

    /// The call that a piece belongs to: the one with its index, unless it plainly is another's beginning; without
    /// an index the last, unless a new id, or a name without an id, begins another.
    fn find(&self, piece: &Piece<'_>) -> Option<usize> {
        let another = |slot: &Slot| match (&piece.id, &piece.name) {
            (Some(id), Some(_)) => !slot.id.is_empty() && slot.id != **id,
            _ => false,
        };
        match piece.index {
            Some(index) => {
                let at = self.slots.iter().rposition(|slot| slot.index == Some(index))?;
                (!another(&self.slots[at])).then_some(at)
            }
            None => {
                let last = self.slots.last()?;
                let same = match &piece.id {
                    Some(id) => last.id == **id || (last.id.is_empty() && !last.open),
                    None => piece.name.is_none() || !last.open,
                };
                same.then(|| self.slots.len() - 1)
            }
        }
    }

    /// The answer is over. A call that never got a name is announced without one.
    pub(super) fn close(&mut self, next: &mut u32, out: &mut Vec<Event>) {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if !slot.open {
                slot.announce(String::new(), CallKind::Function, &made_up_for("", at), next, out);
            }
            out.push(Event::ItemEnd { i: slot.i });
        }
    }
}

impl Slot {
    /// Calls are numbered as they are announced, so that items open in the order of their numbers.
    fn announce(
        &mut self,
        name: String,
        kind: CallKind,
        made_up: &dyn Fn() -> String,
        next: &mut u32,
        out: &mut Vec<Event>,
    ) {
        if self.id.is_empty() {
            self.id = made_up();
        }
        self.open = true;
        self.i = *next;
        *next += 1;
        out.push(Event::ItemStart { i: self.i, item: Item::ToolCall { id: self.id.clone(), name, kind } });
        if let Some(signature) = self.signature.take() {
            self.sign(signature, out);
        }
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            out.push(Event::Delta { i: self.i, delta: Delta::Arguments(waiting) });
        }
    }

    fn sign(&mut self, signature: String, out: &mut Vec<Event>) {
        if self.open {
            let opaque = Opaque { origin: None, kind: OpaqueKind::ThoughtSignature, data: signature };
            out.push(Event::Meta { i: self.i, meta: Meta::Opaque(opaque) });
        } else {
            self.signature = Some(signature);
        }
    }

    fn grow(&mut self, arguments: Option<Cow<'_, str>>, out: &mut Vec<Event>) -> Result<(), Odd> {
        let Some(arguments) = arguments else { return Ok(()) };
        if self.open {
            out.push(Event::Delta { i: self.i, delta: Delta::Arguments(arguments.into_owned()) });
        } else if self.waiting.len() + arguments.len() <= WAITING_BYTES_MAX {
            self.waiting.push_str(&arguments);
        } else {
            return Err(Odd);
        }
        Ok(())
    }
}

fn signature(raw: &str) -> Option<String> {
    let extra: Value = serde_json::from_str(raw).ok()?;
    let text = extra["google"]["thought_signature"].as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
}

fn made_up_for(answer: &str, at: usize) -> impl Fn() -> String {
    move || made_up(answer, at)
}

/// An id for a call without one: the same however the answer arrives, another in the next answer.
fn made_up(answer: &str, at: usize) -> String {
    let mut hash = Sha256::new();
    hash.update(answer);
    if answer.is_empty() {
        let mut random = [0; 16];
        // Without randomness the id is one that may come twice, which only some servers mind.
        let _filled = getrandom::fill(&mut random);
        hash.update(random);
    }
    hash.update(at.to_be_bytes());
    let mut id = String::from("call_");
    for byte in hash.finalize().iter().take(12) {
        let _written = write!(id, "{byte:02x}");
    }
    id
}
