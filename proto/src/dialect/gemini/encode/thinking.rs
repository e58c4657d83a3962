//! How much to think: a level or a budget, never both, as the model's profile says.

use serde_json::{Map, Value, json};

use crate::canonical::{Effort, Request, Show, Warnings};
use crate::catalogue::{Profile, ReasoningControl};

/// `thinkingConfig`; `None` leaves the model to its default.
pub(super) fn encode(request: &Request, profile: &Profile, warnings: &mut Warnings) -> Option<Value> {
    let asked = &request.reasoning;
    let field = super::word(request, "reasoning_effort", "reasoning", "thinking");
    let effort = if asked.enabled == Some(false) { Some(Effort::None) } else { asked.effort };
    let mut config = Map::new();
    match &profile.reasoning {
        ReasoningControl::None => {
            let wanted = effort.is_some_and(|effort| effort > Effort::None)
                || asked.budget.is_some_and(|budget| budget > 0)
                || asked.enabled == Some(true);
            if wanted {
                warnings.add("parameter_dropped", field);
            }
            return None;
        }
        ReasoningControl::Effort { .. } | ReasoningControl::Adaptive { .. } => {
            let effort = effort.or_else(|| asked.budget.map(Effort::of_budget));
            if let Some(effort) = effort.and_then(|effort| profile.nearest_effort(effort)) {
                config.insert("thinkingLevel".into(), level(effort).into());
            }
        }
        ReasoningControl::Budget { min, max, can_disable } => {
            let least = if *can_disable { 0 } else { *min };
            let budget = match (effort, asked.budget) {
                (Some(Effort::None), _) | (_, Some(0)) => Some(least),
                (_, Some(budget)) => Some(budget.clamp(*min, *max)),
                (Some(effort), None) => Some(budget_of(effort, *max).clamp(*min, *max)),
                (None, None) => None,
            };
            let budget = budget.map(|budget| within(budget, request.max_tokens, *min));
            match budget {
                Some(budget) => {
                    config.insert("thinkingBudget".into(), budget.into());
                }
                // On, as much as it likes.
                None if asked.enabled == Some(true) => {
                    config.insert("thinkingBudget".into(), json!(-1));
                }
                None => {}
            }
        }
        ReasoningControl::Unknown => match (effort, asked.budget) {
            (Some(effort), _) => {
                config.insert("thinkingLevel".into(), level(effort.min(Effort::High)).into());
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

/// Thoughts count against the limit of the answer: a budget that leaves no room for one is halved to fit.
fn within(budget: u64, max_tokens: Option<u64>, min: u64) -> u64 {
    match max_tokens {
        Some(most) if budget >= most => (most / 2).max(min).min(budget),
        _ => budget,
    }
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

fn budget_of(effort: Effort, max: u64) -> u64 {
    match effort {
        Effort::Minimal => 512,
        Effort::Max => max,
        other => other.budget(),
    }
}
