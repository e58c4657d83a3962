//! Google's Gemini Developer API (ai.google.dev/api, read 2026-11).

use http::HeaderMap;
use proto::config::ProviderKind;
use proto::dialect::Dialect;
use proto::dialect::gemini::{is_account_error, is_signature_error, read_error, retry_delay};
use proto::fault::FaultCode;

use super::refusal::{Refusal, refusal, retry_hint, usual};
use super::{Adapter, Auth, Place, segment};
use crate::retry::Class;

pub(crate) const ADAPTER: Adapter = Adapter {
    kind: ProviderKind::Gemini,
    base_url: |_| Some("https://generativelanguage.googleapis.com".to_owned()),
    versions: &["/v1beta", "/v1"],
    built_in: false,
    auth: Auth::Header("x-goog-api-key"),
    dialect: |caller, _| match caller {
        Dialect::OpenaiEmbeddings => Some(Dialect::OpenaiEmbeddings),
        _ => Some(Dialect::Gemini),
    },
    path,
    classify,
};

fn path(place: &Place<'_>) -> String {
    let model = segment(place.model.strip_prefix("models/").unwrap_or(place.model));
    let call = match (place.dialect, place.stream) {
        (Dialect::OpenaiEmbeddings, _) => "batchEmbedContents",
        (_, true) => "streamGenerateContent?alt=sse",
        (_, false) => "generateContent",
    };
    format!("/v1beta/models/{model}:{call}")
}

/// A bad key is a 400 here, and the wait stands in the body.
fn classify(status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let error = read_error(status, body);
    let hint = retry_delay(body).or_else(|| retry_hint(headers, proto::clock::now_ms()));
    let verdict = if is_account_error(status, body) {
        (Class::Account, FaultCode::UpstreamAccountError)
    } else if is_signature_error(status, body) {
        (Class::Stale, FaultCode::UpstreamRefused)
    } else {
        usual(status)
    };
    refusal(verdict, status, hint, error)
}
