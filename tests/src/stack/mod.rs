//! Forebay itself, as an operator runs it: `up`, or its roles apart. A stack that is dropped ends its processes in
//! order and then panics unless the books balance and nothing is left open, unless it was told not to look.

mod apart;
mod ask;

pub use apart::Counts;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::client::{self, Client};
use crate::nats::Nats;
use crate::postgres::Postgres;
use crate::process::{Process, Spec};
use crate::provider::Provider;
use crate::setup::{ACME_KEY, Setup};
use crate::{binary, port, wait};

/// Set to anything, logs and stores of every stack stay where they are.
const KEEP_ENV: &str = "FOREBAY_TEST_KEEP";
/// From start to readiness.
const READY: Duration = Duration::from_secs(30);
/// From the last answer to books that balance with nothing left open.
const SETTLED: Duration = Duration::from_secs(30);
/// From the request to end until the end: the drain and a little.
const ENDED: Duration = Duration::from_secs(40);

/// A running Forebay.
#[derive(Debug)]
pub struct Stack {
    /// A client of the first ingress with the key of project `acme`.
    pub client: Client,
    /// The first provider.
    pub primary: Provider,
    /// The second provider.
    pub spare: Provider,
    /// Processes by name: `up`, or `ingress-0`, `workers-0`, ...
    pub processes: BTreeMap<String, Process>,
    /// Where each process serves operators.
    pub admin: BTreeMap<String, u16>,
    /// Where the ingresses listen.
    pub listen: Vec<u16>,
    env: Vec<(String, String)>,
    data_dir: Option<PathBuf>,
    check: bool,
    /// The servers of roles apart. Dropped after the processes, and then the database.
    pub nats: Option<Nats>,
    _postgres: Option<Postgres>,
    dir: TempDir,
}

impl Stack {
    /// `forebay up`, ready.
    pub async fn up(setup: Setup) -> Result<Self> {
        let mut stack = Self::empty(&setup, None, None)?;
        let (listen, admin) = (port::free()?, port::free()?);
        let data_dir = stack.dir.path().join("data");
        let spec = stack.spec("up")?.args(["up", "--config"]).args([stack.config_file().into_os_string()]);
        let spec = spec.args(["--data-dir".into(), data_dir.clone().into_os_string()]).args([
            "--listen".to_owned(),
            format!("127.0.0.1:{listen}"),
            "--admin-listen".to_owned(),
            format!("127.0.0.1:{admin}"),
        ]);
        stack.data_dir = Some(data_dir);
        stack.listen.push(listen);
        stack.client = stack.client_of(0)?;
        stack.admin.insert("up".to_owned(), admin);
        stack.processes.insert("up".to_owned(), spec.start()?);
        stack.wait_ready(READY).await?;
        Ok(stack)
    }

    fn empty(setup: &Setup, nats: Option<Nats>, postgres: Option<Postgres>) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("forebay-test-").tempdir()?;
        let (primary, spare) = (Provider::start("primary")?, Provider::start("spare")?);
        let first = setup.primary.clone().unwrap_or_else(|| primary.base_url());
        fs::write(dir.path().join("forebay.toml"), setup.file(&first, &spare.base_url()))?;
        let mut env = setup.environment();
        let server = binary::nats_server()?;
        env.push(("FOREBAY_NATS_SERVER".to_owned(), server.to_string_lossy().into_owned()));
        Ok(Self {
            client: Client::new("", ACME_KEY)?,
            primary,
            spare,
            processes: BTreeMap::new(),
            admin: BTreeMap::new(),
            listen: Vec::new(),
            env,
            data_dir: None,
            check: setup.check,
            nats,
            _postgres: postgres,
            dir,
        })
    }

    fn spec(&self, name: &str) -> Result<Spec> {
        let log = self.dir.path().join(format!("{name}.log"));
        let mut spec = Spec::new(name, binary::forebay()?, log);
        spec.env.clone_from(&self.env);
        Ok(spec)
    }

    fn start(&mut self, name: &str, spec: &Spec) -> Result<()> {
        self.processes.insert(name.to_owned(), spec.start()?);
        Ok(())
    }

    /// A client of the `n`th ingress with the key of project `acme`.
    pub fn client_of(&self, n: usize) -> Result<Client> {
        let port = self.listen.get(n).context("no such ingress")?;
        Client::new(format!("http://127.0.0.1:{port}"), ACME_KEY)
    }

    /// Files of the stack: the configuration, logs, and the data directory of `up`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The data directory of `up`.
    pub fn data_dir(&self) -> Result<&Path> {
        self.data_dir.as_deref().context("roles apart have no data directory")
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("forebay.toml")
    }

    /// A process by name.
    pub fn process(&mut self, name: &str) -> Result<&mut Process> {
        self.processes.get_mut(name).with_context(|| format!("no process {name}"))
    }

    /// Starts a process again that was killed.
    pub fn restart(&mut self, name: &str) -> Result<()> {
        let spec = self.process(name)?.spec().clone();
        self.start(name, &spec)
    }

    /// Waits until every ingress is ready.
    pub async fn wait_ready(&mut self, within: Duration) -> Result<()> {
        for port in self.listen.clone() {
            let url = format!("http://127.0.0.1:{port}/ready");
            let ready = wait::until("ready", within, || async {
                let answer = client::get(&url).await?;
                ensure!(answer.status == 200, "{}", answer.text());
                Ok(Some(()))
            });
            if let Err(error) = ready.await {
                let logs: Vec<String> = self.processes.values().map(Process::log).collect();
                return Err(error.context(tail(&logs.join("\n"), 40)));
            }
        }
        Ok(())
    }

    /// Everything that any process has said.
    pub fn logs(&self) -> String {
        self.processes.values().map(Process::log).collect()
    }

    /// Leaves the files where they are, for somebody to look at.
    pub fn keep_files(&mut self) {
        self.dir.disable_cleanup(true);
    }

    fn close(&mut self) -> Result<()> {
        for process in self.processes.values_mut().filter(|p| p.paused()) {
            process.resume()?;
        }
        let settled = if self.check { self.settle(SETTLED).map(drop) } else { Ok(()) };
        // Whoever asks goes first, and `up` ends its own in its own order.
        for role in ["ingress", "workers", "ledger", "control", "up"] {
            for (_, process) in self.processes.iter_mut().filter(|(name, _)| name_is(name, role)) {
                if process.ended()?.is_none() {
                    process.ask_to_end()?;
                    let status = process.wait(ENDED)?;
                    ensure!(
                        !self.check || status.success(),
                        "{role} ended with {status}: {}",
                        tail(&process.log(), 20)
                    );
                }
            }
        }
        settled
    }
}

fn name_is(name: &str, role: &str) -> bool {
    name.split('-').next() == Some(role)
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

impl Drop for Stack {
    #[expect(clippy::panic, reason = "a test whose books do not balance has failed")]
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        if failing {
            self.check = false;
        }
        if std::env::var_os(KEEP_ENV).is_some() {
            self.keep_files();
        }
        let closed = self.close();
        let orphan = self.data_dir.is_some().then(|| self.nats_pid().ok()).flatten();
        self.processes.clear();
        if let Some(pid) = orphan.and_then(rustix::process::Pid::from_raw) {
            // Already gone, unless `up` was killed.
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap_or_default();
        }
        if let Err(error) = closed
            && !failing
        {
            panic!("{error:#}");
        }
    }
}
