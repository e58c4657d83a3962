//! Values for unit tests.

use proto::dialect::Dialect;
use proto::envelope::{Body, Envelope, OnDisconnect};
use proto::id::{IngressId, RequestId};

/// An unary request of project `acme`.
pub(crate) fn envelope() -> Envelope {
    Envelope {
        v: Envelope::VERSION,
        request: RequestId::new(),
        ingress: IngressId::random(),
        project: "acme".to_owned(),
        key: "key_1".to_owned(),
        dialect: Dialect::OpenaiChat,
        model: "fast".to_owned(),
        stream: false,
        include_usage: false,
        budget_ms: 60_000,
        config: 1,
        on_disconnect: OnDisconnect::Cancel,
        body: Body::Inline,
        body_bytes: 2,
        estimate: None,
        strict: false,
        anthropic_version: None,
        anthropic_beta: None,
        kept: None,
        client_request_id: None,
        traceparent: None,
        path: Vec::new(),
        hold: None,
    }
}
