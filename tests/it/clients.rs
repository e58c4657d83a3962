//! The official clients, unmodified, as they are published.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use tests::setup::{ACME_KEY, Setup};
use tests::stack::Stack;
use tokio::process::Command;
use upstream::Ended;

/// Where `tests/clients/install` has put them.
pub(crate) fn installed() -> Result<PathBuf> {
    let dir = match env::var_os("FOREBAY_TEST_CLIENTS") {
        Some(dir) => PathBuf::from(dir),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients"),
    };
    ensure!(
        dir.join("installed").is_file(),
        "the clients are not installed: tests/clients/install {}",
        dir.display()
    );
    Ok(dir)
}

async fn run(stack: &Stack, program: PathBuf, script: &Path, marker: &str) -> Result<()> {
    let mut command = Command::new(program);
    command.arg(script).env("FOREBAY_URL", &stack.client.base).env("FOREBAY_KEY", ACME_KEY);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(120), command.output()).await??;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    ensure!(output.status.success(), "{marker}:\n{said}");
    for what in ["cancel", "timeout"] {
        let user = format!("{marker}-{what}");
        let ended = stack.primary.calls().wait(Duration::from_secs(5), |calls| {
            calls.iter().find(|c| c.user.as_deref() == Some(&user))?.ended
        });
        ensure!(ended.await == Some(Ended::Dropped), "{user}: the provider was not let go");
    }
    Ok(())
}

#[tokio::test]
async fn the_official_python_client() -> Result<()> {
    let dir = installed()?;
    let stack = Stack::up(Setup::default()).await?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/checks.py");
    run(&stack, dir.join("venv/bin/python"), &script, "python").await
}

#[tokio::test]
async fn the_official_javascript_client() -> Result<()> {
    let dir = installed()?;
    let stack = Stack::up(Setup::default()).await?;
    // Modules are looked for beside the script.
    let script = dir.join("checks.mjs");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/checks.mjs"), &script).context("copy")?;
    run(&stack, dir.join("node"), &script, "node").await
}
