//! The one form every dialect becomes when caller and provider do not speak the same.
//!
//! ```text
//! caller's body ── decode ──▶ Request ── encode ──▶ provider's body
//! caller's answer ◀── encode ── Event … Event ◀── decode ── provider's answer
//! ```
//!
//! Decoding merges nothing and loses nothing that another dialect could carry; repairs that a target needs (turns
//! merged, names shortened) are the encoder's. An answer is always a sequence of [`Event`]s: a whole answer is
//! decoded to the same events and folded to a [`Response`] where the caller wants it whole. Everything here is
//! pure data; only the folder of a dialect knows its JSON.

mod event;
mod opaque;
mod part;
mod request;
mod response;
mod tool;
mod warning;

pub use event::{Delta, Event, Finish, FinishReason, Item, Meta};
pub use opaque::{Carrier, Opaque, OpaqueKind, Origin};
pub use part::{At, CacheMark, CacheTtl, Content, Part, Source};
pub use request::{Cache, Effort, Output, Reasoning, Request, Role, Sampling, Show, State, SystemText, Turn};
pub use response::{Folded, Response, fold};
pub use tool::{CallKind, Tool, ToolChoice, ToolKind};
pub use warning::{Warning, Warnings};
