//! NATS dead or frozen: an answer in bounded time, and service returns by itself.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tests::client::{self, Answer};
use tests::nats::Nats;
use tests::setup::Setup;
use tests::stack::{Counts, Stack};
use tests::wait;

/// The longest that a request may take to be refused while NATS says nothing.
const REFUSED: Duration = Duration::from_secs(13);

fn refused(answer: &Answer) -> Result<()> {
    assert_eq!((answer.status, answer.code()?.as_str()), (503, "service_unavailable"), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    Ok(())
}

async fn not_ready(stack: &Stack) -> Result<()> {
    let url = format!("{}/ready", stack.client.base);
    wait::until("nats is named", Duration::from_secs(15), || async {
        let answer = client::get(&url).await?;
        Ok((answer.status == 503 && answer.json()?["checks"]["nats"] != "ok").then_some(()))
    })
    .await
}

/// A break is waited out for a moment; then the refusal comes without waiting for anything.
async fn refused_at_once(stack: &Stack) -> Result<()> {
    wait::until("refused at once", Duration::from_secs(20), || async {
        let started = Instant::now();
        refused(&stack.client.ask("ok").await?)?;
        Ok((started.elapsed() < Duration::from_secs(1)).then_some(()))
    })
    .await
}

async fn back(stack: &mut Stack) -> Result<()> {
    stack.wait_ready(Duration::from_secs(30)).await?;
    assert_eq!(stack.client.ask("ok").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_dead_or_frozen_server_is_a_bounded_503() -> Result<()> {
    let mut stack = Stack::apart(Setup::default(), Counts::default(), Nats::single().await?, None).await?;
    assert_eq!(stack.client.ask("ok").await?.status, 200);

    let server = |stack: &mut Stack,
                  act: &dyn Fn(&mut tests::process::Process) -> Result<()>|
     -> Result<()> { act(&mut stack.nats.as_mut().context("no nats")?.servers[0].process) };
    server(&mut stack, &|s| s.pause())?;
    let started = Instant::now();
    refused(&stack.client.ask("ok").await?)?;
    assert!(started.elapsed() < REFUSED, "{:?}", started.elapsed());
    not_ready(&stack).await?;
    let started = Instant::now();
    refused(&stack.client.ask("ok").await?)?;
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "known to be down, and still {:?}",
        started.elapsed()
    );
    server(&mut stack, &|s| s.resume())?;
    back(&mut stack).await?;

    server(&mut stack, &|s| s.kill())?;
    not_ready(&stack).await?;
    refused_at_once(&stack).await?;
    server(&mut stack, &|s| {
        *s = s.spec().start()?;
        Ok(())
    })?;
    back(&mut stack).await
}

#[tokio::test]
async fn requests_in_flight_get_an_answer_when_the_server_dies() -> Result<()> {
    let mut stack = Stack::apart(Setup::default(), Counts::default(), Nats::single().await?, None).await?;
    let client = stack.client.clone();
    let asked = tokio::spawn(async move { client.ask("slow-3000").await });
    let called = stack.primary.calls().wait(Duration::from_secs(5), |calls| calls.first().map(|_| ()));
    called.await.context("not called")?;
    let server = &mut stack.nats.as_mut().context("no nats")?.servers[0].process;
    server.kill()?;
    *server = server.spec().start()?;
    let answer = tokio::time::timeout(Duration::from_secs(40), asked).await???;
    assert!(answer.status == 200 || answer.code().is_ok(), "{}", answer.text());
    back(&mut stack).await
}
