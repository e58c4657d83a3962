//! A fake provider that speaks OpenAI's Chat Completions, for tests, demonstrations and measurements.
//!
//! It is strict about what it accepts ([`strict`]), because a lenient fake hides what a real provider refuses;
//! what it answers is scripted by the name of the model ([`script`]), so that a test says what it wants in the
//! request itself; and it remembers every call ([`calls`]): who called, with what body, and when and how the
//! connection ended. It does not speak TLS and is no provider for anybody else.

pub mod answer;
pub mod calls;
pub mod script;
mod server;
pub mod strict;

pub use calls::{Call, Calls, Ended};
pub use server::{Options, Reply, Upstream};
