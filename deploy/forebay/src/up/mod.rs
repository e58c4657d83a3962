//! `forebay up`: every role in one process with a nats-server child and SQLite under one data directory.

pub(crate) mod banner;
pub(crate) mod configure;
pub(crate) mod ready;

use std::process::ExitCode;

use anyhow::Context as _;
use ledger::Db;
use proto::nats::{Durability, StreamOptions};
use proto::secret::Secret;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use self::configure::Configured;
pub(crate) use self::configure::Mistakes;
use crate::cli::UpArgs;
use crate::data_dir::DataDir;
use crate::endpoint::{self, Endpoint};
use crate::nats_server::{self, NatsServer};
use crate::secrets::{Keys, check_environment};
use crate::stack::{Plan, Stack};
use crate::telemetry::Metrics;
use crate::{connect, output, shutdown};

/// Runs until a signal, or until a role fails.
pub(crate) async fn run(args: UpArgs) -> anyhow::Result<ExitCode> {
    let shutdown = shutdown::on_signals()?;
    let durability: Durability = args.durability.parse().map_err(anyhow::Error::msg)?;
    // Mistakes of the operator first, all of them, before anything is started.
    check_environment()?;
    let streams = StreamOptions { durability, ..StreamOptions::from_env()? };
    let configured = configure::read(args.config.as_deref())?;
    let (ledger, workers) = (ledger::Config::default(), workers::Config::from_env()?);
    let ingress = ingress::Config { durability, ..ingress::Config::from_env()? };
    let dir = DataDir::open(&args.data_dir)?;
    let keys = Keys::of_data_dir(&dir)?;
    let (listener, admin) = (connect::listen(&args.listen)?, connect::listen(&args.admin_listen)?);
    let Some(binary) = shutdown.run_until_cancelled(nats_server::find()).await.transpose()? else {
        return Ok(ExitCode::SUCCESS);
    };

    let nats = NatsServer::start(&binary, &dir.file("nats"), durability).await?;
    let database_url = args.database_url.map_or_else(|| dir.database_url(), Secret::new);
    let endpoint = Endpoint { nats_url: nats.url().clone(), database_url };
    let (on_published, published) = oneshot::channel();
    let ran = async {
        migrate(&endpoint).await?;
        let control = configured.control(&dir, streams, on_published)?;
        let metrics = Metrics::install()?;
        let _upkeep = metrics.keep_up();
        let plan =
            Plan { endpoint: endpoint.clone(), keys, listener, admin, control, ledger, workers, ingress };
        let mut stack = Stack::start(plan, &metrics)?;
        let served = serve(&mut stack, &endpoint, &configured, &dir, published, &shutdown).await;
        stack.stop().await;
        served
    };
    let ran = ran.await;
    endpoint::withdraw(dir.path());
    nats.stop().await;
    ran.map(|()| ExitCode::SUCCESS)
}

/// `up` is alone on its database, so it migrates by itself.
async fn migrate(endpoint: &Endpoint) -> anyhow::Result<()> {
    let db = Db::connect(endpoint.database_url.expose()).await?;
    db.migrate().await.context("the database cannot be brought up to date")
}

/// Waits until requests are served, says so, and waits for the end.
async fn serve(
    stack: &mut Stack,
    endpoint: &Endpoint,
    configured: &Configured,
    dir: &DataDir,
    published: oneshot::Receiver<control::Published>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let (http, admin) = (banner::url(stack.http), banner::url(stack.admin));
    endpoint::announce(dir.path(), endpoint, &http, &admin)?;
    let announce = async {
        ready::wait(&http).await?;
        let generated = published.await.map(|published| published.generated).unwrap_or_default();
        configure::keep(dir, &generated)?;
        output::line(&banner::text(&http, &admin, configured, dir, &generated)?)?;
        shutdown.cancelled().await;
        Ok(())
    };
    tokio::select! {
        result = announce => result,
        error = stack.failed() => Err(error),
        () = shutdown.cancelled() => Ok(()),
    }
}
