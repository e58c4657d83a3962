//! A whole answer, folded from its events.

use super::event::{Delta, Event, Finish, Item, Meta};
use crate::usage::Reported;

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response {
    /// The provider's id of it; may be empty.
    pub id: String,
    /// The model as the provider names it; may be empty.
    pub model: String,
    /// Seconds since the Unix epoch, where the provider says.
    pub created: Option<u64>,
    /// Its items in the order they opened.
    pub items: Vec<Folded>,
    /// The provider's numbers, the last it gave.
    pub usage: Option<Reported>,
    /// Why it ended; `None` = it did not.
    pub finish: Option<Finish>,
}

/// A complete item.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// What it is.
    pub item: Item,
    /// Its text, thoughts or arguments.
    pub text: String,
    /// Paragraphs of a summary.
    pub summary: Vec<String>,
    /// What was said about it.
    pub metas: Vec<Meta>,
}

/// Folds the events of an answer. Deltas for an index that never opened are left out.
pub fn fold(events: impl IntoIterator<Item = Event>) -> Response {
    let mut response = Response::default();
    let mut places: Vec<u32> = Vec::new();
    for event in events {
        match event {
            Event::Start { id, model, created } => {
                (response.id, response.model, response.created) = (id, model, created);
            }
            Event::ItemStart { i, item } => {
                places.push(i);
                response.items.push(Folded {
                    item,
                    text: String::new(),
                    summary: Vec::new(),
                    metas: Vec::new(),
                });
            }
            Event::Delta { i, delta } => {
                if let Some(item) = open(&mut response.items, &places, i) {
                    grow(item, delta);
                }
            }
            Event::Meta { i, meta } => {
                if let Some(item) = open(&mut response.items, &places, i) {
                    item.metas.push(meta);
                }
            }
            Event::ItemEnd { .. } => {}
            Event::Usage(usage) => response.usage = Some(usage),
            Event::Finish(finish) => response.finish = Some(finish),
        }
    }
    response
}

fn open<'a>(items: &'a mut [Folded], places: &[u32], i: u32) -> Option<&'a mut Folded> {
    items.get_mut(places.iter().rposition(|place| *place == i)?)
}

fn grow(item: &mut Folded, delta: Delta) {
    match delta {
        Delta::Text(text) | Delta::Arguments(text) | Delta::Reasoning(text) => item.text.push_str(&text),
        Delta::Summary { part, text } => {
            let part = part as usize;
            if item.summary.len() <= part && part < SUMMARY_PARTS_MAX {
                item.summary.resize(part + 1, String::new());
            }
            if let Some(paragraph) = item.summary.get_mut(part) {
                paragraph.push_str(&text);
            }
        }
    }
}

/// The most paragraphs of a summary; what a provider counts beyond is left out.
const SUMMARY_PARTS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::FinishReason;

    #[test]
    fn overlapping_items_fold_in_the_order_they_opened() {
        let text = |i, text: &str| Event::Delta { i, delta: Delta::Text(text.to_owned()) };
        let response = fold([
            Event::Start { id: "a".into(), model: "m".into(), created: None },
            Event::ItemStart { i: 0, item: Item::Text },
            text(0, "He"),
            Event::ItemStart { i: 1, item: Item::Refusal },
            text(1, "no"),
            text(0, "llo"),
            text(7, "never opened"),
            Event::ItemEnd { i: 0 },
            Event::Usage(Reported { input_tokens: Some(1), ..Reported::default() }),
            Event::Usage(Reported { input_tokens: Some(2), ..Reported::default() }),
            Event::Finish(Finish::new(FinishReason::Stop)),
        ]);
        let texts: Vec<&str> = response.items.iter().map(|item| item.text.as_str()).collect();
        assert_eq!(texts, ["Hello", "no"]);
        assert_eq!(response.usage.unwrap().input_tokens, Some(2));
        assert_eq!(response.finish.unwrap().reason, FinishReason::Stop);
    }

    #[test]
    fn a_summary_cannot_claim_endless_paragraphs() {
        let summary = |part| Event::Delta { i: 0, delta: Delta::Summary { part, text: "x".into() } };
        let response =
            fold([Event::ItemStart { i: 0, item: Item::Reasoning }, summary(1), summary(u32::MAX)]);
        assert_eq!(response.items[0].summary, ["", "x"]);
    }
}
