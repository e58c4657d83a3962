//! The handlers, one file for each thing that is served.

pub(crate) mod chat_completions;
pub(crate) mod embeddings;
mod generation;
pub(crate) mod health;
pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod providers;
pub(crate) mod ready;
pub(crate) mod requests;
pub(crate) mod responses;

use std::sync::Arc;

use http::HeaderMap;
use proto::config::{Config, KeyRecord};
use proto::fault::Fault;

use crate::admit::open_for_work;
use crate::auth::authenticate;
use crate::call::Call;
use crate::state::App;

/// Who calls and under which configuration: what every route under `/v1` needs first.
async fn enter(
    app: &App,
    call: &mut Call,
    headers: &HeaderMap,
) -> Result<(Arc<KeyRecord>, Arc<Config>), Fault> {
    let key = authenticate(app, headers).await?;
    call.key = Some(Arc::clone(&key));
    let config = open_for_work(app)?;
    call.config = config.version;
    Ok((key, config))
}
