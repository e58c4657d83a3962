//! NATS: one connection per role, publishing that waits for its acknowledgement, the streams and buckets, and
//! the projections that every process watches.

mod acks;
mod link;
mod metrics;
mod options;
mod project;
mod publish;
mod replays;
mod results;
mod streams;

pub use link::{ConnectError, Link, LinkOptions, LinkState};
pub use metrics::MESSAGES_DROPPED;
pub use options::{OptionError, StreamOptions};
pub use project::{Projection, ProjectionError};
pub use publish::{PublishError, Stored, publish, publish_event};
pub use replays::{Chunk, Reader, Replays, Tail};
pub use results::{Found, Replaces, ResultError, Results};
pub use streams::{DeclareError, Durability, declare, wait_declared};
