//! After the load: is every request durable and on the books?

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::load::{self, Connection};
use crate::report::Books;
use crate::stack::{KEY, Stack};
use crate::{shape, wire};

/// How long one request may take to appear on the books.
const BOOKED_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// Asks the ledger about everything that was sent. `answered` and `failed` are the load generator's counts.
pub(crate) fn check(stack: &Stack, answered: u64, failed: u64) -> anyhow::Result<Books> {
    let looked_up = look_up(stack);
    let report = reconcile(stack)?;
    let number = |name: &str| report[name].as_u64();
    let mut books = Books {
        answered: answered + 1,
        failed,
        upstream_calls: stack.upstream_calls()?,
        attempts: number("attempts"),
        unsettled: number("open").zip(number("unknown")).map(|(open, unknown)| open + unknown),
        transfers: number("transfers"),
        mismatches: number("mismatches"),
        looked_up: looked_up.is_ok(),
        problem: looked_up.err().map(|error| format!("{error:#}")),
    };
    // Every call is an attempt that has ended, and every one of them had its price.
    let calls = Some(books.upstream_calls);
    let complete = books.answered + books.failed == books.upstream_calls
        && books.attempts == calls
        && books.transfers == calls
        && books.unsettled == Some(0);
    if !complete {
        books.problem.get_or_insert_with(|| "requests, upstream calls and the books differ".to_owned());
    }
    if books.mismatches != Some(0) {
        let items = report["items"].to_string();
        let items = items.chars().take(1000).collect::<String>();
        books.problem.get_or_insert_with(|| format!("reconcile found differences: {items}"));
    }
    Ok(books)
}

fn reconcile(stack: &Stack) -> anyhow::Result<Value> {
    let mut command = Command::new(&stack.binary);
    command.args(["reconcile", "--json", "--data-dir"]).arg(stack.data()).stdin(Stdio::null());
    command.env_remove("NATS_URL").env_remove("DATABASE_URL");
    if let Some(url) = &stack.database {
        command.env("DATABASE_URL", url);
    }
    let output = command.output()?;
    serde_json::from_slice(&output.stdout).with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("forebay reconcile ended with {} and no report: {said}", output.status)
    })
}

/// Sends one more request and finds it, with its one attempt and its cost, under the id it was answered with.
fn look_up(stack: &Stack) -> anyhow::Result<()> {
    let body = shape::request_body(None);
    let request = load::request(stack.forebay_address, "/v1/chat/completions", KEY, &body);
    let mut connection = Connection::new(stack.forebay_address);
    let answer = connection.exchange(&request)?;
    let id = wire::header(answer, b"request-id").context("an answer without request-id")?;
    let path = format!("/v1/requests/{}", std::str::from_utf8(id)?);
    let started = Instant::now();
    loop {
        let (status, body) = connection.get(&path, KEY)?;
        let view: Value = serde_json::from_str(&body).unwrap_or_default();
        let attempts = view["attempts"].as_array().map_or(0, Vec::len);
        if status == 200 && view["status"] == "success" && attempts == 1 && view["cost_usd"].is_string() {
            return Ok(());
        }
        anyhow::ensure!(started.elapsed() < BOOKED_WITHIN, "{path} answers {status}: {body}");
        std::thread::sleep(POLL);
    }
}
