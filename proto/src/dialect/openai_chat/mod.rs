//! OpenAI Chat Completions: reading a caller's request, making the provider's, and passing answers back.
//!
//! The caller's body is never parsed into a tree and never written anew: [`scan`] looks at the few members that
//! admission needs, [`rewrite`] changes the few bytes a provider must see differently, and [`ChatStream`] forwards
//! a stream event by event as it came. Everything the two sides agree on without us stays theirs.

mod error;
mod fault;
mod models;
mod request;
mod response;
mod rewrite;
mod stream;

pub use error::{UpstreamError, read_error};
pub use fault::{fault_body, fault_event};
pub use models::models_list;
pub use request::{Scan, scan};
pub use response::{Answer, BadAnswer, read_answer};
pub use rewrite::rewrite;
pub use stream::{BrokenStream, ChatStream, StreamOptions};
