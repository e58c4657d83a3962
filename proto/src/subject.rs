//! Every stream, subject, bucket, durable and header name. Nothing else may spell one.

use crate::id::{IngressId, RequestId};

/// The stream of accepted requests; limits retention, because it is the audit log.
pub const REQUESTS_STREAM: &str = "REQUESTS";
/// What [`REQUESTS_STREAM`] stores.
pub const REQUESTS_SUBJECTS: &str = "fb.req.>";
/// The stream that the books are derived from.
pub const EVENTS_STREAM: &str = "EVENTS";
/// What [`EVENTS_STREAM`] stores.
pub const EVENTS_SUBJECTS: &str = "fb.evt.>";
/// Object store of request bodies too large for a message.
pub const BODIES_BUCKET: &str = "BODIES";
/// KV bucket of kept responses, key `<project>.<response id>`, and the object store of those too large for a message.
pub const RESULTS_BUCKET: &str = "RESULTS";
/// The stream of background responses' events, one subject for each response.
pub const REPLAYS_STREAM: &str = "REPLAYS";
/// What [`REPLAYS_STREAM`] stores.
pub const REPLAYS_SUBJECTS: &str = "fb.replay.>";
/// KV bucket of the configuration document, key [`CONFIG_KEY`].
pub const CONFIG_BUCKET: &str = "config";
/// The configuration in force.
pub const CONFIG_KEY: &str = "current";
/// KV bucket of virtual keys, by the hexadecimal keyed hash of the secret.
pub const KEYS_BUCKET: &str = "keys";
/// In [`KEYS_BUCKET`]: the configuration version up to which all keys are projected, as decimal text.
pub const KEYS_PROJECTED: &str = "_projected";
/// KV bucket of wrapped payload keys, by key id.
pub const PAYLOAD_KEYS_BUCKET: &str = "payload_keys";

/// Header that carries the [`crate::envelope::Envelope`] of a request as JSON.
pub const ENVELOPE_HEADER: &str = "Fb-Envelope";
/// Header that names the delivery that a message comes from.
pub const TOKEN_HEADER: &str = "Fb-Token";
/// W3C trace context, carried beside the envelope so that ordinary tracing tools see it.
pub const TRACEPARENT_HEADER: &str = "traceparent";

/// All workers listen: a JSON [`crate::ctl::Cancel`].
pub const CTL_CANCEL: &str = "fb.ctl.cancel";
/// Each worker says every second how it is: a JSON [`crate::ctl::WorkerBeat`].
pub const CTL_LOAD: &str = "fb.ctl.load";
/// Each ledger says every second how it is: a JSON [`crate::ctl::LedgerBeat`].
pub const CTL_LEDGER: &str = "fb.ctl.ledger";
/// Queue group `ledger` answers what is on the books about one request.
pub const CTL_LOOKUP: &str = "fb.ctl.lookup";

/// Which requests go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Somebody waits for the answer.
    Interactive,
}

impl Lane {
    /// The lane's subject token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
        }
    }
}

/// The pool that serves every request that names none.
pub const DEFAULT_POOL: &str = "main";

/// Where an accepted request is stored.
pub fn request(lane: Lane, pool: &str, partition: u32) -> String {
    format!("fb.req.{}.{pool}.{partition}", lane.as_str())
}

/// All partitions of a lane and pool: what a worker's consumer is filtered by.
pub fn request_filter(lane: Lane, pool: &str) -> String {
    format!("fb.req.{}.{pool}.*", lane.as_str())
}

/// The durable consumer that all workers of a lane and pool share.
pub fn worker_durable(lane: Lane, pool: &str) -> String {
    format!("workers-{}-{pool}", lane.as_str())
}

/// Where the frames of one request go.
pub fn reply(ingress: IngressId, request: RequestId) -> String {
    format!("fb.reply.{ingress}.{request}")
}

/// One subscription for all replies of an ingress.
pub fn reply_wildcard(ingress: IngressId) -> String {
    format!("fb.reply.{ingress}.*")
}

/// Where a worker asks one ingress: a JSON [`crate::ctl::Ask`], answered by [`crate::ctl::Answer`].
pub fn ask(ingress: IngressId) -> String {
    format!("fb.ctl.ask.{ingress}")
}

/// Where the events of one background response are kept.
pub fn replay(request: RequestId) -> String {
    format!("fb.replay.{request}")
}

/// Attempt announcements of a project.
pub fn attempt_event(project: &str) -> String {
    format!("fb.evt.attempt.{project}")
}

/// Attempt outcomes of a project.
pub fn usage_event(project: &str) -> String {
    format!("fb.evt.usage.{project}")
}

/// Takeovers of a project's requests.
pub fn takeover_event(project: &str) -> String {
    format!("fb.evt.takeover.{project}")
}

/// Ends of a project's requests that no attempt's outcome ends.
pub fn closed_event(project: &str) -> String {
    format!("fb.evt.closed.{project}")
}

/// Full configuration and price versions.
pub const CONFIG_EVENT: &str = "fb.evt.config";

/// The longest name of a project.
pub const PROJECT_NAME_MAX: usize = 64;

/// Whether `name` may be a project: it becomes a subject token.
pub fn valid_project(name: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    !name.is_empty() && name.len() <= PROJECT_NAME_MAX && name.bytes().all(valid)
}
