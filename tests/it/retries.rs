//! Retries and fallback before the first byte, and what is never tried again.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tests::client::{chat, chat_stream};
use tests::setup::Setup;
use tests::stack::Stack;

/// Alone, a target that fails: how often it is called, and what the caller gets.
const ALONE: [(&str, usize, u16, &str); 14] = [
    ("status-400", 1, 400, "invalid_value"),
    ("status-404", 1, 404, "model_not_found"),
    ("status-413", 1, 413, "request_too_large"),
    ("status-422", 1, 422, "unprocessable"),
    ("status-401", 1, 502, "upstream_account_error"),
    ("status-403", 1, 502, "upstream_account_error"),
    ("quota", 1, 502, "upstream_account_error"),
    ("status-500", 2, 502, "upstream_error"),
    ("status-502", 2, 502, "upstream_error"),
    ("status-503", 2, 503, "server_is_overloaded"),
    ("status-408", 2, 504, "timeout"),
    ("cut-at-once", 2, 502, "upstream_error"),
    ("status-429-retry-ms-30", 2, 429, "upstream_rate_limited"),
    ("status-429-retry-30", 1, 429, "upstream_rate_limited"),
];

async fn a_lone_target_is_tried_as_the_table_says(stack: &Stack) -> Result<()> {
    for (model, calls, status, code) in ALONE {
        let answer = stack.client.chat(&chat(model)).await?;
        assert_eq!((answer.status, answer.code()?.as_str()), (status, code), "{model}: {}", answer.text());
        assert_eq!(stack.primary.calls().of(model).len(), calls, "{model}");
        let view = stack.ended(&answer.request_id()?).await?;
        assert_eq!(view["status"], "failed", "{model}: {view}");
        assert_eq!(view["attempts"].as_array().map(Vec::len), Some(calls), "{model}: {view}");
        let retried_in_vain =
            (400..500).contains(&status) && status != 429 || code == "upstream_account_error";
        if retried_in_vain {
            assert_eq!(answer.header("x-should-retry"), Some("false"), "{model}");
        }
    }
    let answer = stack.client.chat(&chat("status-429-retry-30")).await?;
    let wait: u64 = answer.header("retry-after").unwrap_or("0").parse()?;
    assert!((1..=60).contains(&wait), "retry-after: {wait}");
    Ok(())
}

async fn a_second_try_is_the_answer(stack: &Stack) -> Result<()> {
    for (n, model) in
        ["status-500-then-ok", "status-409-then-ok", "status-425-then-ok", "status-429-retry-1-then-ok"]
            .iter()
            .enumerate()
    {
        let mut body = chat(model);
        body["user"] = json!(format!("second-try-{n}"));
        let started = Instant::now();
        let answer = stack.client.chat(&body).await?;
        assert_eq!((answer.status, answer.header("x-forebay-attempts")), (200, Some("2")), "{model}");
        if model.contains("retry-1") {
            assert!(started.elapsed() > Duration::from_millis(950), "the wait was not honoured");
        }
        let view = stack.ended(&answer.request_id()?).await?;
        assert_eq!(view["attempts"][0]["state"], "failed", "{view}");
        assert_eq!(view["attempts"][1]["state"], "success", "{view}");
        assert_eq!(
            view["attempts"][0]["cost_nano_usd"].as_i64().unwrap_or(0),
            0,
            "a refused call costs nothing"
        );
    }
    Ok(())
}

async fn another_target_takes_over(stack: &Stack) -> Result<()> {
    for script in [
        "status-429",
        "status-500",
        "status-502",
        "status-503",
        "status-504",
        "status-408",
        "status-409",
        "status-425",
        "status-401",
        "status-403",
        "quota",
        "cut-at-once",
        "hang",
        "down",
    ] {
        let before = stack.spare.calls().len();
        let answer = stack.client.chat(&chat(&format!("fb+{script}"))).await?;
        assert_eq!(answer.status, 200, "{script}: {}", answer.text());
        assert_eq!(answer.header("x-forebay-provider"), Some("spare"), "{script}");
        assert_eq!(answer.header("x-forebay-model"), Some("ok"), "{script}");
        assert_eq!(stack.spare.calls().len(), before + 1, "{script}");
        let mode = answer.header("x-forebay-route-mode").unwrap_or_default().to_owned();
        let expected = if script == "down" { "provider_fallback" } else { "model_fallback" };
        assert_eq!(mode, expected, "{script}");
        let view = stack.ended(&answer.request_id()?).await?;
        assert_eq!((&view["status"], &view["route_mode"]), (&json!("success"), &json!(mode)), "{script}");
        let attempts = view["attempts"].as_array().cloned().unwrap_or_default();
        assert!(
            attempts.len() >= 2 && attempts.last().is_some_and(|a| a["provider"] == "spare"),
            "{script}: {view}"
        );
    }
    Ok(())
}

async fn the_callers_mistake_is_nobody_elses(stack: &Stack) -> Result<()> {
    let before = stack.spare.calls().len();
    for (script, status) in
        [("status-400", 400), ("status-404", 404), ("status-413", 413), ("status-422", 422)]
    {
        let answer = stack.client.chat(&chat(&format!("fb+{script}"))).await?;
        assert_eq!(answer.status, status, "{script}: {}", answer.text());
    }
    assert_eq!(stack.spare.calls().len(), before, "a caller's mistake was failed over");
    Ok(())
}

async fn the_callers_deadline_bounds_everything(stack: &Stack) -> Result<()> {
    for (body, user) in [(chat("hang"), "deadline"), (chat_stream("hang"), "deadline-stream")] {
        let mut body = body;
        body["user"] = json!(user);
        let request = stack.client.post(body.to_string()).header("x-stainless-read-timeout", "1.2");
        let started = Instant::now();
        let answer = stack.client.send(request).await?;
        assert_eq!((answer.status, answer.code()?.as_str()), (504, "timeout"), "{}", answer.text());
        assert!(started.elapsed() < Duration::from_millis(3000), "{:?}", started.elapsed());
        let within = Duration::from_secs(3);
        let ended = stack
            .primary
            .calls()
            .wait(within, |calls| calls.iter().find(|c| c.user.as_deref() == Some(user))?.ended);
        assert_eq!(ended.await, Some(upstream::Ended::Dropped));
    }
    Ok(())
}

#[tokio::test]
async fn failures_are_retried_failed_over_or_told() -> Result<()> {
    let setup = Setup::default().env("PROVIDER_TIMEOUT_MS", "2500");
    let stack = Stack::up(setup).await?;
    a_lone_target_is_tried_as_the_table_says(&stack).await?;
    a_second_try_is_the_answer(&stack).await?;
    another_target_takes_over(&stack).await?;
    the_callers_mistake_is_nobody_elses(&stack).await?;
    the_callers_deadline_bounds_everything(&stack).await
}

#[tokio::test]
async fn retries_stay_a_fifth_of_the_requests() -> Result<()> {
    let stack = Stack::up(Setup::default().env("PROVIDER_RETRY_DELAY_MS", "1")).await?;
    let started = Instant::now();
    for _ in 0..10 {
        let many = (0..20).map(|_| async { stack.client.chat(&chat("status-500")).await });
        futures_util::future::try_join_all(many).await?;
    }
    let calls = stack.primary.calls().len();
    // A fifth, and what an idle provider may have: ten, and one a second.
    let most = 200 + 40 + 10 + usize::try_from(started.elapsed().as_secs())? + 1;
    assert!((210..=most).contains(&calls), "{calls} calls for 200 requests");
    Ok(())
}
