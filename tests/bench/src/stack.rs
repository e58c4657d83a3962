//! The processes that are measured: the mock provider, the plain proxy and Forebay, each started from this very
//! binary and ended with this value.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::load::Connection;
use crate::{mock, shape};

/// The virtual key that Forebay is called with.
pub(crate) const KEY: &str = "fb-bench-0123456789abcdef0123456789abcdef";
/// How long `up` may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long `up` may take to drain.
const END_WITHIN: Duration = Duration::from_secs(35);
const POLL: Duration = Duration::from_millis(50);
/// Names by which a provider's key would reach `up` and change what it routes to.
const PROVIDER_VARIABLES: [&str; 3] = ["OPENAI_API_KEY", "LITELLM_BASE_URL", "LITELLM_MASTER_KEY"];

/// A process that is ended when this value is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Signals to a process that is gone already fail, which is as well.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).ok();
        }
        let started = Instant::now();
        while started.elapsed() < END_WITHIN {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(POLL),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Everything that runs while measuring. Forebay is dropped, and so ended, first.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) forebay: Running,
    pub(crate) forebay_address: SocketAddr,
    pub(crate) proxy: Running,
    pub(crate) proxy_address: SocketAddr,
    pub(crate) mock: Running,
    pub(crate) mock_address: SocketAddr,
    pub(crate) binary: PathBuf,
    pub(crate) database: Option<String>,
    /// Forebay's data, configuration and log; removed in the end.
    pub(crate) directory: tempfile::TempDir,
}

impl Stack {
    /// Starts everything and waits until Forebay is ready.
    pub(crate) fn start(binary: &Path, database: Option<&str>) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("forebay-bench-").tempdir()?;
        let (mock, mock_address) = helper(binary, &["bench-mock"]).context("the mock did not start")?;
        let upstream = mock_address.to_string();
        let (proxy, proxy_address) =
            helper(binary, &["bench-proxy", "--upstream", &upstream]).context("the proxy did not start")?;
        let config = directory.path().join("forebay.toml");
        std::fs::write(&config, config_file(mock_address))?;
        let [listen, admin] = free_addresses()?;
        let log = directory.path().join("forebay.log");
        let mut command = Command::new(binary);
        command.arg("up").arg("--config").arg(&config);
        command.arg("--data-dir").arg(directory.path().join("data"));
        command.args(["--listen", &listen.to_string(), "--admin-listen", &admin.to_string()]);
        command.env("BENCH_KEY", KEY).env("BENCH_PROVIDER_KEY", "sk-bench-provider");
        command.env_remove("NATS_URL").env_remove("DATABASE_URL");
        for name in PROVIDER_VARIABLES {
            command.env_remove(name);
        }
        if let Some(url) = database {
            command.env("DATABASE_URL", url);
        }
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let forebay = Running { child: command.spawn()? };
        let mut stack = Self {
            forebay,
            forebay_address: listen,
            proxy,
            proxy_address,
            mock,
            mock_address,
            binary: binary.to_owned(),
            database: database.map(str::to_owned),
            directory,
        };
        if let Err(error) = stack.wait_ready() {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            bail!("{error:#}; the end of its log:\n{}", tail.join("\n"));
        }
        Ok(stack)
    }

    /// How many upstream calls the mock has had from Forebay.
    pub(crate) fn upstream_calls(&self) -> anyhow::Result<u64> {
        let (_, body) = Connection::new(self.mock_address).get(mock::COUNT_PATH, KEY)?;
        let value: serde_json::Value = serde_json::from_str(&body)?;
        value["forebay"].as_u64().context("the mock's count is no number")
    }

    /// Forebay's data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut last = "it never answered".to_owned();
        while started.elapsed() < READY_WITHIN {
            if let Some(status) = self.forebay.child.try_wait()? {
                bail!("forebay up ended with {status}");
            }
            match Connection::new(self.forebay_address).get("/ready", KEY) {
                Ok((200, _)) => return Ok(()),
                Ok((_, body)) => last = body,
                Err(error) => last = error.to_string(),
            }
            std::thread::sleep(POLL);
        }
        bail!("forebay up is not ready: {last}")
    }
}

fn helper(binary: &Path, arguments: &[&str]) -> anyhow::Result<(Running, SocketAddr)> {
    let mut child =
        Command::new(binary).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("no stdout")?;
    let running = Running { child };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim().strip_prefix(mock::LISTENING).context("it did not say where it listens")?;
    Ok((running, address.parse()?))
}

fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    // All are held at once, so that they differ.
    let held: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
    let addresses: Vec<SocketAddr> = held.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    addresses.try_into().map_err(|_| anyhow::anyhow!("no free ports"))
}

fn config_file(mock: SocketAddr) -> String {
    format!(
        r#"[[providers]]
name = "mock"
kind = "openai_compatible"
base_url = "http://{mock}{}/v1"
api_key = "env:BENCH_PROVIDER_KEY"
allow_private_network = true

[[models]]
alias = "{}"
targets = [{{ provider = "mock", model = "mock-model" }}]
price = {{ input = "0.15", output = "0.60", cached_input = "0.075" }}

[[projects]]
name = "bench"

[[keys]]
project = "bench"
name = "bench"
secret = "env:BENCH_KEY"
"#,
        mock::COUNTED,
        shape::MODEL
    )
}
