//! The small questions between processes, over core NATS: claims, cancels, presence, look-ups. All JSON.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::id::{AttemptId, RequestId, Token, WorkerId};
use crate::money::NanoUsd;
use crate::usage::Reconciled;

/// Said by an ingress to all workers: drop this request's upstream call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The request.
    pub request: RequestId,
    /// Only the call of this delivery; without it, every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Why: the caller went away (the project's policy applies), or the call is of no use in any case.
    pub why: CancelReason,
}

/// Why a call should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The caller went away: `on_disconnect` decides.
    Disconnected,
    /// Another delivery was bound, or the request was answered: stop in every case.
    Fenced,
    /// The caller asked for it (background responses).
    Asked,
}

/// What a worker asks the ingress that waits for a request's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// What is asked.
    pub question: Question,
    /// The request.
    pub request: RequestId,
    /// The delivery that asks.
    pub token: Token,
    /// How many frames it has sent so far; an ingress that has fewer has lost one.
    pub sent: u32,
}

/// The two questions of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// May I serve it? A grant binds the request to the asker and fences all earlier deliveries.
    Claim,
    /// Does anybody still wait for my answer? Changes nothing.
    Wanted,
}

/// What the ingress answers. No responder at all means that the ingress is gone or cut off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Go on: the request is yours (claim) or still wanted (wanted).
    Granted,
    /// The caller went away; whether the call runs on is the project's policy.
    Disconnected,
    /// Nobody waits: unknown, answered, timed out, or bound to another delivery. Stop, and account for it.
    /// `bound` names the delivery whose bytes reached the caller, if any.
    Gone {
        /// See there.
        bound: Option<Token>,
    },
    /// Bytes of another delivery had reached the caller; the stream has now been ended with an error.
    BrokenOff {
        /// The delivery whose bytes they were.
        bound: Token,
    },
    /// It was answered in full: publish this event (as `from_tombstone`) if it is not on the stream yet, and ack.
    Done {
        /// The event that its last frame carried.
        event: Box<Event>,
    },
}

/// How a worker process is, said every second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerBeat {
    /// The process.
    pub worker: WorkerId,
    /// The pool it serves.
    pub pool: String,
    /// The configuration version it routes with; 0 while it has none.
    pub config: u64,
    /// Whether it takes deliveries now.
    pub pulling: bool,
    /// Requests stored but not finished, over all workers of the pool; `None` while unknown.
    pub backlog: Option<u64>,
    /// Requests that this worker finished in the last second.
    pub finished: u64,
    /// Requests it works on.
    pub running: u64,
    /// Requests it could work on at once.
    pub capacity: u64,
    /// What its calls last saw of each provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderBeat>,
}

/// What the latest upstream call of a worker saw of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderBeat {
    /// The provider's name.
    pub provider: String,
    /// Whether it answered as it should; a refusal of the caller's own mistake counts as such.
    pub ok: bool,
    /// The HTTP status, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// To its first content, in milliseconds.
    pub latency_ms: u64,
    /// What went wrong, as a fault's label or a short sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the call ended, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// How a ledger process is, said every second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerBeat {
    /// Whether it could read its database and the stream within the last seconds.
    pub consuming: bool,
    /// Whether it is the one that moves the cursor.
    pub active: bool,
    /// The last sequence of EVENTS that is on the books.
    pub cursor: u64,
    /// Events stored but not on the books.
    pub lag: u64,
}

/// Asks what is on the books about one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// The request.
    pub request: RequestId,
    /// Only if it is this project's.
    pub project: String,
}

/// What is on the books about one request; also the body of `GET /v1/requests/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestView {
    /// The request.
    pub id: RequestId,
    /// Always `request`.
    pub object: String,
    /// `in_progress`, `success`, `failed`, `cancelled`, `unknown` or a close reason.
    pub status: String,
    /// The project it is of.
    pub project: String,
    /// Id of the key it came with.
    pub key: String,
    /// The caller's own request id.
    pub client_request_id: Option<String>,
    /// The model the caller asked for.
    pub requested_model: String,
    /// How it was routed in the end.
    pub route_mode: Option<String>,
    /// The configuration version that admitted it.
    pub config: u64,
    /// When it was accepted, in milliseconds since the Unix epoch.
    pub accepted_ms: u64,
    /// What it used in the attempt that the customer pays for.
    pub used: Option<Reconciled>,
    /// What the customer pays, as decimal US dollars; absent while unknown or unpriced.
    pub cost_usd: Option<String>,
    /// Every upstream call, oldest first.
    pub attempts: Vec<AttemptView>,
}

/// One upstream call of a [`RequestView`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptView {
    /// The attempt.
    pub id: AttemptId,
    /// `open`, `success`, `failed`, `cancelled` or `unknown`.
    pub state: String,
    /// The provider called.
    pub provider: String,
    /// The model at that provider.
    pub model: String,
    /// How it was routed.
    pub route_mode: String,
    /// The provider's HTTP status.
    pub status: Option<u16>,
    /// Why it failed.
    pub fault: Option<String>,
    /// The upstream call, in milliseconds.
    pub duration_ms: Option<u64>,
    /// To its first content, in milliseconds.
    pub first_byte_ms: Option<u64>,
    /// What it used.
    pub used: Option<Reconciled>,
    /// `customer`, `platform` or `none` (it cost nothing).
    pub payer: String,
    /// `pending` (it is not over), `priced`, `unpriced` or `free`.
    pub pricing: String,
    /// What it cost, in nano-USD.
    #[serde(rename = "cost_nano_usd")]
    pub cost: Option<NanoUsd>,
    /// The configuration version it was priced with.
    pub priced_with: u64,
}
