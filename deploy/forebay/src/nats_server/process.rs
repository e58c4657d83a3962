//! Which process a recorded one is: its id alone is given again to others, so that the time it was started and
//! the machine's boot belong to it. Read from `/proc`; on a machine without it no process is recognised.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

const POLL: Duration = Duration::from_millis(20);

/// One process, distinct from every other that ever had its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Its id.
    pub(crate) pid: u32,
    /// When it was started, in clock ticks since the boot (field 22 of `/proc/<pid>/stat`).
    started_ticks: u64,
    /// Of which boot of the machine.
    boot: String,
}

impl Identity {
    /// The process that has this id now; `None` if none has, or if it has ended and waits to be reaped.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let started_ticks = started_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        let boot =
            fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        Some(Self { pid, started_ticks, boot })
    }

    /// This process.
    pub(crate) fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether this very process still runs.
    pub(crate) fn alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Whether one of its arguments is exactly `path`.
    pub(super) fn has_argument(&self, path: &Path) -> bool {
        let Ok(line) = fs::read(format!("/proc/{}/cmdline", self.pid)) else { return false };
        line.split(|byte| *byte == 0).any(|argument| argument == path.as_os_str().as_encoded_bytes())
    }

    /// Every process of this machine that has `path` as one of its arguments.
    pub(super) fn with_argument(path: &Path) -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(Self::of).filter(|process| process.has_argument(path)).collect()
    }

    /// Ends it: asks first, and kills it when it has not ended after `patience`. Whether it has ended.
    pub(super) async fn end(&self, patience: Duration) -> bool {
        for signal in [Signal::TERM, Signal::KILL] {
            self.signal(signal);
            let asked = Instant::now();
            while self.alive() && asked.elapsed() < patience {
                tokio::time::sleep(POLL).await;
            }
        }
        !self.alive()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.alive())
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::warn!(pid = self.pid, error = %error, "a process cannot be signalled");
        }
    }
}

/// The start time in a line of `/proc/<pid>/stat`; `None` for one that has ended. The name in parentheses may
/// itself hold spaces and parentheses.
fn started_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let stat =
            |state| format!("7 (a) b (c) {state} 1 7 7 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 4711 99 3 1 2");
        assert_eq!(started_ticks(&stat("S")), Some(4711));
        assert_eq!(started_ticks(&stat("Z")), None);
        assert_eq!(started_ticks(""), None);
    }

    #[tokio::test]
    async fn a_process_is_known_while_it_runs_and_not_after() {
        let mut child = tokio::process::Command::new("tail").args(["-f", "/dev/null"]).spawn().unwrap();
        let process = Identity::of(child.id().unwrap()).unwrap();
        assert!(process.alive() && process != Identity::own().unwrap());
        let other = Identity { started_ticks: process.started_ticks + 1, ..process.clone() };
        assert!(!other.alive());
        let ending = process.end(Duration::from_secs(5));
        let (ended, status) = tokio::join!(ending, child.wait());
        assert!(ended && !status.unwrap().success() && !process.alive());
    }
}
