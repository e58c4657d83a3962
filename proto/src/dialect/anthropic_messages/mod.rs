//! Anthropic Messages: the dialect of callers and of providers (API versions 2023-06-01 and 2026-10-21; vendor
//! docs and SDKs read 2026-11).
//!
//! Where caller and provider both speak it, bodies and streams pass through: [`rewrite()`] changes the model's name in the
//! request, [`MessagesStream`] and [`rename_answer`] change it back in the answer, since a client that finds another
//! model than it asked for throws its thinking blocks away. Where only one of them speaks it, the rest translates.
//!
//! | file | owns |
//! |---|---|
//! | `scan` | what admission needs to know of a request |
//! | `decode` | a caller's request to the canonical form |
//! | `encode` | the canonical request to a provider's body |
//! | `decoder`, `wire` | a provider's answer, streamed or whole, to events |
//! | `encoder`, `answer` | events to a caller's stream, a whole response to a caller's body |
//! | `stop`, `usage`, `cite` | words, numbers and citations, both ways |
//! | `relay`, `rewrite` | passing through |
//! | `fault`, `models`, `count` | errors, the list of models, counting of tokens |

mod answer;
mod cite;
mod count;
mod decode;
mod decoder;
mod encode;
mod encoder;
mod error;
mod fault;
mod models;
mod relay;
mod rewrite;
mod scan;
mod stop;
mod usage;
mod wire;

pub use super::openai_chat::{Answer, Scan};
pub use answer::encode_response;
pub use count::{count_answer, encode_count, read_count};
pub use decode::decode_request;
pub use decoder::{decode_response, decoder};
pub use encode::encode_request;
pub(in crate::dialect) use encode::schema::constrained;
pub use encoder::{PING, encoder};
pub use error::read_error;
pub use fault::{fault_body, fault_event, status};
pub use models::{model, models_list};
pub use relay::MessagesStream;
pub use rewrite::{read_answer, rename_answer, rewrite};
pub use scan::{scan, scan_count};

#[cfg(test)]
mod tests;
