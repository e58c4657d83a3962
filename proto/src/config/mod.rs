//! The configuration document every process runs with: compiled from the operator's file by `control`, numbered,
//! stored, and projected as one JSON value. It names secrets and never holds one; virtual keys are not in it.

mod model;
mod provider;

pub use model::{Model, Strategy, Target};
pub use provider::{Provider, ProviderKind, SecretRef, SecretRefError};

use serde::{Deserialize, Serialize};

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

    /// What `alias` costs at any of its targets; `None` = unpriced.
    pub fn price(&self, alias: &str) -> Option<&Price> {
        self.model(alias).and_then(|m| m.price.as_ref())
    }
}
