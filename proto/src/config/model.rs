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
}

impl Target {
    /// The upstream name of the model when the caller asked for `requested`.
    pub fn upstream_model<'a>(&'a self, requested: &'a str) -> &'a str {
        if self.model == super::WILDCARD { requested } else { &self.model }
    }
}
