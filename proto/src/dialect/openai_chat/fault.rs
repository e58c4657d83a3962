//! Faults as Chat Completions clients read them.

use bytes::Bytes;

use crate::fault::Fault;

/// The body of an error answer.
pub fn fault_body(fault: &Fault, request_id: &str) -> Bytes {
    let (_, kind, code) = fault.code.openai();
    let error = serde_json::json!({"error": {"message": fault.message, "type": kind, "param": fault.param, "code": code, "request_id": request_id}});
    Bytes::from(error.to_string())
}

/// The event that ends a stream which broke after it had begun. No `[DONE]` follows it.
pub fn fault_event(fault: &Fault, request_id: &str) -> Bytes {
    let mut event = b"data: ".to_vec();
    event.extend_from_slice(&fault_body(fault, request_id));
    event.extend_from_slice(b"\n\n");
    Bytes::from(event)
}
