//! `GET /health/providers`: how the providers did in the latest calls, and whether calls are let through to them.
//! Nobody is called for it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use proto::ctl::ProviderBeat;
use proto::health::{BreakerBeat, BreakerState, FailureClass};
use serde::Serialize;

use crate::presence::ProviderHealth;
use crate::state::App;

/// The answer.
#[derive(Debug, Serialize)]
pub(crate) struct Providers {
    ok: bool,
    providers: Vec<Provider>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    ok: bool,
    provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    latency_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// `closed`, `half_open` or `open`: the worst of its breakers; `unknown` = not called since the workers started,
    /// and then it counts as well.
    state: &'static str,
    /// What opened it: a class of failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureClass>,
    /// Until when it is left alone, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
    /// When it was last called, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_ms: Option<u64>,
    /// What the latest probe saw, where it is probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<Probe>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    latency_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    observed_ms: u64,
}

/// Every configured provider with what is known of it.
pub(crate) async fn providers(State(app): State<Arc<App>>) -> Json<Providers> {
    let config = app.projection.config();
    let rows = config.iter().flat_map(|config| &config.providers).filter(|provider| !provider.disabled);
    let providers: Vec<Provider> =
        rows.map(|row| provider(row.name.clone(), app.presence.provider(&row.name))).collect();
    Json(Providers { ok: providers.iter().all(|provider| provider.ok), providers })
}

fn provider(name: String, health: ProviderHealth) -> Provider {
    let ProviderHealth { call, probe, breaker } = health;
    // A model that is not there says nothing about the others; anybody may ask a wildcard alias for one.
    let ill =
        |breaker: &BreakerBeat| breaker.state == BreakerState::Open && breaker.class != FailureClass::Model;
    let open = breaker.as_ref().is_some_and(ill);
    let state = match (&breaker, &call) {
        (Some(breaker), _) => breaker.state.as_str(),
        (None, Some(_)) => BreakerState::Closed.as_str(),
        (None, None) => "unknown",
    };
    Provider {
        ok: !open && call.as_ref().is_none_or(|call| call.ok),
        provider: name,
        status_code: call.as_ref().and_then(|call| call.status),
        latency_ms: call.as_ref().map_or(0, |call| call.latency_ms),
        state,
        reason: breaker.as_ref().map(|breaker| breaker.class),
        until_ms: breaker.map(|breaker| breaker.until_ms),
        observed_ms: call.as_ref().map(|call| call.at_ms),
        error: call.and_then(|call| call.error),
        probe: probe.map(Probe::from),
    }
}

impl From<ProviderBeat> for Probe {
    fn from(beat: ProviderBeat) -> Self {
        Self {
            ok: beat.ok,
            status_code: beat.status,
            latency_ms: beat.latency_ms,
            error: beat.error,
            observed_ms: beat.at_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(ok: bool) -> Option<ProviderBeat> {
        let error = (!ok).then(|| "upstream_error".to_owned());
        Some(ProviderBeat { provider: "p".to_owned(), ok, status: Some(200), latency_ms: 7, error, at_ms: 9 })
    }

    #[test]
    fn what_was_never_called_counts_as_well_and_what_is_open_does_not() {
        let shown = |health| serde_json::to_value(provider("p".to_owned(), health)).unwrap();
        let unknown = shown(ProviderHealth::default());
        assert_eq!(
            unknown,
            serde_json::json!({"ok": true, "provider": "p", "latencyMs": 0, "state": "unknown"})
        );
        let breaker = Some(BreakerBeat {
            provider: "p".to_owned(),
            state: BreakerState::Open,
            class: FailureClass::Rate,
            until_ms: 11,
        });
        let open = shown(ProviderHealth { call: call(true), probe: None, breaker });
        assert_eq!((&open["ok"], &open["state"]), (&false.into(), &"open".into()));
        assert_eq!((&open["reason"], &open["untilMs"]), (&"rate".into(), &11.into()));
        let probed = shown(ProviderHealth { call: call(true), probe: call(false), breaker: None });
        assert_eq!((&probed["ok"], &probed["probe"]["ok"]), (&true.into(), &false.into()), "counted apart");
    }
}
