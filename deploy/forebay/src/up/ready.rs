//! Waiting until `/ready` says that a request would be answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde::Deserialize;

/// How long everything may take to be ready.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize)]
struct Readiness {
    checks: BTreeMap<String, String>,
}

/// Asks until the answer is yes, a minute at most; the error names what is missing.
pub(crate) async fn wait(http: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_TIMEOUT).build()?;
    let started = Instant::now();
    let mut last = "it does not answer".to_owned();
    while started.elapsed() < PATIENCE {
        match client.get(format!("{http}/ready")).send().await {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => last = missing(&response.bytes().await.unwrap_or_default()),
            Err(error) => tracing::debug!(error = %error, "not ready yet"),
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("Forebay is not ready after {} s: {last}", PATIENCE.as_secs())
}

/// The checks that fail, as one sentence each.
fn missing(body: &[u8]) -> String {
    let Ok(readiness) = serde_json::from_slice::<Readiness>(body) else {
        return String::from_utf8_lossy(body).into_owned();
    };
    let failing = readiness.checks.iter().filter(|(_, said)| said.as_str() != "ok");
    failing.map(|(name, said)| format!("{name}: {said}")).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_checks_are_named() {
        let body =
            r#"{"ok":false,"service":"ingress","checks":{"nats":"ok","workers":"no worker is heard"}}"#;
        assert_eq!(missing(body.as_bytes()), "workers: no worker is heard");
        assert_eq!(missing(b"oops"), "oops");
    }
}
