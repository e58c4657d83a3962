//! Logs to stderr and the recorder behind `/metrics`. Stdout belongs to what a command reports.

use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::task::AbortOnDropHandle;
use tracing_subscriber::EnvFilter;

/// Used where `RUST_LOG` says nothing.
const DEFAULT_FILTER: &str = "info,async_nats=warn,sqlx=warn,hyper=warn";
/// How often histograms are folded, so that they do not grow between two scrapes.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// From half a millisecond, which a hop takes, to ten minutes, which the longest answer takes.
const SECONDS_BUCKETS: [f64; 20] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0,
    120.0, 300.0, 600.0,
];
/// From a small prompt to the largest body that is taken.
const BYTES_BUCKETS: [f64; 9] =
    [256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 8_388_608.0, 67_108_864.0];

/// Sends logs to stderr: lines of JSON, or readable text where a person looks on.
pub(crate) fn init_logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if stderr().is_terminal() {
        builder.with_target(false).compact().init();
    } else {
        builder.json().flatten_event(true).with_span_list(false).init();
    }
}

/// What `/metrics` answers with.
pub(crate) type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// The process's one recorder. Its text can be had from any thread.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder. Must be done before anything counts, and once only.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)?
            .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES_BUCKETS)?
            .install_recorder()?;
        Ok(Self(handle))
    }

    /// The text of `/metrics`.
    pub(crate) fn text(&self) -> MetricsText {
        let handle = self.0.clone();
        Arc::new(move || handle.render())
    }

    /// Keeps the recorder small for as long as the handle lives.
    pub(crate) fn keep_up(&self) -> AbortOnDropHandle<()> {
        let handle = self.0.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut period = tokio::time::interval(UPKEEP_PERIOD);
            loop {
                period.tick().await;
                handle.run_upkeep();
            }
        }))
    }
}
