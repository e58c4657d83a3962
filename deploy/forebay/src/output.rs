//! Stdout: what a command reports, and nothing else. Logs go to stderr.

use std::io::{ErrorKind, Write as _, stderr, stdout};

use serde::Serialize;

/// Writes text and a line end, and flushes: whoever reads may be waiting for it.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // Whoever read has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Writes the one JSON object of a command that was asked for JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string(value)?)
}

/// Says on stderr why the command failed, as sentences.
pub(crate) fn failure(error: &anyhow::Error) {
    let text = format!("{error:#}");
    let end = if text.ends_with(['.', '!', '?', '\n']) { "" } else { "." };
    if writeln!(stderr(), "forebay: {text}{end}").is_err() {
        tracing::error!(error = text, "stderr cannot be written");
    }
}
