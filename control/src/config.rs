//! How control runs.

use std::path::PathBuf;
use std::time::Duration;

use proto::nats::StreamOptions;
use proto::seal::Wrapper;
use proto::secret::{Pepper, Secret};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::file::{self, Draft, FileOptions};
use crate::health::Health;
use crate::store::{Published, Source};
use crate::{DEFAULT_PROJECT, defaults};

/// How control runs. The defaults publish nothing and project what is in the database.
#[derive(Debug)]
pub struct Config {
    /// A configuration file to publish at the start.
    pub file: Option<PathBuf>,
    /// Whether the environment's configuration is published where there is no file.
    pub publish_default: bool,
    /// The secret of the environment configuration's key; generated, and announced once, where absent.
    pub default_key: Option<Secret<String>>,
    /// Whether this is production (`NODE_ENV=production`): weak secrets and the scripted provider are refused.
    pub production: bool,
    /// Whether the workers run in this process, so that a provider's missing secret is a mistake of the file.
    pub local_providers: bool,
    /// The streams to declare; EVENTS is kept longer where its newest checkpoint asks for it.
    pub streams: StreamOptions,
    /// How long the start is tried again while a cluster forms or the database comes up. Default 60 s.
    pub start_patience: Duration,
    /// How often the outbox is looked at. Default 200 ms.
    pub poll: Duration,
    /// How the role is.
    pub health: Health,
    /// Told once what became of the file or the environment's configuration.
    pub on_published: Option<oneshot::Sender<Published>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            publish_default: false,
            default_key: None,
            production: false,
            local_providers: false,
            streams: StreamOptions::default(),
            start_patience: Duration::from_secs(60),
            poll: Duration::from_millis(200),
            health: Health::default(),
            on_published: None,
        }
    }
}

impl Config {
    /// The defaults, with `production` from the environment.
    pub fn from_env() -> Self {
        Self { production: env("NODE_ENV").is_some_and(|value| value == "production"), ..Self::default() }
    }

    /// Compiles what is to be published at the start; `None` if nothing is. Reads the file and the environment and
    /// nothing else, so that mistakes can be shown before anything is started.
    pub fn draft(&self) -> Result<Option<(Draft, Source)>, Error> {
        if let Some(path) = &self.file {
            let options = FileOptions {
                production: self.production,
                local_providers: self.local_providers,
                ..FileOptions::default()
            };
            let draft = file::load(path, &env, options).map_err(Error::File)?;
            return Ok(Some((draft, Source::File)));
        }
        if !self.publish_default {
            return Ok(None);
        }
        let mut draft = defaults::from_env(&env, self.production).map_err(Error::Defaults)?;
        if let Some(secret) = &self.default_key {
            let ours = draft.keys.iter_mut().filter(|key| key.project == DEFAULT_PROJECT);
            ours.for_each(|key| key.secret = Some(secret.clone()));
        }
        Ok(Some((draft, Source::Default)))
    }
}

/// The keys that control needs. It can open no provider credential.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Wraps payload keys.
    pub wrapper: Wrapper,
    /// Hashes the secrets of virtual keys.
    pub pepper: Pepper,
}

/// A variable of this process's environment, if it is set and text.
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
