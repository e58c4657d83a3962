//! How much to think: a level or a budget, never both, as the model's profile says.
//!
//! | asked | model with levels (3 and later) | model with a budget (2.5) | unknown model |
//! |---|---|---|---|
//! | effort | the nearest level it knows | 512, 2048, 8192, 16384, 24576 or its most | the level, `HIGH` at most |
//! | budget | the level the budget amounts to | the budget within its bounds | the budget |
//! | off | its lowest level | 0, or its least | `MINIMAL` |
//! | on, no more said | its default | -1: as much as it likes | its default |
//!
//! What had to be changed is warned about.

use serde_json::{Map, Value};

use crate::canonical::{Effort, Request, Show, Warnings};
use crate::catalogue::{Profile, ReasoningControl};

/// `thinkingConfig`; `None` leaves the model to its default.
pub(super) fn encode(request: &Request, profile: &Profile, warnings: &mut Warnings) -> Option<Value> {
    let asked = &request.reasoning;
    let field = super::word(request, "reasoning_effort", "reasoning", "thinking");
    let off = asked.enabled == Some(false) || asked.effort == Some(Effort::None) || asked.budget == Some(0);
    let effort = if off { Some(Effort::None) } else { asked.effort };
    let mut config = Map::new();
    match &profile.reasoning {
        ReasoningControl::None => {
            let wanted = effort.is_some() || asked.budget.is_some() || asked.enabled == Some(true);
            if wanted && !off {
                warnings.add("parameter_dropped", field);
            }
            return None;
        }
        ReasoningControl::Effort { .. } | ReasoningControl::Adaptive { .. } => {
            let wanted = effort.or_else(|| asked.budget.map(Effort::of_budget));
            if let Some((wanted, near)) = wanted.and_then(|e| Some((e, profile.nearest_effort(e)?))) {
                changed(wanted, near, field, warnings);
                config.insert("thinkingLevel".into(), level(near).into());
            }
        }
        ReasoningControl::Budget { min, max, can_disable } => {
            let least = if *can_disable { 0 } else { *min };
            if off && least > 0 {
                warnings.add("reasoning_not_disabled", field);
            }
            if let Some(budget) = budget(request, effort, (*min, *max), least) {
                if asked.budget.is_some_and(|asked| !off && budget != asked) {
                    warnings.add("effort_changed", field);
                }
                config.insert("thinkingBudget".into(), budget);
            }
        }
        ReasoningControl::Unknown => match (effort, asked.budget) {
            (Some(effort), _) => {
                let near = effort.min(Effort::High);
                changed(effort.max(Effort::Minimal), near.max(Effort::Minimal), field, warnings);
                config.insert("thinkingLevel".into(), level(near).into());
            }
            (None, Some(budget)) => {
                config.insert("thinkingBudget".into(), budget.into());
            }
            (None, None) => {}
        },
    }
    if matches!(asked.show, Some(Show::Summary | Show::Full)) {
        config.insert("includeThoughts".into(), true.into());
    }
    (!config.is_empty()).then(|| config.into())
}

fn changed(wanted: Effort, near: Effort, field: &str, warnings: &mut Warnings) {
    if wanted == Effort::None && near != Effort::None {
        warnings.add("reasoning_not_disabled", field);
    } else if level(wanted) != level(near) {
        warnings.add("effort_changed", field);
    }
}

/// A budget in tokens, or -1.
fn budget(request: &Request, effort: Option<Effort>, (min, max): (u64, u64), least: u64) -> Option<Value> {
    let top = max.max(min);
    let budget = match (effort, request.reasoning.budget) {
        (Some(Effort::None), _) => return Some(least.into()),
        (_, Some(budget)) => budget.clamp(min, top),
        (Some(effort), None) => of_effort(effort, max).clamp(min, top),
        (None, None) => return (request.reasoning.enabled == Some(true)).then(|| Value::from(-1)),
    };
    // Thoughts count against the limit of the answer: a budget that leaves no room for one is halved to fit.
    Some(match request.max_tokens {
        Some(most) if budget >= most => (most / 2).max(min).min(budget).into(),
        _ => budget.into(),
    })
}

fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High => "HIGH",
        Effort::Xhigh | Effort::Max => "XHIGH",
    }
}

fn of_effort(effort: Effort, max: u64) -> u64 {
    match effort {
        Effort::Minimal => 512,
        Effort::Max => max,
        other => other.budget(),
    }
}
