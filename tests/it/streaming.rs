//! Streams: content as it comes, usage only for who asked, and never a bare end.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use tests::client::{chat, chat_stream};
use tests::setup::{Setup, WHOLE_KEY};
use tests::stack::Stack;
use upstream::answer::words;

async fn usage_is_asked_upstream_and_shown_to_who_asked(stack: &Stack) -> Result<()> {
    let hidden = stack.client.stream(&chat_stream("s10x2")).await?;
    assert_eq!(hidden.status, 200);
    assert_eq!(hidden.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(hidden.header("cache-control"), Some("no-cache"));
    assert_eq!(hidden.header("x-accel-buffering"), Some("no"));
    assert_eq!(hidden.header("x-forebay-provider"), Some("primary"));
    let read = hidden.read().await?;
    assert_eq!((read.content(), read.done, read.broken.as_deref()), (words(10), true, None));
    assert!(!String::from_utf8_lossy(&read.raw).contains("usage"), "usage that nobody asked for");
    assert!(read.events.iter().all(|e| e["choices"].as_array().is_some_and(|c| c.len() == 1)));

    let mut body = chat_stream("s10x2");
    body["stream_options"] = json!({"include_usage": true});
    let read = stack.client.stream(&body).await?.read().await?;
    assert_eq!(read.usage().map(|u| &u["completion_tokens"]), Some(&json!(10)));
    assert!(read.events.last().is_some_and(|e| e["choices"] == json!([])));
    body["stream_options"] = json!({"include_usage": false, "include_obfuscation": false});
    let read = stack.client.stream(&body).await?.read().await?;
    assert!(read.usage().is_none() && read.done);

    for call in stack.primary.calls().of("s10x2") {
        let sent: Value = serde_json::from_slice(&call.body)?;
        assert_eq!(sent["stream_options"]["include_usage"], true);
    }
    let kept =
        stack.primary.calls().of("s10x2").last().map(|c| String::from_utf8_lossy(&c.body).into_owned());
    assert!(kept.is_some_and(|body| body.contains("include_obfuscation")));
    Ok(())
}

async fn content_comes_as_it_is_made(stack: &Stack) -> Result<()> {
    let started = Instant::now();
    let mut events = stack.client.stream(&chat_stream("s30x50")).await?;
    events.first_content().await?;
    let first = started.elapsed();
    let read = events.read().await?;
    assert!(read.done && first < Duration::from_millis(900), "the first content took {first:?}");
    assert!(read.at.len() > 20, "thirty chunks came as {} events", read.at.len());
    let spread = read.at.last().copied().unwrap_or_default().saturating_sub(read.at[0]);
    assert!(spread > Duration::from_millis(700), "all came within {spread:?}");
    Ok(())
}

async fn every_end_is_said(stack: &Stack) -> Result<()> {
    let whole = stack.client.stream(&chat_stream("s40x0+split-utf8")).await?.read().await?;
    assert_eq!((whole.content(), whole.done), (words(40), true));
    for model in ["s9x20+error-2", "s9x20+cut-2", "s9x20+cut-4", "s9x20+error-3"] {
        let events = stack.client.stream(&chat_stream(model)).await?;
        assert_eq!(events.status, 200, "{model}");
        let id = events.request_id()?;
        let read = events.read().await?;
        assert!(
            read.error().is_some() && !read.done,
            "{model} ended as {:?}",
            String::from_utf8_lossy(&read.raw)
        );
        assert_eq!(stack.primary.calls().of(model).len(), 1, "{model} was tried again after its first byte");
        assert_eq!(stack.ended(&id).await?["status"], "failed", "{model}");
    }
    // It said that it was complete, and only the mark behind it is missing.
    let read = stack.client.stream(&chat_stream("nodone")).await?.read().await?;
    assert!(read.done || read.error().is_some(), "a bare end: {:?}", String::from_utf8_lossy(&read.raw));
    Ok(())
}

async fn a_provider_that_dies_before_content_is_replaced(stack: &Stack) -> Result<()> {
    for model in ["fb+cut-0", "fb+error-0", "fb+cut-at-once", "fb+status-500"] {
        let events = stack.client.stream(&chat_stream(model)).await?;
        assert_eq!(events.header("x-forebay-provider"), Some("spare"), "{model}");
        let read = events.read().await?;
        assert_eq!((read.content(), read.done), (words(5), true), "{model}");
        assert!(read.error().is_none());
    }
    // Nothing was sent yet, so that the error is an ordinary answer, and JSON.
    let events = stack.client.stream(&chat_stream("status-422")).await?;
    assert_eq!(events.status, 422);
    assert_eq!(events.header("content-type"), Some("application/json"));
    Ok(())
}

async fn a_project_may_go_without_streams(stack: &Stack) -> Result<()> {
    let whole = stack.client.with_key(WHOLE_KEY);
    let refused = whole.chat(&chat_stream("ok")).await?;
    assert_eq!((refused.status, refused.code()?.as_str()), (400, "invalid_request"));
    let error = &refused.json()?["error"];
    assert_eq!(error["message"], "Streaming responses are not enabled in this gateway release.");
    assert_eq!(error["details"]["streaming_supported"], false);
    assert_eq!(whole.chat(&chat("ok")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn streams_are_whole_prompt_and_never_end_without_a_word() -> Result<()> {
    let stack = Stack::up(Setup::default()).await?;
    usage_is_asked_upstream_and_shown_to_who_asked(&stack).await?;
    content_comes_as_it_is_made(&stack).await?;
    every_end_is_said(&stack).await?;
    a_provider_that_dies_before_content_is_replaced(&stack).await?;
    a_project_may_go_without_streams(&stack).await
}

#[tokio::test]
async fn a_deployment_may_go_without_streams() -> Result<()> {
    let setup = Setup { head: "streaming = false\n\n".to_owned(), ..Setup::default() };
    let stack = Stack::up(setup).await?;
    let refused = stack.client.chat(&chat_stream("ok")).await?;
    assert_eq!((refused.status, refused.code()?.as_str()), (400, "invalid_request"));
    assert_eq!(stack.client.chat(&chat("ok")).await?.status, 200);
    Ok(())
}
