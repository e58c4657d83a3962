//! A small bucket, read whole.

use std::time::Duration;

use async_nats::jetstream::kv::Operation;
use bytes::Bytes;
use futures_util::StreamExt;
use proto::nats::Link;

use crate::http::Problem;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// More entries are not shown.
const ENTRIES_MAX: usize = 20_000;

/// Every entry with its name.
pub(super) async fn entries(link: &Link, name: &str) -> Result<Vec<(String, Bytes)>, Problem> {
    let read = tokio::time::timeout(PATIENCE, read(link, name)).await;
    let read = read.unwrap_or_else(|_| Err("no answer in time".to_owned()));
    read.map_err(|cause| Problem {
        cause: Some(cause),
        ..Problem::unavailable("What the workers know cannot be read at present.")
    })
}

async fn read(link: &Link, name: &str) -> Result<Vec<(String, Bytes)>, String> {
    let store = link.js.get_key_value(name).await.map_err(|error| error.to_string())?;
    if store.status().await.map_err(|error| error.to_string())?.values() == 0 {
        return Ok(Vec::new());
    }
    let mut watch = store.watch_with_history(">").await.map_err(|error| error.to_string())?;
    let mut entries = Vec::new();
    while let Some(entry) = watch.next().await {
        let entry = entry.map_err(|error| error.to_string())?;
        let last = entry.delta == 0 || entries.len() + 1 >= ENTRIES_MAX;
        if entry.operation == Operation::Put {
            entries.push((entry.key, entry.value));
        }
        if last {
            break;
        }
    }
    Ok(entries)
}
