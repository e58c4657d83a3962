//! Waiting with a bound for what nobody announces.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const POLL: Duration = Duration::from_millis(20);

/// Asks until `look` answers something, at most `within`; the last error of `look` is kept for the message.
pub async fn until<T, F: Future<Output = Result<Option<T>>>>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T> {
    let started = Instant::now();
    loop {
        let said = match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if started.elapsed() > within {
            match said {
                Some(error) => return Err(error.context(format!("{what}: not within {within:?}"))),
                None => bail!("{what}: not within {within:?}"),
            }
        }
        tokio::time::sleep(POLL).await;
    }
}
