//! The cheapest question that a provider answers: which models it has.

use std::time::Duration;

use proto::health::{EXCERPT_BYTES_MAX, FailureClass, HealthAnswer, ProbeResult};
use proto::redact::redact;
use reqwest::Response;
use tokio::time::Instant;

use super::refused;
use crate::Worker;
use crate::http::Upstream;
use crate::upstreams::UpstreamSet;

/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is looked at, in bytes.
const LOOKED_AT: usize = 8 * 1024;

/// What a provider answered.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: Option<u16>,
    pub(super) latency: Duration,
    /// What was wrong.
    pub(super) error: Option<&'static str>,
    /// What that says of its health; `None` where it says nothing against it.
    pub(super) class: Option<FailureClass>,
    pub(super) excerpt: String,
}

impl Heard {
    pub(super) fn result(self, diagnostic: &str) -> ProbeResult {
        ProbeResult {
            diagnostic: diagnostic.to_owned(),
            status_code: self.status,
            latency_ms: u64::try_from(self.latency.as_millis()).unwrap_or(u64::MAX),
            healthy: self.error.is_none(),
            error: self.error.map(str::to_owned),
            response_excerpt: self.excerpt,
            probed_ms: proto::clock::now_ms(),
        }
    }
}

/// Asks a provider for an operator.
pub(super) async fn provider(worker: &Worker, set: &UpstreamSet, name: &str) -> HealthAnswer {
    let Some(upstream) = set.get(name) else {
        return refused(format!("There is no provider `{name}` that can be called with what its row names."));
    };
    match models(upstream).await {
        Some(heard) => {
            judge(worker, name, &heard);
            HealthAnswer::Probed(heard.result("provider"))
        }
        None => {
            refused(format!("The provider `{name}` has nothing cheap to ask for: probe one of its models."))
        }
    }
}

/// Tells the breakers what the answer refutes.
pub(super) fn judge(worker: &Worker, name: &str, heard: &Heard) {
    match heard.status {
        Some(200..300) => worker.breakers.refute(
            name,
            &[FailureClass::Transport, FailureClass::Timeout, FailureClass::Server, FailureClass::Account],
        ),
        // It is there, and that is all that is known.
        Some(..500) => worker.breakers.refute(name, &[FailureClass::Transport, FailureClass::Timeout]),
        Some(_) | None => {}
    }
}

/// Asks which models there are; `None` where the kind has no such question.
pub(super) async fn models(upstream: &Upstream) -> Option<Heard> {
    let listing = upstream.adapter.models?;
    let started = Instant::now();
    let heard =
        |status, error, class, excerpt| Heard { status, latency: started.elapsed(), error, class, excerpt };
    let asked = async {
        let request = upstream.prepare_get(listing).await.map_err(|_| FailureClass::Account)?;
        let response = upstream.send(request).await.map_err(|_| FailureClass::Transport)?;
        let status = response.status().as_u16();
        Ok::<_, FailureClass>((status, excerpt(response).await))
    };
    Some(match tokio::time::timeout(TIMEOUT, asked).await {
        Err(_) => heard(None, Some("timeout"), Some(FailureClass::Timeout), String::new()),
        Ok(Err(class)) => heard(None, Some(class.as_str()), Some(class), String::new()),
        Ok(Ok((status, excerpt))) => {
            let (error, class) = meaning(status);
            heard(Some(status), error, class, excerpt)
        }
    })
}

/// What a status says where no model was called.
fn meaning(status: u16) -> (Option<&'static str>, Option<FailureClass>) {
    let class = match status {
        200..300 => return (None, None),
        401..=403 => FailureClass::Account,
        // Many who speak the dialect have no such list.
        404 | 405 | 501 => return (Some("no_model_list"), None),
        429 => FailureClass::Rate,
        408 | 504 => FailureClass::Timeout,
        500.. => FailureClass::Server,
        _ => FailureClass::Caller,
    };
    (Some(class.as_str()), Some(class))
}

/// The beginning of an answer, fit to be shown.
async fn excerpt(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = LOOKED_AT - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() >= LOOKED_AT {
            break;
        }
    }
    shown(&body)
}

/// A text without secrets, cut to what is shown of it.
pub(super) fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]);
    let text = redact(&text);
    let mut end = text.len().min(EXCERPT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_holds_no_secret() {
        let body = format!("Bearer sk-abcdefghijklmnopqrstuvwxyz0123456789 {}", "ä".repeat(2000));
        let shown = shown(body.as_bytes());
        assert!(shown.len() <= EXCERPT_BYTES_MAX && !shown.contains("sk-abc"), "{shown}");
    }

    #[test]
    fn a_missing_list_is_no_illness() {
        assert_eq!(meaning(200), (None, None));
        assert_eq!(meaning(404), (Some("no_model_list"), None));
        assert_eq!(meaning(401), (Some("account"), Some(FailureClass::Account)));
        assert_eq!(meaning(503), (Some("server"), Some(FailureClass::Server)));
    }
}
