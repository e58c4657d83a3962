//! Amazon Bedrock's runtime (docs.aws.amazon.com/bedrock/latest/APIReference, service model read 2026-11).

mod sign;

use http::HeaderMap;
use proto::config::ProviderKind;
use proto::dialect::Dialect;
use proto::dialect::bedrock_converse::read_error;
use proto::fault::FaultCode;

pub(crate) use sign::{SignError, Signer};

use super::refusal::{Refusal, refusal, retry_hint, usual};
use super::{Adapter, Auth, Place, segment};
use crate::retry::Class;

pub(crate) const ADAPTER: Adapter = Adapter {
    kind: ProviderKind::Bedrock,
    base_url: |provider| {
        let region = provider.region.as_deref()?;
        Some(format!("https://bedrock-runtime.{region}.amazonaws.com"))
    },
    versions: &[],
    built_in: false,
    auth: Auth::BearerOrAws,
    dialect: |caller, _| match caller {
        Dialect::OpenaiEmbeddings => Some(Dialect::OpenaiEmbeddings),
        _ => Some(Dialect::BedrockConverse),
    },
    path,
    classify,
};

fn path(place: &Place<'_>) -> String {
    let model = segment(place.model);
    let call = match (place.dialect, place.stream) {
        (Dialect::OpenaiEmbeddings, _) => "invoke",
        (_, true) => "converse-stream",
        (_, false) => "converse",
    };
    format!("/model/{model}/{call}")
}

/// The exception's name stands in a header; some say more than the status.
fn classify(status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let kind = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    let error = read_error(status, body, kind);
    let verdict = match (status, error.code.as_deref()) {
        (400, Some("ServiceQuotaExceededException")) => (Class::Account, FaultCode::UpstreamAccountError),
        (400, _) if super::anthropic::is_stale(&error.message) => (Class::Stale, FaultCode::UpstreamRefused),
        (424, _) => (Class::Transient, FaultCode::UpstreamError),
        (429, Some("ModelNotReadyException")) => (Class::RateLimited, FaultCode::UpstreamOverloaded),
        _ => usual(status),
    };
    refusal(verdict, status, retry_hint(headers, proto::clock::now_ms()), error)
}
