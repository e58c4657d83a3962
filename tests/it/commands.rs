//! The commands that report: replay, reconcile, demo, migrate, seed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection as _};
use tests::binary;
use tests::client::{chat, chat_stream};
use tests::process::Spec;
use tests::setup::Setup;
use tests::stack::Stack;

async fn replay_tells_a_whole_life(stack: &Stack) -> Result<()> {
    let answer = stack.client.chat(&chat("fb+status-429")).await?;
    let id = answer.request_id()?;
    stack.ended(&id).await?;
    let (ok, report) = stack.report(&["replay", "--request", &id])?;
    assert!(ok, "{report}");
    let text = report.to_string();
    for part in
        [id.as_str(), "primary", "spare", "model_fallback", "\"acme\"", "429", "input_tokens", "transfers"]
    {
        assert!(text.contains(part), "{part} is not in {report}");
    }
    let readable = stack.command(&["replay", "--request", &id])?;
    let readable = String::from_utf8_lossy(&readable.stdout).into_owned();
    assert!(readable.lines().count() > 5 && readable.contains("spare"), "{readable}");
    let unknown =
        stack.command(&["replay", "--request", "req_00000000000000000000000000000000", "--json"])?;
    assert!(!unknown.status.success());
    Ok(())
}

async fn replay_lists(stack: &Stack) -> Result<()> {
    let failed = stack.client.chat(&chat("status-422")).await?.request_id()?;
    stack.ended(&failed).await?;
    let ids = |report: &Value| -> Vec<String> {
        let requests = report["requests"].as_array().cloned().unwrap_or_default();
        requests.iter().filter_map(|r| r["id"].as_str().map(str::to_owned)).collect()
    };
    let (_, all) = stack.report(&["replay", "--project", "acme", "--from", "2020-01-01"])?;
    let (_, only_failed) = stack.report(&["replay", "--status", "failed"])?;
    let (_, none) = stack.report(&["replay", "--project", "other"])?;
    let (_, past) = stack.report(&["replay", "--to", "2020-01-01"])?;
    assert!(ids(&all).len() > 1 && ids(&all).contains(&failed), "{all}");
    let states = only_failed["requests"].as_array().context("no list")?;
    assert!(
        states.iter().all(|r| r["status"] == "failed") && ids(&only_failed).contains(&failed),
        "{only_failed}"
    );
    assert!(ids(&none).is_empty() && ids(&past).is_empty());
    Ok(())
}

/// Changes one balance behind the books' back, and expects `reconcile` to say which.
async fn reconcile_finds_what_was_changed(stack: &Stack) -> Result<()> {
    assert_eq!(stack.settle(Duration::from_secs(20))?["mismatches"], 0);
    sqlx::any::install_default_drivers();
    let mut sql = AnyConnection::connect(&stack.database_url()?).await?;
    let change =
        |by: i64| sqlx::query("UPDATE accounts SET debits = debits + $1 WHERE id = 'project:acme'").bind(by);
    change(7).execute(&mut sql).await?;
    let (ok, report) = stack.report(&["reconcile"])?;
    assert!(!ok && report["mismatches"].as_u64() > Some(0), "{report}");
    assert!(report["items"].to_string().contains("project:acme"), "{report}");
    change(-7).execute(&mut sql).await?;
    let (ok, report) = stack.report(&["reconcile"])?;
    assert!(ok && report["mismatches"] == 0, "{report}");
    let readable = stack.command(&["reconcile"])?;
    assert!(readable.status.success() && !readable.stdout.is_empty());
    Ok(())
}

#[tokio::test]
async fn replay_and_reconcile_tell_the_truth() -> Result<()> {
    let stack = Stack::up(Setup::default()).await?;
    for model in ["ok", "no-usage", "status-500", "unpriced"] {
        stack.client.chat(&chat(model)).await?;
    }
    assert!(stack.client.stream(&chat_stream("s5x1")).await?.read().await?.done);
    replay_tells_a_whole_life(&stack).await?;
    replay_lists(&stack).await?;
    reconcile_finds_what_was_changed(&stack).await
}

#[tokio::test]
async fn the_demo_proves_fallback_without_a_network() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = binary::nats_server()?;
    let spec = Spec::new("demo", binary::forebay()?, dir.path().join("log"));
    let spec = spec.env("FOREBAY_NATS_SERVER", server.to_string_lossy());
    let output = spec.clone().args(["demo"]).command().current_dir(dir.path()).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("model_fallback") && said.contains("demo-fallback-upstream"), "{said}");
    let output = spec.args(["demo", "--json"]).command().current_dir(dir.path()).output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert!(output.status.success(), "{report}");
    Ok(())
}

#[tokio::test]
async fn migrate_may_be_run_from_many_places_and_seed_again() -> Result<()> {
    let stack = Stack::up(Setup::default()).await?;
    let database = stack.database_url()?;
    let mut running = Vec::new();
    for n in 0..4 {
        let spec =
            Spec::new(format!("migrate-{n}"), binary::forebay()?, stack.dir().join(format!("migrate-{n}")));
        running.push(spec.env("DATABASE_URL", database.clone()).args(["migrate"]).start()?);
    }
    for process in &mut running {
        assert!(process.wait(Duration::from_secs(30))?.success(), "{}", process.log());
    }
    let (ok, first) = stack.report(&["seed"])?;
    assert!(ok, "{first}");
    let (ok, again) = stack.report(&["seed"])?;
    assert!(ok, "{again}");
    let key = first.as_object().and_then(|o| o.values().find_map(|v| v.as_str().filter(|s| s.len() > 30)));
    let key = key.context("seed shows no key")?;
    let seeded = stack.client.with_key(key);
    let answer = tests::wait::until("the seeded key opens", Duration::from_secs(10), || async {
        let answer = seeded.get("/v1/models").await?;
        Ok((answer.status == 200).then_some(answer))
    });
    assert_eq!(answer.await?.json()?["object"], json!("list"));
    Ok(())
}
