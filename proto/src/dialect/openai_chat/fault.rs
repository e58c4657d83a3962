//! Faults as Chat Completions clients read them.

use bytes::Bytes;
use serde::Serialize;

use crate::fault::{Fault, FaultCode};

#[derive(Serialize)]
struct Wire<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a serde_json::Value>,
}

/// The body of an error answer. A provider's refusal keeps the provider's own code.
pub fn fault_body(fault: &Fault, request_id: &str) -> Bytes {
    Bytes::from(written(fault, request_id, b"", b""))
}

/// The event that ends a stream which broke after it had begun. No `[DONE]` follows it: official clients raise
/// the error, where they would take a bare end for success.
pub fn fault_event(fault: &Fault, request_id: &str) -> Bytes {
    Bytes::from(written(fault, request_id, b"data: ", b"\n\n"))
}

fn written(fault: &Fault, request_id: &str, before: &[u8], after: &[u8]) -> Vec<u8> {
    let (_, kind, code) = fault.code.openai();
    let code = match &fault.upstream_code {
        Some(theirs) if fault.code == FaultCode::UpstreamRefused => theirs.as_str(),
        _ => code,
    };
    let details = fault.details.as_ref();
    let error =
        Error { message: &fault.message, kind, param: fault.param.as_deref(), code, request_id, details };
    let mut out = Vec::with_capacity(256 + fault.message.len());
    out.extend_from_slice(before);
    let body = out.len();
    if serde_json::to_writer(&mut out, &Wire { error }).is_err() {
        // Strings and JSON values always serialise; should that ever change, the caller still reads an error.
        out.truncate(body);
        out.extend_from_slice(br#"{"error":{"message":"internal error","type":"server_error","param":null,"code":"internal_error"}}"#);
    }
    out.extend_from_slice(after);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_has_every_member_clients_read() {
        let fault = Fault::new(FaultCode::InvalidRequest, "No \"streams\"\nhere.")
            .with_param("stream")
            .with_details(json!({"streaming_supported": false}));
        let expected = r#"{"error":{"message":"No \"streams\"\nhere.","type":"invalid_request_error","param":"stream","code":"invalid_request","request_id":"req_1","details":{"streaming_supported":false}}}"#;
        assert_eq!(fault_body(&fault, "req_1"), expected);
        assert_eq!(fault_event(&fault, "req_1"), format!("data: {expected}\n\n"));
    }

    #[test]
    fn a_refusal_keeps_the_providers_code() {
        let mut fault = Fault::new(FaultCode::UpstreamRefused, "Too long.");
        fault.upstream_code = Some("context_length_exceeded".into());
        let code = |fault: &Fault| {
            let body: serde_json::Value = serde_json::from_slice(&fault_body(fault, "r")).unwrap();
            assert_eq!((&body["error"]["param"], body["error"].get("details")), (&json!(null), None));
            body["error"]["code"].as_str().unwrap().to_owned()
        };
        assert_eq!(code(&fault), "context_length_exceeded");
        fault.code = FaultCode::UpstreamError;
        assert_eq!(code(&fault), "upstream_error");
    }
}
