//! A configuration file with mistakes: all are told at once, with their lines, and nothing starts.

use std::fs;
use std::process::Output;

use anyhow::Result;
use tests::binary;
use tests::process::Spec;
use tests::setup::Setup;

/// Tries to start with this file and expects it not to.
fn refused(file: &str, change: impl FnOnce(Spec) -> Spec) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("forebay.toml");
    fs::write(&path, file)?;
    let mut spec = Spec::new("up", binary::forebay()?, dir.path().join("log"));
    spec.env = Setup::default().environment();
    spec = spec.env("FOREBAY_NATS_SERVER", binary::nats_server()?.to_string_lossy());
    let spec = spec.args(["up".into(), "--config".into(), path.into_os_string()]);
    let spec = spec.args(["--data-dir".into(), dir.path().join("data").into_os_string()]);
    let spec = change(spec.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]));
    let Output { status, stdout, stderr } = spec.command().output()?;
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(!status.success(), "it started: {said}");
    Ok(said)
}

const MISTAKES: &str = r#"
[[providers]]
name = "one"
kind = "opanai"
[[providers]]
name = "two"
kind = "vertex"
[[providers]]
name = "three"
kind = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"
api_key = "sk-in-the-file"
[[models]]
alias = "fast"
strategy = "weighted"
targets = [ { provider = "nobody", model = "m" } ]
price = { input = 0.15, output = "0.60" }
[[models]]
alias = "none"
targets = []
[[projects]]
name = "a.b"
budget_usd = "25.00"
[[keys]]
project = "acme"
rpm = 600
tpm = 200000
secret = "env:NOT_SET_ANYWHERE"
what = 1
"#;

#[test]
fn every_mistake_is_told_at_once_with_its_line() -> Result<()> {
    let said = refused(MISTAKES, |spec| spec)?;
    for part in [
        "opanai",
        "anthropic",
        "base_url",
        "api_key",
        "weighted",
        "nobody",
        "0.15",
        "targets",
        "a.b",
        "budget_usd",
        "rpm",
        "tpm",
        "NOT_SET_ANYWHERE",
        "what",
    ] {
        assert!(said.contains(part), "{part} is not mentioned in:\n{said}");
    }
    for line in [4, 7, 12, 15, 16, 17, 20, 22, 23, 26, 27, 29] {
        let told = said.contains(&format!(":{line}:")) || said.contains(&format!("line {line}"));
        assert!(told, "line {line} is not mentioned in:\n{said}");
    }
    assert!(!said.contains("sk-in-the-file"), "a secret is shown:\n{said}");
    Ok(())
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() -> Result<()> {
    let said = refused("[[providers]]\nname = \"one\n", |spec| spec)?;
    assert!(said.contains('2') && said.contains("forebay.toml"), "{said}");
    Ok(())
}

#[test]
fn production_refuses_weak_secrets() -> Result<()> {
    let file = Setup::default().file("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1");
    let weak = "changeme-changeme-changeme-changeme-changeme";
    let said = refused(&file, |spec| spec.env("NODE_ENV", "production").env("SECRET_ENCRYPTION_KEY", weak))?;
    assert!(said.contains("SECRET_ENCRYPTION_KEY") && !said.contains(weak), "{said}");
    let said = refused(&file, |spec| spec.env("SECRET_ENCRYPTION_KEY", "too short"))?;
    assert!(said.contains("SECRET_ENCRYPTION_KEY") && said.contains("32"), "{said}");
    Ok(())
}

#[test]
fn without_a_server_and_a_network_it_says_what_to_install() -> Result<()> {
    let file = Setup::default().file("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1");
    let empty = tempfile::tempdir()?;
    let home = empty.path().to_string_lossy().into_owned();
    let nowhere = "http://127.0.0.1:9";
    let said = refused(&file, |spec| {
        let spec = spec.env("FOREBAY_NATS_SERVER", "").env("HOME", home.clone()).env("XDG_CACHE_HOME", home);
        spec.env("PATH", "/usr/bin:/bin")
            .env("https_proxy", nowhere)
            .env("http_proxy", nowhere)
            .env("PIP_RETRIES", "0")
    })?;
    assert!(said.contains("nats-server") && said.to_lowercase().contains("install"), "{said}");
    Ok(())
}
