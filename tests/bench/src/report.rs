//! What a run found: medians by phase and path, memory, the books, and the targets with their verdicts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::account::Memory;
use crate::load::Outcome;
use crate::plan::{Path, Phase};

/// Everything `forebay bench` reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Processors of the machine.
    pub cpus: usize,
    /// How many interleaved runs the medians are of.
    pub runs: u32,
    /// Seconds measured of each phase, path and run.
    pub seconds: f64,
    /// Whether it was the short form, whose limits are wide.
    pub short: bool,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// CPU that Forebay uses with nothing to do, in percent of one processor.
    pub idle_cpu_percent: f64,
    /// One row for each phase and path.
    pub rows: Vec<Row>,
    /// Memory by process while many streams are open.
    pub memory: MemoryReport,
    /// What the ledger says of all requests of the run.
    pub books: Books,
    /// The targets.
    pub targets: Vec<Target>,
    /// Whether all of them hold.
    pub ok: bool,
}

/// Medians over the runs of one phase on one path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was played.
    pub phase: Phase,
    /// Where to.
    pub path: Path,
    /// Requests (or streams) per second.
    pub rate: f64,
    /// Median time of a request, in milliseconds; in the open loop, from its intended start.
    pub p50_ms: f64,
    /// The time that one in a hundred exceeds.
    pub p99_ms: f64,
    /// Streams: median time to the first content.
    pub first_content_p50_ms: Option<f64>,
    /// Streams: the time to the first content that one in a hundred exceeds.
    pub first_content_p99_ms: Option<f64>,
    /// Streams: median time of a chunk on its way.
    pub chunk_p50_ms: Option<f64>,
    /// Streams: the time of a chunk on its way that one in a hundred exceeds.
    pub chunk_p99_ms: Option<f64>,
    /// Requests that failed, over all runs.
    pub failed: u64,
    /// The first failure of them.
    pub first_failure: Option<String>,
    /// CPU microseconds per request by process. `load` and `mock` serve every path.
    pub cpu_us: BTreeMap<String, f64>,
    /// CPU microseconds per request of the whole path, without `load`, `mock` and an external database.
    pub cpu_us_path: f64,
    /// CPU microseconds per request by thread of the process on the path.
    pub threads_us: BTreeMap<String, f64>,
    /// What everybody else used of the machine, in percent of all its processors.
    pub other_percent: f64,
}

/// One measurement of one phase on one path.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) outcome: Outcome,
    pub(crate) cpu_us: BTreeMap<String, f64>,
    pub(crate) cpu_us_path: f64,
    pub(crate) threads_us: BTreeMap<String, f64>,
    pub(crate) other_percent: f64,
}

/// Memory while many streams are open.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MemoryReport {
    /// How many streams.
    pub streams: u32,
    /// How many of them failed.
    pub failed: u64,
    /// The first failure of them.
    pub first_failure: Option<String>,
    /// By process name.
    pub processes: BTreeMap<String, Memory>,
    /// Forebay's own resident memory, without nats-server, in MB.
    pub forebay_mb: f64,
    /// The plain proxy's with as many, in MB.
    pub proxy_mb: f64,
}

/// Whether everything is on the books.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Books {
    /// Requests that were answered well.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Calls that the mock provider has seen.
    pub upstream_calls: u64,
    /// Attempts in the ledger.
    pub attempts: Option<u64>,
    /// Attempts in the ledger without a known outcome.
    pub unsettled: Option<u64>,
    /// Transfers in the ledger: one for each attempt that had a price.
    pub transfers: Option<u64>,
    /// Differences that `forebay reconcile` found.
    pub mismatches: Option<u64>,
    /// Whether a request looked up by its id is there, with its attempt and its cost.
    pub looked_up: bool,
    /// What is wrong, if anything.
    pub problem: Option<String>,
}

/// One target and whether it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// What is compared.
    pub name: String,
    /// What was measured.
    pub measured: f64,
    /// The limit.
    pub limit: f64,
    /// Whether the measured value has to be at least the limit; otherwise at most.
    pub at_least: bool,
    /// The verdict.
    pub ok: bool,
}

impl Target {
    pub(crate) fn at_most(name: impl Into<String>, measured: f64, limit: f64) -> Self {
        Self { name: name.into(), measured, limit, at_least: false, ok: measured <= limit }
    }

    pub(crate) fn at_least(name: impl Into<String>, measured: f64, limit: f64) -> Self {
        Self { name: name.into(), measured, limit, at_least: true, ok: measured >= limit }
    }
}

impl Row {
    pub(crate) fn of(phase: Phase, path: Path, samples: &[Sample]) -> Self {
        let over = |value: fn(&Sample) -> f64| median(samples.iter().map(value).collect());
        let quantile = |value: fn(&Outcome) -> Option<f64>| {
            let values: Vec<f64> = samples.iter().filter_map(|s| value(&s.outcome)).collect();
            (!values.is_empty()).then(|| median(values))
        };
        Self {
            phase,
            path,
            rate: over(|s| s.outcome.rate),
            p50_ms: over(|s| s.outcome.latency.p50_ms),
            p99_ms: over(|s| s.outcome.latency.p99_ms),
            first_content_p50_ms: quantile(|o| o.first_content.map(|q| q.p50_ms)),
            first_content_p99_ms: quantile(|o| o.first_content.map(|q| q.p99_ms)),
            chunk_p50_ms: quantile(|o| o.chunk_delay.map(|q| q.p50_ms)),
            chunk_p99_ms: quantile(|o| o.chunk_delay.map(|q| q.p99_ms)),
            failed: samples.iter().map(|s| s.outcome.failed).sum(),
            first_failure: samples.iter().find_map(|s| s.outcome.first_failure.clone()),
            cpu_us: medians(samples, |s| &s.cpu_us),
            cpu_us_path: over(|s| s.cpu_us_path),
            threads_us: medians(samples, |s| &s.threads_us),
            other_percent: over(|s| s.other_percent),
        }
    }
}

fn medians(samples: &[Sample], of: fn(&Sample) -> &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let names: std::collections::BTreeSet<&String> = samples.iter().flat_map(|s| of(s).keys()).collect();
    let value =
        |name: &String| median(samples.iter().map(|s| of(s).get(name).copied().unwrap_or(0.0)).collect());
    names.into_iter().map(|name| (name.clone(), value(name))).collect()
}

/// The median; 0 of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.as_slice() {
        [] => 0.0,
        all if all.len() % 2 == 1 => all[middle],
        all => f64::midpoint(all[middle - 1], all[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, median};

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(Vec::new()).abs() < f64::EPSILON);
    }

    #[test]
    fn verdicts_go_the_right_way() {
        assert!(Target::at_most("cpu", 160.0, 160.0).ok && !Target::at_most("cpu", 161.0, 160.0).ok);
        assert!(Target::at_least("rate", 0.4, 0.32).ok && !Target::at_least("rate", 0.3, 0.32).ok);
    }
}
