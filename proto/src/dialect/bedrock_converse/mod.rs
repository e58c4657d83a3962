//! Bedrock's Converse and ConverseStream: a dialect of providers alone (AWS service model `bedrock-runtime`
//! 2023-09-30, read 2026-11).
//!
//! | file | owns |
//! |---|---|
//! | `request` | a provider's body from a canonical request |
//! | `stream` | the binary event stream, frame by frame, to events |
//! | `response` | a whole answer to the same events |
//! | `answer`, `usage` | what both kinds of answers are made of |
//! | `error` | exceptions, told by a header |
//! | `path` | the model's place in the URL |
//!
//! | Converse | canonical |
//! |---|---|
//! | first delta of a text or reasoning block, `contentBlockStart` of a call | `ItemStart` |
//! | `delta.text`, `.toolUse.input`, `.reasoningContent.text` | `Delta` |
//! | `reasoningContent.signature`, `.redactedContent`, `citation` | `Meta` |
//! | `messageStop` | held until `metadata` or the end of the stream, then `Finish` |
//! | `metadata.usage` | `Usage`: input grows by cache reads and writes, which Converse leaves out of it |
//! | an exception's frame | a broken stream that carries the exception's name |

mod answer;
mod error;
mod path;
mod request;
mod response;
mod stream;
mod usage;

#[cfg(test)]
mod golden;

pub use error::read_error;
pub use path::path;
pub use request::encode_request;
pub use response::decode_response;
pub use stream::{decoder, decoder_of};
