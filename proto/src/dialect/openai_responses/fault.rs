//! Faults as Responses clients read them.

use serde::Serialize;

use crate::dialect::openai_chat;
use crate::fault::{Fault, FaultCode};

/// The body of an error answer: the same as in Chat Completions.
pub fn fault_body(fault: &Fault, request_id: &str) -> Vec<u8> {
    openai_chat::fault_body(fault, request_id).to_vec()
}

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
    request_id: &'a str,
}

/// The event that ends a stream which broke after it had begun: flat, and numbered on from the events in `last`,
/// the last bytes that were sent.
pub fn fault_event(fault: &Fault, request_id: &str, last: &[u8]) -> Vec<u8> {
    let event = Wire {
        kind: "error",
        sequence_number: last_sequence(last).map_or(0, |n| n.saturating_add(1)),
        code: code(fault),
        message: &fault.message,
        param: fault.param.as_deref(),
        request_id,
    };
    let mut out = b"event: error\ndata: ".to_vec();
    // Strings and numbers always serialise.
    out.extend(serde_json::to_vec(&event).unwrap_or_default());
    out.extend_from_slice(b"\n\n");
    out
}

/// The code of a fault. A provider's refusal keeps the provider's own.
pub(super) fn code(fault: &Fault) -> &str {
    match &fault.upstream_code {
        Some(theirs) if fault.code == FaultCode::UpstreamRefused => theirs,
        _ => fault.code.openai().2,
    }
}

/// The last number that events in `bytes` bear. Within a text its quotes would be escaped, so this is the member.
fn last_sequence(bytes: &[u8]) -> Option<u64> {
    const MEMBER: &[u8] = b"\"sequence_number\":";
    let at = memchr::memmem::rfind(bytes, MEMBER)? + MEMBER.len();
    let rest = bytes.get(at..)?.trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_counts_on() {
        let fault = Fault::new(FaultCode::UpstreamError, "It broke.");
        let last = br#"data: {"type":"x","sequence_number": 41,"delta":"\"sequence_number\":7"}

"#;
        let event = String::from_utf8(fault_event(&fault, "req_1", last)).unwrap();
        assert_eq!(
            event,
            "event: error\ndata: {\"type\":\"error\",\"sequence_number\":42,\"code\":\"upstream_error\",\
             \"message\":\"It broke.\",\"param\":null,\"request_id\":\"req_1\"}\n\n"
        );
        assert!(String::from_utf8(fault_event(&fault, "", b"")).unwrap().contains("\"sequence_number\":0,"));
    }

    #[test]
    fn a_refusal_keeps_its_code() {
        let mut fault = Fault::new(FaultCode::UpstreamRefused, "No.").with_param("input");
        fault.upstream_code = Some("context_length_exceeded".into());
        let body = String::from_utf8(fault_body(&fault, "req_1")).unwrap();
        assert!(body.contains(r#""code":"context_length_exceeded""#) && body.contains(r#""param":"input""#));
        assert_eq!(code(&fault), "context_length_exceeded");
    }
}
