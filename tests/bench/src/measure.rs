//! One measurement: play a phase on a path, and see who used the processors meanwhile.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::account::{self, Usage};
use crate::load::{Outcome, Scenario};
use crate::plan::{Path, Phase};
use crate::report::{MemoryReport, Sample};
use crate::stack::{KEY, Stack};

/// What counts as idle again after a phase, above what Forebay uses with nothing to do: a share of one processor.
const IDLE_MARGIN: f64 = 0.04;
const IDLE_POLL: Duration = Duration::from_millis(250);
/// The ledger may be behind by so long.
const IDLE_WITHIN: Duration = Duration::from_secs(60);
const IDLE_SAMPLE: Duration = Duration::from_secs(2);
/// The streams that are held open for the memory reading last chunks times interval.
const HELD_CHUNKS: u32 = 40;
const HELD_INTERVAL_MS: u64 = 250;

/// A reading of everybody's CPU time, in microseconds.
struct Reading {
    at: Instant,
    forebay: Usage,
    proxy: Usage,
    mock_us: u64,
    bench_us: u64,
    postgres_us: u64,
    machine_us: u64,
}

impl Reading {
    fn take(stack: &Stack) -> anyhow::Result<Self> {
        let postgres = stack.database.is_some();
        Ok(Self {
            at: Instant::now(),
            forebay: account::usage(stack.forebay.pid())?,
            proxy: account::usage(stack.proxy.pid())?,
            mock_us: account::cpu_us(stack.mock.pid())?,
            bench_us: account::own_cpu_us()?,
            postgres_us: if postgres { account::cpu_us_of_all("postgres")? } else { 0 },
            machine_us: account::machine_busy_us()?,
        })
    }
}

/// Plays `phase` on `path` and waits until Forebay is idle again; what it does then is charged to the phase.
pub(crate) fn sample(
    stack: &Stack,
    phase: Phase,
    path: Path,
    seconds: f64,
    idle: f64,
) -> anyhow::Result<Sample> {
    let before = Reading::take(stack)?;
    let outcome = play(stack, phase, path, &["--seconds", &seconds.to_string()])?;
    if path == Path::Forebay {
        wait_idle(stack, idle)?;
    }
    let after = Reading::take(stack)?;
    let requests = count((outcome.ok + outcome.failed).max(1));
    let each = |us: u64| count(us) / requests;
    let forebay = account::since(&before.forebay.processes, &after.forebay.processes);
    let proxy = account::since(&before.proxy.processes, &after.proxy.processes);
    let mock = after.mock_us.saturating_sub(before.mock_us);
    let postgres = after.postgres_us.saturating_sub(before.postgres_us);
    let forebay_sum: u64 = forebay.values().sum();
    let proxy_sum: u64 = proxy.values().sum();
    let ours = forebay_sum + proxy_sum + mock + postgres + outcome.cpu_us + after.bench_us - before.bench_us;
    let machine = after.machine_us.saturating_sub(before.machine_us);
    let capacity = count(duration_us(after.at - before.at)) * count(u64::try_from(cpus())?);
    let mut cpu_us: std::collections::BTreeMap<String, f64> = match path {
        Path::Direct => std::collections::BTreeMap::new(),
        Path::Proxy => [("proxy".to_owned(), each(proxy_sum))].into(),
        Path::Forebay => forebay.into_iter().map(|(name, us)| (name, each(us))).collect(),
    };
    // The sum of nothing is -0.0.
    let cpu_us_path = cpu_us.values().sum::<f64>() + 0.0;
    cpu_us.insert("load".to_owned(), each(outcome.cpu_us));
    cpu_us.insert("mock".to_owned(), each(mock));
    if stack.database.is_some() && path == Path::Forebay {
        cpu_us.insert("postgres".to_owned(), each(postgres));
    }
    let threads = match path {
        Path::Direct => std::collections::BTreeMap::new(),
        Path::Proxy => account::since(&before.proxy.threads, &after.proxy.threads),
        Path::Forebay => account::since(&before.forebay.threads, &after.forebay.threads),
    };
    Ok(Sample {
        outcome,
        cpu_us,
        cpu_us_path,
        threads_us: threads.into_iter().map(|(name, us)| (name, each(us))).collect(),
        other_percent: 100.0 * count(machine.saturating_sub(ours)) / capacity,
    })
}

/// What share of one processor Forebay uses with nothing to do.
pub(crate) fn idle_share(stack: &Stack) -> anyhow::Result<f64> {
    let (before, started) = (forebay_us(stack)?, Instant::now());
    std::thread::sleep(IDLE_SAMPLE);
    Ok(count(forebay_us(stack)? - before) / count(duration_us(started.elapsed())))
}

/// Opens many streams at once and reads the memory while all are open.
pub(crate) fn memory(stack: &Stack, streams: u32) -> anyhow::Result<(MemoryReport, u64)> {
    let phase = Phase { scenario: Scenario::Streams, amount: streams };
    let (chunks, interval) = (HELD_CHUNKS.to_string(), HELD_INTERVAL_MS.to_string());
    let held = ["--seconds", "0", "--chunks", &chunks, "--interval", &interval];
    let halfway = Duration::from_millis(HELD_INTERVAL_MS * u64::from(HELD_CHUNKS)) / 2;
    let through = |path: Path, pid: u32| {
        std::thread::scope(|scope| {
            let playing = scope.spawn(|| play(stack, phase, path, &held));
            std::thread::sleep(halfway);
            let memory = account::memory(pid);
            let outcome =
                playing.join().map_err(|_| anyhow::anyhow!("the load generator's thread died"))??;
            anyhow::Ok((memory?, outcome))
        })
    };
    let (proxy, _) = through(Path::Proxy, stack.proxy.pid())?;
    let (processes, outcome) = through(Path::Forebay, stack.forebay.pid())?;
    let mb = |kib: u64| count(kib) * 1024.0 / 1e6;
    let own = processes.iter().filter(|(name, _)| *name != "nats-server").map(|(_, m)| m.resident_kib).sum();
    let report = MemoryReport {
        streams,
        failed: outcome.failed,
        first_failure: outcome.first_failure,
        forebay_mb: mb(own),
        proxy_mb: mb(proxy.values().map(|m| m.resident_kib).sum()),
        processes,
    };
    Ok((report, outcome.ok))
}

/// Waits until Forebay does no more than with nothing to do.
pub(crate) fn wait_idle(stack: &Stack, idle: f64) -> anyhow::Result<()> {
    let started = Instant::now();
    while started.elapsed() < IDLE_WITHIN {
        let (before, polled) = (forebay_us(stack)?, Instant::now());
        std::thread::sleep(IDLE_POLL);
        let share = count(forebay_us(stack)? - before) / count(duration_us(polled.elapsed()));
        if share <= idle + IDLE_MARGIN {
            return Ok(());
        }
    }
    Ok(())
}

/// Processors of the machine.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn play(stack: &Stack, phase: Phase, path: Path, more: &[&str]) -> anyhow::Result<Outcome> {
    let (address, url) = match path {
        Path::Direct => (stack.mock_address, "/plain/v1/chat/completions"),
        Path::Proxy => (stack.proxy_address, "/v1/chat/completions"),
        Path::Forebay => (stack.forebay_address, "/v1/chat/completions"),
    };
    let mut command = Command::new(&stack.binary);
    command.args(["bench-load", "--scenario", phase.scenario.as_str(), "--path", url]);
    command.args(["--address", &address.to_string(), "--amount", &phase.amount.to_string()]);
    command.args(more).env("BENCH_KEY", KEY).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output()?;
    ensure!(output.status.success(), "the load generator ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("the load generator's report does not parse")
}

fn forebay_us(stack: &Stack) -> anyhow::Result<u64> {
    Ok(account::usage(stack.forebay.pid())?.processes.values().sum())
}

fn duration_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

/// Counts and microseconds of one run are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(crate) fn count(n: u64) -> f64 {
    n as f64
}
