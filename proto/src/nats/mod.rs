//! NATS: one connection per role, publishing that waits for its acknowledgement, the streams and buckets, and
//! the projections that every process watches.

mod acks;
mod bucket;
mod direct;
mod link;
mod metrics;
mod objects;
mod options;
pub mod presence;
mod project;
mod publish;
mod replays;
mod results;
mod streams;

pub use bucket::{Begin, Bucket, BucketError, Changes, Entry};
pub use link::{ConnectError, Link, LinkOptions, LinkState};
pub use metrics::MESSAGES_DROPPED;
pub use options::{OptionError, StreamOptions};
pub use project::{Projection, ProjectionError, Staged};
pub use publish::{PublishError, Stored, publish, publish_event};
pub use replays::{Chunk, Reader, Replays, Tail};
pub use results::{Found, Replaces, ResultError, Results};
pub use streams::{DeclareError, Durability, declare, wait_declared};
