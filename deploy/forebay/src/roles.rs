//! One role per process, against servers that run elsewhere. Any number of each may run.

use std::process::ExitCode;

use anyhow::Context as _;
use proto::nats::{Durability, Link, StreamOptions};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::cli::{ControlArgs, IngressArgs, LedgerArgs, WorkersArgs};
use crate::ops::{self, Check, Ops};
use crate::secrets::{Keys, check_environment, production};
use crate::telemetry::Metrics;
use crate::up::configure;
use crate::{connect, output, shutdown};

/// What every role's process has.
struct Process {
    shutdown: CancellationToken,
    metrics: Metrics,
    _upkeep: AbortOnDropHandle<()>,
}

impl Process {
    fn start() -> anyhow::Result<Self> {
        check_environment()?;
        let metrics = Metrics::install()?;
        let upkeep = metrics.keep_up();
        Ok(Self { shutdown: shutdown::on_signals()?, metrics, _upkeep: upkeep })
    }

    /// Serves operators at `address` for as long as the handle lives.
    fn operators(
        &self,
        service: &'static str,
        listener: std::net::TcpListener,
        checks: Vec<(&'static str, Check)>,
    ) -> anyhow::Result<AbortOnDropHandle<()>> {
        let listener = TcpListener::from_std(listener)?;
        tracing::info!(address = %listener.local_addr()?, service, "operators are served");
        let ops = Ops { service, checks, metrics: self.metrics.text() };
        let served = async move {
            if let Err(error) = ops::serve(listener, ops, CancellationToken::new()).await {
                tracing::error!(error = %error, "the operators' listener failed");
            }
        };
        Ok(AbortOnDropHandle::new(tokio::spawn(served)))
    }
}

/// `forebay ingress`.
pub(crate) async fn ingress(args: IngressArgs) -> anyhow::Result<ExitCode> {
    let config = ingress::Config::from_env()?;
    let (keys, listener) = (Keys::from_env()?, connect::listen(&args.listen)?);
    let process = Process::start()?;
    let Some(link) = connect::nats(&args.nats.nats_url, "ingress", &process.shutdown).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let config = ingress::Config { durability: durability(args.durability.as_deref(), &link)?, ..config };
    let listener = TcpListener::from_std(listener)?;
    tracing::info!(address = %listener.local_addr()?, "clients are served");
    let text = process.metrics.text();
    ingress::run(config, link, keys.for_ingress(), listener, text, process.shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

/// `forebay workers`.
pub(crate) async fn workers(args: WorkersArgs) -> anyhow::Result<ExitCode> {
    let config = workers::Config::from_env()?;
    let (keys, operators) = (Keys::from_env()?, connect::listen(&args.admin_listen)?);
    let process = Process::start()?;
    let Some(link) = connect::nats(&args.nats.nats_url, "workers", &process.shutdown).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let health = workers::Health::default();
    let asked = health.clone();
    let checks: Vec<(_, Check)> =
        vec![("nats", ops::nats_check(link.clone())), ("workers", Box::new(move || asked.check()))];
    let _operators = process.operators("workers", operators, checks)?;
    workers::run(config, link, keys.for_workers(), health, process.shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

/// `forebay ledger`.
pub(crate) async fn ledger(args: LedgerArgs) -> anyhow::Result<ExitCode> {
    let config = ledger::Config::default();
    let operators = connect::listen(&args.admin_listen)?;
    let process = Process::start()?;
    let Some(db) = connect::database(&args.database.database_url, &process.shutdown).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let Some(link) = connect::nats(&args.nats.nats_url, "ledger", &process.shutdown).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let health = config.health.clone();
    let checks: Vec<(_, Check)> =
        vec![("nats", ops::nats_check(link.clone())), ("ledger", Box::new(move || health.check()))];
    let _operators = process.operators("ledger", operators, checks)?;
    ledger::run(config, link, db, process.shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

/// `forebay control`.
pub(crate) async fn control(args: ControlArgs) -> anyhow::Result<ExitCode> {
    let streams = StreamOptions::from_env()?;
    if args.config.is_some() {
        // Mistakes first, all of them, before anything is reached.
        configure::check(args.config.as_deref())?;
    }
    let (keys, operators) = (Keys::from_env()?, connect::listen(&args.admin_listen)?);
    let process = Process::start()?;
    let Some(db) = connect::database(&args.database.database_url, &process.shutdown).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let Some(link) = connect::nats(&args.nats.nats_url, "control", &process.shutdown).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let (on_published, published) = oneshot::channel();
    let durability = durability(args.durability.as_deref(), &link)?;
    let config = control::Config {
        file: args.config,
        production: production(),
        streams: StreamOptions { durability, ..streams },
        on_published: Some(on_published),
        ..control::Config::from_env()
    };
    let health = config.health.clone();
    let checks: Vec<(_, Check)> =
        vec![("nats", ops::nats_check(link.clone())), ("control", Box::new(move || health.check()))];
    let _operators = process.operators("control", operators, checks)?;
    let _announce = AbortOnDropHandle::new(tokio::spawn(show_generated(published)));
    Box::pin(control::run(config, link, db, keys.for_control(), process.shutdown)).await?;
    Ok(ExitCode::SUCCESS)
}

/// Shows secrets that control made for keys of the file: they are stored nowhere.
async fn show_generated(published: oneshot::Receiver<control::Published>) {
    let Ok(published) = published.await else { return };
    for key in published.generated {
        let line = format!(
            "new key {} of project {}, shown this once: {}",
            key.name,
            key.project,
            key.secret.expose()
        );
        if let Err(error) = output::line(&line) {
            tracing::error!(error = %error, "a new key's secret cannot be shown");
        }
    }
}

fn durability(named: Option<&str>, link: &Link) -> anyhow::Result<Durability> {
    match named {
        Some(name) => name.parse().map_err(anyhow::Error::msg).context("the durability profile"),
        None => Ok(connect::durability_of(link)),
    }
}
