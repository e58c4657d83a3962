//! Events to a caller's stream.
//!
//! The dialect's blocks are strictly sequential, our items may overlap. An item that opens while text or thoughts are
//! open closes those (what still comes of them becomes a block of its own); one that opens while a tool call is open
//! waits, and what comes of it is held until its turn.
//!
//! | event | theirs |
//! |---|---|
//! | `Start` | `message_start`, with the provider's input tokens if they come right after, else an estimate |
//! | `ItemStart` … `ItemEnd` | blocks as in `answer`; a text or thinking block only begins when there is some |
//! | opaque data | `signature_delta` just before the block's stop, or a `redacted_thinking` block after it |
//! | `Usage`, `Finish` | kept for `message_delta` |
//! | the end | `message_delta` with all numbers, `message_stop` |

mod block;
mod frames;

use std::collections::{HashMap, VecDeque};

use bytes::BytesMut;

use self::block::{Current, Kind};
use super::stop;
use super::usage::Usage;
use crate::canonical::{Delta, Event, Finish, Item, Meta};
use crate::dialect::codec::{Encoder, Reply};
use crate::usage::{Estimate, Reported, estimate_tokens};

/// The most bytes that wait for their turn.
const HELD_BYTES_MAX: usize = 32 << 20;

/// What may be sent between events while nothing else is, so that no proxy takes the line for dead.
pub const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// An encoder of a stream of which nothing is written.
pub fn encoder(reply: Reply) -> Box<dyn Encoder> {
    Box::new(Messages {
        reply,
        provider_id: String::new(),
        begun: false,
        over: false,
        index: 0,
        current: None,
        early: HashMap::new(),
        waiting: VecDeque::new(),
        places: HashMap::new(),
        popped: 0,
        held_bytes: 0,
        chars: 0,
        called: false,
        refused: false,
        reported: None,
        finish: None,
    })
}

#[derive(Debug)]
struct Messages {
    reply: Reply,
    provider_id: String,
    begun: bool,
    over: bool,
    /// The next block's index.
    index: u64,
    current: Option<Current>,
    /// Items whose block was closed before they ended.
    early: HashMap<u32, Item>,
    waiting: VecDeque<Waiting>,
    /// Where an item waits: its number in the order of all that ever waited.
    places: HashMap<u32, usize>,
    popped: usize,
    held_bytes: usize,
    chars: u64,
    called: bool,
    refused: bool,
    reported: Option<Reported>,
    finish: Option<Finish>,
}

/// An item that waits for its turn.
#[derive(Debug)]
struct Waiting {
    i: u32,
    item: Item,
    steps: Vec<Step>,
    ended: bool,
}

#[derive(Debug)]
enum Step {
    Delta(Delta),
    Meta(Meta),
}

impl Encoder for Messages {
    fn event(&mut self, event: Event, out: &mut BytesMut) {
        if self.over {
            return;
        }
        match event {
            Event::Start { id, .. } => self.provider_id = id,
            Event::Usage(reported) => self.reported = Some(reported),
            Event::Finish(finish) => self.finish = Some(finish),
            Event::ItemStart { i, item } => {
                self.begin(out);
                self.start(i, item, out);
            }
            Event::Delta { i, delta } => {
                self.begin(out);
                self.chars += text_of(&delta).chars().count() as u64;
                self.step(i, Step::Delta(delta), out);
            }
            Event::Meta { i, meta } => {
                self.begin(out);
                self.step(i, Step::Meta(meta), out);
            }
            Event::ItemEnd { i } => self.stop(i, out),
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.begin(out);
        self.close(out);
        while !self.waiting.is_empty() {
            self.promote(out);
            self.close(out);
        }
        let ending = stop::ending(self.finish.as_ref(), self.called, self.refused);
        let estimate =
            Estimate { input_tokens: self.reply.input_estimate, output_tokens: estimate_tokens(self.chars) };
        frames::end(ending, Usage::new(self.reported.as_ref(), estimate), out);
    }
}

fn text_of(delta: &Delta) -> &str {
    let (Delta::Text(text) | Delta::Arguments(text) | Delta::Reasoning(text) | Delta::Summary { text, .. }) =
        delta;
    text
}

impl Messages {
    fn begin(&mut self, out: &mut BytesMut) {
        if !std::mem::replace(&mut self.begun, true) {
            let usage = Usage::at_start(self.reported.as_ref(), self.reply.input_estimate);
            frames::start(&self.provider_id, &self.reply, usage, out);
        }
    }

    fn start(&mut self, i: u32, item: Item, out: &mut BytesMut) {
        self.called |= matches!(item, Item::ToolCall { .. });
        self.refused |= matches!(item, Item::Refusal);
        match &self.current {
            Some(current) if current.is_call() => self.wait(i, item),
            Some(_) => {
                self.close_early(out);
                self.open(i, item, out);
            }
            None => self.open(i, item, out),
        }
    }

    fn open(&mut self, i: u32, item: Item, out: &mut BytesMut) {
        self.current = Some(Current::open(i, item, &mut self.index, &self.reply, out));
    }

    fn wait(&mut self, i: u32, item: Item) {
        self.places.insert(i, self.popped + self.waiting.len());
        self.waiting.push_back(Waiting { i, item, steps: Vec::new(), ended: false });
    }

    fn waits(&mut self, i: u32) -> Option<&mut Waiting> {
        let place = self.places.get(&i)?.checked_sub(self.popped)?;
        self.waiting.get_mut(place).filter(|waiting| waiting.i == i)
    }

    fn step(&mut self, i: u32, step: Step, out: &mut BytesMut) {
        match &mut self.current {
            Some(current) if current.i == i => return current.take(step, &mut self.index, &self.reply, out),
            _ => {}
        }
        if let Step::Delta(delta) = &step {
            self.held_bytes += text_of(delta).len();
            if self.held_bytes > HELD_BYTES_MAX {
                self.over = true;
                return frames::overflow(out);
            }
        }
        if self.waits(i).is_none() {
            // More of what was closed early is a new block of its kind; of what never opened, nothing.
            let Some(item) = self.early.get(&i).cloned() else { return };
            self.start(i, item, out);
            return match &mut self.current {
                Some(current) if current.i == i => current.take(step, &mut self.index, &self.reply, out),
                _ => self.hold(i, step),
            };
        }
        self.hold(i, step);
    }

    fn hold(&mut self, i: u32, step: Step) {
        let Some(waiting) = self.waits(i) else { return };
        match (waiting.steps.last_mut(), step) {
            (Some(Step::Delta(Delta::Arguments(held))), Step::Delta(Delta::Arguments(more))) => {
                held.push_str(&more);
            }
            (_, step) => waiting.steps.push(step),
        }
    }

    fn stop(&mut self, i: u32, out: &mut BytesMut) {
        self.early.remove(&i);
        if let Some(waiting) = self.waits(i) {
            waiting.ended = true;
            return;
        }
        if self.current.as_ref().is_some_and(|current| current.i == i) {
            self.close(out);
            while self.promote(out) {}
        }
    }

    /// Gives the next item its turn. Returns whether there is another that could have it at once.
    fn promote(&mut self, out: &mut BytesMut) -> bool {
        let Some(next) = self.waiting.pop_front() else { return false };
        self.popped += 1;
        self.places.remove(&next.i);
        self.open(next.i, next.item, out);
        for step in next.steps {
            if let Some(current) = &mut self.current {
                if let Step::Delta(delta) = &step {
                    self.held_bytes = self.held_bytes.saturating_sub(text_of(delta).len());
                }
                current.take(step, &mut self.index, &self.reply, out);
            }
        }
        if next.ended {
            self.close(out);
        } else if !self.waiting.is_empty() && self.current.as_ref().is_some_and(|current| !current.is_call())
        {
            self.close_early(out);
        }
        self.current.is_none() && !self.waiting.is_empty()
    }

    fn close(&mut self, out: &mut BytesMut) {
        if let Some(current) = self.current.take() {
            current.close(&mut self.index, out);
        }
    }

    fn close_early(&mut self, out: &mut BytesMut) {
        if let Some(current) = &self.current {
            let item = match current.kind {
                Kind::Text => Item::Text,
                Kind::Reasoning => Item::Reasoning,
                Kind::Call { .. } | Kind::Hosted => return self.close(out),
            };
            self.early.insert(current.i, item);
            self.close(out);
        }
    }
}

#[cfg(test)]
mod tests;
