//! The load generator: a process of its own that plays one scenario against one address and prints what it saw
//! as one JSON object.

mod blocking;
mod closed;
mod open;
mod streams;

use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub(crate) use blocking::Connection;

use crate::shape;

/// The longest latency told apart, in nanoseconds: a minute.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// How long one answer, or one chunk of a stream, may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Arguments of the hidden command that runs the load generator.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to play.
    #[arg(long, value_enum)]
    pub scenario: Scenario,
    /// Whom to call.
    #[arg(long)]
    pub address: SocketAddr,
    /// The path to post to.
    #[arg(long)]
    pub path: String,
    /// The bearer key.
    #[arg(long, env = "BENCH_KEY", hide_env_values = true, default_value = "none")]
    pub key: String,
    /// Connections of the closed loop, requests per second of the open loop, or concurrent streams.
    #[arg(long)]
    pub amount: u32,
    /// How long to measure, in seconds; 0 with streams: each connection plays one stream.
    #[arg(long)]
    pub seconds: f64,
    /// How long to play before measuring, in seconds.
    #[arg(long, default_value_t = 0.5)]
    pub warmup: f64,
    /// Chunks of a stream.
    #[arg(long, default_value_t = 64)]
    pub chunks: u32,
    /// Milliseconds between the chunks of a stream.
    #[arg(long, default_value_t = 5)]
    pub interval: u64,
}

/// What the load generator can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// So many connections, each sending its next request when the last is answered.
    Closed,
    /// So many requests a second, whether or not the last ones are answered.
    Open,
    /// So many streams at a time.
    Streams,
}

/// What the load generator saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Requests answered well, the warm-up's included.
    pub ok: u64,
    /// Requests not answered, or not well, the warm-up's included.
    pub failed: u64,
    /// What the first failure was.
    pub first_failure: Option<String>,
    /// Requests answered per second while measuring.
    pub rate: f64,
    /// From a request's (intended) start to the end of its answer.
    pub latency: Quantiles,
    /// Streams: from the start to the first content.
    pub first_content: Option<Quantiles>,
    /// Streams: from the mock's writing a chunk to its arrival here.
    pub chunk_delay: Option<Quantiles>,
    /// CPU time of the load generator itself, in microseconds.
    pub cpu_us: u64,
}

/// A distribution of times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    pub p50_ms: f64,
    /// Nine tenths are below.
    pub p90_ms: f64,
    /// All but one in a hundred are below.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Quantiles {
    fn of(histogram: &Histogram<u64>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "times of less than a minute")]
        let ms = |ns: u64| ns as f64 / 1e6;
        Self {
            p50_ms: ms(histogram.value_at_quantile(0.5)),
            p90_ms: ms(histogram.value_at_quantile(0.9)),
            p99_ms: ms(histogram.value_at_quantile(0.99)),
            max_ms: ms(histogram.max()),
        }
    }
}

/// What is counted while a scenario plays.
#[derive(Debug)]
pub(crate) struct Tally {
    ok: u64,
    failed: u64,
    first_failure: Option<String>,
    measured: u64,
    latency: Histogram<u64>,
    first_content: Histogram<u64>,
    chunk_delay: Histogram<u64>,
}

impl Tally {
    fn new() -> anyhow::Result<Self> {
        let histogram = || Histogram::new_with_bounds(1_000, LATENCY_NS_MAX, 3);
        Ok(Self {
            ok: 0,
            failed: 0,
            first_failure: None,
            measured: 0,
            latency: histogram()?,
            first_content: histogram()?,
            chunk_delay: histogram()?,
        })
    }

    fn good(&mut self, latency_ns: u64, measuring: bool) {
        self.ok += 1;
        if measuring {
            self.measured += 1;
            self.latency.saturating_record(latency_ns);
        }
    }

    fn bad(&mut self, why: String) {
        self.failed += 1;
        self.first_failure.get_or_insert(why);
    }

    fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.ok += other.ok;
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.measured += other.measured;
        self.latency.add(&other.latency)?;
        Ok(())
    }

    fn outcome(&self, seconds: f64, streams: bool) -> anyhow::Result<Outcome> {
        #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
        let measured = self.measured as f64;
        Ok(Outcome {
            ok: self.ok,
            failed: self.failed,
            first_failure: self.first_failure.clone(),
            rate: measured / seconds,
            latency: Quantiles::of(&self.latency),
            first_content: streams.then(|| Quantiles::of(&self.first_content)),
            chunk_delay: streams.then(|| Quantiles::of(&self.chunk_delay)),
            cpu_us: crate::account::own_cpu_us()?,
        })
    }
}

/// When a run measures, in nanoseconds of the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Window {
    from_ns: u64,
    until_ns: u64,
}

impl Window {
    fn starting_now(args: &Args) -> Self {
        let ns =
            |seconds: f64| u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).unwrap_or(u64::MAX);
        let from_ns = shape::now_ns() + ns(args.warmup);
        Self { from_ns, until_ns: from_ns + ns(args.seconds) }
    }

    fn holds(self, at_ns: u64) -> bool {
        (self.from_ns..self.until_ns).contains(&at_ns)
    }
}

/// Plays one scenario and prints its [`Outcome`]. Must not be called from within a tokio runtime.
pub fn run(args: &Args) -> anyhow::Result<()> {
    use std::io::Write;
    let outcome = play(args)?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&outcome)?)?;
    Ok(())
}

/// Plays one scenario. Must not be called from within a tokio runtime.
pub(crate) fn play(args: &Args) -> anyhow::Result<Outcome> {
    match args.scenario {
        Scenario::Closed => closed::play(args),
        Scenario::Open => open::play(args),
        Scenario::Streams => streams::play(args),
    }
}

/// A whole request, head and body.
pub(crate) fn request(address: SocketAddr, path: &str, key: &str, body: &str) -> Vec<u8> {
    format!(
        concat!(
            "POST {} HTTP/1.1\r\nhost: {}\r\naccept: application/json\r\ncontent-type: application/json\r\n",
            "user-agent: forebay-bench\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{}"
        ),
        path,
        address,
        key,
        body.len(),
        body
    )
    .into_bytes()
}

/// What is wrong with a complete answer, if anything.
fn flaw(answer: &[u8]) -> Option<String> {
    let good = crate::wire::status(answer) == 200 && memchr::memmem::find(answer, shape::GOOD).is_some();
    (!good).then(|| String::from_utf8_lossy(&answer[..answer.len().min(700)]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> std::net::TcpListener {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    }

    /// Serves on a thread of its own until the test process ends.
    fn serve<F: Future<Output = ()>>(service: impl FnOnce() -> F + Send + 'static) {
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(service());
        });
    }

    fn mock_and_proxy() -> [SocketAddr; 2] {
        let (mock, proxy) = (listener(), listener());
        let addresses = [mock.local_addr().unwrap(), proxy.local_addr().unwrap()];
        serve(|| async { crate::mock::serve(tokio::net::TcpListener::from_std(mock).unwrap()).await });
        let upstream = addresses[0];
        serve(move || async move {
            let listener = tokio::net::TcpListener::from_std(proxy).unwrap();
            crate::proxy::serve(listener, upstream).await.unwrap();
        });
        addresses
    }

    #[test]
    fn every_scenario_plays_against_the_mock_and_the_proxy() {
        let [mock, proxy] = mock_and_proxy();
        for address in [mock, proxy] {
            for (scenario, amount) in [(Scenario::Closed, 8), (Scenario::Open, 300), (Scenario::Streams, 5)] {
                let args = Args {
                    scenario,
                    address,
                    path: "/v1/chat/completions".into(),
                    key: "none".into(),
                    amount,
                    seconds: 0.4,
                    warmup: 0.1,
                    chunks: 8,
                    interval: 2,
                };
                let outcome = play(&args).unwrap();
                assert_eq!((outcome.failed, outcome.first_failure), (0, None), "{scenario:?}");
                assert!(outcome.ok > 0 && outcome.rate > 0.0 && outcome.latency.p50_ms > 0.0);
                assert_eq!(outcome.chunk_delay.is_some(), scenario == Scenario::Streams);
            }
        }
        let (status, body) = Connection::new(mock).get(crate::mock::COUNT_PATH, "none").unwrap();
        assert_eq!((status, body.as_str()), (200, r#"{"forebay":0}"#));
    }

    #[test]
    fn a_refusal_is_a_failure_with_its_text() {
        let [_, proxy] = mock_and_proxy();
        let mut connection = Connection::new(proxy);
        let answer = connection.exchange(&request(proxy, "/nowhere", "none", "{}")).unwrap();
        assert!(flaw(answer).unwrap().starts_with("HTTP/1.1 404"));
    }
}
