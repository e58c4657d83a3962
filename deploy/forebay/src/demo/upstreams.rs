//! The two fake providers of the demo: one whose quota is always exceeded, one that answers.

use std::collections::HashMap;

use serde_json::{Value, json};
use upstream::{Options, Reply, Upstream};

/// The model that is asked for first, at the provider that refuses.
pub(super) const PRIMARY_MODEL: &str = "demo-primary-upstream";
/// The model that answers instead.
pub(super) const FALLBACK_MODEL: &str = "demo-fallback-upstream";
/// Id of the one answer.
pub(super) const ANSWER_ID: &str = "cmpl-fallback-demo";

/// Both providers, running on free ports of this machine.
pub(super) struct Upstreams {
    pub(super) primary: Upstream,
    pub(super) fallback: Upstream,
}

impl Upstreams {
    /// Starts both; they take `key` and no other credential.
    pub(super) async fn start(key: &str) -> anyhow::Result<Self> {
        Ok(Self {
            primary: start("primary", key, PRIMARY_MODEL, Reply { status: 429, body: refusal() }).await?,
            fallback: start("fallback", key, FALLBACK_MODEL, Reply { status: 200, body: answer() }).await?,
        })
    }
}

async fn start(name: &str, key: &str, model: &str, reply: Reply) -> anyhow::Result<Upstream> {
    let options = Options {
        name: name.to_owned(),
        key: Some(key.to_owned()),
        keep_bodies: true,
        replies: HashMap::from([(model.to_owned(), reply)]),
    };
    Ok(Upstream::start("127.0.0.1:0", options).await?)
}

fn refusal() -> Value {
    json!({ "error": {
        "message": "demo quota exceeded",
        "type": "rate_limit_error",
        "param": null,
        "code": "rate_limit_exceeded",
    }})
}

/// What the fallback answers.
pub(super) fn answer() -> Value {
    json!({
        "id": ANSWER_ID,
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": FALLBACK_MODEL,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": "Answered by the fallback." },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5 },
    })
}
