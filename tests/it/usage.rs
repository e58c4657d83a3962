//! Token counts are reconciled before they are priced, and where they come from is kept.

use anyhow::Result;
use serde_json::json;
use tests::client::{chat, chat_stream};
use tests::setup::Setup;
use tests::stack::Stack;

#[tokio::test]
async fn what_providers_say_is_reconciled_and_flagged() -> Result<()> {
    let stack = Stack::up(Setup::default()).await?;
    for (model, source, output, warnings) in [
        ("ok", "provider", Some(5), json!(null)),
        ("bad-usage", "reconciled", Some(5), json!(["provider_total_tokens_mismatch"])),
        ("part-usage", "reconciled", Some(5), json!(["provider_completion_tokens_missing"])),
        (
            "no-usage",
            "estimated",
            None,
            json!(["provider_prompt_tokens_missing", "provider_completion_tokens_missing"]),
        ),
    ] {
        let unary = stack.client.chat(&chat(model)).await?.request_id()?;
        let events = stack.client.stream(&chat_stream(model)).await?;
        let streamed = events.request_id()?;
        assert!(events.read().await?.done, "{model}");
        for id in [unary, streamed] {
            let view = stack.ended(&id).await?;
            let used = &view["used"];
            assert_eq!(used["source"], source, "{model}: {view}");
            assert_eq!(used["warnings"], warnings, "{model}: {view}");
            match output {
                Some(output) => assert_eq!(used["usage"]["output_tokens"], output, "{model}: {view}"),
                None => assert!(used["usage"]["output_tokens"].as_u64() > Some(0), "{model}: {view}"),
            }
        }
    }
    Ok(())
}
