//! SIGINT, SIGTERM and a terminal that closes: the first asks for an orderly end, the second ends at once.

use std::fs;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::nats_server;

/// Exit status of a process that a second signal ended, as shells count it for SIGINT.
const EXIT_AT_ONCE: i32 = 130;

/// A token that the first signal cancels. Must be called within a runtime, which then watches for the second.
pub(crate) fn on_signals() -> anyhow::Result<CancellationToken> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
        // `nohup` has it ignored, and it must stay so.
        hangup: if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
    };
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("shutting down; a second signal ends it at once");
        cancelled.cancel();
        // A terminal that closes is told by the kernel and again by the shell.
        signals.hangup = None;
        signals.next().await;
        tracing::warn!("ended at once by a second signal");
        nats_server::abandon();
        std::process::exit(EXIT_AT_ONCE);
    });
    Ok(token)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether this process was started with SIGHUP ignored; taken for ignored where Linux's file does not say.
fn hangup_is_ignored() -> bool {
    const HANGUP: u64 = 1; // signal 1 is the lowest bit
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & HANGUP != 0)
}
