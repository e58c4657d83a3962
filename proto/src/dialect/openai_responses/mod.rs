//! OpenAI Responses: the dialect of callers and of providers.
//!
//! Between two that speak it the body keeps its bytes: [`scan()`] looks at what admission needs, [`rewrite`] changes the
//! model, [`ResponsesStream`] forwards a stream event by event. Otherwise everything goes through the canonical form.
//!
//! | file | owns |
//! |---|---|
//! | `scan` | what admission needs to know of a request; the provider's body from the caller's |
//! | `decode` | a caller's request, read |
//! | `encode` | a provider's request, written |
//! | `read` | a provider's answer, read: [`decoder`], [`decode_response`] |
//! | `write` | a caller's answer, written: [`encoder`], [`encode_response`] |
//! | `relay` | a provider's answer, passed on |
//! | `object` | the response object and the ids made for it |
//! | `state` | what is kept between requests, background responses |
//! | `kept` | answers of which a copy is kept |
//! | `usage`, `names`, `bound` | numbers; tools in namespaces; encrypted reasoning with its id |
//! | `fault` | what Forebay says itself |
//!
//! A provider's errors have Chat Completions' shape: [`read_error`].

mod bound;
mod decode;
mod encode;
mod fault;
mod kept;
mod names;
mod object;
mod read;
mod relay;
mod scan;
mod state;
mod usage;
mod write;

#[cfg(test)]
mod fixtures;

pub use super::openai_chat::{Scan, read_error};
pub use decode::decode_request;
pub use encode::encode_request;
pub use fault::{fault_body, fault_event};
pub use kept::{KeptStream, Mark, Named, event_number, input_of_body, marked, named, response_event};
pub use object::response_id;
pub use read::{decode_response, decoder};
pub use relay::{ResponsesStream, read_answer};
pub use scan::{rewrite, scan, scan_all, scan_state};
pub use state::{cancelled, failed, in_progress, input_items, items_of, queued, with_id, with_previous};
pub use write::{encode_response, encoder};
