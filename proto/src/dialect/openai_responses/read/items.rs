//! Output items, read into events. The same code reads a stream, where an item grows by deltas and is repeated
//! whole when it is done, and a whole answer, where it only is done: what was not passed on by then is.
//!
//! | item | canonical |
//! |---|---|
//! | `message`: each part `output_text`, `refusal` | text, refusal |
//! | `reasoning`: `summary`, `content`, `encrypted_content` | reasoning: summary, thoughts, opaque with the item's id |
//! | `function_call`, `custom_tool_call` | tool call; a namespace goes in front of the name |
//! | anything else | hosted, whole, when it is done |

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::sent::Sent;
use super::wire::{self, list, text, word};
use crate::canonical::{CallKind, Delta, Event, Item, Meta, Opaque, OpaqueKind};
use crate::dialect::BrokenStream;
use crate::dialect::openai_responses::bound;

/// The most items an answer may have, and the most parts of one item.
const ITEMS_MAX: usize = 1024;

/// A sequence of output items.
#[derive(Debug, Default)]
pub(super) struct Items {
    slots: BTreeMap<u32, Slot>,
    /// How many canonical items have opened.
    opened: u32,
    /// A tool was called.
    pub(super) called: bool,
    /// The model refused in words.
    pub(super) refused: bool,
}

#[derive(Debug)]
enum Slot {
    /// Its parts, by their index.
    Message(BTreeMap<u32, Piece>),
    Reasoning {
        i: u32,
        summary: BTreeMap<u32, Sent>,
        content: BTreeMap<u32, Sent>,
    },
    Call {
        i: u32,
        sent: Sent,
    },
    /// Nothing to be told before it is done.
    Waiting,
    Done,
}

/// A part of a message: an item of its own here.
#[derive(Debug)]
struct Piece {
    i: u32,
    sent: Sent,
    citations: usize,
    open: bool,
}

/// Which growing text a delta or a `.done` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Output,
    Refusal,
    Summary,
    Reasoning,
    Arguments,
}

impl Items {
    fn open(&mut self, item: Item, out: &mut Vec<Event>) -> Result<u32, BrokenStream> {
        let i = self.opened;
        if i as usize >= ITEMS_MAX {
            return Err(BrokenStream::NotAChunk);
        }
        self.opened += 1;
        self.called |= matches!(item, Item::ToolCall { .. });
        self.refused |= item == Item::Refusal;
        out.push(Event::ItemStart { i, item });
        Ok(i)
    }

    /// The slot at `at`, opened as what `item` says if it is new.
    pub(super) fn added(
        &mut self,
        at: u32,
        raw: &RawValue,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        if self.slots.contains_key(&at) {
            return Ok(());
        }
        let item: wire::Item<'_> = serde_json::from_str(raw.get()).map_err(|_| BrokenStream::NotAChunk)?;
        let slot = match &*word(item.kind) {
            "message" => Slot::Message(BTreeMap::new()),
            "reasoning" => self.reasoning(out)?,
            kind @ ("function_call" | "custom_tool_call") => match call_of(kind, &item, at) {
                Some(call) => Slot::Call { i: self.open(call, out)?, sent: Sent::default() },
                None => Slot::Waiting,
            },
            _ => Slot::Waiting,
        };
        self.slot(at, slot)
    }

    fn reasoning(&mut self, out: &mut Vec<Event>) -> Result<Slot, BrokenStream> {
        let i = self.open(Item::Reasoning, out)?;
        Ok(Slot::Reasoning { i, summary: BTreeMap::new(), content: BTreeMap::new() })
    }

    fn slot(&mut self, at: u32, slot: Slot) -> Result<(), BrokenStream> {
        self.slots.insert(at, slot);
        if self.slots.len() > ITEMS_MAX { Err(BrokenStream::NotAChunk) } else { Ok(()) }
    }

    /// A piece of a text, or with `whole` all of it. A text whose item never opened opens it, where it can only
    /// be one kind.
    pub(super) fn grow(
        &mut self,
        (at, part): (u32, u32),
        kind: Text,
        piece: &str,
        whole: bool,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        if !self.slots.contains_key(&at) {
            let slot = match kind {
                Text::Output | Text::Refusal => Slot::Message(BTreeMap::new()),
                Text::Summary | Text::Reasoning => self.reasoning(out)?,
                // Nobody knows yet what is called: the item says so when it is done.
                Text::Arguments => Slot::Waiting,
            };
            self.slot(at, slot)?;
        }
        if kind == Text::Output || kind == Text::Refusal {
            self.piece(at, part, kind, out)?;
        }
        let (i, sent) = match self.slots.get_mut(&at) {
            Some(Slot::Message(pieces)) => match pieces.get_mut(&part).filter(|piece| piece.open) {
                Some(piece) => (piece.i, &mut piece.sent),
                None => return Ok(()),
            },
            Some(Slot::Reasoning { i, summary, content }) => {
                let parts = if kind == Text::Summary { summary } else { content };
                if parts.len() >= ITEMS_MAX {
                    return Err(BrokenStream::NotAChunk);
                }
                (*i, parts.entry(part).or_default())
            }
            Some(Slot::Call { i, sent }) => (*i, sent),
            Some(Slot::Waiting | Slot::Done) | None => return Ok(()),
        };
        let piece = if whole { sent.remainder(piece) } else { Some(piece).filter(|piece| !piece.is_empty()) };
        let Some(piece) = piece else { return Ok(()) };
        if !whole {
            sent.note(piece);
        }
        let piece = piece.to_owned();
        let delta = match kind {
            Text::Output | Text::Refusal => Delta::Text(piece),
            Text::Summary => Delta::Summary { part, text: piece },
            Text::Reasoning => Delta::Reasoning(piece),
            Text::Arguments => Delta::Arguments(piece),
        };
        out.push(Event::Delta { i, delta });
        Ok(())
    }

    /// Opens a part of a message if it is new.
    fn piece(&mut self, at: u32, part: u32, kind: Text, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        let Some(Slot::Message(pieces)) = self.slots.get(&at) else { return Ok(()) };
        if pieces.contains_key(&part) {
            return Ok(());
        }
        let item = if kind == Text::Refusal { Item::Refusal } else { Item::Text };
        let i = self.open(item, out)?;
        if let Some(Slot::Message(pieces)) = self.slots.get_mut(&at) {
            pieces.insert(part, Piece { i, sent: Sent::default(), citations: 0, open: true });
        }
        Ok(())
    }

    /// A citation of a message's part.
    pub(super) fn cite(&mut self, (at, part): (u32, u32), raw: &RawValue, out: &mut Vec<Event>) {
        let Some(Slot::Message(pieces)) = self.slots.get_mut(&at) else { return };
        let Some(piece) = pieces.get_mut(&part).filter(|piece| piece.open) else { return };
        if let Ok(citation) = serde_json::from_str::<Value>(raw.get()) {
            piece.citations += 1;
            out.push(Event::Meta { i: piece.i, meta: Meta::Citation(citation) });
        }
    }

    /// A part as it is, empty when it begins and whole when it is done.
    pub(super) fn part(
        &mut self,
        (at, index): (u32, u32),
        raw: &RawValue,
        out: &mut Vec<Event>,
    ) -> Result<(), BrokenStream> {
        let part: wire::Part<'_> = serde_json::from_str(raw.get()).map_err(|_| BrokenStream::NotAChunk)?;
        let place = (at, index);
        match &*word(part.kind) {
            "output_text" | "text" => {
                self.grow(place, Text::Output, &word(part.text), true, out)?;
                let cited = match self.slots.get(&at) {
                    Some(Slot::Message(pieces)) => pieces.get(&index).map_or(0, |piece| piece.citations),
                    _ => 0,
                };
                list(part.annotations).into_iter().skip(cited).for_each(|raw| self.cite(place, raw, out));
                Ok(())
            }
            "refusal" => self.grow(place, Text::Refusal, &word(part.refusal), true, out),
            "reasoning_text" => self.grow(place, Text::Reasoning, &word(part.text), true, out),
            "summary_text" => self.grow(place, Text::Summary, &word(part.text), true, out),
            _ => Ok(()),
        }
    }

    /// An item as it is when it is done.
    pub(super) fn done(&mut self, at: u32, raw: &RawValue, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        self.added(at, raw, out)?;
        let item: wire::Item<'_> = serde_json::from_str(raw.get()).map_err(|_| BrokenStream::NotAChunk)?;
        match self.slots.get(&at) {
            Some(Slot::Message(_)) => self.parts(at, item.content, out)?,
            Some(Slot::Reasoning { i, .. }) => {
                let i = *i;
                for (n, raw) in (0..).zip(list(item.summary)) {
                    self.part((at, n), raw, out)?;
                }
                self.parts(at, item.content, out)?;
                if let Some(content) = text(item.encrypted_content).filter(|content| !content.is_empty()) {
                    let data = bound::join(text(item.id).as_deref(), &content);
                    let opaque = Opaque { origin: None, kind: OpaqueKind::Encrypted, data };
                    out.push(Event::Meta { i, meta: Meta::Opaque(opaque) });
                }
            }
            Some(Slot::Call { .. }) => {
                let whole = text(item.arguments).or_else(|| text(item.input)).unwrap_or_default();
                self.grow((at, 0), Text::Arguments, &whole, true, out)?;
            }
            Some(Slot::Waiting) => {
                let raw = serde_json::from_str(raw.get()).map_err(|_| BrokenStream::NotAChunk)?;
                let i = self.open(Item::Hosted { raw }, out)?;
                out.push(Event::ItemEnd { i });
            }
            Some(Slot::Done) | None => {}
        }
        self.close(at, out);
        Ok(())
    }

    fn parts(&mut self, at: u32, raw: wire::Raw<'_>, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        (0..).zip(list(raw)).try_for_each(|(n, raw)| self.part((at, n), raw, out))
    }

    /// A part of a message is done: its item ends.
    pub(super) fn close_part(&mut self, (at, part): (u32, u32), out: &mut Vec<Event>) {
        if let Some(Slot::Message(pieces)) = self.slots.get_mut(&at)
            && let Some(piece) = pieces.get_mut(&part)
            && std::mem::replace(&mut piece.open, false)
        {
            out.push(Event::ItemEnd { i: piece.i });
        }
    }

    fn close(&mut self, at: u32, out: &mut Vec<Event>) {
        match self.slots.insert(at, Slot::Done) {
            Some(Slot::Message(pieces)) => {
                let open = pieces.into_values().filter(|piece| piece.open);
                out.extend(open.map(|piece| Event::ItemEnd { i: piece.i }));
            }
            Some(Slot::Reasoning { i, .. } | Slot::Call { i, .. }) => out.push(Event::ItemEnd { i }),
            Some(Slot::Waiting | Slot::Done) | None => {}
        }
    }

    /// The answer is over: `output` repeats all items, and what is still open ends.
    pub(super) fn finish(&mut self, output: wire::Raw<'_>, out: &mut Vec<Event>) -> Result<(), BrokenStream> {
        for (at, raw) in (0..).zip(list(output)) {
            if !matches!(self.slots.get(&at), Some(Slot::Done)) {
                self.done(at, raw, out)?;
            }
        }
        let open: Vec<u32> = self.slots.keys().copied().collect();
        open.into_iter().for_each(|at| self.close(at, out));
        Ok(())
    }
}

/// The call an item is; `None` if it does not say yet what is called.
fn call_of(kind: &str, item: &wire::Item<'_>, at: u32) -> Option<Item> {
    let name = text(item.name).filter(|name| !name.is_empty())?;
    let name = match text(item.namespace).filter(|space| !space.is_empty()) {
        Some(space) => format!("{space}__{name}"),
        None => name.into_owned(),
    };
    let id = [text(item.call_id), text(item.id)].into_iter().flatten().find(|id| !id.is_empty());
    let id = id.map_or_else(|| format!("call_{at}"), std::borrow::Cow::into_owned);
    let kind = if kind == "function_call" { CallKind::Function } else { CallKind::Custom };
    Some(Item::ToolCall { id, name, kind })
}
