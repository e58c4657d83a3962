//! What handlers are given: cheap handles only.

use std::sync::Arc;

use axum::Router;
use ledger::Db;
use proto::config::Config;
use proto::nats::Link;
use proto::nats::presence::Roster;

use super::sessions::Settings;
use crate::error::Error;
use crate::{Nudge, Secrets, store};

/// What control serves by HTTP.
#[derive(Debug)]
pub struct Serve {
    /// Where. It must be non-blocking.
    pub listener: std::net::TcpListener,
    /// What answers operators' probes: `/health`, `/ready`, `/metrics`.
    pub operators: Router,
    /// The web origins that may read answers, exactly as browsers send them (`API_CORS_ORIGINS`). `*` = any, which
    /// production refuses.
    pub cors_origins: Vec<String>,
}

/// The state of every handler.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// Wakes the projector after a commit and waits for it.
    pub(crate) nudge: Nudge,
    /// Every process of the deployment.
    pub(crate) roster: Roster,
    /// SQL.
    pub(crate) db: Db,
    /// NATS.
    pub(crate) link: Link,
    /// What hashes and seals.
    pub(crate) secrets: Secrets,
    /// Whether this is production.
    pub(crate) production: bool,
    /// How sessions are opened.
    pub(crate) sessions: Settings,
}

impl App {
    /// The newest version of the configuration; `None` if nothing was ever published.
    pub(crate) async fn document(&self) -> Result<Option<Arc<Config>>, Error> {
        Ok(store::newest(&self.db).await?.map(|version| Arc::new(version.config)))
    }
}
