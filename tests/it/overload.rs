//! Too much work is refused before it is stored, with a time to come back.

use std::time::Duration;

use anyhow::Result;
use tests::nats;
use tests::setup::Setup;
use tests::stack::Stack;
use tests::wait;
use tokio::task::JoinSet;

#[tokio::test]
async fn a_backlog_past_its_limit_is_refused_before_it_is_stored() -> Result<()> {
    let setup = Setup::default().env("FOREBAY_WORKER_SLOTS", "2").env("FOREBAY_BACKLOG_MAX", "8");
    let stack = Stack::up(setup).await?;
    let js = nats::connect(&stack.nats_url()?).await?;
    let mut waves = JoinSet::new();
    for _ in 0..4 {
        for _ in 0..12 {
            let client = stack.client.clone();
            waves.spawn(async move { client.ask("slow-400").await });
        }
        // The backlog is told once a second, so that the first wave may pass as a whole.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let answers = waves.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
    assert!(!refused.is_empty() && !accepted.is_empty(), "{} accepted", accepted.len());
    for answer in &refused {
        assert_eq!(
            (answer.status, answer.code()?.as_str()),
            (503, "server_is_overloaded"),
            "{}",
            answer.text()
        );
        let wait: u64 = answer.header("retry-after").unwrap_or("0").parse()?;
        assert!((1..=60).contains(&wait), "retry-after: {wait}");
        assert_eq!(answer.header("x-should-retry"), Some("true"));
    }
    let stored = js.get_stream("REQUESTS").await?.info().await?.state.messages;
    assert_eq!(stored, accepted.len() as u64, "a refused request was stored");
    wait::until("service is back", Duration::from_secs(10), || async {
        Ok((stack.client.ask("ok").await?.status == 200).then_some(()))
    })
    .await
}
