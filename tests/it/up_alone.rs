//! `forebay up` with nothing at all: a built-in provider, and a line to paste that works as it stands.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tests::process::{Process, Spec};
use tests::{binary, client, port, wait};

async fn banner(process: &Process) -> Result<String> {
    wait::until("the banner", Duration::from_secs(30), || async {
        Ok(process.said().lines().any(|l| l.starts_with("curl ")).then(|| process.said()))
    })
    .await
    .with_context(|| process.log())
}

#[tokio::test]
async fn the_line_it_prints_works_as_it_stands() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (listen, admin) = (port::free()?, port::free()?);
    let spec = Spec::new("up", binary::forebay()?, dir.path().join("up.log"));
    let spec = spec.env("FOREBAY_NATS_SERVER", binary::nats_server()?.to_string_lossy());
    let spec = spec.args(["up".into(), "--data-dir".into(), dir.path().join("data").into_os_string()]);
    let addresses = [format!("127.0.0.1:{listen}"), format!("127.0.0.1:{admin}")];
    let mut up = spec.args(["--listen", &addresses[0], "--admin-listen", &addresses[1]]).start()?;

    let said = banner(&up).await?;
    let at = said.find("curl ").context("no curl line")?;
    assert!(said[..at].contains(&format!("http://{}", addresses[0])), "{said}");
    assert_eq!(said.matches("curl ").count(), 1, "{said}");
    let output = Command::new("sh").arg("-c").arg(&said[at..]).output()?;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{said}\n{}", String::from_utf8_lossy(&output.stdout)))?;
    let content = answer.pointer("/choices/0/message/content").and_then(Value::as_str);
    assert!(content.is_some_and(|text| !text.is_empty()), "{answer}");

    // The built-in provider is priced and on the books like any other.
    let settled = wait::until("it is booked", Duration::from_secs(10), || async {
        let reconcile = Spec::new("reconcile", binary::forebay()?, dir.path().join("reconcile.log"));
        let reconcile = reconcile.args(["reconcile", "--json", "--data-dir"]);
        let output = reconcile.args([dir.path().join("data")]).command().output()?;
        let report: Value = serde_json::from_slice(&output.stdout)?;
        Ok((report["attempts"] == 1 && report["open"] == 0).then_some(report))
    });
    let report = settled.await?;
    assert_eq!((&report["mismatches"], &report["transfers"]), (&0.into(), &1.into()), "{report}");
    let metrics = client::get(&format!("http://{}/metrics", addresses[1])).await?;
    assert!(metrics.text().contains("forebay_"));
    assert!(up.terminate(Duration::from_secs(30))?.success(), "{}", up.log());
    Ok(())
}
