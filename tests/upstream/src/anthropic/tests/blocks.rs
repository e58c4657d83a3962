//! Blocks and the signatures they carry.

use serde_json::{Value, json};

use super::{PATH, assistant, base, call, result, says, user};
use crate::fake::Kind;
use crate::fake::seal::Seal;
use crate::fake::test::{accepts, patched, refuses};

const PNG: &str = "iVBORw0KGgo=";

fn thought(name: &str, model: &str, text: &str) -> Value {
    let seal = Seal { name: name.to_owned() };
    json!({"type": "thinking", "thinking": text, "signature": seal.make("signature", model, text)})
}

#[test]
fn refuses_wrong_blocks() {
    let image = |source: Value| says(&[user(json!([{"type": "image", "source": source}]))]);
    let rules = [
        (
            says(&[user(json!([{"type": "image_url", "image_url": {}}]))]),
            "does not match any of the expected tags",
        ),
        (says(&[user(json!([{"type": "text", "text": "x", "foo": 1}]))]), "foo: Extra inputs"),
        (image(json!({"type": "base64", "media_type": "image/tiff", "data": PNG})), "media_type"),
        (
            image(json!({"type": "base64", "media_type": "image/jpeg", "data": PNG})),
            "does not appear to be a valid",
        ),
        (image(json!({"type": "base64", "media_type": "image/png", "data": "%"})), "invalid base64"),
        (image(json!({"type": "url", "url": "ftp://x"})), "Only HTTPS"),
        (
            says(&[user(
                json!([{"type": "document", "source": {"type": "base64", "media_type": "text/html", "data": "AAAA"}}]),
            )]),
            "media_type",
        ),
    ];
    refuses(Kind::Anthropic, PATH, &base(), &rules);
    accepts(
        Kind::Anthropic,
        PATH,
        &base(),
        &[
            image(json!({"type": "base64", "media_type": "image/png", "data": PNG})),
            image(json!({"type": "url", "url": "https://example.org/a.png"})),
        ],
    );
}

#[test]
fn refuses_foreign_and_missing_thoughts() {
    let hi = user(json!("Hi"));
    let manual = json!({"thinking": {"type": "enabled", "budget_tokens": 2048}});
    let looped = |blocks: Value| {
        let messages = says(&[hi.clone(), assistant(blocks), user(json!([result("toolu_1")]))]);
        patched(&messages, &manual)
    };
    let ours = thought("anthropic", "claude-sonnet-4-5", "t");
    let mut changed = ours.clone();
    changed["thinking"] = json!("other");
    let hidden = json!({"type": "redacted_thinking", "data": "AAAA"});
    let rules = [
        (looped(json!([call("toolu_1")])), "Expected `thinking` or `redacted_thinking`"),
        (
            looped(json!([thought("bedrock", "claude-sonnet-4-5", "t"), call("toolu_1")])),
            "Invalid `signature`",
        ),
        (
            looped(json!([thought("anthropic", "claude-opus-4-5", "t"), call("toolu_1")])),
            "Invalid `signature`",
        ),
        (looped(json!([changed, call("toolu_1")])), "Invalid `signature`"),
        (looped(json!([hidden, call("toolu_1")])), "Invalid `data`"),
        (
            looped(json!([{"type": "thinking", "thinking": "t"}, call("toolu_1")])),
            "signature: Field required",
        ),
    ];
    refuses(Kind::Anthropic, PATH, &base(), &rules);
    accepts(Kind::Anthropic, PATH, &base(), &[looped(json!([ours, call("toolu_1")]))]);
}
