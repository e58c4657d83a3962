//! Fake providers for tests, demonstrations and measurements.
//!
//! [`Fake`] speaks the API of any of five kinds of provider ([`Kind`]), is as strict about what it accepts as the
//! real one, because a lenient fake hides what a real provider refuses, answers as [`fake::script`] says, and
//! remembers every call with what it would bill.
//!
//! [`Upstream`] is the smaller one that speaks Chat Completions alone, with scripts for load and for trouble; what
//! it answers is scripted by the name of the model ([`script`]), and it remembers every call ([`calls`]): who
//! called, with what body, and when and how the connection ended.
//!
//! None of them speaks TLS, and none is a provider for anybody else.

pub mod answer;
pub mod calls;
pub mod fake;
pub mod script;
mod server;
pub mod strict;

mod anthropic;
mod azure;
mod bedrock;
mod gemini;
mod openai;

pub use calls::{Call, Calls, Ended};
pub use fake::record::{Billed, Log, Seen};
pub use fake::{Fake, Form, Kind};
pub use server::{Options, Reply, Upstream};
