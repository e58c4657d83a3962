//! Roles apart: each a process of its own, as many of each as wanted.

use anyhow::{Context as _, Result, ensure};

use super::{READY, Stack, name_is};
use crate::nats::Nats;
use crate::postgres::Postgres;
use crate::process::Spec;
use crate::setup::Setup;
use crate::{client, port, wait};

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

impl Stack {
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

    fn role(&mut self, role: &str, n: usize) -> Result<Spec> {
        let spec = self.spec(&format!("{role}-{n}"))?.args([role]);
        if role == "ingress" {
            return Ok(spec);
        }
        let admin = port::free()?;
        self.admin.insert(format!("{role}-{n}"), admin);
        Ok(spec.args(["--admin-listen".to_owned(), format!("127.0.0.1:{admin}")]))
    }
}
