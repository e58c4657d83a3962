//! Who used the machine: CPU time and memory of processes and their threads, read from `/proc`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// One process, as the kernel counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    name: String,
    /// User and system time of all its threads, those that ended included, in clock ticks.
    ticks: u64,
}

/// CPU time by name, in microseconds: processes, and the threads of one of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    /// Of the process and its descendants, summed by process name.
    pub(crate) processes: BTreeMap<String, u64>,
    /// Of the process's own threads, summed by thread name.
    pub(crate) threads: BTreeMap<String, u64>,
}

/// Memory of a process, in kibibytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident now.
    pub resident_kib: u64,
    /// The most that was ever resident.
    pub peak_kib: u64,
}

/// CPU time used by the process and everything it started.
pub(crate) fn usage(root: u32) -> anyhow::Result<Usage> {
    let mut usage = Usage { processes: BTreeMap::new(), threads: threads(root) };
    for process in family(root)? {
        *usage.processes.entry(process.name).or_default() += ticks_us(process.ticks);
    }
    Ok(usage)
}

/// CPU time of one process, in microseconds.
pub(crate) fn cpu_us(pid: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    Ok(ticks_us(parse(&stat).context("/proc/<pid>/stat does not parse")?.ticks))
}

/// CPU time of this process, in microseconds.
pub(crate) fn own_cpu_us() -> anyhow::Result<u64> {
    cpu_us(std::process::id())
}

/// CPU time of every process of that name on the machine, in microseconds.
pub(crate) fn cpu_us_of_all(name: &str) -> anyhow::Result<u64> {
    Ok(all()?.iter().filter(|p| p.name == name).map(|p| ticks_us(p.ticks)).sum())
}

/// CPU time used by everybody on the machine since it started, in microseconds.
pub(crate) fn machine_busy_us() -> anyhow::Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let fields: Vec<u64> = line.split_ascii_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is part of user.
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|n| fields.get(*n)).sum();
    Ok(ticks_us(busy))
}

/// Memory of the process and everything it started, summed by process name.
pub(crate) fn memory(root: u32) -> anyhow::Result<BTreeMap<String, Memory>> {
    let mut memory: BTreeMap<String, Memory> = BTreeMap::new();
    for process in family(root)? {
        let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name))?;
            line.split_ascii_whitespace().next()?.parse::<u64>().ok()
        };
        let entry = memory.entry(process.name).or_default();
        entry.resident_kib += kib("VmRSS:").unwrap_or(0);
        entry.peak_kib += kib("VmHWM:").unwrap_or(0);
    }
    Ok(memory)
}

/// What was used between two readings, by name.
pub(crate) fn since(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    now.iter().map(|(k, v)| (k.clone(), v.saturating_sub(before.get(k).copied().unwrap_or(0)))).collect()
}

fn family(root: u32) -> anyhow::Result<Vec<Process>> {
    let mut rest = all()?;
    let mut members = vec![root];
    let mut family = Vec::new();
    while !members.is_empty() {
        let (found, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|p| members.contains(&p.pid) || members.contains(&p.parent));
        members = found.iter().map(|p| p.pid).collect();
        family.extend(found);
        rest = others;
    }
    Ok(family)
}

fn all() -> anyhow::Result<Vec<Process>> {
    let entries = fs::read_dir("/proc")?.filter_map(Result::ok);
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    // A process may end between the listing and the reading.
    let stats = pids.filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    Ok(stats.filter_map(|stat| parse(&stat)).collect())
}

fn threads(pid: u32) -> BTreeMap<String, u64> {
    let mut threads = BTreeMap::new();
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return threads };
    for path in entries.filter_map(Result::ok).map(|e| e.path()) {
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        let name = name.trim_end().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
        let ran = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let ran_ns = ran.split_ascii_whitespace().next().and_then(|ns| ns.parse::<u64>().ok());
        *threads.entry(name).or_default() += ran_ns.unwrap_or(0) / 1000;
    }
    threads
}

fn parse(stat: &str) -> Option<Process> {
    // The name stands in parentheses and may itself hold some.
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |n: usize| fields.get(n)?.parse::<u64>().ok();
    Some(Process {
        pid: pid.parse().ok()?,
        parent: u32::try_from(number(1)?).ok()?,
        name: name.to_owned(),
        ticks: number(11)? + number(12)?,
    })
}

fn ticks_us(ticks: u64) -> u64 {
    ticks * (1_000_000 / rustix::param::clock_ticks_per_second().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_are_read() {
        let stat = "12 (a (b) c) S 7 12 12 0 -1 0 0 0 0 0 30 12 0 0 20 0 1 0 5 6 7";
        let process = Process { pid: 12, parent: 7, name: "a (b) c".into(), ticks: 42 };
        assert_eq!(parse(stat), Some(process));
    }

    #[test]
    fn this_process_and_its_child_are_counted() {
        let mut child = std::process::Command::new("sleep").arg("5").spawn().unwrap();
        let family = family(std::process::id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(family.iter().any(|p| p.pid == child.id()));
        assert!(family.iter().any(|p| p.pid == std::process::id()));
        let own = memory(std::process::id()).unwrap();
        assert!(own.values().any(|m| m.resident_kib > 0 && m.peak_kib >= m.resident_kib));
        assert!(machine_busy_us().unwrap() > 0);
    }
}
