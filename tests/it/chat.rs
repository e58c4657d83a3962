//! What a caller sends reaches the provider byte for byte but for the model, and what the provider says comes back.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tests::client::chat;
use tests::setup::{ACME_KEY, PRIMARY_KEY, Setup};
use tests::stack::Stack;
use upstream::answer::words;

/// Bodies that a JSON library would not write like that.
fn odd_bodies(model: &str) -> Vec<String> {
    vec![
        format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"plain"}}]}}"#),
        format!(
            "\r\n\t {{ \"messages\" :\n[ {{\"content\":\t\"odd  spaces\" ,\"role\":\"user\"}} ]\n,  \"model\"\t:\n \"{model}\"  }}\n\n"
        ),
        format!(
            r#"{{"messages":[{{"role":"user","content":"\u00e9\ud83c\udf0a \/ \"model\": \"x\""}}],"temperature":1e0,"top_p":0.10,"seed":12345678901234567890,"model":"{model}"}}"#
        ),
        format!(
            r#"{{"metadata":{{"model":"not this one","deep":[[{{"model":1}}]]}},"model":"{model}","messages":[{{"role":"user","content":"x"}}],"a field of tomorrow":{{"b":null}}}}"#
        ),
        format!(
            r#"{{"model":"{model}","messages":[{{"role":"system","content":[{{"type":"text","text":"a"}}]}},{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,AAAA","detail":"original"}}}}]}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{{"type":"object"}},"strict":true}}}}],"tool_choice":"auto","parallel_tool_calls":false,"response_format":{{"type":"json_schema","json_schema":{{"name":"x","schema":{{"type":"object"}}}}}},"logit_bias":{{"5":-100}}}}"#
        ),
    ]
}

async fn bodies_arrive_untouched(stack: &Stack) -> Result<()> {
    for (asked, sent) in [("echo", "echo"), ("renamed", "echo")] {
        for body in odd_bodies(asked) {
            let answer = stack.client.send(stack.client.post(body.clone())).await?;
            assert_eq!(answer.status, 200, "{body}: {}", answer.text());
            let expected = body.replace(&format!("\"{asked}\""), &format!("\"{sent}\""));
            let call = stack.primary.calls().read(|calls| calls.last().cloned()).context("no call")?;
            assert_eq!(String::from_utf8_lossy(&call.body), expected);
            let echoed: Value = serde_json::from_str(&answer.content()?)?;
            assert_eq!(echoed["sha256"], upstream::answer::sha256(expected.as_bytes()));
        }
    }
    Ok(())
}

async fn the_callers_headers_stay_here(stack: &Stack) -> Result<()> {
    let request = stack.client.post(chat("ok").to_string());
    let request = request.header("x-stainless-lang", "rust").header("cookie", "a=b").header("x-own", "1");
    assert_eq!(stack.client.send(request).await?.status, 200);
    let call = stack.primary.calls().read(|calls| calls.last().cloned()).context("no call")?;
    assert_eq!(call.key, PRIMARY_KEY);
    for (name, value) in &call.headers {
        assert!(!value.contains(ACME_KEY), "{name} shows the caller's key");
        assert!(!name.starts_with("x-stainless") && name != "cookie" && name != "x-own", "{name}");
    }
    Ok(())
}

async fn answers_say_how_they_came_about(stack: &Stack) -> Result<()> {
    let answer = stack.client.chat(&chat("ok")).await?;
    assert_eq!(answer.content()?, words(5));
    assert_eq!(answer.header("content-type").map(|v| v.starts_with("application/json")), Some(true));
    let call = stack.primary.calls().read(|calls| calls.last().cloned()).context("no call")?;
    assert_eq!(answer.json()?["id"], call.id);
    for (name, expected) in [
        ("x-forebay-route-mode", "platform"),
        ("x-forebay-provider", "primary"),
        ("x-forebay-model", "ok"),
        ("x-forebay-attempts", "1"),
        ("x-forebay-config", "1"),
        // 8 x 1 + 3 x 0.1 + 5 x 10 USD per million tokens.
        ("x-forebay-cost-usd", "0.0000583"),
    ] {
        assert_eq!(answer.header(name), Some(expected), "{name}");
    }
    for name in ["x-forebay-queue-ms", "x-forebay-overhead-ms"] {
        let value = answer.header(name).with_context(|| format!("no {name}"))?;
        assert!(value.parse::<f64>().is_ok_and(|ms| (0.0..5000.0).contains(&ms)), "{name}: {value}");
    }
    Ok(())
}

async fn the_books_know_it(stack: &Stack) -> Result<()> {
    let answer = stack.client.chat(&chat("ok")).await?;
    let view = stack.ended(&answer.request_id()?).await?;
    assert_eq!(view["status"], "success", "{view}");
    assert_eq!(view["project"], "acme");
    assert_eq!(view["requested_model"], "ok");
    assert_eq!(view["cost_usd"], "0.0000583");
    assert_eq!(view["used"]["usage"]["input_tokens"], 11);
    assert_eq!(view["used"]["usage"]["cached_input_tokens"], 3);
    let [attempt] = view["attempts"].as_array().context("no attempts")?.as_slice() else {
        anyhow::bail!("not one attempt: {view}");
    };
    assert_eq!(attempt["payer"], "customer");
    assert_eq!(attempt["pricing"], "priced");
    assert_eq!(attempt["cost_nano_usd"], 58_300);
    let answer = stack.client.chat(&chat("unpriced")).await?;
    assert_eq!(answer.header("x-forebay-cost-usd"), None);
    let view = stack.ended(&answer.request_id()?).await?;
    assert_eq!(view["attempts"][0]["pricing"], "unpriced", "{view}");
    assert_eq!(view["cost_usd"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_request_is_passed_on_answered_and_booked() -> Result<()> {
    let stack = Stack::up(Setup::default()).await?;
    bodies_arrive_untouched(&stack).await?;
    the_callers_headers_stay_here(&stack).await?;
    answers_say_how_they_came_about(&stack).await?;
    the_books_know_it(&stack).await?;
    let tools = json!({
        "model": "tools", "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": "find"}}]
    });
    let answer = stack.client.chat(&tools).await?.json()?;
    assert_eq!(answer.pointer("/choices/0/message/tool_calls/0/function/name"), Some(&json!("find")));
    Ok(())
}
