//! Child processes: started from a specification, so that they can be started again; signals; logs; memory.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How a process is started, as often as it has to be.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What it is called in messages.
    pub name: String,
    /// The binary.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment beside `PATH` and `HOME`.
    pub env: Vec<(String, String)>,
    /// Where its standard error goes; each start goes on where the last one ended.
    pub log: PathBuf,
    /// The user to run as; this process's own where absent.
    pub user: Option<(u32, u32)>,
}

impl Spec {
    /// A process without arguments and environment.
    pub fn new(name: impl Into<String>, program: PathBuf, log: PathBuf) -> Self {
        Self { name: name.into(), program, args: Vec::new(), env: Vec::new(), log, user: None }
    }

    /// Where its standard output goes.
    pub fn out(&self) -> PathBuf {
        self.log.with_extension("out")
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<OsString>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.retain(|(n, _)| n != name);
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// The command, without its input and output.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().envs(self.env.iter().map(|(n, v)| (n, v)));
        for name in ["PATH", "HOME", "XDG_CACHE_HOME", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(name).filter(|_| self.env.iter().all(|(n, _)| n != name)) {
                command.env(name, value);
            }
        }
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts it, in a process group of its own.
    pub fn start(&self) -> Result<Process> {
        let open = |path: &Path| File::options().create(true).append(true).open(path);
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(open(&self.out())?).stderr(open(&self.log)?).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        Ok(Process { spec: self.clone(), child, paused: false })
    }
}

/// A running process; it is killed, with its group, when dropped.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Child,
    paused: bool,
}

impl Process {
    /// How it was started.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Result<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Kills it (SIGKILL) and waits.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Kills it and everything in its process group (SIGKILL), and waits for it.
    pub fn kill_group(&mut self) -> Result<()> {
        kill_process_group(self.pid()?, Signal::KILL)?;
        self.child.wait()?;
        Ok(())
    }

    /// Freezes it (SIGSTOP).
    pub fn pause(&mut self) -> Result<()> {
        self.paused = true;
        Ok(kill_process(self.pid()?, Signal::STOP)?)
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&mut self) -> Result<()> {
        self.paused = false;
        Ok(kill_process(self.pid()?, Signal::CONT)?)
    }

    /// Whether it is frozen.
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// Asks it to end (SIGTERM) without waiting.
    pub fn ask_to_end(&self) -> Result<()> {
        Ok(kill_process(self.pid()?, Signal::TERM)?)
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if started.elapsed() > within {
                bail!("{} does not end within {within:?}", self.spec.name);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to end and waits.
    pub fn terminate(&mut self, within: Duration) -> Result<ExitStatus> {
        self.ask_to_end()?;
        self.wait(within)
    }

    /// Everything it has said on standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.spec.log).unwrap_or_default()
    }

    /// Everything it has said on standard output.
    pub fn said(&self) -> String {
        fs::read_to_string(self.spec.out()).unwrap_or_default()
    }

    /// The memory it has in use, in bytes (`VmRSS`).
    pub fn rss_bytes(&self) -> Result<u64> {
        memory(self.id(), "VmRSS:")
    }

    /// The most memory it ever had in use, in bytes (`VmHWM`).
    pub fn rss_max_bytes(&self) -> Result<u64> {
        memory(self.id(), "VmHWM:")
    }
}

fn memory(pid: u32, field: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix(field)).context("no such field")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.kill_group());
        }
    }
}
