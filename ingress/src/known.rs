//! The configuration in force with what is looked up in it for every request by name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use proto::config::{AUTO, Config, KeyRecord, Model, Project, Provider, WILDCARD};
use proto::fault::{Fault, FaultCode};

use crate::auth::may_ask_for;

/// A configuration with its names.
#[derive(Debug)]
pub(crate) struct Known {
    /// The configuration.
    pub(crate) config: Arc<Config>,
    projects: HashMap<String, usize>,
    models: HashMap<String, usize>,
    providers: HashMap<String, usize>,
    origins: HashSet<String>,
}

impl Known {
    /// Takes a configuration in.
    pub(crate) fn new(config: Arc<Config>) -> Self {
        fn places<'a>(names: impl Iterator<Item = &'a String>) -> HashMap<String, usize> {
            names.enumerate().map(|(place, name)| (name.clone(), place)).collect()
        }
        Self {
            projects: places(config.projects.iter().map(|project| &project.name)),
            models: places(config.models.iter().map(|model| &model.alias)),
            providers: places(config.providers.iter().map(|provider| &provider.name)),
            origins: config.projects.iter().flat_map(|project| &project.cors_origins).cloned().collect(),
            config,
        }
    }

    /// The project of that name.
    pub(crate) fn project(&self, name: &str) -> Option<&Project> {
        self.config.projects.get(*self.projects.get(name)?)
    }

    /// Whether some project's pages are at `origin`.
    pub(crate) fn is_some_origin(&self, origin: &str) -> bool {
        self.origins.contains(origin)
    }

    /// The alias of that name itself, never the wildcard for it.
    fn alias(&self, name: &str) -> Option<&Model> {
        self.config.models.get(*self.models.get(name)?)
    }

    fn provider(&self, name: &str) -> Option<&Provider> {
        self.config.providers.get(*self.providers.get(name)?)
    }

    /// Whether `name` is in the list of models that the key is shown.
    pub(crate) fn lists(&self, key: &KeyRecord, name: &str) -> bool {
        name != WILDCARD && self.alias(name).is_some_and(|alias| !alias.disabled) && may_ask_for(key, name)
    }

    /// Whether the key may ask for a model by this name, and whether that addresses a target directly. A provider's
    /// name before a slash does so for keys that may; for others it is a name like any other, which the wildcard may
    /// serve. Errs with 403 or 404.
    pub(crate) fn asked(&self, key: &KeyRecord, name: &str) -> Result<bool, Fault> {
        if !may_ask_for(key, name) {
            let message = format!("This API key may not ask for the model `{}`.", shown(name));
            return Err(Fault::new(FaultCode::ModelNotAllowed, message).with_param("model"));
        }
        match self.alias(name) {
            Some(alias) if alias.disabled => return Err(no_model(name)),
            Some(_) => return Ok(false),
            None if name.starts_with(AUTO) => return Ok(false),
            None => {}
        }
        let addressed = name.split_once('/').filter(|(_, model)| !model.is_empty());
        let provider = addressed.and_then(|(provider, _)| self.provider(provider)).filter(|p| !p.disabled);
        if provider.is_some() && key.direct {
            return Ok(true);
        }
        // Who may not address providers is not told which there are.
        match self.alias(WILDCARD).filter(|alias| !alias.disabled) {
            Some(_) => Ok(false),
            None => Err(no_model(name)),
        }
    }
}

fn no_model(name: &str) -> Fault {
    let message = format!("The model `{}` does not exist.", shown(name));
    Fault::new(FaultCode::ModelNotFound, message).with_param("model")
}

/// The beginning of a model's name, fit for a sentence.
fn shown(model: &str) -> &str {
    let end = model.char_indices().nth(100).map_or(model.len(), |(at, _)| at);
    &model[..end]
}

#[cfg(test)]
mod tests {
    use proto::config::{ProviderKind, Strategy, Target};

    use super::*;

    fn known(aliases: &[&str], change: impl Fn(&mut Config)) -> Known {
        let model = |alias: &&str| Model::new(*alias, Strategy::Simple, vec![Target::new("p", "m")]);
        let mut config = Config {
            version: 1,
            published_ms: 0,
            streaming: true,
            providers: vec![Provider::new("p", ProviderKind::Openai)],
            models: aliases.iter().map(model).collect(),
            projects: vec![Project::new("acme")],
            prices: Vec::new(),
        };
        change(&mut config);
        Known::new(Arc::new(config))
    }

    fn status(known: &Known, key: &KeyRecord, name: &str) -> Result<bool, u16> {
        known.asked(key, name).map_err(|fault| fault.status())
    }

    #[test]
    fn names_are_aliases_first_and_targets_only_where_the_key_may() {
        let (plain, direct) = (KeyRecord::default(), KeyRecord { direct: true, ..KeyRecord::default() });
        let known_one = known(&["fast", "p/alias"], |_| ());
        for key in [&plain, &direct] {
            assert_eq!(status(&known_one, key, "fast"), Ok(false));
            assert_eq!(status(&known_one, key, "p/alias"), Ok(false));
            assert_eq!(status(&known_one, key, "auto:cheap"), Ok(false));
            assert_eq!(status(&known_one, key, "none"), Err(404));
            assert_eq!(status(&known_one, key, "q/m"), Err(404));
            assert_eq!(status(&known_one, key, "p/"), Err(404));
        }
        assert_eq!(status(&known_one, &plain, "p/m"), Err(404));
        assert_eq!(status(&known_one, &direct, "p/m/n"), Ok(true));
        let wild = known(&["*"], |_| ());
        assert_eq!((status(&wild, &plain, "p/m"), status(&wild, &direct, "p/m")), (Ok(false), Ok(true)));
        let off = known(&["fast", "*"], |config| {
            config.models[0].disabled = true;
            config.providers[0].disabled = true;
        });
        assert_eq!(
            status(&off, &direct, "fast"),
            Err(404),
            "the wildcard does not serve what is switched off"
        );
        assert_eq!(status(&off, &direct, "p/m"), Ok(false));
    }

    #[test]
    fn a_list_of_models_binds_every_name() {
        let known = known(&["fast", "slow", "*"], |_| ());
        let models = Some(["fast", "p/*"].map(str::to_owned).to_vec());
        let key = KeyRecord { models, direct: true, ..KeyRecord::default() };
        assert_eq!((status(&known, &key, "fast"), status(&known, &key, "p/m")), (Ok(false), Ok(true)));
        for other in ["slow", "other", "auto:cheap", "q/m"] {
            assert_eq!(status(&known, &key, other), Err(403), "{other}");
        }
        assert!(known.lists(&key, "fast") && !known.lists(&key, "slow") && !known.lists(&key, "*"));
    }

    #[test]
    fn long_model_names_are_cut_at_a_character() {
        assert_eq!(shown(&"é".repeat(200)), "é".repeat(100));
        assert_eq!(shown("gpt"), "gpt");
    }
}
