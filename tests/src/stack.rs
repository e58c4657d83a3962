//! Forebay itself, as an operator runs it: `up`, or its roles apart. A stack that is dropped ends its processes in
//! order and then panics unless the books balance and nothing is left open, unless it was told not to look.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{self, Client};
use crate::nats::{self, Nats};
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

/// How many of each role run.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Ingresses.
    pub ingress: usize,
    /// Workers.
    pub workers: usize,
    /// Ledgers.
    pub ledger: usize,
    /// Whether control runs as well.
    pub control: bool,
    /// `fast`, or `replicated` on a cluster.
    pub durability: &'static str,
}

impl Default for Counts {
    fn default() -> Self {
        Self { ingress: 1, workers: 1, ledger: 1, control: true, durability: "fast" }
    }
}

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

    /// Every role as processes of its own against these servers, ready. The database is SQLite where no other is
    /// given with its address.
    pub async fn apart(
        setup: Setup,
        counts: Counts,
        nats: Nats,
        postgres: Option<(Postgres, String)>,
    ) -> Result<Self> {
        let mut stack = Self::started(setup, counts, nats, postgres)?;
        stack.wait_ready(READY).await?;
        Ok(stack)
    }

    /// The same without waiting.
    pub fn started(
        setup: Setup,
        counts: Counts,
        nats: Nats,
        postgres: Option<(Postgres, String)>,
    ) -> Result<Self> {
        let url = nats.url();
        let (postgres, database) = postgres.unzip();
        let mut stack = Self::empty(&setup, Some(nats), postgres)?;
        let sqlite = format!("sqlite://{}?mode=rwc", stack.dir.path().join("forebay.db").display());
        stack.env.push(("NATS_URL".to_owned(), url));
        stack.env.push(("DATABASE_URL".to_owned(), database.unwrap_or(sqlite)));
        let migrated = stack.command(&["migrate"])?;
        ensure!(migrated.status.success(), "migrate: {}", String::from_utf8_lossy(&migrated.stderr));
        stack.env.push(("FOREBAY_DURABILITY".to_owned(), counts.durability.to_owned()));
        if counts.control {
            stack.add_control(counts.durability)?;
        }
        for (role, count) in
            [("ledger", counts.ledger), ("workers", counts.workers), ("ingress", counts.ingress)]
        {
            for _ in 0..count {
                stack.add(role)?;
            }
        }
        stack.client = stack.client_of(0)?;
        Ok(stack)
    }

    /// Starts control.
    pub fn add_control(&mut self, durability: &str) -> Result<()> {
        let config = self.config_file().into_os_string();
        let control = self.role("control", 0)?.args(["--durability", durability]);
        self.start("control-0", &control.args(["--config".into(), config]))
    }

    /// Starts one more ingress, workers or ledger, and returns its name.
    pub fn add(&mut self, role: &str) -> Result<String> {
        let n = self.processes.keys().filter(|name| name_is(name, role)).count();
        let mut spec = self.role(role, n)?;
        if role == "ingress" {
            let listen = port::free()?;
            self.listen.push(listen);
            spec = spec.args(["--listen".to_owned(), format!("127.0.0.1:{listen}")]);
        }
        let name = format!("{role}-{n}");
        self.start(&name, &spec)?;
        Ok(name)
    }

    /// Waits until one process that serves operators says that it is ready.
    pub async fn wait_role(&self, name: &str) -> Result<()> {
        let port = self.admin.get(name).with_context(|| format!("{name} serves no operators"))?;
        let url = format!("http://127.0.0.1:{port}/ready");
        wait::until(&format!("{name} is ready"), READY, || async {
            let answer = client::get(&url).await?;
            ensure!(answer.status == 200, "{}", answer.text());
            Ok(Some(()))
        })
        .await
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

    fn role(&mut self, role: &str, n: usize) -> Result<Spec> {
        let spec = self.spec(&format!("{role}-{n}"))?.args([role]);
        if role == "ingress" {
            return Ok(spec);
        }
        let admin = port::free()?;
        self.admin.insert(format!("{role}-{n}"), admin);
        Ok(spec.args(["--admin-listen".to_owned(), format!("127.0.0.1:{admin}")]))
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

    /// Runs a command of the binary in the stack's environment, against this stack.
    pub fn command(&self, args: &[&str]) -> Result<Output> {
        let mut spec = self.spec("command")?.args(args.iter().copied());
        if let Some(dir) = &self.data_dir {
            spec = spec.env("FOREBAY_DATA_DIR", dir.to_string_lossy());
        }
        Ok(spec.command().stdin(Stdio::null()).current_dir(self.dir.path()).output()?)
    }

    /// Runs a command with `--json` and reads what it says, whatever its exit code.
    pub fn report(&self, args: &[&str]) -> Result<(bool, Value)> {
        let output = self.command(&[args, &["--json"]].concat())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = || format!("{args:?} said {said:?} and {}", String::from_utf8_lossy(&output.stderr));
        Ok((output.status.success(), serde_json::from_str(&said).with_context(errors)?))
    }

    /// What is known of a request, once it has come to an end.
    pub async fn ended(&self, id: &str) -> Result<Value> {
        self.ended_for(&self.client, id).await
    }

    /// The same with another key.
    pub async fn ended_for(&self, client: &Client, id: &str) -> Result<Value> {
        wait::until(&format!("{id} has ended"), Duration::from_secs(20), || async {
            let answer = client.get(&format!("/v1/requests/{id}")).await?;
            ensure!(answer.status == 200, "{}", answer.text());
            let view = answer.json()?;
            Ok((view["status"] != "in_progress").then_some(view))
        })
        .await
    }

    /// Waits until `reconcile` finds that the books agree and nothing is open, and returns what it says.
    pub fn settle(&self, within: Duration) -> Result<Value> {
        let started = Instant::now();
        loop {
            let said = self.settled();
            if let Ok(Ok(report)) = said {
                return Ok(report);
            }
            if started.elapsed() > within {
                anyhow::bail!(
                    "the books do not settle within {within:?}: {:?}",
                    said.map(Result::unwrap_err)
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What `reconcile` says if all is settled, else what is not.
    fn settled(&self) -> Result<Result<Value, String>> {
        let url = self.nats_url()?;
        // The caller may be within a runtime already, so that this one gets a thread of its own.
        let last = std::thread::scope(|scope| {
            let asked = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(nats::unfinished(&url))
            });
            asked.join().map_err(|_| anyhow::anyhow!("asking NATS panicked"))?
        })?;
        if last.requests > 0 {
            return Ok(Err(format!("{} requests are not finished", last.requests)));
        }
        let (ok, report) = self.report(&["reconcile"])?;
        let whole = ok && report["mismatches"] == 0 && report["open"] == 0;
        let read = report["checked_through"].as_u64() >= Some(last.events);
        if whole && read {
            return Ok(Ok(report));
        }
        let items = report["items"].as_array().into_iter().flatten();
        let items: Vec<&Value> = items.filter(|item| item["kind"] != "unknown").take(5).collect();
        Ok(Err(format!(
            "exit 0 = {ok}, {} mismatches, {} open, {} of {} events, {items:?}",
            report["mismatches"], report["open"], report["checked_through"], last.events
        )))
    }

    /// The address of NATS for the harness itself.
    pub fn nats_url(&self) -> Result<String> {
        self.endpoint("nats_url", "NATS_URL")
    }

    /// The database's address for the harness itself.
    pub fn database_url(&self) -> Result<String> {
        self.endpoint("database_url", "DATABASE_URL")
    }

    fn endpoint(&self, field: &str, variable: &str) -> Result<String> {
        if let Some((_, value)) = self.env.iter().find(|(name, _)| name == variable) {
            return Ok(value.clone());
        }
        let text = fs::read(self.data_dir()?.join("endpoint.json"))?;
        let found: Value = serde_json::from_slice(&text)?;
        Ok(found[field].as_str().context("no such field")?.to_owned())
    }

    /// The process of the `nats-server` that `up` started.
    pub fn nats_pid(&self) -> Result<i32> {
        let text = fs::read(self.data_dir()?.join("nats/instance.json"))?;
        let found: Value = serde_json::from_slice(&text)?;
        let pid = found.pointer("/process/pid").and_then(Value::as_i64).context("no process on record")?;
        Ok(i32::try_from(pid)?)
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
