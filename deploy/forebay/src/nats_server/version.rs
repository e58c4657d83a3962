//! Versions of nats-server: which one is needed, which one is fetched, and which one a binary says it is.

use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;

/// The oldest server that has counters and the other features in use.
pub(super) const OLDEST: Version = Version::new(2, 12, 0);
/// The version that is fetched where none is found.
pub(super) const PINNED: Version = Version::new(2, 15, 1);

/// How long a binary may take to say its version.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A server's version; what follows the patch number (`-RC.1`) is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    pub(super) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Asks `binary` for its version.
pub(super) async fn ask(binary: &Path) -> anyhow::Result<Version> {
    let mut command = Command::new(binary);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(ANSWER_TIMEOUT, command.output()).await {
        Ok(output) => output.with_context(|| format!("{} cannot be run", binary.display()))?,
        Err(_) => bail!("{} did not say its version within 5 s", binary.display()),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text)
        .with_context(|| format!("{} is not a nats-server: it does not say its version", binary.display()))
}

/// Reads `nats-server: v2.15.1`.
fn parse(text: &str) -> Option<Version> {
    let text = text.lines().find_map(|line| line.trim().strip_prefix("nats-server: "))?;
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts = text.split('.');
    let mut part = || {
        let digits: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    Some(Version::new(part()?, part()?, part()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        assert_eq!(parse("nats-server: v2.15.1\n"), Some(PINNED));
        assert_eq!(parse("nats-server: 2.12.0-RC.1"), Some(OLDEST));
        assert_eq!(parse("nats-server: v2.15.1-beta"), Some(PINNED));
        let debian = parse("nats-server: v2.9.10\n").unwrap();
        assert!(debian < OLDEST && OLDEST < PINNED);
        assert!(parse("nats-server: v2.100.0").unwrap() > PINNED);
        assert_eq!(debian.to_string(), "2.9.10");
    }

    #[test]
    fn other_texts_are_no_version() {
        for text in ["", "2.15.1", "nats-server: ", "nats-server: v2.15", "bash 5.2.15"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
