//! `forebay bench`: a request straight to a mock provider, through a plain proxy and through Forebay, measured in
//! one run on one machine.
//!
//! 1. `stack` starts the mock provider ([`mock`]), the plain proxy ([`proxy`]) and `forebay up`, each a process
//!    of its own made from the running binary.
//! 2. `plan` says what is played; [`load`] plays it, in a process of its own for each measurement.
//! 3. `measure` reads from `/proc` (`account`) who used the processors meanwhile. Runs are interleaved path by
//!    path, so that a noisy neighbour hits all of them alike, and what is reported is the median.
//! 4. `books` asks whether every request is in the ledger; `targets` judges; [`report`] and `table` tell.
//!
//! Rates depend on the machine and on who else uses it; ratios and CPU time per request much less.

mod account;
mod books;
pub mod load;
mod measure;
pub mod mock;
mod plan;
pub mod proxy;
pub mod report;
mod shape;
mod stack;
mod table;
mod targets;
mod wire;

pub use account::Memory;
pub use plan::{Path, Phase};

use std::io::Write;

use anyhow::Context;
use rustix::process::{Resource, getrlimit, setrlimit};

use plan::{PATHS, Plan};
use report::{MemoryReport, Report, Row, Sample};
use stack::Stack;

/// Arguments of `forebay bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Print one JSON object on stdout; progress goes to stderr.
    #[arg(long)]
    pub json: bool,
    /// One quick run with wide limits, for a shared machine.
    #[arg(long)]
    pub short: bool,
    /// End with an exit code other than 0 unless all targets hold.
    #[arg(long)]
    pub check: bool,
    /// How many interleaved runs the medians are of [default: 5, short: 1].
    #[arg(long)]
    pub runs: Option<u32>,
    /// Seconds to measure of each phase, path and run [default: 3, short: 1].
    #[arg(long)]
    pub seconds: Option<f64>,
    /// The ledger's database, instead of SQLite in a temporary directory: postgres://...
    #[arg(long)]
    pub database: Option<String>,
    /// Only the phases whose name contains this, for example `c=64` or `open`.
    #[arg(long)]
    pub only: Option<String>,
    /// Only through Forebay, for a profiler.
    #[arg(long)]
    pub only_forebay: bool,
}

/// Measures and reports. False when `--check` is given and a target does not hold.
///
/// Blocks for minutes; must not be called from within a tokio runtime. The calling binary must offer the hidden
/// commands `bench-mock`, `bench-proxy` and `bench-load`, and `up` and `reconcile`.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    allow_many_files();
    let binary = std::env::current_exe().context("the running binary cannot be found")?;
    let runs = args.runs.unwrap_or(if args.short { 1 } else { 5 }).max(1);
    let seconds = args.seconds.unwrap_or(if args.short { 1.0 } else { 3.0 }).max(0.1);
    let mut plan = if args.short { Plan::short(runs, seconds) } else { Plan::full(runs, seconds) };
    if let Some(only) = &args.only {
        plan.phases.retain(|phase| phase.to_string().contains(only.as_str()));
    }
    let stack = Stack::start(&binary, args.database.as_deref())?;
    let report = measure_all(&stack, &plan, args.only_forebay)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(out, "{report}")?;
    }
    Ok(report.ok || !args.check)
}

fn measure_all(stack: &Stack, plan: &Plan, only_forebay: bool) -> anyhow::Result<Report> {
    let paths: Vec<Path> = PATHS.into_iter().filter(|p| !only_forebay || *p == Path::Forebay).collect();
    let idle = measure::idle_share(stack)?;
    let mut cells: Vec<(Phase, Path, Vec<Sample>)> =
        plan.phases.iter().flat_map(|phase| paths.iter().map(|path| (*phase, *path, Vec::new()))).collect();
    for run in 1..=plan.runs {
        for (phase, path, samples) in &mut cells {
            progress(&format!("run {run} of {}: {phase}, {}", plan.runs, path.as_str()));
            samples.push(measure::sample(stack, *phase, *path, plan.seconds, idle)?);
        }
    }
    progress(&format!("{} open streams", plan.open_streams));
    let (memory, held) = measure::memory(stack, plan.open_streams)?;
    measure::wait_idle(stack, idle)?;
    progress("the books");
    let (answered, failed) = through_forebay(&cells, &memory, held);
    let mut report = Report {
        cpus: measure::cpus(),
        runs: plan.runs,
        seconds: plan.seconds,
        short: plan.short,
        database: if stack.database.is_some() { "postgres" } else { "sqlite" }.to_owned(),
        idle_cpu_percent: idle * 100.0,
        rows: cells.iter().map(|(phase, path, samples)| Row::of(*phase, *path, samples)).collect(),
        memory,
        books: books::check(stack, answered, failed)?,
        targets: Vec::new(),
        ok: false,
    };
    report.targets = targets::judge(&report);
    report.ok = report.targets.iter().all(|target| target.ok);
    Ok(report)
}

/// How many requests went through Forebay well, and how many did not.
fn through_forebay(cells: &[(Phase, Path, Vec<Sample>)], memory: &MemoryReport, held: u64) -> (u64, u64) {
    let samples = cells.iter().filter(|(_, path, _)| *path == Path::Forebay).flat_map(|(_, _, s)| s);
    samples.fold((held, memory.failed), |(answered, failed), sample| {
        (answered + sample.outcome.ok, failed + sample.outcome.failed)
    })
}

/// A thousand streams take a thousand sockets in each process; children inherit the limit.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is refused, the streams phase says what failed.
    setrlimit(Resource::Nofile, limit).ok();
}

fn progress(what: &str) {
    // Nobody may be reading, which is as well.
    drop(writeln!(std::io::stderr(), "bench: {what}"));
}

impl Args {
    /// Whether stdout must hold one JSON object and nothing else.
    pub fn wants_json(&self) -> bool {
        self.json
    }
}
