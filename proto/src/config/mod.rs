//! The configuration document every process runs with: compiled from the operator's file by `control`, numbered,
//! stored, and projected as one JSON value. It names secrets and never holds one; virtual keys are not in it.

mod key;
mod model;
mod policy;
mod project;
mod provider;

pub use key::{
    IMPORTED_COST_MAX, IMPORTED_LENGTHS_MAX, IMPORTED_PREFIX_CHARS, KeyRecord, SessionRecord,
    importable_hash, imported_entry, imported_lengths,
};
pub use model::{Model, Strategy, Target, WEIGHT_MAX};
pub use policy::{AUTO, PolicyError, Purse, RoutePolicy, Ways};
pub use project::{Feature, Project, valid_origin};
pub use provider::{
    PROBE_SECONDS_MAX, PROBE_SECONDS_MIN, Provider, ProviderHealth, ProviderKind, SecretRef, SecretRefError,
};

use serde::{Deserialize, Serialize};

use crate::catalogue::{self, PriceRow};
use crate::money::Price;

/// One version of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Counted up from 1 with each publication.
    pub version: u64,
    /// When it was published, in milliseconds since the Unix epoch.
    pub published_ms: u64,
    /// Whether streaming answers are served at all.
    pub streaming: bool,
    /// Whom to call.
    pub providers: Vec<Provider>,
    /// What callers may ask for.
    pub models: Vec<Model>,
    /// Who calls.
    pub projects: Vec<Project>,
    /// What models cost whose aliases have no price of their own: the catalogue's rows for the vendors in use, as
    /// they were when this version was published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<PriceRow>,
}

/// The alias that stands for every model no other alias names.
pub const WILDCARD: &str = "*";

impl Config {
    /// The model that serves `alias`: its own entry, else the wildcard's.
    pub fn model(&self, alias: &str) -> Option<&Model> {
        let named = |wanted: &str| self.models.iter().find(|m| m.alias == wanted);
        named(alias).or_else(|| named(WILDCARD))
    }

    /// The provider of that name.
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|p| p.name == name)
    }

    /// The project of that name.
    pub fn project(&self, name: &str) -> Option<&Project> {
        self.projects.iter().find(|p| p.name == name)
    }

    /// What a call costs that was made for `alias` at `provider`, where the model is called `model`, at `at_ms`
    /// milliseconds since the Unix epoch: the alias's own price first, then the row of the vendor's list that was
    /// in force. `None` = unpriced.
    pub fn price_of(&self, alias: &str, provider: &str, model: &str, at_ms: u64) -> Option<&Price> {
        let entry = self.entry_for(alias, provider, model);
        if let Some(price) = entry.and_then(|entry| entry.price.as_ref()) {
            return Some(price);
        }
        let kind = self.provider(provider)?.kind;
        let target = entry.and_then(|entry| {
            entry.targets.iter().find(|t| t.provider == provider && t.upstream_model(alias) == model)
        });
        let behind = target.and_then(|target| target.underlying_model.as_deref());
        catalogue::price_in(&self.prices, kind, behind.unwrap_or(model), at_ms)
    }

    /// The entry whose price a call has that was made for `alias`. A target that was addressed as `provider/model` has
    /// no alias; where the policy chose one for `auto:…`, it is the first that has the target.
    fn entry_for(&self, alias: &str, provider: &str, model: &str) -> Option<&Model> {
        let exact = self.models.iter().find(|entry| entry.alias == alias);
        if exact.is_some() {
            return exact;
        }
        if alias.starts_with(AUTO) {
            let has = |entry: &&Model| {
                let at = |target: &Target| target.provider == provider && target.model == model;
                entry.targets.iter().any(at)
            };
            return self.models.iter().find(has);
        }
        if alias.split_once('/') == Some((provider, model)) {
            return None;
        }
        self.model(alias)
    }
}

#[cfg(test)]
mod tests;
