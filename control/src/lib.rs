//! Configuration as numbered versions, projected into NATS.
//!
//! SQL is the truth about everything an operator edits. A draft ([`mod@file`], [`defaults`], [`demo`]) is published as
//! the next version in one transaction together with outbox rows ([`store`]); the projector does those rows in
//! order (`project`), so that keys are seen before the version that needs them, the event before the document,
//! and nothing at all that was not committed. Further ways to edit publish drafts and change nothing below that.
//!
//! | module | owns |
//! |---|---|
//! | [`mod@file`] | the configuration file, every mistake with its line |
//! | [`defaults`] | the configuration of a deployment without a file |
//! | [`demo`] | the example project |
//! | [`store`] | SQL: versions, virtual keys, the outbox |
//! | `project` | the outbox into buckets and events |
//! | `retention` | streams and buckets, and how long events are kept |
//! | `payload_keys` | the daily keys that payloads are sealed with |

mod config;
pub mod defaults;
pub mod demo;
mod error;
pub mod file;
mod health;
mod metrics;
mod payload_keys;
mod project;
mod retention;
mod run;
pub mod store;
#[cfg(test)]
mod testing;

pub use config::{Config, Secrets};
pub use defaults::DEFAULT_PROJECT;
pub use error::Error;
pub use health::Health;
pub use run::run;
pub use store::{GeneratedKey, Published, Source};
