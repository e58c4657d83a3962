//! One thread per role, each with a current-thread runtime: measured to cost a fifth less CPU per request than
//! a shared multi-thread runtime, because a request's hops wake no second thread within a role.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// A role that runs on a thread of its own.
pub(crate) struct RoleThread {
    name: &'static str,
    shutdown: CancellationToken,
    ended: oneshot::Receiver<anyhow::Result<()>>,
    /// Whether its end has been told already.
    over: bool,
}

/// Starts a role. `body` is called on its thread, within its runtime, with the token that asks it to end.
pub(crate) fn spawn<B, F>(name: &'static str, body: B) -> anyhow::Result<RoleThread>
where
    B: FnOnce(CancellationToken) -> F + Send + 'static,
    F: Future<Output = anyhow::Result<()>>,
{
    let shutdown = CancellationToken::new();
    let (sender, ended) = oneshot::channel();
    let token = shutdown.clone();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.context("no runtime can be made").and_then(|runtime| {
            let result = runtime.block_on(body(token));
            runtime.shutdown_timeout(Duration::from_secs(1));
            result
        });
        if sender.send(result).is_err() {
            tracing::debug!(role = name, "nobody waits for the role's end");
        }
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .with_context(|| format!("{name} cannot be started"))?;
    Ok(RoleThread { name, shutdown, ended, over: false })
}

impl RoleThread {
    /// Waits for an end that nobody asked for; the error says why.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        let ended = (&mut self.ended).await;
        self.over = true;
        match ended {
            Ok(Ok(())) => anyhow!("{} ended by itself", self.name),
            Ok(Err(error)) => error.context(format!("{} failed", self.name)),
            Err(_) => anyhow!("{} panicked", self.name),
        }
    }

    /// Asks the role to end, and waits until `deadline` at most.
    pub(crate) async fn stop(self, deadline: Instant) {
        if self.over {
            return;
        }
        self.shutdown.cancel();
        match tokio::time::timeout_at(deadline.into(), self.ended).await {
            Ok(Ok(Ok(()))) => tracing::debug!(role = self.name, "ended"),
            Ok(Ok(Err(error))) => {
                tracing::error!(role = self.name, error = %format!("{error:#}"), "ended with an error");
            }
            Ok(Err(_)) => tracing::error!(role = self.name, "panicked"),
            Err(_) => tracing::error!(role = self.name, "did not end in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_role_ends_when_asked_and_its_failure_is_told() {
        let waiting = spawn("waiting", |shutdown| async move {
            shutdown.cancelled().await;
            Ok(())
        });
        waiting.unwrap().stop(Instant::now() + Duration::from_secs(5)).await;
        let mut failing = spawn("failing", |_| async { Err(anyhow!("no disk")) }).unwrap();
        assert_eq!(format!("{:#}", failing.failed().await), "failing failed: no disk");
        let mut panicking = spawn("panicking", |_| async { panic!("on purpose") }).unwrap();
        assert_eq!(panicking.failed().await.to_string(), "panicking panicked");
        panicking.stop(Instant::now() + Duration::from_secs(5)).await; // ends at once
    }
}
