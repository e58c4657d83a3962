//! OpenAI Embeddings, and what other providers make of them.
//!
//! Where the provider speaks OpenAI's dialect, bytes are passed on as in the other dialects. Else the caller's body is
//! read to an [`EmbedRequest`], and the vectors of one or more provider calls ([`Embedded`]) are written as OpenAI's
//! answer.
//!
//! | file | owns |
//! |---|---|
//! | `scan`, `input` | what admission needs to know of a request |
//! | `rewrite` | the provider's body from the caller's |
//! | `response` | whole answers, passed on or written |
//! | `request` | a request read in full |
//! | `gemini`, `titan` | other providers' calls |

mod gemini;
mod input;
mod request;
mod response;
mod rewrite;
mod scan;
mod titan;

pub use gemini::{GEMINI_BATCH_MAX, decode_gemini, encode_gemini, encode_gemini_part};
pub use request::{EmbedRequest, Encoding, Input, decode_request};
pub use response::{Embedded, encode_response, read_answer};
pub use rewrite::rewrite;
pub use scan::scan;
pub use titan::{decode_titan, encode_titan};

pub use super::openai_chat::{Scan, fault_body};
