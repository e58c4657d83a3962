//! The official clients, unmodified, with every API and every kind of provider: `docs/compatibility.md`.
//!
//! | file | owns |
//! |---|---|
//! | [`stack`] | the providers, their fakes, and the configuration |
//! | [`table`] | what the scripts say, as a table |
//! | [`usage`] | what the fakes bill against what is booked |
//!
//! The scripts and the providers' documented limits are in `tests/clients/compat`. With `FOREBAY_UPDATE` set the
//! table is written; without, it must be the one on disk.

mod stack;
mod table;
mod usage;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use tests::setup::ACME_KEY;
use tokio::process::Command;
use upstream::Ended;

use self::stack::{Bench, PROVIDERS};
use self::table::{APIS, CLIENTS, Limit, Said, table};
use crate::clients::installed;

const UPDATE: &str = "FOREBAY_UPDATE";
const SCRIPT_PATIENCE: Duration = Duration::from_secs(240);
const SETTLED: Duration = Duration::from_secs(60);
const LET_GO: Duration = Duration::from_secs(5);

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[tokio::test]
async fn every_official_client_speaks_every_api_to_every_provider() -> Result<()> {
    let dir = installed()?;
    let bench = Bench::start().await?;
    let mut said = Vec::new();
    for (api, _) in APIS {
        let (python, node) = tokio::try_join!(python(&bench, &dir, api), node(&bench, &dir, api))?;
        said.extend(python);
        said.extend(node);
    }
    let limits = Limit::read(&here("clients/compat/limits.json"))?;
    let found = table(&said, &limits, &versions()?)?;
    let mut problems = found.problems;
    problems.extend(not_let_go(&bench).await);
    problems.extend(refused(&bench));
    bench.stack.settle(SETTLED)?;
    let books = usage::books(&bench.stack).await?;
    for (provider, fake) in &bench.fakes {
        let (wrong, equal) = usage::compare(&books, provider, fake);
        ensure!(equal > 0, "{}: no call was compared", provider.name);
        problems.extend(wrong);
    }
    ensure!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    keep_or_compare(&found.text)
}

/// The table on disk is that of this run.
fn keep_or_compare(text: &str) -> Result<()> {
    let path = here("../docs/compatibility.md");
    if env::var_os(UPDATE).is_some() {
        return fs::write(&path, text).context("docs/compatibility.md");
    }
    let on_disk = fs::read_to_string(&path).unwrap_or_default();
    let differs = on_disk.lines().zip(text.lines()).find(|(old, new)| old != new);
    ensure!(
        on_disk == text,
        "docs/compatibility.md is not what was found (first: {differs:?}): run this again with {UPDATE}=1"
    );
    Ok(())
}

async fn python(bench: &Bench, dir: &Path, api: &str) -> Result<Vec<Said>> {
    let script = here(&format!("clients/compat/python/{api}.py"));
    run(bench, &dir.join("venv/bin/python"), &script).await
}

async fn node(bench: &Bench, dir: &Path, api: &str) -> Result<Vec<Said>> {
    // Modules are looked for beside the script.
    let beside = dir.join("compat/node");
    fs::create_dir_all(&beside)?;
    for name in ["common.mjs", &format!("{api}.mjs")] {
        fs::copy(here("clients/compat/node").join(name), beside.join(name)).context("copy")?;
    }
    run(bench, &dir.join("node"), &beside.join(format!("{api}.mjs"))).await
}

/// Runs a script and reads what it says.
async fn run(bench: &Bench, program: &Path, script: &Path) -> Result<Vec<Said>> {
    let providers = PROVIDERS.map(|provider| provider.name).join(",");
    let mut command = Command::new(program);
    command
        .arg(script)
        .env("FOREBAY_URL", &bench.stack.client.base)
        .env("FOREBAY_KEY", ACME_KEY)
        .env("FOREBAY_PROVIDERS", providers)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(SCRIPT_PATIENCE, command.output()).await??;
    let (said, errors) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}: {}:\n{errors}", script.display(), output.status);
    let line =
        |line: &str| serde_json::from_str(line).with_context(|| format!("{}: {line}", script.display()));
    said.lines().map(line).collect()
}

/// Streams that a client closed and the provider was not told of.
async fn not_let_go(bench: &Bench) -> Vec<String> {
    let mut wrong = Vec::new();
    for (provider, fake) in &bench.fakes {
        for (client, api) in CLIENTS.iter().flat_map(|client| APIS.map(|(api, _)| (client, api))) {
            let marker = format!("cancel {client} {api}");
            let ended = fake.log().wait(LET_GO, |calls| {
                let called = calls.iter().find(|call| call.body.to_string().contains(&marker));
                // Embeddings are not streamed.
                if api == "embeddings" { Some(Ended::Dropped) } else { called?.ended }
            });
            let ended = ended.await;
            if ended != Some(Ended::Dropped) {
                wrong.push(format!("{}: {marker}: the provider saw {ended:?}", provider.name));
            }
        }
    }
    wrong
}

/// What a provider refused as wrong. A gateway that asks again in other words would hide it from the clients.
fn refused(bench: &Bench) -> Vec<String> {
    let mut wrong = Vec::new();
    for (provider, fake) in &bench.fakes {
        // The one mistake that is a caller's and passed on: nothing to embed.
        let told =
            |path: &str| ["/embeddings", "/invoke", ":batchEmbedContents"].iter().any(|e| path.ends_with(e));
        for call in fake.calls().iter().filter(|call| !told(&call.path)) {
            let Some(why) = &call.refused else { continue };
            wrong.push(format!("{}: refused {}: {why}", provider.name, call.path));
        }
    }
    wrong
}

/// The clients and their versions, as they are pinned.
fn versions() -> Result<String> {
    let python = fs::read_to_string(here("clients/requirements.txt"))?;
    let node: serde_json::Value = serde_json::from_slice(&fs::read(here("clients/package.json"))?)?;
    let mut names: Vec<String> = python
        .lines()
        .filter_map(|line| line.split_once("=="))
        .filter(|(name, _)| ["openai", "anthropic"].contains(name))
        .map(|(name, version)| format!("`{name}` {version} for Python"))
        .collect();
    for (name, version) in node["dependencies"].as_object().context("no dependencies")? {
        if name != "zod" {
            names.push(format!("`{name}` {} for Node", version.as_str().unwrap_or_default()));
        }
    }
    Ok(names.join(", "))
}
