//! `up`, killed and started again on the same data directory: ready soon, and every request at an end.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tests::client::chat_stream;
use tests::setup::Setup;
use tests::stack::Stack;

const READY: Duration = Duration::from_secs(20);
const SETTLED: Duration = Duration::from_secs(15);

/// Starts work of every kind, kills `up` in the middle of it, and returns the ids of the streams.
async fn killed_at_work(stack: &mut Stack, with_its_server: bool) -> Result<Vec<String>> {
    let client = stack.client.clone();
    let unary = tokio::spawn(async move { join_all((0..20).map(|_| client.ask("slow-4000"))).await });
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut events = stack.client.stream(&chat_stream("s600x20")).await?;
        events.first_content().await?;
        streams.push(events);
    }
    let ids = streams.iter().map(|s| s.request_id()).collect::<Result<Vec<_>>>()?;
    let called =
        stack.primary.calls().wait(Duration::from_secs(5), |calls| (calls.len() >= 25).then_some(()));
    called.await.context("not everything was called")?;
    let server = stack.nats_pid()?;
    if with_its_server {
        stack.process("up")?.kill_group()?;
        // In a group of its own; somebody who kills the whole session gets both.
        kill_process(Pid::from_raw(server).context("no pid")?, Signal::KILL).unwrap_or_default();
    } else {
        stack.process("up")?.kill()?;
    }
    drop(streams);
    for answer in unary.await? {
        assert!(answer.is_err(), "answered by a dead process");
    }
    Ok(ids)
}

async fn starts_again(stack: &mut Stack) -> Result<()> {
    let started = Instant::now();
    stack.restart("up")?;
    stack.wait_ready(READY).await?;
    assert!(started.elapsed() < READY, "ready after {:?}", started.elapsed());
    let report = stack.settle(SETTLED)?;
    assert_eq!(report["mismatches"], 0);
    Ok(())
}

#[tokio::test]
async fn a_killed_up_comes_back_and_brings_everything_to_an_end() -> Result<()> {
    let mut stack = Stack::up(Setup::default()).await?;
    for with_its_server in [false, true] {
        let ids = killed_at_work(&mut stack, with_its_server).await?;
        starts_again(&mut stack).await?;
        for id in ids {
            let view = stack.ended(&id).await?;
            assert_ne!(view["status"], json!("success"), "{view}");
        }
        let (_, listed) = stack.report(&["replay", "--limit", "10000"])?;
        let requests = listed["requests"].as_array().context("no list")?;
        assert!(requests.iter().all(|r| r["status"] != "in_progress"), "{listed}");
        assert_eq!(stack.client.ask("ok").await?.status, 200);
    }
    Ok(())
}

#[tokio::test]
async fn what_runs_when_it_is_asked_to_end_is_finished() -> Result<()> {
    let mut stack = Stack::up(Setup::default()).await?;
    let client = stack.client.clone();
    let asked = tokio::spawn(async move { client.ask("slow-2000").await });
    let called = stack.primary.calls().wait(Duration::from_secs(5), |calls| calls.first().map(|_| ()));
    called.await.context("not called")?;
    let server = stack.nats_pid()?;
    let status = stack.process("up")?.terminate(Duration::from_secs(30))?;
    assert!(status.success(), "{status}");
    assert_eq!(asked.await??.status, 200);
    let gone = Pid::from_raw(server).is_none_or(|pid| rustix::process::test_kill_process(pid).is_err());
    assert!(gone, "the nats-server was left behind");
    stack.restart("up")?;
    stack.wait_ready(READY).await
}

#[tokio::test]
async fn a_data_directory_is_for_one_up() -> Result<()> {
    let stack = Stack::up(Setup::default()).await?;
    let second = stack.command(&["up", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])?;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("in use"), "{said}");
    Ok(())
}
