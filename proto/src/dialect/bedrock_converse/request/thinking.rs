//! How hard to think, in the words of the model's vendor.
//!
//! | model | field |
//! |---|---|
//! | Claude, adaptive | `additionalModelRequestFields.thinking` and `.output_config.effort` |
//! | Claude up to 4.5 | `additionalModelRequestFields.thinking` with a budget below the most tokens of answer |
//! | Nova 2 | `additionalModelRequestFields.reasoningConfig` |
//! | OpenAI's open models | `additionalModelRequestFields.reasoning_effort` |
//! | any other that knows words | `outputConfig.effort` |

use serde_json::{Map, Value, json};

use super::fields::Field;
use super::turns::Message;
use super::{Context, Family};
use crate::canonical::{Effort, Show};
use crate::catalogue::ReasoningControl;

/// The least budget that Claude takes.
const BUDGET_MIN: u64 = 1024;

/// What is sent about thinking.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    /// For `additionalModelRequestFields`.
    pub(super) extra: Map<String, Value>,
    /// For `outputConfig.effort`.
    pub(super) effort: Option<&'static str>,
    /// Whether the model thinks, as far as it is known.
    pub(super) on: bool,
    /// Whether it thinks on a budget: tools cannot be forced then.
    pub(super) manual: bool,
    /// The limit to set because the budget has to be below it.
    pub(super) max_tokens: Option<u64>,
    /// Whether limits and sampling have to stay away.
    pub(super) unlimited: bool,
}

/// Plans it.
pub(super) fn plan(context: &mut Context<'_>, messages: &[Message]) -> Thinking {
    let profile = context.target.profile;
    let asked = &context.request.reasoning;
    let wants = asked.effort.or_else(|| asked.budget.map(Effort::of_budget));
    let off = asked.enabled == Some(false) || wants == Some(Effort::None);
    let wants = wants.filter(|effort| *effort != Effort::None && !off);
    let silent = wants.is_none() && !off && asked.enabled.is_none();
    match &profile.reasoning {
        ReasoningControl::Adaptive { can_disable, default_on, .. } => {
            adaptive(context, wants, off, *can_disable, *default_on)
        }
        ReasoningControl::Unknown if context.family == Family::Claude => {
            adaptive(context, wants, off, true, false)
        }
        _ if silent => Thinking::default(),
        ReasoningControl::Budget { min, max, .. } => {
            if off {
                Thinking::default()
            } else {
                budgeted(context, messages, wants, *min, *max)
            }
        }
        ReasoningControl::Effort { .. } | ReasoningControl::Unknown => words(context, wants, off),
        ReasoningControl::None => {
            if !off {
                context.warn("parameter_dropped", context.name(Field::Effort));
            }
            Thinking::default()
        }
    }
}

/// The nearest word that the model knows, said aloud where it is another than the asked one.
fn nearest(context: &mut Context<'_>, asked: Effort) -> Effort {
    let known = matches!(
        context.target.profile.reasoning,
        ReasoningControl::Effort { .. } | ReasoningControl::Adaptive { .. }
    );
    let near = if known { context.target.profile.nearest_effort(asked).unwrap_or(asked) } else { asked };
    if near != asked {
        context.warn("effort_changed", context.name(Field::Effort));
    }
    near
}

fn adaptive(
    context: &mut Context<'_>,
    wants: Option<Effort>,
    off: bool,
    can_disable: bool,
    default_on: bool,
) -> Thinking {
    let asked = &context.request.reasoning;
    let mut thinking = Thinking { on: default_on, ..Thinking::default() };
    if off && can_disable {
        thinking.on = false;
        if default_on {
            thinking.extra.insert("thinking".to_owned(), json!({ "type": "disabled" }));
        }
        return thinking;
    }
    let effort = if off {
        context.warn("reasoning_not_disabled", context.name(Field::Effort));
        Some(context.target.profile.nearest_effort(Effort::Low).unwrap_or(Effort::Low))
    } else {
        wants.map(|wants| nearest(context, wants))
    };
    let display = match asked.show {
        Some(Show::None) => Some("omitted"),
        Some(Show::Summary | Show::Full) => Some("summarized"),
        None => None,
    };
    let starts = effort.is_some() || asked.enabled == Some(true);
    if starts || (default_on && display.is_some()) {
        let mut shape = Map::new();
        shape.insert("type".to_owned(), json!("adaptive"));
        shape.extend(display.map(|display| ("display".to_owned(), json!(display))));
        thinking.extra.insert("thinking".to_owned(), Value::Object(shape));
        thinking.on = true;
    }
    if let Some(effort) = effort {
        thinking.extra.insert("output_config".to_owned(), json!({ "effort": effort.as_str() }));
    }
    thinking
}

/// A budget has to leave room for the answer. A tool loop whose thoughts were lost on the way goes on without:
/// Claude refuses to think again in the middle of one.
fn budgeted(
    context: &mut Context<'_>,
    messages: &[Message],
    wants: Option<Effort>,
    min: u64,
    max: u64,
) -> Thinking {
    let field = context.name(Field::Effort);
    let in_loop = messages.last().is_some_and(|last| !last.results.is_empty());
    let lost = messages.iter().rev().nth(1).is_some_and(|before| !before.begins_with_thought());
    if in_loop && lost {
        context.warn("reasoning_dropped", field);
        return Thinking::default();
    }
    let limit = context.request.max_tokens.unwrap_or(context.target.profile.output_tokens);
    let asked = context.request.reasoning.budget;
    let asked = asked.unwrap_or_else(|| wants.unwrap_or(Effort::Medium).budget());
    let least = min.max(BUDGET_MIN);
    let wanted = asked.clamp(least, max.max(least));
    let budget = if wanted < limit { wanted } else { (limit / 2).max(least) };
    if budget < least || budget >= limit {
        context.warn("reasoning_dropped", field);
        return Thinking::default();
    }
    if context.request.reasoning.budget.is_some_and(|asked| asked != budget) {
        context.warn("effort_changed", field);
    }
    let mut extra = Map::new();
    extra.insert("thinking".to_owned(), json!({ "type": "enabled", "budget_tokens": budget }));
    Thinking { extra, on: true, manual: true, max_tokens: Some(limit), ..Thinking::default() }
}

fn words(context: &mut Context<'_>, wants: Option<Effort>, off: bool) -> Thinking {
    let mut thinking = Thinking { on: !off, ..Thinking::default() };
    let effort = if off { None } else { Some(nearest(context, wants.unwrap_or(Effort::Medium))) };
    match (context.family, effort) {
        (Family::Nova, Some(effort)) => {
            let word = effort.clamp(Effort::Low, Effort::High);
            let shape = json!({ "type": "enabled", "maxReasoningEffort": word.as_str() });
            thinking.extra.insert("reasoningConfig".to_owned(), shape);
            thinking.unlimited = word == Effort::High;
        }
        (Family::Nova, None) => {
            thinking.extra.insert("reasoningConfig".to_owned(), json!({ "type": "disabled" }));
        }
        (Family::Openai, Some(effort)) => {
            thinking.extra.insert("reasoning_effort".to_owned(), json!(effort.as_str()));
        }
        (Family::Claude | Family::Other, Some(effort)) => {
            let word = effort.max(Effort::Low);
            thinking.effort = Some(word.as_str());
        }
        (Family::Claude | Family::Openai | Family::Other, None) => {
            context.warn("reasoning_not_disabled", context.name(Field::Effort));
        }
    }
    thinking
}
