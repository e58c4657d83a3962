//! Load while processes die, and the account afterwards.
//!
//! Three NATS servers with three replicas, two ingresses, three workers, two ledgers (one on SQLite), control, and
//! the scripted provider as a process of its own, which alone is left in peace. Every few seconds something is
//! killed and started again, or frozen for a while. What is counted at the end is laid beside three records that
//! know nothing of each other: what each client saw, what the provider was asked, and what is on the books.

mod account;
mod chance;
mod load;
mod trouble;

pub use account::Account;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;

use crate::nats::Nats;
use crate::postgres::Postgres;
use crate::process::{Process, Spec};
use crate::setup::Setup;
use crate::stack::{Counts, Stack};
use crate::{binary, client, port, wait};

use chance::Chance;

/// What can be chosen.
#[derive(Debug, Clone, Parser)]
#[command(about = "Load while processes die, and the account afterwards")]
pub struct Options {
    /// Requests to send, half of them streaming [default: 20000, short: 1500]
    #[arg(long)]
    pub requests: Option<u64>,
    /// Requests under way at once [default: 64, short: 24]
    #[arg(long)]
    pub concurrency: Option<u64>,
    /// Seconds between two disturbances [default: 5, short: 3]
    #[arg(long)]
    pub period: Option<u64>,
    /// The short form, for the gate
    #[arg(long)]
    pub short: bool,
    /// SQLite with one ledger, which is killed and never frozen, instead of PostgreSQL with two
    #[arg(long)]
    pub sqlite: bool,
    /// Where the random numbers start, to repeat a run's choices [default: another one each time]
    #[arg(long, value_name = "NUMBER")]
    pub random_start: Option<u64>,
    /// Disturbs nothing, for comparison
    #[arg(long)]
    pub calm: bool,
    /// Leaves logs and stores where they are
    #[arg(long)]
    pub keep: bool,
    /// The account as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// The same with every default in place.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.requests.get_or_insert(if self.short { 1_500 } else { 20_000 });
        self.concurrency.get_or_insert(if self.short { 24 } else { 64 });
        self.period.get_or_insert(if self.short { 3 } else { 5 });
        self.random_start.get_or_insert_with(|| proto::clock::now_ms() % 1_000_000);
        self
    }
}

/// How long everything may take to come to rest after the last answer: a frozen request's last deadline, the
/// ledger's sweep behind it, and time to spare.
const QUIET: Duration = Duration::from_secs(180);
const UPSTREAM_READY: Duration = Duration::from_secs(10);

/// Runs it all and returns the account.
pub async fn run(options: Options) -> Result<Account> {
    let started = Instant::now();
    let start = options.random_start.unwrap_or_default();
    let dir = tempfile::tempdir()?;
    let (upstream, upstream_url) = start_upstream(dir.path()).await?;
    let postgres = match options.sqlite {
        true => None,
        false => {
            let postgres = Postgres::start().await?;
            let url = postgres.database("chaos").await?;
            Some((postgres, url))
        }
    };
    let ledger = if options.sqlite { 1 } else { 2 };
    let counts = Counts { ingress: 2, workers: 3, ledger, control: true, durability: "replicated" };
    // The account is drawn up here, and says more than a panic would.
    let setup = Setup { primary: Some(format!("{upstream_url}/v1")), ..Setup::default() }.unchecked();
    let mut stack = Stack::apart(setup, counts, Nats::cluster().await?, postgres).await?;

    let over = Arc::new(AtomicBool::new(false));
    let ingresses = load::Ingresses::new(&stack.listen);
    let load = async {
        let outcomes = load::run(&options, &ingresses, Chance::new(start)).await;
        over.store(true, Ordering::Relaxed);
        outcomes
    };
    let (outcomes, troubles) =
        tokio::join!(load, trouble::run(&options, &mut stack, &ingresses, &over, Chance::new(!start)));
    let (outcomes, troubles) = (outcomes?, troubles?);
    let loaded = started.elapsed();
    let settled = stack.settle(QUIET);
    let account = account::draw_up(&stack, &upstream_url, outcomes, troubles, settled).await?;
    let account = account.with_run(&options, loaded, started.elapsed());
    if options.keep || !account.holds() {
        stack.keep_files();
        if let Some(nats) = &mut stack.nats {
            nats.keep_files();
        }
        account.say_where(stack.dir());
    }
    drop(upstream);
    Ok(account)
}

async fn start_upstream(dir: &std::path::Path) -> Result<(Process, String)> {
    let address = format!("127.0.0.1:{}", port::free()?);
    let spec = Spec::new("fake-upstream", binary::fake_upstream()?, dir.join("upstream.log"));
    let process = spec.args(["--listen", &address, "--name", "chaos"]).start()?;
    let url = format!("http://{address}");
    wait::until("the provider is ready", UPSTREAM_READY, || async {
        Ok((client::get(&format!("{url}/_calls/count")).await?.status == 200).then_some(()))
    })
    .await?;
    Ok((process, url))
}
