//! The configuration document every process runs with: compiled from the operator's file by `control`, numbered,
//! stored, and projected as one JSON value. It names secrets and never holds one; virtual keys are not in it.

mod model;
mod provider;

pub use model::{Model, Strategy, Target};
pub use provider::{Provider, ProviderKind, SecretRef, SecretRefError};

use serde::{Deserialize, Serialize};

use crate::catalogue::{self, PriceRow};
use crate::envelope::OnDisconnect;
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

/// A tenant: what keys belong to and usage is booked on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Its name; see [`crate::subject::valid_project`].
    pub name: String,
    /// Whether streaming answers are served to it; the deployment's switch must be on as well.
    pub streaming: bool,
    /// What becomes of an upstream call whose caller went away.
    pub on_disconnect: OnDisconnect,
}

/// A virtual key as the ingress sees it, stored under the keyed hash of its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its id, for books and logs.
    pub id: String,
    /// The project it belongs to.
    pub project: String,
    /// Its name within the project.
    pub name: String,
    /// Whether it has been revoked.
    #[serde(default)]
    pub revoked: bool,
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
        let entry = self.model(alias);
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
}

#[cfg(test)]
mod tests;
