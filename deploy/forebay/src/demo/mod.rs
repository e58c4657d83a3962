//! `forebay demo`: a fallback at work, proven without any network. The whole stack runs on a throw-away directory
//! against two fake providers: the first always answers 429, the second answers. One request is sent, and every
//! trace it must have left is looked for.

mod checks;
mod upstreams;

use std::path::Path;

use anyhow::{Context as _, bail};
use ledger::Db;
use ledger::reconcile::{Report, Start};
use proto::ctl::RequestView;
use proto::nats::Durability;
use proto::secret::{Secret, random_secret};
use serde::Serialize;
use serde_json::{Value, json};

use self::checks::Check;
use self::upstreams::{FALLBACK_MODEL, PRIMARY_MODEL, Upstreams};
use crate::data_dir::DataDir;
use crate::endpoint::Endpoint;
use crate::nats_server::{self, NatsServer};
use crate::reconcile;
use crate::secrets::Keys;
use crate::stack::{Plan, Stack};
use crate::telemetry::Metrics;
use crate::up::{banner, ready};
use crate::{connect, output, shutdown};

/// The alias that is asked for.
const ALIAS: &str = "demo-primary";

/// What the client saw of its one request.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
    request: String,
    route_mode: String,
    provider: String,
    model: String,
    attempts: String,
}

/// Everything that was seen.
struct Evidence {
    answer: Answer,
    upstreams: Upstreams,
    books: RequestView,
    reconciliation: Report,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Account {
    ok: bool,
    request: String,
    checks: Vec<Check>,
}

/// Runs the demo and reports; whether every check holds.
pub(crate) async fn run(json: bool) -> anyhow::Result<bool> {
    let shutdown = shutdown::on_signals()?;
    let work = tempfile::tempdir().context("no temporary directory can be made")?;
    let evidence = match shutdown.run_until_cancelled(Box::pin(gather(work.path()))).await {
        Some(evidence) => evidence?,
        None => bail!("the demo was interrupted"),
    };
    let checks = checks::all(&evidence);
    let ok = checks.iter().all(|check| check.ok);
    let report = Account { ok, request: evidence.answer.request.clone(), checks };
    if json {
        output::json(&report)?
    } else {
        output::line(&text(&report))?
    }
    Ok(ok)
}

/// Starts everything, sends the request, looks at what it left, and ends everything.
async fn gather(work: &Path) -> anyhow::Result<Evidence> {
    let dir = DataDir::open(&work.join("data"))?;
    let binary = nats_server::find().await?;
    let nats = NatsServer::start(&binary, &dir.file("nats"), Durability::Fast).await?;
    let endpoint = Endpoint { nats_url: nats.url().clone(), database_url: dir.database_url() };
    let gathered = with_nats(work, endpoint).await;
    nats.stop().await;
    gathered
}

async fn with_nats(work: &Path, endpoint: Endpoint) -> anyhow::Result<Evidence> {
    let provider_key = random_secret("sk-demo-")?;
    let upstreams = Upstreams::start(&provider_key).await?;
    let key = Secret::new(random_secret("fb_")?);
    let file = work.join("forebay.toml");
    let key_file = work.join("provider-key");
    crate::private_file::write(&key_file, provider_key.as_bytes())?;
    crate::private_file::write(&file, configuration(&upstreams, &key_file, &key).as_bytes())?;
    Db::connect(endpoint.database_url.expose()).await?.migrate().await?;
    let plan = Plan {
        endpoint: endpoint.clone(),
        keys: Keys::throw_away()?,
        listener: connect::listen("127.0.0.1:0")?,
        admin: connect::listen("127.0.0.1:0")?,
        control: control::Config { file: Some(file), local_providers: true, ..control::Config::default() },
        ledger: ledger::Config::default(),
        // One attempt at each target: what is shown is the fallback, not a retry.
        workers: workers::Config { retries_max: 0, ..workers::Config::default() },
        ingress: ingress::Config::default(),
    };
    let metrics = Metrics::install()?;
    let mut stack = Stack::start(plan, &metrics)?;
    let http = banner::url(stack.http);
    let seen = tokio::select! {
        seen = observe(&http, &key, &endpoint) => seen,
        error = stack.failed() => Err(error),
    };
    stack.stop().await;
    let (answer, books, reconciliation) = seen?;
    Ok(Evidence { answer, upstreams, books, reconciliation })
}

fn configuration(upstreams: &Upstreams, provider_key: &Path, key: &Secret<String>) -> String {
    let provider = |name: &str, base_url: String| {
        format!(
            "[[providers]]\nname = \"{name}\"\nkind = \"openai_compatible\"\nbase_url = \"{base_url}\"\n\
             api_key = \"file:{}\"\nallow_private_network = true\n\n",
            provider_key.display()
        )
    };
    format!(
        "{}{}[[models]]\nalias = \"{ALIAS}\"\nstrategy = \"fallback\"\ntargets = [\n  \
         {{ provider = \"primary-provider\", model = \"{PRIMARY_MODEL}\" }},\n  \
         {{ provider = \"fallback-provider\", model = \"{FALLBACK_MODEL}\" }},\n]\n\
         price = {{ input = \"1.00\", output = \"2.00\" }}\n\n\
         [[projects]]\nname = \"demo\"\n\n[[keys]]\nproject = \"demo\"\nname = \"demo\"\nsecret = \"{}\"\n",
        provider("primary-provider", upstreams.primary.base_url()),
        provider("fallback-provider", upstreams.fallback.base_url()),
        key.expose()
    )
}

/// Sends the request and waits until it is on the books.
async fn observe(
    http: &str,
    key: &Secret<String>,
    endpoint: &Endpoint,
) -> anyhow::Result<(Answer, RequestView, Report)> {
    ready::wait(http).await?;
    let client = reqwest::Client::builder().no_proxy().timeout(ready::PATIENCE).build()?;
    let body = json!({ "model": ALIAS, "messages": [{ "role": "user", "content": "Who answers?" }] });
    let request = client.post(format!("{http}/v1/chat/completions")).bearer_auth(key.expose());
    let request = request.header("content-type", "application/json").body(body.to_string());
    let response = request.send().await.context("the request was not answered")?;
    let header = |name: &str| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut answer = Answer {
        status: response.status().as_u16(),
        body: Value::Null,
        request: header("request-id"),
        route_mode: header("x-forebay-route-mode"),
        provider: header("x-forebay-provider"),
        model: header("x-forebay-model"),
        attempts: header("x-forebay-attempts"),
    };
    answer.body = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
    let books = checks::booked(&client, http, key, &answer.request).await?;
    Ok((answer, books, reconcile::of(endpoint, Start::Oldest).await?))
}

/// The report for a person.
fn text(report: &Account) -> String {
    let mut lines =
        vec![format!("Request {}: the first provider refuses, the second answers.", report.request)];
    for check in &report.checks {
        let mark = if check.ok { "ok  " } else { "FAIL" };
        lines.push(format!("  {mark} {}", check.what));
        if !check.ok {
            lines.push(format!("       found: {}", check.found));
        }
    }
    lines.push(if report.ok { "All checks hold." } else { "The demo failed." }.to_owned());
    lines.join("\n")
}
