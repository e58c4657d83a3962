//! How long EVENTS is kept: as long as the operator says, and never shorter than back to the newest verified
//! checkpoint.

use std::time::Duration;

use ledger::Db;
use proto::nats::{Link, StreamOptions, declare};

use crate::error::Error;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What must remain until an event that stands behind no checkpoint is dropped: time to notice that the ledger makes
/// none, also while no control runs.
const MARGIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// The streams as they were last declared.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    declared: Option<StreamOptions>,
}

impl Retention {
    /// Declares everything, whatever was declared before.
    pub(crate) async fn declare(
        &mut self,
        link: &Link,
        db: &Db,
        options: &StreamOptions,
        now_ms: u64,
    ) -> Result<(), Error> {
        self.declared = None;
        self.keep_up(link, db, options, now_ms).await
    }

    /// Declares again if the age of the newest checkpoint asks for it.
    pub(crate) async fn keep_up(
        &mut self,
        link: &Link,
        db: &Db,
        options: &StreamOptions,
        now_ms: u64,
    ) -> Result<(), Error> {
        let needed = ledger::retention::needed(link, db, now_ms).await.map_err(Error::Books)?;
        let events_max_age = kept(options.events_max_age, needed);
        let wanted = StreamOptions { events_max_age, ..options.clone() };
        if self.declared.as_ref() == Some(&wanted) {
            return Ok(());
        }
        if events_max_age > options.events_max_age {
            let days = events_max_age.as_secs() / DAY.as_secs();
            tracing::warn!(days, "events are kept longer than configured: the newest checkpoint is that old");
        }
        declare(link, &wanted).await.map_err(Error::Declare)?;
        self.declared = Some(wanted);
        Ok(())
    }
}

/// How long events are kept if they are `needed` so long. Whole days, so that it changes once a day at most.
fn kept(configured: Duration, needed: Duration) -> Duration {
    let days = (needed + MARGIN).as_secs().div_ceil(DAY.as_secs());
    configured.max(Duration::from_secs(days * DAY.as_secs()))
}

#[cfg(test)]
mod tests {
    use proto::event::Event;
    use proto::nats::publish_event;
    use proto::subject::{BODIES_BUCKET, EVENTS_STREAM, REQUESTS_STREAM};

    use super::*;
    use crate::testing::{Nats, sqlite, streams};

    #[test]
    fn the_configured_age_is_extended_for_an_old_checkpoint_alone() {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        assert_eq!(kept(days(90), Duration::ZERO), days(90));
        assert_eq!(kept(days(90), days(83)), days(90));
        assert_eq!(kept(days(90), days(83) + Duration::from_secs(1)), days(91));
        assert_eq!(kept(days(90), days(200)), days(207));
        assert_eq!(kept(days(14), days(1)), days(14));
    }

    async fn max_age(link: &Link, stream: &str) -> Duration {
        link.js.get_stream(stream).await.unwrap().cached_info().config.max_age
    }

    #[tokio::test]
    async fn changed_options_reach_streams_and_buckets_that_exist() {
        let nats = Nats::start();
        let (link, (db, _dir)) = (nats.bare().await, sqlite().await);
        let bodies = format!("OBJ_{BODIES_BUCKET}");
        let now = proto::clock::now_ms();
        let mut retention = Retention::default();
        let mut options = streams();
        retention.declare(&link, &db, &options, now).await.unwrap();
        assert_eq!(max_age(&link, &bodies).await, DAY + DAY / 24);
        options.requests_max_age = 3 * DAY;
        options.requests_max_bytes = 128 << 20;
        options.events_max_age = 30 * DAY;
        retention.keep_up(&link, &db, &options, now).await.unwrap();
        assert_eq!(max_age(&link, REQUESTS_STREAM).await, 3 * DAY);
        assert_eq!(max_age(&link, &bodies).await, 3 * DAY + DAY / 24);
        assert_eq!(max_age(&link, EVENTS_STREAM).await, 30 * DAY);
        let requests = link.js.get_stream(REQUESTS_STREAM).await.unwrap();
        assert_eq!(requests.cached_info().config.max_bytes, 128 << 20);
    }

    #[tokio::test]
    async fn events_without_a_checkpoint_are_kept_until_there_is_one() {
        let nats = Nats::start();
        let (link, (db, _dir)) = (nats.bare().await, sqlite().await);
        let now = proto::clock::now_ms();
        let day_ms = 86_400_000;
        let options = streams();
        let mut retention = Retention::default();
        retention.declare(&link, &db, &options, now).await.unwrap();
        let config = proto::config::Config { version: 1, ..empty() };
        publish_event(&link, &Event::Config(config), Duration::from_secs(5)).await.unwrap();
        retention.keep_up(&link, &db, &options, now + 100 * day_ms).await.unwrap();
        assert!(max_age(&link, EVENTS_STREAM).await >= 106 * DAY);
        // And back, once it is not needed any more.
        retention.keep_up(&link, &db, &options, now + day_ms).await.unwrap();
        assert_eq!(max_age(&link, EVENTS_STREAM).await, 90 * DAY);
    }

    fn empty() -> proto::config::Config {
        proto::config::Config {
            version: 0,
            published_ms: 0,
            streaming: true,
            providers: Vec::new(),
            models: Vec::new(),
            projects: Vec::new(),
            prices: Vec::new(),
        }
    }
}
