//! `/ready` says yes only once a request would be answered, and otherwise which check fails.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tests::client;
use tests::nats::Nats;
use tests::setup::Setup;
use tests::stack::{Counts, Stack};
use tests::wait;

/// Waits until exactly these checks fail, each with a sentence.
async fn failing(stack: &Stack, expected: &[&str]) -> Result<()> {
    let url = format!("{}/ready", stack.client.base);
    wait::until(&format!("{expected:?} fail"), Duration::from_secs(20), || async {
        let answer = client::get(&url).await?;
        let said = answer.json()?;
        let checks = said["checks"].as_object().context("no checks")?;
        let failing: Vec<&str> = checks.iter().filter(|(_, v)| *v != "ok").map(|(n, _)| n.as_str()).collect();
        let sentences = checks.values().filter_map(Value::as_str).all(|text| text == "ok" || text.len() > 10);
        anyhow::ensure!(answer.status == 503 && said["ok"] == false && sentences, "{said}");
        anyhow::ensure!(expected.iter().all(|name| failing.contains(name)), "{said}");
        anyhow::ensure!(failing.len() == expected.len(), "{said}");
        Ok(Some(()))
    })
    .await
}

#[tokio::test]
async fn each_part_that_is_missing_is_named() -> Result<()> {
    let counts = Counts { workers: 0, ledger: 0, ..Counts::default() };
    let mut stack = Stack::started(Setup::default(), counts, Nats::single().await?, None)?;
    failing(&stack, &["workers", "ledger"]).await?;
    // It is durable, so that it waits for whoever comes.
    let waiting = tokio::spawn(stack.client.ask("ok"));
    stack.add("ledger")?;
    failing(&stack, &["workers"]).await?;
    stack.add("workers")?;
    stack.wait_ready(Duration::from_secs(20)).await?;
    assert_eq!(waiting.await??.status, 200);

    // What was there and goes away is noticed as well.
    stack.process("workers-0")?.pause()?;
    failing(&stack, &["workers"]).await?;
    stack.process("workers-0")?.resume()?;
    stack.wait_ready(Duration::from_secs(20)).await?;
    stack.process("ledger-0")?.kill()?;
    failing(&stack, &["ledger"]).await?;
    stack.restart("ledger-0")?;
    stack.wait_ready(Duration::from_secs(20)).await
}

#[tokio::test]
async fn nothing_is_ready_before_a_configuration_is_published() -> Result<()> {
    let counts = Counts { control: false, ..Counts::default() };
    let mut stack = Stack::started(Setup::default(), counts, Nats::single().await?, None)?;
    let url = format!("{}/ready", stack.client.base);
    wait::until("not ready", Duration::from_secs(20), || async {
        let answer = client::get(&url).await?;
        let said = answer.json()?;
        anyhow::ensure!(answer.status == 503 && said["checks"]["configuration"] != "ok", "{said}");
        anyhow::ensure!(said["checks"]["keys"] != "ok" && said["checks"]["payload_keys"] != "ok", "{said}");
        Ok(Some(()))
    })
    .await?;
    stack.add_control("fast")?;
    stack.wait_ready(Duration::from_secs(30)).await?;
    assert_eq!(stack.client.ask("ok").await?.status, 200);
    Ok(())
}
