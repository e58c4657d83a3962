//! The report as text.

use std::fmt::{self, Display, Formatter};

use crate::load::Scenario;
use crate::report::{Books, Report, Row};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let form = if self.short { ", short form" } else { "" };
        writeln!(
            f,
            "medians of {} interleaved runs of {} s each, {} CPUs, {}{form}; idle Forebay uses {:.1} % of one CPU\n",
            self.runs, self.seconds, self.cpus, self.database, self.idle_cpu_percent
        )?;
        writeln!(
            f,
            "{:<14} {:<8} {:>9} {:>8} {:>8}  {:>8} {:>6}  CPU us per request by process",
            "load", "path", "rate/s", "p50 ms", "p99 ms", "CPU us", "oth %"
        )?;
        for row in &self.rows {
            write_row(f, row)?;
        }
        if self.rows.iter().any(|r| r.phase.scenario == Scenario::Streams) {
            write_streams(f, &self.rows)?;
        }
        for row in self.rows.iter().filter(|r| !r.threads_us.is_empty() && r.cpu_us_path > 0.0) {
            if row.path == crate::plan::Path::Forebay {
                let threads: Vec<String> =
                    row.threads_us.iter().map(|(name, us)| format!("{name} {us:.0}")).collect();
                writeln!(f, "threads, {}: {}", row.phase, threads.join(", "))?;
            }
        }
        write!(f, "\nmemory with {} open streams:", self.memory.streams)?;
        for (name, memory) in &self.memory.processes {
            write!(f, " {name} {:.0} MiB (peak {:.0}),", mib(memory.resident_kib), mib(memory.peak_kib))?;
        }
        writeln!(f, " plain proxy {:.0} MB", self.memory.proxy_mb)?;
        if self.memory.failed > 0 {
            let first = self.memory.first_failure.as_deref().unwrap_or("unknown");
            writeln!(f, "  {} of them failed, first: {first}", self.memory.failed)?;
        }
        write_books(f, &self.books)?;
        writeln!(f)?;
        for target in &self.targets {
            let verdict = if target.ok { "ok  " } else { "FAIL" };
            let than = if target.at_least { ">=" } else { "<=" };
            writeln!(f, "{verdict}  {}: {:.2} ({than} {:.2})", target.name, target.measured, target.limit)?;
        }
        Ok(())
    }
}

fn write_row(f: &mut Formatter<'_>, row: &Row) -> fmt::Result {
    let by_process: Vec<String> = row.cpu_us.iter().map(|(name, us)| format!("{name} {us:.0}")).collect();
    writeln!(
        f,
        "{:<14} {:<8} {:>9.0} {:>8.2} {:>8.2}  {:>8.0} {:>6.0}  {}",
        row.phase.to_string(),
        row.path.as_str(),
        row.rate,
        row.p50_ms,
        row.p99_ms,
        row.cpu_us_path,
        row.other_percent,
        by_process.join(", ")
    )?;
    if row.failed > 0 {
        writeln!(f, "  {} failed, first: {}", row.failed, row.first_failure.as_deref().unwrap_or("unknown"))?;
    }
    Ok(())
}

fn write_streams(f: &mut Formatter<'_>, rows: &[Row]) -> fmt::Result {
    writeln!(f, "\nstreams: first content p50 / p99 ms, a chunk on its way p50 / p99 ms")?;
    for row in rows.iter().filter(|r| r.phase.scenario == Scenario::Streams) {
        let of = |value: Option<f64>| value.unwrap_or(0.0);
        writeln!(
            f,
            "{:<14} {:<8} {:>8.2} / {:.2}   {:>8.2} / {:.2}",
            row.phase.to_string(),
            row.path.as_str(),
            of(row.first_content_p50_ms),
            of(row.first_content_p99_ms),
            of(row.chunk_p50_ms),
            of(row.chunk_p99_ms)
        )?;
    }
    writeln!(f)
}

fn write_books(f: &mut Formatter<'_>, books: &Books) -> fmt::Result {
    let number = |n: Option<u64>| n.map_or_else(|| "not told".to_owned(), |n| n.to_string());
    writeln!(
        f,
        "books: {} answered, {} failed, {} upstream calls; {} attempts ({} unsettled) and {} transfers; {} mismatches",
        books.answered,
        books.failed,
        books.upstream_calls,
        number(books.attempts),
        number(books.unsettled),
        number(books.transfers),
        number(books.mismatches)
    )?;
    match &books.problem {
        Some(problem) => writeln!(f, "books: {problem}"),
        None => Ok(()),
    }
}

fn mib(kib: u64) -> f64 {
    crate::measure::count(kib) / 1024.0
}
