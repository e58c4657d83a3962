//! What is larger than a message travels all the same.

use anyhow::Result;
use serde_json::{Value, json};
use tests::client::{chat, chat_stream};
use tests::setup::Setup;
use tests::stack::Stack;

const MIB: usize = 1 << 20;

#[tokio::test]
async fn twenty_mib_go_both_ways() -> Result<()> {
    let stack = Stack::up(Setup::default()).await?;
    for mib in [1, 7, 9, 20] {
        let image = format!("data:image/png;base64,{}", "A".repeat(mib * MIB));
        let content = json!([{"type": "image_url", "image_url": {"url": image}}]);
        let body = json!({"model": "echo", "messages": [{"role": "user", "content": content}]}).to_string();
        let expected = upstream::answer::sha256(body.as_bytes());
        let answer = stack.client.send(stack.client.post(body)).await?;
        assert_eq!(answer.status, 200, "{mib} MiB: {}", answer.text());
        let said: Value = serde_json::from_str(&answer.content()?)?;
        assert_eq!(said["sha256"], expected, "{mib} MiB");
        assert_eq!(stack.ended(&answer.request_id()?).await?["status"], "success");
    }
    for mib in [1, 20] {
        let answer = stack.client.chat(&chat(&format!("big-{mib}"))).await?;
        assert_eq!((answer.status, answer.content()?.len()), (200, mib * MIB));
        // No faster than a client reads: what it has not read is bounded.
        let read = stack.client.stream(&chat_stream(&format!("s1x20+big-{mib}"))).await?.read().await?;
        assert_eq!((read.content().len(), read.done), (mib * MIB, true), "{:?}", read.error());
    }
    Ok(())
}
