//! Where the binaries under test are. `tests/run` builds them first; a test never builds anything.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Names the directory that the binaries are in; otherwise they stand beside the tests.
pub const BIN_DIR_ENV: &str = "FOREBAY_TEST_BIN_DIR";
const NATS_ENV: &str = "FOREBAY_NATS_SERVER";
const NATS_OLDEST: (u32, u32) = (2, 12);

/// The binary `forebay`.
pub fn forebay() -> Result<PathBuf> {
    built("forebay")
}

/// The binary `fake-upstream`.
pub fn fake_upstream() -> Result<PathBuf> {
    built("fake-upstream")
}

fn built(name: &str) -> Result<PathBuf> {
    let dirs = match env::var_os(BIN_DIR_ENV) {
        Some(dir) => vec![PathBuf::from(dir)],
        None => env::current_exe()?.ancestors().skip(1).take(2).map(Path::to_owned).collect(),
    };
    let found = dirs.iter().map(|dir| dir.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built; ./tests/run builds it (looked in {dirs:?})"))
}

/// A `nats-server` that is new enough, found as `forebay up` finds it: the environment, `PATH`, the cache.
pub fn nats_server() -> Result<PathBuf> {
    if let Some(path) = env::var_os(NATS_ENV).filter(|p| !p.is_empty()) {
        return Ok(path.into());
    }
    let on_path = env::var_os("PATH").map(|p| env::split_paths(&p).collect::<Vec<_>>()).unwrap_or_default();
    let cached = cache_dirs();
    let found = on_path.into_iter().chain(cached).map(|d| d.join("nats-server")).find(|p| new_enough(p));
    match found {
        Some(path) => Ok(path),
        None => bail!("no nats-server of 2.12 or newer on PATH or in the cache; `forebay demo` fetches one"),
    }
}

fn cache_dirs() -> Vec<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")));
    let Some(Ok(entries)) = base.map(|b| b.join("forebay").read_dir()) else { return Vec::new() };
    entries.flatten().map(|e| e.path()).collect()
}

fn new_enough(path: &Path) -> bool {
    let Ok(output) = Command::new(path).arg("--version").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.trim().rsplit('v').next().unwrap_or_default().split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= NATS_OLDEST,
        _ => false,
    }
}
