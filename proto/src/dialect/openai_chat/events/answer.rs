//! The state of an answer: what is open, what was called, why it ended.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::Odd;
use super::call::Calls;
use super::details::Details;
use super::wire::{self, Choice, Message};
use crate::canonical::{Delta, Event, Finish, FinishReason, Item, Meta};
use crate::dialect::json;
use crate::dialect::openai_chat::usage;
use crate::usage::Tier;

/// The most items of an answer.
pub(super) const ITEMS_MAX: u32 = 1_024;

/// What of an answer has come.
#[derive(Debug, Default)]
pub(super) struct Answering {
    whole: bool,
    start: Start,
    started: bool,
    next: u32,
    /// The item that text goes to, and which kind it is.
    open: Option<(u32, Kind)>,
    details: Details,
    calls: Calls,
    refused: bool,
    /// Thoughts came as plain text: what `reasoning_details` show is the same.
    plain: bool,
    tier: Option<Tier>,
    finish: Option<Finish>,
}

#[derive(Debug, Default)]
struct Start {
    id: String,
    model: String,
    created: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Refusal,
}

impl Answering {
    pub(super) fn streamed() -> Self {
        Self::default()
    }

    pub(super) fn whole() -> Self {
        Self { whole: true, ..Self::default() }
    }

    pub(super) fn is_started(&self) -> bool {
        self.started
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Takes in a chunk, or the whole.
    pub(super) fn note(&mut self, answer: &wire::Answer<'_>, out: &mut Vec<Event>) -> Result<(), Odd> {
        self.begin(answer, out);
        if let Some(tier) = wire::text(answer.service_tier) {
            self.tier = usage::tier_of(&tier);
        }
        for choice in answer.choices.iter().flatten() {
            let index = choice.index.and_then(|raw| json::count(raw.get()));
            if index.unwrap_or(0) == 0 {
                self.choice(choice, out)?;
            }
        }
        if let Some(mut reported) = answer.usage.and_then(|raw| usage::reported(raw.get())) {
            reported.tier = self.tier;
            out.push(Event::Usage(reported));
        }
        Ok(())
    }

    fn begin(&mut self, answer: &wire::Answer<'_>, out: &mut Vec<Event>) {
        if self.started {
            return;
        }
        let set = |place: &mut String, raw: Option<&RawValue>| {
            if let Some(text) = wire::text(raw) {
                *place = text.into_owned();
            }
        };
        set(&mut self.start.id, answer.id);
        set(&mut self.start.model, answer.model);
        let created = answer.created.and_then(|raw| json::count(raw.get())).filter(|at| *at > 0);
        self.start.created = created.or(self.start.created);
        let has_choice = answer.choices.as_ref().is_some_and(|choices| !choices.is_empty());
        if !self.start.id.is_empty() || has_choice {
            self.started = true;
            let Start { id, model, created } = &self.start;
            out.push(Event::Start { id: id.clone(), model: model.clone(), created: *created });
        }
    }

    fn choice(&mut self, choice: &Choice<'_>, out: &mut Vec<Event>) -> Result<(), Odd> {
        if let Some(message) = choice.delta.as_ref().or(choice.message.as_ref()) {
            self.message(message, out)?;
        }
        if let Some(word) = wire::text(choice.finish_reason) {
            self.finish = Some(finish_of(&word, wire::text(choice.stop_reason)));
        }
        Ok(())
    }

    fn message(&mut self, message: &Message<'_>, out: &mut Vec<Event>) -> Result<(), Odd> {
        let (said, thought) = wire::content(message.content);
        let mut thoughts = wire::text(message.reasoning_content).or_else(|| wire::text(message.reasoning));
        self.plain |= thoughts.is_some();
        if let Some(raw) = message.reasoning_details {
            let shown = self.details.note(raw.get())?;
            thoughts = thoughts.or_else(|| shown.filter(|_| !self.plain).map(Cow::Owned));
            if self.details.has_state() && self.open.is_none_or(|(_, kind)| kind != Kind::Reasoning) {
                self.open(Kind::Reasoning, out)?;
            }
        }
        for thoughts in [thoughts, thought.map(Cow::Owned)].into_iter().flatten() {
            let i = self.open(Kind::Reasoning, out)?;
            out.push(Event::Delta { i, delta: Delta::Reasoning(thoughts.into_owned()) });
        }
        for (kind, text) in [(Kind::Text, said), (Kind::Refusal, wire::text(message.refusal))] {
            let Some(text) = text else { continue };
            let i = self.open(kind, out)?;
            self.refused |= kind == Kind::Refusal;
            out.push(Event::Delta { i, delta: Delta::Text(text.into_owned()) });
        }
        self.annotations(message.annotations, out);
        let calls = message.tool_calls.iter().flatten();
        let mut any = false;
        for call in calls {
            if !std::mem::replace(&mut any, true) {
                self.close(out);
            }
            self.calls.note(call, self.whole, &self.start.id, &mut self.next, out)?;
        }
        if let Some(call) = &message.function_call {
            self.close(out);
            self.calls.note_function(call, &self.start.id, &mut self.next, out)?;
        }
        Ok(())
    }

    /// The open item of a kind; opens one in place of another kind's.
    fn open(&mut self, kind: Kind, out: &mut Vec<Event>) -> Result<u32, Odd> {
        if let Some((i, open)) = self.open
            && open == kind
        {
            return Ok(i);
        }
        self.close(out);
        if self.next >= ITEMS_MAX {
            return Err(Odd);
        }
        let i = self.next;
        self.next += 1;
        self.open = Some((i, kind));
        let item = match kind {
            Kind::Text => Item::Text,
            Kind::Reasoning => Item::Reasoning,
            Kind::Refusal => Item::Refusal,
        };
        out.push(Event::ItemStart { i, item });
        Ok(i)
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        let Some((i, kind)) = self.open.take() else { return };
        if kind == Kind::Reasoning {
            self.details.take(|opaque| out.push(Event::Meta { i, meta: Meta::Opaque(opaque) }));
        }
        out.push(Event::ItemEnd { i });
    }

    fn annotations(&mut self, raw: Option<&RawValue>, out: &mut Vec<Event>) {
        let (Some(raw), Some((i, Kind::Text))) = (raw, self.open) else { return };
        let Ok(Value::Array(list)) = serde_json::from_str::<Value>(raw.get()) else { return };
        out.extend(list.into_iter().map(|one| Event::Meta { i, meta: Meta::Citation(flat(one)) }));
    }

    /// The answer is over.
    pub(super) fn end(&mut self, out: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            let Start { id, model, created } = std::mem::take(&mut self.start);
            out.push(Event::Start { id, model, created });
        }
        self.close(out);
        self.calls.close(&mut self.next, out);
        let mut finish = self.finish.take().unwrap_or_else(|| Finish::new(FinishReason::Stop));
        if finish.reason == FinishReason::Stop {
            if self.refused {
                finish.reason = FinishReason::Refusal;
            } else if !self.calls.is_empty() {
                // With a forced tool OpenAI says `stop`; some servers always do.
                finish.reason = FinishReason::ToolCalls;
            }
        }
        out.push(Event::Finish(finish));
    }
}

/// A citation of Chat's, `{type, url_citation: {…}}`, as the Responses API has it, `{type, …}`.
fn flat(annotation: Value) -> Value {
    match annotation {
        Value::Object(mut map) => match map.shift_remove("url_citation") {
            Some(Value::Object(mut inner)) => {
                map.append(&mut inner);
                Value::Object(map)
            }
            Some(other) => {
                map.insert("url_citation".into(), other);
                Value::Object(map)
            }
            None => Value::Object(map),
        },
        other => other,
    }
}

fn finish_of(word: &str, stop: Option<Cow<'_, str>>) -> Finish {
    let reason = match word {
        "stop" if stop.is_some() => FinishReason::StopSequence,
        "stop" | "end_turn" | "eos" | "eos_token" => FinishReason::Stop,
        "stop_sequence" => FinishReason::StopSequence,
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" | "refusal" | "safety" => FinishReason::Refusal,
        // A word of the server's own: it ended, and that is all that is known.
        _ => {
            return Finish {
                reason: FinishReason::Stop,
                stop_sequence: None,
                details: Some(word.to_owned()),
            };
        }
    };
    let stop_sequence = stop.filter(|_| reason == FinishReason::StopSequence).map(Cow::into_owned);
    Finish { reason, stop_sequence, details: None }
}
