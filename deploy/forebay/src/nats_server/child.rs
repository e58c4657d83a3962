//! The running child: started on a free port, started again on the same port if it dies, stopped last.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use proto::nats::Durability;
use proto::secret::{Secret, random_secret};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::process::Identity;
use super::record::{Record, end_orphan};
use super::settings::{Settings, go_runtime};

/// From the start of the process to its greeting. It is a second at most, unless the server was killed with many
/// gigabytes stored: it reads them through first.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// After this long somebody may wonder.
const READY_USUALLY: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);
const GREETING_TIMEOUT: Duration = Duration::from_secs(1);
/// Another process may take the port between our choosing it and the child's listening on it.
const START_TRIES: usize = 3;
const RESTART_DELAY_MIN: Duration = Duration::from_millis(100);
const RESTART_DELAY_MAX: Duration = Duration::from_secs(5);
/// How long the child may take to end when asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// The child's process id, 0 while there is none: for the one exit that waits for nothing.
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// A start that another port or another try may help.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("it ended ({status}): {last_words}")]
    Ended { status: ExitStatus, last_words: String },
    #[error("another server ({name}) listens on its port")]
    PortTaken { name: String },
}

/// A supervised nats-server. Dropped without [`NatsServer::stop`], it is killed.
pub(crate) struct NatsServer {
    url: Secret<String>,
    stop: CancellationToken,
    supervisor: JoinHandle<()>,
}

impl NatsServer {
    /// Ends what an earlier run left behind in `dir`, starts `binary` there and waits until it takes connections.
    pub(crate) async fn start(binary: &Path, dir: &Path, durability: Durability) -> anyhow::Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let dir = fs::canonicalize(dir)?;
        end_orphan(&dir).await?;
        remove_old_settings(&dir);
        let mut tries = 0;
        let (site, child) = loop {
            tries += 1;
            let site = Site::new(binary, &dir, durability)?;
            match site.start().await {
                Ok(child) => break (site, child),
                Err(error) if tries < START_TRIES && error.is::<StartError>() => {
                    tracing::warn!(error = %format!("{error:#}"), "nats-server did not start, trying again");
                }
                Err(error) => return Err(error.context("nats-server did not start")),
            }
        };
        let (url, stop) = (site.settings.url(), CancellationToken::new());
        let supervisor = tokio::spawn(supervise(site, child, stop.clone()));
        Ok(Self { url, stop, supervisor })
    }

    /// What clients connect to, user and password included.
    pub(crate) fn url(&self) -> &Secret<String> {
        &self.url
    }

    /// Asks it to end, waits, and kills it if it does not.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.supervisor.await {
            tracing::error!(error = %error, "the supervisor of nats-server failed");
        }
    }
}

/// Asks the running child to end without waiting for it: for an exit that must be immediate.
pub(crate) fn abandon() {
    signal(RUNNING.load(Ordering::Relaxed), Signal::TERM);
}

/// What every start of the same server has in common.
struct Site {
    binary: PathBuf,
    dir: PathBuf,
    instance: String,
    config: PathBuf,
    settings: Settings,
}

impl Site {
    fn new(binary: &Path, dir: &Path, durability: Durability) -> anyhow::Result<Self> {
        let instance =
            random_secret("")?.chars().filter(char::is_ascii_alphanumeric).take(16).collect::<String>();
        let settings = Settings {
            server_name: format!("forebay-{instance}"),
            port: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port(),
            store: dir.join("store"),
            log: dir.join("server.log"),
            durability,
            password: Secret::new(random_secret("")?),
        };
        let config = dir.join(format!("server-{instance}.conf"));
        settings.write(&config)?;
        Ok(Self { binary: binary.to_owned(), dir: dir.to_owned(), instance, config, settings })
    }

    /// Starts the process and waits until it greets.
    async fn start(&self) -> anyhow::Result<Child> {
        self.record(None)?;
        let said = File::create(self.said())?;
        let mut command = Command::new(&self.binary);
        command.arg("-c").arg(&self.config).envs(go_runtime());
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        // A group of its own keeps the terminal's Ctrl-C from it: it must end last, when it is asked to.
        command.process_group(0).kill_on_drop(true);
        let mut child =
            command.spawn().with_context(|| format!("{} cannot be run", self.binary.display()))?;
        let pid = child.id().unwrap_or(0);
        RUNNING.store(pid, Ordering::Relaxed);
        self.record(Identity::of(pid))?;
        self.ready(&mut child).await?;
        tracing::info!(pid, port = self.settings.port, "nats-server is ready");
        Ok(child)
    }

    fn record(&self, process: Option<Identity>) -> anyhow::Result<()> {
        Record { instance: self.instance.clone(), config: self.config.clone(), process }.write(&self.dir)
    }

    async fn ready(&self, child: &mut Child) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut usual = true;
        while started.elapsed() < READY_TIMEOUT {
            if let Some(status) = child.try_wait()? {
                return Err(StartError::Ended { status, last_words: self.last_words() }.into());
            }
            match tokio::time::timeout(GREETING_TIMEOUT, greeting(self.settings.port)).await {
                Ok(Ok(name)) if name == self.settings.server_name => return Ok(()),
                Ok(Ok(name)) => return Err(StartError::PortTaken { name }.into()),
                Ok(Err(_)) | Err(_) => tokio::time::sleep(POLL).await,
            }
            if usual && started.elapsed() > READY_USUALLY {
                usual = false;
                tracing::info!(log = %self.settings.log.display(), "nats-server is still reading its streams");
            }
        }
        bail!("it took no connection within {} s: {}", READY_TIMEOUT.as_secs(), self.last_words())
    }

    /// Where its standard output and error go; its own log is apart, because it is limited in size.
    fn said(&self) -> PathBuf {
        self.dir.join("server.out")
    }

    fn last_words(&self) -> String {
        let last = |file: &Path| {
            let text = fs::read_to_string(file).ok()?;
            text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
        };
        last(&self.said())
            .or_else(|| last(&self.settings.log))
            .unwrap_or_else(|| format!("see {}", self.settings.log.display()))
    }
}

/// The name in the line that a server greets with.
async fn greeting(port: u16) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Info {
        server_name: String,
    }
    let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await?;
    let info: Info = serde_json::from_str(line.trim().strip_prefix("INFO ").context("no greeting")?)?;
    Ok(info.server_name)
}

/// Keeps the child running until `stop`, then ends it.
async fn supervise(site: Site, mut child: Child, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            status = child.wait() => tracing::error!(status = %shown(status), "nats-server ended, starting it again"),
        }
        RUNNING.store(0, Ordering::Relaxed);
        let Some(started) = start_again(&site, &stop).await else { return };
        child = started;
    }
    end(&mut child).await;
    RUNNING.store(0, Ordering::Relaxed);
}

/// Tries until it runs, with growing pauses; `None` if it was told to stop first.
async fn start_again(site: &Site, stop: &CancellationToken) -> Option<Child> {
    let mut delay = RESTART_DELAY_MIN;
    loop {
        let start = async {
            tokio::time::sleep(delay).await;
            site.start().await
        };
        match stop.run_until_cancelled(start).await? {
            Ok(child) => return Some(child),
            Err(error) => tracing::error!(error = %format!("{error:#}"), "nats-server does not start"),
        }
        delay = (delay * 2).min(RESTART_DELAY_MAX);
    }
}

async fn end(child: &mut Child) {
    signal(child.id().unwrap_or(0), Signal::TERM);
    let ended = tokio::time::timeout(STOP_PATIENCE, child.wait()).await;
    if ended.is_err()
        && let Err(error) = child.kill().await
    {
        tracing::error!(error = %error, "nats-server cannot be killed");
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        && let Err(error) = kill_process(pid, signal)
    {
        tracing::debug!(error = %error, "nats-server cannot be signalled");
    }
}

fn shown(status: std::io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// Configuration files of earlier runs hold passwords that open nothing any more.
fn remove_old_settings(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        if name.starts_with("server-")
            && name.ends_with(".conf")
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::debug!(error = %error, "an old configuration file stays");
        }
    }
}
