//! Secrets and prompts turn up nowhere: not in logs, metrics, errors, streams, files or the database. And what
//! operators read is there: metrics by name, logs as JSON with the request's id.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;
use tests::client::{self, chat, chat_stream};
use tests::nats;
use tests::provider::Provider;
use tests::setup::{CANARY, Setup};
use tests::stack::Stack;
use upstream::Options;

const PROMPT: &str = "PROMPTCANARY-what-nobody-else-may-read";

/// Every file below, with its content.
fn files(dir: &Path, found: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else if let Ok(content) = fs::read(&path) {
            found.push((path.display().to_string(), content));
        }
    }
    Ok(())
}

fn clean(place: &str, content: &[u8]) {
    for canary in [CANARY, PROMPT, "höher than"] {
        let at = content.windows(canary.len()).position(|w| w == canary.as_bytes());
        if let Some(at) = at {
            let from = at.saturating_sub(60);
            let to = (at + 60).min(content.len());
            assert_eq!(
                None::<&str>,
                Some(canary),
                "in {place}: {:?}",
                String::from_utf8_lossy(&content[from..to])
            );
        }
    }
}

async fn traffic(stack: &Stack) -> Result<()> {
    for model in ["ok", "strict", "status-401", "status-500", "cut-at-once", "no-usage", "fb+status-429"] {
        for stream in [false, true] {
            let mut body = if stream { chat_stream(model) } else { chat(model) };
            body["messages"][0]["content"] = PROMPT.into();
            let answer = stack.client.chat(&body).await?;
            if answer.status != 200 {
                clean("an error", &answer.body);
            }
        }
    }
    let mut bad = chat("ok").to_string().replace("How high", PROMPT);
    bad.push('}');
    clean("an error", &stack.client.send(stack.client.post(bad)).await?.body);
    let stranger = stack.client.with_key("sk-stranger-CANARY-key-of-nobody");
    clean("an error", &stranger.chat(&chat("ok")).await?.body);
    Ok(())
}

/// Reads the JSON lines of a log.
fn log_lines(text: &str) -> Vec<Value> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn metrics_are_there(text: &str) {
    let names: Vec<&str> =
        text.lines().filter_map(|l| l.strip_prefix("# TYPE ")).filter_map(|l| l.split(' ').next()).collect();
    for part in ["queue", "attempts", "lag", "redeliver", "dropped"] {
        assert!(names.iter().any(|n| n.contains(part)), "no metric speaks of {part}: {names:?}");
    }
    assert!(names.iter().all(|n| n.starts_with("forebay_")), "{names:?}");
}

#[tokio::test]
async fn secrets_and_prompts_turn_up_nowhere() -> Result<()> {
    let key = Some("another-credential-than-ours".to_owned());
    let options = Options { name: "strict".to_owned(), key, ..Options::default() };
    let strict = Provider::start_with(([127, 0, 0, 1], tests::port::free()?).into(), options)?;
    let tail = format!(
        "[[providers]]\nname = \"strict\"\nkind = \"openai_compatible\"\nbase_url = \"{}\"\n\
         api_key = \"env:PRIMARY_KEY\"\nallow_private_network = true\n\n\
         [[models]]\nalias = \"strict\"\ntargets = [ {{ provider = \"strict\", model = \"ok\" }} ]\n",
        strict.base_url()
    );
    let stack = Stack::up(Setup::default().tail(&tail).env("RUST_LOG", "debug,h2=info")).await?;
    traffic(&stack).await?;
    stack.settle(std::time::Duration::from_secs(30))?;

    let logs = stack.logs();
    clean("the logs", logs.as_bytes());
    let lines = log_lines(&logs);
    assert!(lines.len() > 20, "the logs are no JSON: {}", tests::stack::tail(&logs, 5));
    let with_id =
        lines.iter().filter(|l| l["request_id"].as_str().is_some_and(|id| id.starts_with("req_"))).count();
    assert!(with_id > 0, "no line names its request: {}", tests::stack::tail(&logs, 5));

    let mut metrics = String::new();
    for port in [stack.listen[0], stack.admin["up"]] {
        metrics.push_str(&client::get(&format!("http://127.0.0.1:{port}/metrics")).await?.text());
    }
    clean("the metrics", metrics.as_bytes());
    metrics_are_there(&metrics);

    let js = nats::connect(&stack.nats_url()?).await?;
    for stream in ["REQUESTS", "EVENTS", "KV_config", "KV_keys", "KV_payload_keys"] {
        for (subject, headers, payload) in nats::read_stream(&js, stream).await? {
            clean(&format!("{stream} {subject}"), headers.as_bytes());
            clean(&format!("{stream} {subject}"), &payload);
        }
    }
    let mut found = Vec::new();
    files(stack.data_dir()?, &mut found)?;
    assert!(found.iter().any(|(name, _)| name.ends_with("forebay.db")));
    for (name, content) in &found {
        clean(name, content);
    }
    Ok(())
}
