//! Ids: Forebay's own for every request, the caller's echoed, and nothing mixed up by one that repeats.

use std::collections::HashSet;

use anyhow::Result;
use futures_util::future::try_join_all;
use serde_json::Value;
use tests::client::chat;
use tests::setup::Setup;
use tests::stack::Stack;

async fn the_callers_id_is_echoed_if_it_is_well_formed(stack: &Stack) -> Result<()> {
    let long = "x".repeat(128);
    for own in ["abc-123", "!~", &long] {
        let request = stack.client.post(chat("ok").to_string()).header("x-request-id", own);
        let answer = stack.client.send(request).await?;
        assert_eq!(answer.header("x-request-id"), Some(own));
        let id = answer.request_id()?;
        assert!(id.starts_with("req_") && id != own);
        assert_eq!(stack.ended(&id).await?["client_request_id"], own);
    }
    let too_long = "x".repeat(129);
    for bad in [&b"two words"[..], "größe".as_bytes(), too_long.as_bytes(), b""] {
        let request = stack.client.post(chat("ok").to_string()).header("x-request-id", bad);
        let answer = stack.client.send(request).await?;
        assert_eq!(
            (answer.status, answer.header("x-request-id")),
            (200, Some(answer.request_id()?.as_str()))
        );
    }
    Ok(())
}

async fn a_repeated_id_mixes_nothing_up(stack: &Stack) -> Result<()> {
    let asked = (0..40).map(|n| async move {
        let mut body = chat("echo+slow-30");
        body["user"] = format!("user-{n}").into();
        let text = body.to_string();
        let request = stack.client.post(text.clone()).header("x-request-id", "always-the-same");
        let answer = stack.client.send(request).await?;
        let said: Value = serde_json::from_str(&answer.content()?)?;
        anyhow::ensure!(said["sha256"] == upstream::answer::sha256(text.as_bytes()), "another's answer");
        answer.request_id()
    });
    let ids: HashSet<String> = try_join_all(asked).await?.into_iter().collect();
    assert_eq!(ids.len(), 40);
    for id in ids {
        let view = stack.ended(&id).await?;
        assert_eq!(
            (&view["status"], &view["client_request_id"]),
            (&"success".into(), &"always-the-same".into())
        );
    }
    Ok(())
}

async fn errors_carry_ids_too(stack: &Stack) -> Result<()> {
    let request = stack.client.post("{").header("x-request-id", "mine");
    let answer = stack.client.send(request).await?;
    assert_eq!((answer.status, answer.header("x-request-id")), (400, Some("mine")));
    assert_eq!(answer.json()?["error"]["request_id"], answer.request_id()?);
    Ok(())
}

async fn the_trace_goes_all_the_way(stack: &Stack) -> Result<()> {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let header = format!("00-{trace}-00f067aa0ba902b7-01");
    let request = stack.client.post(chat("ok").to_string()).header("traceparent", &header);
    let id = stack.client.send(request).await?.request_id()?;
    stack.ended(&id).await?;
    let call = stack.primary.calls().read(|calls| calls.last().cloned());
    let upstream = call.and_then(|c| c.header("traceparent").map(str::to_owned)).unwrap_or_default();
    assert!(upstream.is_empty() || upstream.contains(trace), "{upstream}");
    let (_, report) = stack.report(&["replay", "--request", &id])?;
    assert!(report.to_string().contains(trace), "{report}");
    Ok(())
}

#[tokio::test]
async fn ids_tell_requests_apart() -> Result<()> {
    let stack = Stack::up(Setup::default()).await?;
    the_callers_id_is_echoed_if_it_is_well_formed(&stack).await?;
    a_repeated_id_mixes_nothing_up(&stack).await?;
    errors_carry_ids_too(&stack).await?;
    the_trace_goes_all_the_way(&stack).await
}
