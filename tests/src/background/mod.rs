//! Background responses while everything dies: many are queued, every process and the NATS server are killed at once
//! and started again, twice. Then each must be completed exactly once, on the books as well; those that were cancelled
//! must be cancelled; and what was streamed must read the same again, with an end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::nats::Nats;
use crate::setup::Setup;
use crate::stack::{Counts, Stack};
use crate::wait;

/// What can be chosen.
#[derive(Debug, Clone, Parser)]
#[command(about = "Background responses while every process dies, and the account afterwards")]
pub struct Options {
    /// Responses that are to be completed [default: 200, short: 20]
    #[arg(long)]
    pub responses: Option<usize>,
    /// How often everything is killed
    #[arg(long, default_value_t = 2)]
    pub kills: u32,
    /// The short form, for the gate
    #[arg(long)]
    pub short: bool,
    /// The account as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Leaves logs and stores where they are
    #[arg(long)]
    pub keep: bool,
}

/// How long a response may take to come to its end after the last restart.
const ENDED: Duration = Duration::from_secs(120);
/// How long the books may take to come to rest.
const QUIET: Duration = Duration::from_secs(120);
const READY: Duration = Duration::from_secs(60);
/// Between a start and the next kill: some are done, some are being made, some wait.
const WORK: Duration = Duration::from_secs(2);
const SHOWN: usize = 5;

/// What came of it all.
#[derive(Debug, Default, Serialize)]
pub struct Account {
    /// What must be 0, by name.
    pub must_be_zero: BTreeMap<&'static str, usize>,
    /// What is worth knowing.
    pub counts: BTreeMap<&'static str, usize>,
    /// Some of what should not have been.
    pub examples: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: u64,
}

impl Account {
    /// Whether every promise was kept.
    pub fn holds(&self) -> bool {
        self.must_be_zero.values().all(|count| *count == 0)
    }

    /// The account for a person.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, count) in self.must_be_zero.iter().chain(&self.counts) {
            writeln!(text, "{count:>8}  {name}").unwrap_or_default();
        }
        for example in &self.examples {
            writeln!(text, "  {example}").unwrap_or_default();
        }
        let verdict = if self.holds() { "every promise was kept" } else { "NOT every promise was kept" };
        format!("{text}{verdict}, in {} s", self.seconds)
    }

    fn zero(&mut self, name: &'static str, examples: Vec<String>) {
        self.must_be_zero.insert(name, examples.len());
        self.examples.extend(examples.into_iter().take(SHOWN).map(|example| format!("{name}: {example}")));
    }
}

/// One response that was accepted.
#[derive(Debug, Clone)]
struct Accepted {
    id: String,
    request: String,
}

/// All of them, by what is to become of them.
#[derive(Debug, Default)]
struct All {
    completed: Vec<Accepted>,
    streamed: Vec<Accepted>,
    cancelled_early: Vec<Accepted>,
    cancelled_late: Vec<Accepted>,
}

/// Runs it all and returns the account.
pub async fn run(options: Options) -> Result<Account> {
    let started = Instant::now();
    let count = options.responses.unwrap_or(if options.short { 20 } else { 200 });
    // Few places, so that most have to wait through the deaths.
    let slots = (count / 10).clamp(4, 16).to_string();
    let setup = Setup::default().env("FOREBAY_WORKER_SLOTS", slots).unchecked();
    let counts = Counts { ingress: 2, workers: 2, ledger: 1, control: true, durability: "fast" };
    let mut stack = Stack::apart(setup, counts, Nats::single().await?, None).await?;
    let all = ask_all(&stack, count).await?;
    // Those that wait are cancelled before anything dies, those that run after the first time.
    cancel(&stack, &all.cancelled_early).await?;
    for kill in 0..options.kills {
        tokio::time::sleep(WORK).await;
        kill_everything(&mut stack).await?;
        if kill == 0 {
            cancel(&stack, &all.cancelled_late).await?;
        }
    }
    let mut account = Account::default();
    draw_up(&stack, &all, &mut account).await?;
    account.counts.insert("calls at the provider", stack.primary.calls().all().len());
    account.seconds = started.elapsed().as_secs();
    if options.keep || !account.holds() {
        stack.keep_files();
        account.examples.push(format!("logs and stores: {}", stack.dir().display()));
    }
    Ok(account)
}

async fn ask_all(stack: &Stack, count: usize) -> Result<All> {
    let mut all = All::default();
    let extra = (count / 10).max(2);
    // These hold their places until they are cancelled.
    for _ in 0..extra.min(3) {
        all.cancelled_late.push(ask(stack, "slow-600000", false).await?);
    }
    for n in 0..count {
        let model = ["ok", "slow-400", "slow-1500", "slow-900"][n % 4];
        all.completed.push(ask(stack, model, false).await?);
        if n % 10 == 0 {
            all.streamed.push(ask(stack, "s20x60", true).await?);
        }
    }
    for _ in 0..extra {
        all.cancelled_early.push(ask(stack, "slow-600000", false).await?);
    }
    Ok(all)
}

/// Asks for a background response; one that is streamed is left at once.
async fn ask(stack: &Stack, model: &str, stream: bool) -> Result<Accepted> {
    let body = json!({ "model": model, "input": "rise", "background": true, "stream": stream });
    let request = post(&stack.client, "/v1/responses").body(body.to_string());
    let mut response = request.send().await?;
    ensure!(response.status() == 200, "refused: {}", response.text().await?);
    let request = response.headers().get("request-id").and_then(|id| id.to_str().ok());
    let request = request.context("no request id")?.to_owned();
    let said = match stream {
        true => {
            let first = response.chunk().await?.context("no event")?;
            let text = String::from_utf8_lossy(&first).into_owned();
            let data = text.lines().find_map(|line| line.strip_prefix("data: ")).context("no data")?;
            serde_json::from_str::<Value>(data)?["response"].clone()
        }
        false => serde_json::from_slice(&response.bytes().await?)?,
    };
    ensure!(said["status"] == "queued", "not queued: {said}");
    Ok(Accepted { id: said["id"].as_str().context("no id")?.to_owned(), request })
}

fn post(client: &Client, path: &str) -> reqwest::RequestBuilder {
    let request = client.http.post(format!("{}{path}", client.base)).bearer_auth(&client.key);
    request.header(CONTENT_TYPE, "application/json")
}

async fn cancel(stack: &Stack, responses: &[Accepted]) -> Result<()> {
    for response in responses {
        let request = post(&stack.client, &format!("/v1/responses/{}/cancel", response.id));
        let answer = stack.client.send(request).await?;
        ensure!(answer.status == 200, "{}", answer.text());
        ensure!(answer.json()?["status"] == "cancelled", "{}", answer.text());
    }
    Ok(())
}

/// Every process at once, the server included; then all of them again.
async fn kill_everything(stack: &mut Stack) -> Result<()> {
    let names: Vec<String> = stack.processes.keys().cloned().collect();
    for name in &names {
        stack.process(name)?.kill()?;
    }
    let nats = stack.nats.as_mut().context("no servers")?;
    for server in &mut nats.servers {
        server.process.kill()?;
        server.process = server.process.spec().clone().start()?;
    }
    let nats = stack.nats.as_ref().context("no servers")?;
    wait::until("nats is ready", READY, || async { Ok(nats.healthy().await?.then_some(())) }).await?;
    for name in &names {
        stack.restart(name)?;
    }
    stack.wait_ready(READY).await
}

async fn fetch(client: &Client, id: &str) -> Result<Answer> {
    client.get(&format!("/v1/responses/{id}")).await
}

/// The response once it is over.
async fn over(stack: &Stack, id: &str) -> Result<Value> {
    wait::until(&format!("{id} is over"), ENDED, || async {
        let answer = fetch(&stack.client, id).await?;
        ensure!(answer.status == 200, "{}", answer.text());
        let response = answer.json()?;
        let working = matches!(response["status"].as_str(), Some("queued" | "in_progress"));
        Ok((!working).then_some(response))
    })
    .await
}

async fn draw_up(stack: &Stack, all: &All, account: &mut Account) -> Result<()> {
    let mut ends = BTreeMap::new();
    let every = [&all.completed, &all.streamed, &all.cancelled_early, &all.cancelled_late];
    for response in every.into_iter().flatten() {
        ends.insert(response.id.clone(), over(stack, &response.id).await);
    }
    let is = |response: &Accepted, status: &str| match &ends[&response.id] {
        Ok(end) if end["status"] == status && end["id"] == response.id.as_str() => None,
        Ok(end) => Some(format!("{} {}: {}", response.request, end["status"], end["error"])),
        Err(error) => Some(format!("{} {error:#}", response.request)),
    };
    let text =
        |response: &Accepted| ends[&response.id].as_ref().ok()?["output"][0]["content"][0]["text"].as_str();
    account.zero("not completed", all.completed.iter().filter_map(|r| is(r, "completed")).collect());
    let mute = |r: &&Accepted| text(r).is_none_or(str::is_empty);
    account
        .zero("completed without a text", all.completed.iter().filter(mute).map(|r| r.id.clone()).collect());
    let cancelled = all.cancelled_early.iter().chain(&all.cancelled_late);
    account.zero("not cancelled", cancelled.clone().filter_map(|r| is(r, "cancelled")).collect());
    let settled = stack.settle(QUIET).err().map(|error| format!("{error:#}"));
    account.zero("books that do not settle", settled.into_iter().collect());
    let (mut twice, mut charged, mut unknown) = (Vec::new(), Vec::new(), 0);
    for response in &all.completed {
        let view = stack.ended(&response.request).await?;
        let attempts = view["attempts"].as_array().context("no attempts")?;
        let good = |a: &&Value| a["state"] == "success" && a["payer"] == "customer";
        if attempts.iter().filter(good).count() != 1 || view["status"] != "success" {
            twice.push(format!("{view}"));
        }
        unknown += attempts.iter().filter(|a| a["state"] == "unknown").count();
        charged
            .extend(attempts.iter().filter(|a| a["payer"] == "customer" && a["state"] != "success").cloned());
    }
    account.zero("completed other than once on the books", twice);
    account.zero("charged for an attempt that failed", charged.iter().map(Value::to_string).collect());
    let mut paid = Vec::new();
    for response in &all.cancelled_early {
        let view = stack.client.get(&format!("/v1/requests/{}", response.request)).await?;
        if view.status == 200 && view.json()?["attempts"].as_array().is_some_and(|a| !a.is_empty()) {
            paid.push(view.text());
        }
    }
    account.zero("cancelled while it waited, and called", paid);
    replays(stack, all, &ends, account).await?;
    account.counts.insert("completed", all.completed.len());
    account.counts.insert("cancelled", all.cancelled_early.len() + all.cancelled_late.len());
    account.counts.insert("attempts lost with a process", unknown);
    Ok(())
}

/// What was streamed reads the same twice, is numbered without a gap, and has the end that the record has.
async fn replays(
    stack: &Stack,
    all: &All,
    ends: &BTreeMap<String, Result<Value>>,
    account: &mut Account,
) -> Result<()> {
    let (mut wrong, mut failed) = (Vec::new(), 0);
    for response in &all.streamed {
        let path = format!("/v1/responses/{}?stream=true", response.id);
        let (one, two) = (stack.client.get(&path).await?.text().to_owned(), stack.client.get(&path).await?);
        let events: Vec<Value> =
            one.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
        let status = ends[&response.id].as_ref().ok().map_or(&Value::Null, |end| &end["status"]);
        failed += usize::from(status == "failed");
        let numbered = events.iter().enumerate().all(|(n, event)| event["sequence_number"] == n);
        let ended = events.last().is_some_and(|event| event["response"]["status"] == *status);
        let known = status == "completed" || status == "failed";
        if one != two.text() || !numbered || !ended || !known {
            wrong.push(format!("{} {status} numbered: {numbered} ended: {ended}", response.request));
        }
    }
    account.zero("streams that do not read as they should", wrong);
    account.counts.insert("streamed", all.streamed.len());
    account.counts.insert("streamed, failed after their worker died", failed);
    Ok(())
}
