//! Questions to the workers: one of them answers.

use std::time::Duration;

use async_nats::Request;
use async_nats::client::RequestErrorKind;
use proto::health::{HealthAnswer, HealthAsk};
use proto::nats::Link;
use proto::subject::CTL_PROBE;

use crate::http::Problem;

/// How long a worker may take that calls nobody.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Asks. What a worker cannot be asked is a conflict, with its reason.
pub(super) async fn workers(
    link: &Link,
    ask: &HealthAsk,
    patience: Duration,
) -> Result<HealthAnswer, Problem> {
    let payload = serde_json::to_vec(ask).map_err(|error| Problem::internal(error.to_string()))?;
    let request = Request::new().payload(payload.into()).timeout(Some(patience));
    let message = link.client.send_request(CTL_PROBE, request).await.map_err(|error| match error.kind() {
        RequestErrorKind::NoResponders => Problem::unavailable("No worker is there to be asked."),
        _ => Problem::unavailable("No worker answered in time."),
    })?;
    let answer = serde_json::from_slice(&message.payload).map_err(|e| Problem::internal(e.to_string()))?;
    match answer {
        HealthAnswer::Refused { message } => Err(Problem::conflict(message)),
        answered => Ok(answered),
    }
}
