//! OpenAI Chat Completions: reading a caller's request, making the provider's, and passing answers back.
//!
//! Where caller and provider both speak it, the body is never parsed into a tree and never written anew: [`scan`] looks at the few members that
//! admission needs, [`rewrite()`] changes the few bytes a provider must see differently, and [`ChatStream`] forwards
//! a stream event by event as it came. Everything the two sides agree on without us stays theirs. Where only one
//! of them speaks it, [`decode_request`] and [`encoder`] serve the caller, [`encode_request`] and [`decoder`] the
//! provider, with the [canonical form](crate::canonical) in between.
//!
//! | file | owns |
//! |---|---|
//! | `request`, `estimate` | what admission needs to know of a request |
//! | `rewrite` | the provider's body from the caller's |
//! | `response` | whole answers |
//! | `stream`, `chunk` | streamed answers |
//! | `choice`, `usage` | what both kinds of answers are made of |
//! | `error` | what providers say when they fail |
//! | `fault`, `models` | what Forebay says itself |
//! | `decode`, `reply` | a caller's request to canonical, canonical answers to the caller |
//! | `encode`, `events` | canonical requests to a provider, its answers to canonical |

pub(in crate::dialect) mod choice;
mod chunk;
mod decode;
mod encode;
pub(in crate::dialect) mod error;
pub(in crate::dialect) mod estimate;
mod events;
mod fault;
#[cfg(test)]
mod fixtures;
mod models;
mod reply;
pub(in crate::dialect) mod request;
mod response;
pub(in crate::dialect) mod rewrite;
pub(in crate::dialect) mod stream;
mod usage;

pub use decode::decode_request;
pub use encode::encode_request;
pub use error::{UpstreamError, read_error};
pub use events::{decode_response, decoder};
pub use fault::{fault_body, fault_event};
pub use models::models_list;
pub use reply::{encode_response, encoder};
pub use request::{Scan, scan, tools_with_reasoning};
pub use response::{Answer, BadAnswer, read_answer};
pub use rewrite::rewrite;
pub use stream::{BrokenStream, ChatStream, StreamOptions};
