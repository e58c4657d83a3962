//! A client that goes away: the provider is let go at once, and what it had produced is accounted.

use std::time::Duration;

use anyhow::{Context as _, Result};
use proto::clock::now_ms;
use serde_json::{Value, json};
use tests::client::{Client, chat, chat_stream};
use tests::setup::{DRAIN_KEY, Setup};
use tests::stack::Stack;
use upstream::{Call, Ended};

/// Within this the provider must have been let go: 100 ms from the disconnect being seen, and the time that seeing
/// it and a busy machine take.
const LET_GO_MS: u64 = 300;

async fn end_of(stack: &Stack, user: &str) -> Result<Call> {
    let ended = stack.primary.calls().wait(Duration::from_secs(10), |calls| {
        calls.iter().find(|c| c.user.as_deref() == Some(user) && c.ended.is_some()).cloned()
    });
    ended.await.context("the call does not end")
}

fn with_user(mut body: Value, user: &str) -> Value {
    body["user"] = json!(user);
    body
}

/// Opens a stream and reads until it brings content; returns the request's id and when the client left.
async fn leave_in_the_middle(client: &Client, body: &Value) -> Result<(String, u64)> {
    let mut events = client.stream(body).await?;
    let id = events.request_id()?;
    for _ in 0..3 {
        events.first_content().await?;
    }
    drop(events);
    Ok((id, now_ms()))
}

async fn in_the_middle_of_a_stream(stack: &Stack) -> Result<()> {
    let (id, left) = leave_in_the_middle(&stack.client, &with_user(chat_stream("s600x20"), "stream")).await?;
    let call = end_of(stack, "stream").await?;
    assert_eq!(call.ended, Some(Ended::Dropped));
    let took = call.ended_ms.unwrap_or(u64::MAX).saturating_sub(left);
    assert!(took < LET_GO_MS, "the provider was let go after {took} ms");
    let view = stack.ended(&id).await?;
    assert_eq!(view["status"], "cancelled", "{view}");
    let attempt = &view["attempts"][0];
    assert_eq!((&attempt["state"], &attempt["payer"]), (&json!("cancelled"), &json!("customer")), "{view}");
    assert_eq!(view["used"]["source"], "estimated", "{view}");
    assert!(attempt["cost_nano_usd"].as_i64() > Some(0), "{view}");
    Ok(())
}

async fn while_it_waits(stack: &Stack) -> Result<()> {
    let body = with_user(chat("slow-20000"), "waiting").to_string();
    let request = stack.client.send(stack.client.post(body).header("x-request-id", "gone-while-waiting"));
    let started = stack.primary.calls().wait(Duration::from_secs(5), |calls| {
        calls.iter().any(|c| c.user.as_deref() == Some("waiting")).then_some(())
    });
    tokio::select! {
        answer = request => anyhow::bail!("answered: {}", answer?.text()),
        started = started => started.context("no call")?,
    }
    let left = now_ms();
    let call = end_of(stack, "waiting").await?;
    assert_eq!(call.ended, Some(Ended::Dropped));
    let took = call.ended_ms.unwrap_or(u64::MAX).saturating_sub(left);
    assert!(took < LET_GO_MS, "the provider was let go after {took} ms");
    let view = by_client_id(stack, "gone-while-waiting").await?;
    assert_eq!(view["status"], "cancelled", "{view}");
    Ok(())
}

/// The request with that id of the client's.
async fn by_client_id(stack: &Stack, own: &str) -> Result<Value> {
    tests::wait::until("listed as ended", Duration::from_secs(15), || async {
        let (_, report) = stack.report(&["replay", "--project", "acme"])?;
        let found =
            report["requests"].as_array().into_iter().flatten().find(|r| r["client_request_id"] == own);
        Ok(found.filter(|r| r["status"] != "in_progress").cloned())
    })
    .await
}

async fn but_is_to_be_served_all_the_same(stack: &Stack) -> Result<()> {
    let drain = stack.client.with_key(DRAIN_KEY);
    let (id, _) = leave_in_the_middle(&drain, &with_user(chat_stream("s60x20"), "drain")).await?;
    let call = end_of(stack, "drain").await?;
    assert_eq!((call.ended, call.output_tokens), (Some(Ended::Finished), 60));
    let view = stack.ended_for(&drain, &id).await?;
    assert_eq!(view["status"], "success", "{view}");
    assert_eq!(view["used"]["usage"]["output_tokens"], 60, "{view}");
    Ok(())
}

#[tokio::test]
async fn alone_a_client_that_leaves_is_noticed_and_accounted() -> Result<()> {
    let stack = Stack::up(Setup::default()).await?;
    in_the_middle_of_a_stream(&stack).await?;
    while_it_waits(&stack).await?;
    but_is_to_be_served_all_the_same(&stack).await
}
