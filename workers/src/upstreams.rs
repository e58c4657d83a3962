//! The providers of the configuration in force, ready to be called. Built when a version is first used; what did not
//! change from one version to the next keeps its connections.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use proto::config::{Config as Document, Provider, ProviderKind};
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::error::chain;
use crate::http::{UnusableError, Upstream};
use crate::providers::scripted;

/// One configuration version with its providers.
#[derive(Debug)]
pub(crate) struct UpstreamSet {
    /// The configuration to route and price with.
    pub(crate) config: Arc<Document>,
    by_name: HashMap<String, Arc<Upstream>>,
}

impl UpstreamSet {
    /// The provider of that name, if it can be called.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.by_name.get(name)
    }

    /// Every provider that can be called.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.by_name.values()
    }
}

/// The providers of the newest configuration that was asked for.
#[derive(Debug)]
pub(crate) struct Upstreams {
    settings: Config,
    current: ArcSwapOption<UpstreamSet>,
    building: Mutex<()>,
    scripted: OnceCell<String>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Upstreams {
    /// Nothing is built yet. What it starts ends with `shutdown` and is counted by `tracker`.
    pub(crate) fn new(settings: Config, tracker: TaskTracker, shutdown: CancellationToken) -> Self {
        Self {
            settings,
            current: ArcSwapOption::empty(),
            building: Mutex::new(()),
            scripted: OnceCell::new(),
            tracker,
            shutdown,
        }
    }

    /// The set built last, if any.
    pub(crate) fn current(&self) -> Option<Arc<UpstreamSet>> {
        self.current.load_full()
    }

    /// The providers of `document`, or of a newer one if there is one already.
    pub(crate) async fn of(&self, document: &Arc<Document>) -> Arc<UpstreamSet> {
        let fresh = |set: &Arc<UpstreamSet>| set.config.version >= document.version;
        if let Some(set) = self.current().filter(fresh) {
            return set;
        }
        let _building = self.building.lock().await;
        let before = self.current();
        if let Some(set) = before.clone().filter(fresh) {
            return set;
        }
        let mut by_name = HashMap::with_capacity(document.providers.len());
        for provider in &document.providers {
            match self.build(provider).await {
                Ok(built) => {
                    let old = before.as_ref().and_then(|set| set.get(&provider.name));
                    let kept = old.filter(|old| old.same_as(&built)).cloned();
                    by_name.insert(provider.name.clone(), kept.unwrap_or_else(|| Arc::new(built)));
                }
                Err(error) => {
                    tracing::error!(
                        provider = provider.name,
                        error = chain(&error),
                        "provider cannot be used"
                    );
                }
            }
        }
        let set = Arc::new(UpstreamSet { config: Arc::clone(document), by_name });
        self.current.store(Some(Arc::clone(&set)));
        set
    }

    async fn build(&self, provider: &Provider) -> Result<Upstream, UnusableError> {
        let built_in = match provider.kind {
            ProviderKind::Scripted => {
                let start = || scripted::start(&self.tracker, self.shutdown.clone());
                Some(self.scripted.get_or_try_init(start).await.map_err(UnusableError::Scripted)?.as_str())
            }
            ProviderKind::Openai
            | ProviderKind::OpenaiCompatible
            | ProviderKind::Anthropic
            | ProviderKind::AzureOpenai
            | ProviderKind::Gemini
            | ProviderKind::Bedrock => None,
        };
        Upstream::build(provider, &self.settings, built_in).await
    }
}
