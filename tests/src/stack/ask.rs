//! What a stack says of itself: its commands, its requests, and whether its books are settled.

use std::fs;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Stack;
use crate::client::Client;
use crate::{nats, wait};

impl Stack {
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
}
