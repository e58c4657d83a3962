//! Whatever dies, at whatever moment: answered or told, and on the books once.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use proto::clock::now_ms;
use serde_json::{Value, json};
use tests::client::{chat, chat_stream};
use tests::nats::Nats;
use tests::setup::Setup;
use tests::stack::{Counts, Stack};
use upstream::{Call, Ended};

/// `ack_wait` on one server, and a second.
const TAKEN_OVER_MS: u64 = 6_000;

fn with_user(mut body: Value, user: &str) -> Value {
    body["user"] = json!(user);
    body
}

/// Waits for the `n`th call (from 0) of a marker.
async fn call(stack: &Stack, user: &str, n: usize, within: Duration) -> Result<Call> {
    let found = stack
        .primary
        .calls()
        .wait(within, |calls| calls.iter().filter(|c| c.user.as_deref() == Some(user)).nth(n).cloned());
    found.await.with_context(|| format!("{user} was not called {} times", n + 1))
}

/// The states and payers of a request's attempts, sorted.
fn attempts(view: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = view["attempts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|a| (text(&a["state"]), text(&a["payer"])))
        .collect();
    all.sort();
    all
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// Lets exactly one worker have what is sent next: the others start only afterwards.
async fn second_worker(stack: &mut Stack) -> Result<String> {
    let name = stack.add("workers")?;
    stack.wait_role(&name).await?;
    Ok(name)
}

async fn killed_during_a_call(stack: &mut Stack) -> Result<()> {
    let client = stack.client.clone();
    let asked =
        tokio::spawn(async move { client.chat(&with_user(chat("slow-first-20000"), "killed")).await });
    call(stack, "killed", 0, Duration::from_secs(5)).await?;
    let second = second_worker(stack).await?;
    stack.process("workers-0")?.kill()?;
    let killed = now_ms();
    let again = call(stack, "killed", 1, Duration::from_secs(12)).await?;
    let took = again.started_ms.saturating_sub(killed);
    assert!(took <= TAKEN_OVER_MS, "another worker had it after {took} ms");
    let answer = asked.await??;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let view = stack.ended(&answer.request_id()?).await?;
    assert_eq!(attempts(&view), pairs(&[("success", "customer"), ("unknown", "platform")]), "{view}");
    stack.process(&second)?.terminate(Duration::from_secs(30))?;
    stack.restart("workers-0")?;
    stack.wait_role("workers-0").await
}

async fn killed_in_the_middle_of_a_stream(stack: &mut Stack) -> Result<()> {
    let mut events = stack.client.stream(&with_user(chat_stream("s600x30"), "midstream")).await?;
    let id = events.request_id()?;
    events.first_content().await?;
    let second = second_worker(stack).await?;
    stack.process("workers-0")?.kill()?;
    let read = tokio::time::timeout(Duration::from_secs(15), events.read()).await??;
    assert!(read.error().is_some() && !read.done, "{:?}", read.events.last());
    let view = stack.ended(&id).await?;
    assert_eq!(attempts(&view).iter().map(|(s, _)| s.as_str()).collect::<Vec<_>>(), ["unknown"], "{view}");
    let calls = stack.primary.calls().of("s600x30").len();
    assert_eq!(calls, 1, "a second attempt was made after the first byte");
    stack.process(&second)?.terminate(Duration::from_secs(30))?;
    stack.restart("workers-0")?;
    stack.wait_role("workers-0").await
}

async fn frozen_and_fenced(stack: &mut Stack) -> Result<()> {
    let client = stack.client.clone();
    let asked = tokio::spawn(async move { client.chat(&with_user(chat("slow-first-8000"), "frozen")).await });
    call(stack, "frozen", 0, Duration::from_secs(5)).await?;
    let second = second_worker(stack).await?;
    stack.process("workers-0")?.pause()?;
    let answer = asked.await??;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.request_id()?;
    let view = stack.ended(&id).await?;
    assert_eq!(attempts(&view), pairs(&[("success", "customer"), ("unknown", "platform")]), "{view}");
    let before = view["cost_usd"].clone();
    stack.process("workers-0")?.resume()?;
    // The one that was frozen says what its call came to, and it replaces the estimate: once, and not the
    // customer's.
    let view = tests::wait::until("the late outcome is booked", Duration::from_secs(15), || async {
        let view = stack.ended(&id).await?;
        let late = view["attempts"].as_array().into_iter().flatten().all(|a| a["state"] != "unknown");
        Ok(late.then_some(view))
    })
    .await?;
    let payers: Vec<String> = attempts(&view).into_iter().map(|(_, payer)| payer).collect();
    assert!(payers.contains(&"customer".to_owned()) && payers.contains(&"platform".to_owned()), "{view}");
    assert_eq!((view["attempts"].as_array().map(Vec::len), &view["cost_usd"]), (Some(2), &before), "{view}");
    stack.process(&second)?.terminate(Duration::from_secs(30))?;
    stack.wait_role("workers-0").await
}

async fn frozen_before_it_began(stack: &mut Stack) -> Result<()> {
    let second = second_worker(stack).await?;
    stack.process("workers-0")?.pause()?;
    // Its open pull takes some of these with it; they come back after the ack wait.
    let started = Instant::now();
    let asked = join_all((0..8).map(|_| stack.client.ask("slow-1"))).await;
    for answer in asked {
        let answer = answer?;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert!(started.elapsed() < Duration::from_millis(TAKEN_OVER_MS + 4_000), "{:?}", started.elapsed());
    stack.process("workers-0")?.resume()?;
    stack.wait_role("workers-0").await?;
    assert_eq!(stack.primary.calls().of("slow-1").len(), 8, "a request was called twice");
    stack.process(&second)?.terminate(Duration::from_secs(30))?;
    Ok(())
}

/// Kills something while requests come and go, and expects each to be answered or refused with a reason.
async fn killed_under_load(stack: &mut Stack, name: &str) -> Result<()> {
    let client = stack.client.clone();
    let load = tokio::spawn(async move {
        let mut answers = Vec::new();
        for _ in 0..12 {
            answers.extend(join_all((0..16).map(|_| client.ask("slow-20"))).await);
        }
        answers
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    stack.process(name)?.kill()?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stack.restart(name)?;
    for answer in tokio::time::timeout(Duration::from_secs(60), load).await?? {
        let answer = answer?;
        assert!(answer.status == 200 || answer.code().is_ok(), "{} {}", answer.status, answer.text());
    }
    stack.wait_ready(Duration::from_secs(20)).await?;
    stack.settle(Duration::from_secs(30))?;
    let (_, listed) = stack.report(&["replay", "--project", "acme", "--limit", "10000"])?;
    let attempts: u64 = listed["requests"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|r| r["attempts"].as_array())
        .map(|a| a.len() as u64)
        .sum();
    assert!(attempts >= stack.primary.calls().len() as u64, "{attempts} attempts on the books");
    Ok(())
}

async fn ingress_killed(stack: &mut Stack) -> Result<()> {
    let mut events = stack.client.stream(&with_user(chat_stream("s900x20"), "orphan")).await?;
    let id = events.request_id()?;
    events.first_content().await?;
    stack.process("ingress-0")?.kill()?;
    let ended = stack.primary.calls().wait(Duration::from_secs(10), |calls| {
        calls.iter().find(|c| c.user.as_deref() == Some("orphan"))?.ended
    });
    assert_eq!(ended.await, Some(Ended::Dropped), "nobody waits, and the call runs on");
    drop(events);
    let other = stack.client_of(1)?;
    let view = stack.ended_for(&other, &id).await?;
    assert_eq!(attempts(&view).iter().map(|(s, _)| s.as_str()).collect::<Vec<_>>(), ["cancelled"], "{view}");
    stack.restart("ingress-0")?;
    stack.wait_ready(Duration::from_secs(20)).await
}

#[tokio::test]
async fn alone_workers_die_and_freeze() -> Result<()> {
    let mut stack = Stack::apart(Setup::default(), Counts::default(), Nats::single().await?, None).await?;
    killed_during_a_call(&mut stack).await?;
    killed_in_the_middle_of_a_stream(&mut stack).await?;
    frozen_and_fenced(&mut stack).await?;
    frozen_before_it_began(&mut stack).await
}

#[tokio::test]
async fn every_other_role_dies() -> Result<()> {
    let counts = Counts { ingress: 2, workers: 2, ..Counts::default() };
    let mut stack = Stack::apart(Setup::default(), counts, Nats::single().await?, None).await?;
    for name in ["workers-1", "ledger-0", "control-0"] {
        if name == "control-0" {
            stack.process(name)?.kill()?;
            assert_eq!(stack.client.ask("ok").await?.status, 200);
            stack.restart(name)?;
        } else {
            killed_under_load(&mut stack, name).await?;
        }
    }
    ingress_killed(&mut stack).await
}
