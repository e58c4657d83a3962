//! What models can do, as far as it was asked for: the catalogue is searched once for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use proto::catalogue::{self, Profile};
use proto::config::ProviderKind;

/// Names of models that are remembered; a wildcard alias takes any.
const PROFILES_MAX: usize = 4096;

/// The profiles of all models that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Profiles(Mutex<HashMap<ProviderKind, HashMap<String, Arc<Profile>>>>);

impl Profiles {
    /// What a model of a vendor can do.
    pub(crate) fn of(&self, kind: ProviderKind, model: &str) -> Arc<Profile> {
        let Ok(mut kinds) = self.0.lock() else { return Arc::new(catalogue::profile(kind, model)) };
        let profiles = kinds.entry(kind).or_default();
        if let Some(profile) = profiles.get(model) {
            return Arc::clone(profile);
        }
        if profiles.len() >= PROFILES_MAX {
            profiles.clear();
        }
        let profile = Arc::new(catalogue::profile(kind, model));
        profiles.insert(model.to_owned(), Arc::clone(&profile));
        profile
    }
}
