//! The keys that payloads are sealed with: one for each UTC day, made a day ahead, forgotten after the audit window.
//!
//! Forgetting a key is what deletes the payloads: what it sealed stays on an immutable stream and opens no more.

use std::time::Duration;

use async_nats::jetstream::kv::CreateErrorKind;
use futures_util::TryStreamExt;
use proto::nats::Link;
use proto::seal::{Wrapper, day_key_id};
use proto::subject;

use crate::error::Error;
use crate::metrics;

/// The longest deadline: a body in the object store outlives its request by it, and so must its key.
const GRACE: Duration = Duration::from_secs(3600);
const DAY_MS: u64 = 24 * 3600 * 1000;
const LIST_PATIENCE: Duration = Duration::from_secs(30);

/// What one pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pass {
    pub(crate) made: usize,
    pub(crate) forgotten: usize,
}

/// Makes the keys of today and tomorrow if nobody has, and forgets those whose payloads have left the audit window.
pub(crate) async fn ensure(
    link: &Link,
    wrapper: &Wrapper,
    audit_window: Duration,
    now_ms: u64,
) -> Result<Pass, Error> {
    let failed = "open the bucket of payload keys";
    let store = link.js.get_key_value(subject::PAYLOAD_KEYS_BUCKET).await.map_err(Error::nats(failed))?;
    let mut pass = Pass::default();
    for at_ms in [now_ms, now_ms + DAY_MS] {
        let id = day_key_id(at_ms);
        // Create-only: of several controls one makes the key of a day and the others find it.
        match store.create(&id, wrapper.make(&id)?).await {
            Ok(_) => pass.made += 1,
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {
                let found = store.get(&id).await.map_err(Error::nats("read a payload key"))?;
                if found.is_some_and(|wrapped| wrapper.open(&id, &wrapped).is_err()) {
                    return Err(Error::OtherWrapper(id));
                }
            }
            Err(error) => return Err(Error::nats("store a payload key")(error)),
        }
    }
    let kept_ms = u64::try_from((audit_window + GRACE).as_millis()).unwrap_or(u64::MAX);
    let oldest = day_key_id(now_ms.saturating_sub(kept_ms));
    let failed = "list the payload keys";
    let list = async {
        let keys = store.keys().await.map_err(Error::nats(failed))?;
        keys.try_collect::<Vec<String>>().await.map_err(Error::nats(failed))
    };
    let listed = tokio::time::timeout(LIST_PATIENCE, list).await.map_err(Error::nats(failed))??;
    for id in listed.iter().filter(|id| id.starts_with("day.") && **id < oldest) {
        store.purge(id).await.map_err(Error::nats("forget a payload key"))?;
        pass.forgotten += 1;
        tracing::info!(key_id = id, "payload key forgotten: what it sealed has expired");
    }
    metrics::payload_keys(pass.made, pass.forgotten);
    Ok(pass)
}

#[cfg(test)]
mod tests {
    use proto::nats::StreamOptions;

    use super::*;
    use crate::testing::{Nats, secrets};

    const DAY: Duration = Duration::from_secs(24 * 3600);
    /// 2026-11-18, 11:06:40 UTC.
    const NOW: u64 = 1_795_000_000_000;

    async fn ids(link: &Link) -> Vec<String> {
        let store = link.js.get_key_value(subject::PAYLOAD_KEYS_BUCKET).await.unwrap();
        let mut ids: Vec<String> = store.keys().await.unwrap().try_collect().await.unwrap();
        ids.sort();
        ids
    }

    #[tokio::test]
    async fn today_and_tomorrow_have_one_key_each_whoever_comes() {
        let nats = Nats::start();
        let (one, two) = (nats.link().await, nats.link().await);
        let wrapper = secrets('m').wrapper;
        let (a, b) = tokio::join!(ensure(&one, &wrapper, DAY, NOW), ensure(&two, &wrapper, DAY, NOW));
        assert_eq!(a.unwrap().made + b.unwrap().made, 2);
        assert_eq!(ids(&one).await, ["day.2026-11-18", "day.2026-11-19"]);
        assert_eq!(ensure(&one, &wrapper, DAY, NOW).await.unwrap(), Pass::default());
        let refused = ensure(&one, &secrets('x').wrapper, DAY, NOW).await.unwrap_err();
        assert!(matches!(refused, Error::OtherWrapper(_)), "{refused}");
    }

    #[tokio::test]
    async fn a_key_is_forgotten_once_no_payload_of_its_day_can_be_within_the_window() {
        let nats = Nats::start();
        let link = nats.link().await;
        let wrapper = secrets('m').wrapper;
        assert_eq!(StreamOptions::default().requests_max_age, DAY);
        ensure(&link, &wrapper, DAY, NOW).await.unwrap();
        // The last request of the 18th leaves the window at the end of the 19th; an hour later its key goes.
        let hour = 3600 * 1000;
        let end_of_19th = 1_795_000_000_000 - 40_000_000 + 2 * DAY_MS;
        ensure(&link, &wrapper, DAY, end_of_19th + hour - 1).await.unwrap();
        assert_eq!(
            ids(&link).await,
            ["day.2026-11-18", "day.2026-11-19", "day.2026-11-20", "day.2026-11-21"]
        );
        let pass = ensure(&link, &wrapper, DAY, end_of_19th + hour).await.unwrap();
        assert_eq!(pass, Pass { made: 0, forgotten: 1 });
        assert_eq!(ids(&link).await, ["day.2026-11-19", "day.2026-11-20", "day.2026-11-21"]);
    }
}
