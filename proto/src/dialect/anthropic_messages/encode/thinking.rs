//! How much the model thinks, in the terms it knows (vendor docs, read 2026-11).
//!
//! | model | on | off |
//! |---|---|---|
//! | adaptive | `thinking` adaptive, `output_config.effort` | disabled, with effort high at most; the lowest effort where it cannot be |
//! | budget | `thinking` enabled with a budget from 1,024 up, below `max_tokens` | nothing sent |
//! | does not think | dropped with a warning | nothing sent |
//! | unknown | a budget as a budget, words as adaptive thinking | disabled |
//!
//! Thinking by budget wants the last turn of a tool loop to begin with a thought; where that is missing (another
//! provider answered), this request goes without.

use serde_json::{Value, json};

use super::Encoding;
use super::turns::Message;
use crate::canonical::{Effort, Show};
use crate::catalogue::ReasoningControl;

/// The least budget there is, in tokens.
const BUDGET_MIN: u64 = 1024;

/// What is sent.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    /// The value of `thinking`.
    pub(super) field: Option<Value>,
    /// The value of `output_config.effort`.
    pub(super) effort: Option<Effort>,
    /// By budget: neither forced tools nor sampling go with it.
    pub(super) manual: bool,
    /// On for certain.
    pub(super) on: bool,
}

impl Encoding<'_> {
    pub(super) fn thinking(&mut self, messages: &[Message], max_tokens: u64) -> Thinking {
        let asked = &self.request.reasoning;
        let off =
            asked.enabled == Some(false) || asked.effort == Some(Effort::None) || asked.budget == Some(0);
        // Of a caller of this dialect effort alone is about the answer, thinking or not.
        let effort_alone = self.native() && asked.enabled.is_none() && asked.budget.is_none();
        let on = !off
            && !effort_alone
            && (asked.enabled == Some(true) || asked.effort.is_some() || asked.budget.is_some());
        let effort = asked.effort.filter(|effort| *effort != Effort::None);
        let profile = self.target.profile;
        match &profile.reasoning {
            ReasoningControl::None => {
                if on || effort.is_some() {
                    self.warn("parameter_dropped", self.effort_field());
                }
                Thinking::default()
            }
            ReasoningControl::Adaptive { can_disable, default_on, .. } => {
                let words = effort.or(asked.budget.filter(|_| on).map(Effort::of_budget));
                if off {
                    return self.switched_off(*can_disable, *default_on, words);
                }
                let show = asked.show.filter(|_| on || *default_on);
                let field = (on || show.is_some()).then(|| shown(json!({ "type": "adaptive" }), show));
                Thinking {
                    field,
                    effort: words.and_then(|words| self.nearest(words)),
                    manual: false,
                    on: on || *default_on,
                }
            }
            ReasoningControl::Budget { min, max, .. } => {
                if effort_alone && effort.is_some() {
                    self.warn("parameter_dropped", self.effort_field());
                }
                let wanted = asked.budget.or(effort.map(Effort::budget)).unwrap_or(Effort::Medium.budget());
                if on {
                    self.budget(wanted, (*min).max(BUDGET_MIN), *max, messages, max_tokens)
                } else {
                    Thinking::default()
                }
            }
            ReasoningControl::Unknown | ReasoningControl::Effort { .. } => {
                if off {
                    return Thinking {
                        field: Some(json!({ "type": "disabled" })),
                        effort,
                        ..Thinking::default()
                    };
                }
                let mut thinking = match asked.budget.filter(|_| on) {
                    Some(budget) => self.budget(budget, BUDGET_MIN, u64::MAX, messages, max_tokens),
                    None if on => {
                        let field = Some(shown(json!({ "type": "adaptive" }), asked.show));
                        Thinking { field, on: true, ..Thinking::default() }
                    }
                    None => Thinking::default(),
                };
                thinking.effort = effort.map(|effort| effort.max(Effort::Low));
                thinking
            }
        }
    }

    fn effort_field(&self) -> &'static str {
        let messages =
            if self.request.reasoning.effort.is_some() { "output_config.effort" } else { "thinking" };
        self.field("reasoning_effort", "reasoning.effort", messages)
    }

    fn nearest(&mut self, words: Effort) -> Option<Effort> {
        let asked = words.max(Effort::Low);
        let nearest = self.target.profile.nearest_effort(asked);
        if nearest != Some(asked) {
            self.warn("effort_changed", self.effort_field());
        }
        nearest
    }

    fn switched_off(&mut self, can_disable: bool, default_on: bool, words: Option<Effort>) -> Thinking {
        if !can_disable {
            self.warn("reasoning_not_disabled", self.effort_field());
            let lowest = self.target.profile.nearest_effort(Effort::Low);
            return Thinking { effort: lowest, on: true, ..Thinking::default() };
        }
        let field = default_on.then(|| json!({ "type": "disabled" }));
        let effort = words.map(|words| words.min(Effort::High)).and_then(|words| self.nearest(words));
        Thinking { field, effort, ..Thinking::default() }
    }

    fn budget(&mut self, wanted: u64, min: u64, max: u64, messages: &[Message], max_tokens: u64) -> Thinking {
        // Thoughts count against the limit: a budget that leaves no room for an answer is cut to half of it.
        let wanted = wanted.max(min).min(max);
        let tokens = if wanted < max_tokens { wanted } else { (max_tokens / 2).max(min) };
        if tokens < min || tokens >= max_tokens {
            self.warn("parameter_dropped", self.effort_field());
            return Thinking::default();
        }
        if loop_without_thought(messages) {
            self.warn("reasoning_state_dropped", self.effort_field());
            return Thinking::default();
        }
        let field = shown(json!({ "type": "enabled", "budget_tokens": tokens }), self.request.reasoning.show);
        Thinking { field: Some(field), effort: None, manual: true, on: true }
    }
}

fn shown(mut field: Value, show: Option<Show>) -> Value {
    match show {
        Some(Show::None) => field["display"] = "omitted".into(),
        Some(Show::Summary | Show::Full) => field["display"] = "summarized".into(),
        None => {}
    }
    field
}

/// Whether the conversation ends in results of calls that were made without a thought before them.
fn loop_without_thought(messages: &[Message]) -> bool {
    let mut back = messages.iter().rev().filter(|message| message.role != "system");
    let (Some(last), Some(before)) = (back.next(), back.next()) else { return false };
    last.role == "user"
        && last.blocks.iter().any(|block| block.kind() == "tool_result")
        && before.role == "assistant"
        && before.blocks.first().is_some_and(|block| !block.is_thought())
}
