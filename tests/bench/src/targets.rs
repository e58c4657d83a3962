//! The targets: what the figures must be at most, or at least.

use crate::load::Scenario;
use crate::measure::count;
use crate::plan::{JUDGED_CLOSED, Path};
use crate::report::{Report, Row, Target};

/// CPU of all of Forebay's processes per request at 64 connections, in microseconds.
const CPU_CLOSED_US: f64 = 160.0;
/// The same at an open-loop 1,000 requests a second, where every request costs its own wake-ups.
const CPU_OPEN_US: f64 = 800.0;
/// Throughput as a share of the plain proxy's.
const RATE_SHARE: f64 = 0.32;
/// What may be added to the direct median, in milliseconds.
const ADDED_P50_MS: f64 = 0.6;
/// What may be added to the plain proxy's 99th percentile, in milliseconds.
const ADDED_P99_MS: f64 = 3.0;
/// Forebay's own memory with a thousand open streams, in MB.
const MEMORY_MB: f64 = 150.0;
/// From this rate on added latency is judged.
const JUDGED_OPEN_FROM: u32 = 300;
/// In the short form the machine is shared with other tests: limits are this many times wider.
const SHORT_SLACK: f64 = 4.0;
/// And a 99th percentile of a second's load is mostly the neighbours'.
const SHORT_P99_MS: f64 = 100.0;

/// Judges a report's rows, memory and books.
pub(crate) fn judge(report: &Report) -> Vec<Target> {
    let slack = if report.short { SHORT_SLACK } else { 1.0 };
    let row = |scenario: Scenario, amount: u32, path: Path| {
        let wanted = |r: &&Row| r.phase.scenario == scenario && r.phase.amount == amount && r.path == path;
        report.rows.iter().find(wanted)
    };
    let mut targets = Vec::new();
    if let Some(forebay) = row(Scenario::Closed, JUDGED_CLOSED, Path::Forebay) {
        let name = format!("CPU per request at c={JUDGED_CLOSED}, us");
        targets.push(Target::at_most(name, forebay.cpu_us_path, CPU_CLOSED_US * slack));
        if let Some(proxy) = row(Scenario::Closed, JUDGED_CLOSED, Path::Proxy) {
            let name = format!("throughput at c={JUDGED_CLOSED}, share of the plain proxy's");
            targets.push(Target::at_least(name, forebay.rate / proxy.rate.max(1.0), RATE_SHARE / slack));
        }
    }
    for forebay in report.rows.iter().filter(|r| r.path == Path::Forebay) {
        let (scenario, rate) = (forebay.phase.scenario, forebay.phase.amount);
        if scenario != Scenario::Open || rate < JUDGED_OPEN_FROM {
            continue;
        }
        if rate == 1000 {
            let name = format!("CPU per request at {rate}/s, us");
            targets.push(Target::at_most(name, forebay.cpu_us_path, CPU_OPEN_US * slack));
        }
        if let Some(direct) = row(scenario, rate, Path::Direct) {
            let name = format!("added to the direct p50 at {rate}/s, ms");
            targets.push(Target::at_most(name, forebay.p50_ms - direct.p50_ms, ADDED_P50_MS * slack));
        }
        if let Some(proxy) = row(scenario, rate, Path::Proxy) {
            let limit = if report.short { SHORT_P99_MS } else { ADDED_P99_MS };
            let name = format!("added to the proxy's p99 at {rate}/s, ms");
            targets.push(Target::at_most(name, forebay.p99_ms - proxy.p99_ms, limit));
        }
    }
    let name = format!("own memory with {} open streams, MB", report.memory.streams);
    targets.push(Target::at_most(name, report.memory.forebay_mb, MEMORY_MB));
    targets.push(Target::at_most("requests failed", count(report.books.failed), 0.0));
    let wrong = report.books.problem.is_some();
    targets.push(Target::at_most("not on the books as sent", if wrong { 1.0 } else { 0.0 }, 0.0));
    targets
}
