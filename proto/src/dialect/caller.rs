//! What the ingress asks of a caller's dialect, whichever it is: what admission needs to know, and errors.

use std::borrow::Cow;

use super::openai_chat::{self, Scan};
use super::{Dialect, anthropic_messages, embeddings, openai_responses};
use crate::fault::Fault;

/// Reads what admission needs to know.
///
/// # Errors
/// A fault that names the field at fault.
pub fn scan(dialect: Dialect, body: &[u8]) -> Result<Scan, Fault> {
    match dialect {
        Dialect::OpenaiResponses => openai_responses::scan(body),
        Dialect::OpenaiEmbeddings => embeddings::scan(body),
        Dialect::AnthropicMessages => anthropic_messages::scan(body),
        Dialect::OpenaiChat | Dialect::Gemini | Dialect::BedrockConverse => openai_chat::scan(body),
    }
}

/// The HTTP status of a fault.
pub fn status(dialect: Dialect, fault: &Fault) -> u16 {
    match dialect {
        Dialect::AnthropicMessages => anthropic_messages::status(fault),
        _ => fault.status(),
    }
}

/// The body of an error answer.
pub fn fault_body(dialect: Dialect, fault: &Fault, request_id: &str) -> Vec<u8> {
    match dialect {
        Dialect::AnthropicMessages => anthropic_messages::fault_body(fault, request_id),
        _ => openai_chat::fault_body(fault, request_id).into(),
    }
}

/// The event that ends a broken stream. `last` is what was sent last.
pub fn fault_event(dialect: Dialect, fault: &Fault, request_id: &str, last: &[u8]) -> Vec<u8> {
    match dialect {
        Dialect::AnthropicMessages => anthropic_messages::fault_event(fault, request_id, last),
        Dialect::OpenaiResponses => openai_responses::fault_event(fault, request_id, last),
        _ => openai_chat::fault_event(fault, request_id).into(),
    }
}

/// What is said when nothing has come for a while.
pub fn ping(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::AnthropicMessages => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
        _ => b": ping\n\n",
    }
}

/// The list of models, in the order and under the names given.
pub fn models_list(dialect: Dialect, names: &[&str], published: u64) -> Cow<'static, [u8]> {
    match dialect {
        Dialect::AnthropicMessages => anthropic_messages::models_list(names).into(),
        _ => openai_chat::models_list(names, published).to_vec().into(),
    }
}

/// One of them.
pub fn model(dialect: Dialect, name: &str, published: u64) -> Vec<u8> {
    match dialect {
        Dialect::AnthropicMessages => anthropic_messages::model(name),
        _ => serde_json::json!({
            "id": name, "object": "model", "created": published, "owned_by": "forebay",
        })
        .to_string()
        .into_bytes(),
    }
}
