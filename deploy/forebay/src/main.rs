//! The `forebay` binary: every role and command. It composes the role crates and adds what a machine needs around
//! them: the nats-server child, the data directory, secrets, signals, logs. No logic of a role lives here.
//!
//! | module | owns |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`up`] | every role in one process |
//! | [`roles`] | one role per process |
//! | [`stack`], [`role`] | the roles' threads, the order they start and stop in |
//! | [`nats_server`] | the child: found, fetched, started, recognised after a crash |
//! | [`data_dir`], [`endpoint`], [`secrets`], [`private_file`] | what is kept on disk |
//! | [`demo`], [`replay`], [`reconcile`], [`database`] | the commands that report or prepare |
//! | [`ops`], [`telemetry`], [`shutdown`], [`connect`], [`output`] | what every process needs |
//!
//! Errors are `anyhow` here and nowhere below: they end as sentences for whoever typed the command.

mod cli;
mod connect;
mod data_dir;
mod database;
mod demo;
mod endpoint;
mod nats_server;
mod ops;
mod output;
mod private_file;
mod reconcile;
mod replay;
mod role;
mod roles;
mod secrets;
mod shutdown;
mod stack;
mod telemetry;
mod up;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use clap::Parser as _;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;

use crate::cli::{Cli, Command};

/// The allocator costs 8 to 10 % less CPU per request than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit status of a command line or a configuration that cannot be used; clap's own as well.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    telemetry::init_logs();
    let json = command.json();
    match start(command) {
        Ok(code) => code,
        Err(error) => failed(&error, json),
    }
}

fn start(command: Command) -> anyhow::Result<ExitCode> {
    // reqwest and sqlx are built without a TLS provider of their own.
    let ring = rustls::crypto::ring::default_provider();
    ring.install_default().map_err(|_| anyhow!("the TLS provider cannot be installed"))?;
    raise_file_limit();
    match command {
        // These make runtimes of their own.
        Command::Bench(args) => bench::run(&args).map(verdict),
        Command::BenchMock(args) => bench::mock::run(&args).map(|()| ExitCode::SUCCESS),
        Command::BenchProxy(args) => bench::proxy::run(&args).map(|()| ExitCode::SUCCESS),
        Command::BenchLoad(args) => bench::load::run(&args).map(|()| ExitCode::SUCCESS),
        command => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let result = runtime.block_on(Box::pin(run(command)));
            runtime.shutdown_timeout(Duration::from_secs(1));
            result
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(args) => up::run(args).await,
        Command::Ingress(args) => roles::ingress(args).await,
        Command::Workers(args) => roles::workers(args).await,
        Command::Ledger(args) => roles::ledger(args).await,
        Command::Control(args) => roles::control(args).await,
        Command::Demo(args) => demo::run(args.json).await.map(verdict),
        Command::Migrate(args) => database::migrate(&args.database_url).await,
        Command::Seed(args) => database::seed(args).await,
        Command::Replay(args) => replay::run(args).await.map(verdict),
        Command::Reconcile(args) => reconcile::run(args).await.map(verdict),
        Command::NatsServer => {
            output::line(&nats_server::find().await?.display().to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench(_) | Command::BenchMock(_) | Command::BenchProxy(_) | Command::BenchLoad(_) => {
            Err(anyhow!("bench runs outside of a runtime"))
        }
    }
}

/// Every connection and every file of a stream takes a descriptor, and most systems start processes with 1,024.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(error = %error, "the limit of open files stays");
    }
}

/// 0 only where what was checked holds.
fn verdict(holds: bool) -> ExitCode {
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failed(error: &anyhow::Error, json: bool) -> ExitCode {
    output::failure(error);
    if json {
        let report = json!({ "ok": false, "error": format!("{error:#}") });
        if let Err(error) = output::json(&report) {
            output::failure(&error);
        }
    }
    if error.is::<up::Mistakes>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
}
