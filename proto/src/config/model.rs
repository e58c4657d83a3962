//! Aliases: what callers may ask for, and where it is served.

use serde::{Deserialize, Serialize};

use crate::money::Price;

/// An alias with its targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The name callers use; `*` serves every name that has no alias of its own.
    pub alias: String,
    /// How a target is chosen.
    pub strategy: Strategy,
    /// Where it is served, in order of preference. Never empty.
    pub targets: Vec<Target>,
    /// What it costs; `None` = unpriced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Whether nobody may ask for it at present.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// How the targets of an alias are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The first target alone.
    #[default]
    Simple,
    /// The targets in order, each when those before it failed.
    Fallback,
    /// Smooth weighted round robin over the targets that are healthy.
    #[serde(alias = "load_balance")]
    Weighted,
    /// The quicker of two targets drawn at random, by a moving average of their latency that follows peaks.
    Latency,
}

/// A model at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Name of the provider.
    pub provider: String,
    /// The model's name there; `*` passes on the name that the caller used.
    pub model: String,
    /// The model behind a name that does not tell it (an Azure deployment, an inference profile's ARN): it says
    /// what the target can do and what it costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underlying_model: Option<String>,
    /// Its share among the targets of a weighted alias, from 1 to [`WEIGHT_MAX`].
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
    /// Whether it is left out at present.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// The largest weight of a target.
pub const WEIGHT_MAX: u32 = 1000;

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_one(weight: &u32) -> bool {
    *weight == 1
}

impl Model {
    /// An alias with these targets and everything else as usual.
    pub fn new(alias: impl Into<String>, strategy: Strategy, targets: Vec<Target>) -> Self {
        Self { alias: alias.into(), strategy, targets, price: None, disabled: false }
    }
}

impl Target {
    /// A model at a provider, with everything else as usual.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
            underlying_model: None,
            weight: 1,
            disabled: false,
        }
    }

    /// The upstream name of the model when the caller asked for `requested`.
    pub fn upstream_model<'a>(&'a self, requested: &'a str) -> &'a str {
        if self.model == super::WILDCARD { requested } else { &self.model }
    }
}
