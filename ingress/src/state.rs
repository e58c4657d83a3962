//! What every part of the ingress shares: cheap handles, one of each per process.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_nats::jetstream::object_store::ObjectStore;
use proto::clock::now_ms;
use proto::id::IngressId;
use proto::nats::{Link, Projection, Replays, Results};
use proto::seal::day_key_id;
use proto::secret::Pepper;
use proto::subject::{self, Lane};
use tokio::sync::OnceCell;

use crate::auth::KeyCache;
use crate::body::BodyBudget;
use crate::config::Config;
use crate::limit::Limits;
use crate::link_health::LinkHealth;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::presence::Presence;
use crate::slots::{SlotLimits, Slots};

const DAY_MS: u64 = 24 * 3600 * 1000;

/// The ingress.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) ingress: IngressId,
    pub(crate) link: Link,
    pub(crate) health: LinkHealth,
    pub(crate) projection: Projection,
    pub(crate) results: Results,
    pub(crate) replays: Replays,
    pub(crate) pepper: Pepper,
    pub(crate) keys: KeyCache,
    pub(crate) limits: Limits,
    pub(crate) bodies: Arc<BodyBudget>,
    pub(crate) presence: Presence,
    pub(crate) slots: Slots,
    pub(crate) outbox: Outbox,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) metrics_text: Arc<dyn Fn() -> String + Send + Sync>,
    /// Where requests are published.
    pub(crate) request_subject: async_nats::Subject,
    large_bodies: OnceCell<ObjectStore>,
    day_key: ArcSwap<(u64, String)>,
}

impl App {
    /// A new ingress with an id of its own, listening to nothing yet.
    pub(crate) fn new(
        config: Config,
        link: Link,
        pepper: Pepper,
        outbox: Outbox,
        metrics: Arc<Metrics>,
        metrics_text: Arc<dyn Fn() -> String + Send + Sync>,
    ) -> Self {
        let slots = SlotLimits { open_max: config.in_flight_max, ..SlotLimits::default() };
        let now = now_ms();
        Self {
            ingress: IngressId::random(),
            health: LinkHealth::new(link.state().connected),
            projection: Projection::new(),
            results: Results::new(link.clone()),
            replays: Replays::new(link.clone()),
            keys: KeyCache::new(Arc::clone(&metrics)),
            limits: Limits::new(&config),
            bodies: BodyBudget::new(config.bodies_bytes_max),
            presence: Presence::new(config.pool.clone()),
            slots: Slots::new(slots),
            request_subject: subject::request(Lane::Interactive, &config.pool, 0).into(),
            large_bodies: OnceCell::new(),
            day_key: ArcSwap::from_pointee((now / DAY_MS, day_key_id(now))),
            config,
            link,
            pepper,
            outbox,
            metrics,
            metrics_text,
        }
    }

    /// The id of today's payload key (UTC).
    pub(crate) fn day_key(&self) -> Arc<(u64, String)> {
        let now = now_ms();
        let known = self.day_key.load_full();
        if known.0 == now / DAY_MS {
            return known;
        }
        let today = Arc::new((now / DAY_MS, day_key_id(now)));
        self.day_key.store(Arc::clone(&today));
        today
    }

    /// The store of bodies too large for a message.
    pub(crate) async fn large_bodies(&self) -> Result<&ObjectStore, async_nats::Error> {
        let open = || async { Ok(self.link.js.get_object_store(subject::BODIES_BUCKET).await?) };
        self.large_bodies.get_or_try_init(open).await
    }
}
