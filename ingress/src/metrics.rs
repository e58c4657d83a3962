//! Every metric of the ingress: name, labels, unit. Labels are closed sets. Handles of the hot path are made
//! once, because finding one costs more than counting.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
};
use metrics::{gauge, histogram};
use proto::ctl::{Answer, Question};
use proto::dialect::Dialect;
use proto::fault::FaultCode;
use proto::nats::MESSAGES_DROPPED;

use crate::slots::Verdict;

const REQUESTS: &str = "forebay_ingress_requests_total";
const DURATION: &str = "forebay_ingress_request_duration_seconds";
const IN_FLIGHT: &str = "forebay_ingress_in_flight_requests";
const CONNECTIONS: &str = "forebay_ingress_connections";
const BODIES: &str = "forebay_ingress_body_bytes_held";
const PUBLISH: &str = "forebay_ingress_publish_ack_seconds";
const FRAMES: &str = "forebay_ingress_frames_total";
const ASKS: &str = "forebay_ingress_asks_total";
const DISCONNECTS: &str = "forebay_ingress_disconnects_total";
const ENDED: &str = "forebay_ingress_slots_ended_total";
const SLOTS: &str = "forebay_ingress_slots";
const KEYS: &str = "forebay_ingress_key_lookups_total";
const BACKLOG: &str = "forebay_ingress_queue_depth";
const WAIT: &str = "forebay_ingress_expected_wait_seconds";
const EPOCH: &str = "forebay_ingress_link_breaks";
const CONNECTED: &str = "forebay_ingress_link_connected";

/// Says what each metric means. Call once, after a recorder is installed.
fn describe() {
    describe_counter!(
        REQUESTS,
        "Requests answered, by route, HTTP status and fault code (`none` for a success; a stream that broke after \
         it had begun counts with status 200 and its fault)"
    );
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "From the headers of a request to the end of its answer, by route"
    );
    describe_gauge!(IN_FLIGHT, "Requests being answered now");
    describe_gauge!(CONNECTIONS, "Connections open now");
    describe_gauge!(BODIES, Unit::Bytes, "Request bodies held in memory now");
    describe_histogram!(PUBLISH, Unit::Seconds, "From publishing a request to the stream's acknowledgement");
    describe_counter!(
        FRAMES,
        "Reply frames, by verdict: accepted, duplicate, gap (frames were lost and the request failed), overflow \
         (the caller read too slowly), fenced (of a delivery without a say), damaged"
    );
    describe_counter!(ASKS, "Questions of workers, by question and answer");
    describe_counter!(DISCONNECTS, "Callers that left before the end of their answer");
    describe_counter!(
        ENDED,
        "Requests that the ingress ended by itself, by reason: deadline, contact (nothing heard after a break), \
         shutdown, publish (never known to be stored)"
    );
    describe_gauge!(SLOTS, "Slots by state: open, closed (remembered for a minute)");
    describe_counter!(KEYS, "Key lookups, by result: hit, miss (read from the bucket), failed");
    describe_gauge!(BACKLOG, "Requests stored but not finished, as the workers last said");
    describe_gauge!(
        WAIT,
        Unit::Seconds,
        "How long a new request would wait for a worker; 0 while none would"
    );
    describe_gauge!(EPOCH, "Breaks of the connection to NATS since the start");
    describe_gauge!(CONNECTED, "Whether the connection to NATS stands: 1 or 0");
}

/// What is served. A closed set, because it is a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Route {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `GET /v1/models` and one of them.
    Models,
    /// `GET /v1/requests/{id}`
    Requests,
    /// Anything else under `/v1`, and unknown paths.
    Other,
}

impl Route {
    /// The dialect of its callers, where the path tells.
    pub(crate) fn dialect(self) -> Option<Dialect> {
        match self {
            Self::ChatCompletions => Some(Dialect::OpenaiChat),
            Self::Responses => Some(Dialect::OpenaiResponses),
            Self::Messages | Self::CountTokens => Some(Dialect::AnthropicMessages),
            Self::Embeddings => Some(Dialect::OpenaiEmbeddings),
            Self::Models | Self::Requests | Self::Other => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Embeddings => "embeddings",
            Self::Models => "models",
            Self::Requests => "requests",
            Self::Other => "other",
        }
    }
}

/// Where a key's record was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyLookup {
    Hit,
    Miss,
    Failed,
}

/// Why the ingress itself ended a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedBy {
    Deadline,
    Contact,
    Shutdown,
    Publish,
}

impl EndedBy {
    fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Contact => "contact",
            Self::Shutdown => "shutdown",
            Self::Publish => "publish",
        }
    }
}

/// How a request ended: what its counter is labelled with.
type Outcome = (Route, u16, Option<FaultCode>);

/// The ingress's metrics.
pub(crate) struct Metrics {
    requests: Mutex<HashMap<Outcome, Counter>>,
    durations: [(Route, Histogram); 4],
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    bodies: Gauge,
    publish: Histogram,
    frames: [Counter; 5],
    frames_damaged: Counter,
    pub(crate) outbox_full: Counter,
    pub(crate) disconnects: Counter,
    slots_open: Gauge,
    slots_closed: Gauge,
    keys: [Counter; 3],
    pub(crate) backlog: Gauge,
    pub(crate) wait: Gauge,
    pub(crate) link_breaks: Gauge,
    pub(crate) link_connected: Gauge,
}

impl Metrics {
    /// Makes and describes them with the recorder in force.
    pub(crate) fn new() -> Self {
        describe();
        let routes = [Route::ChatCompletions, Route::Models, Route::Requests, Route::Other];
        let verdicts = ["accepted", "duplicate", "gap", "overflow", "fenced"];
        Self {
            requests: Mutex::default(),
            durations: routes.map(|r| (r, histogram!(DURATION, "route" => r.as_str()))),
            in_flight: gauge!(IN_FLIGHT),
            connections: gauge!(CONNECTIONS),
            bodies: gauge!(BODIES),
            publish: histogram!(PUBLISH),
            frames: verdicts.map(|v| counter!(FRAMES, "verdict" => v)),
            frames_damaged: counter!(FRAMES, "verdict" => "damaged"),
            outbox_full: counter!(MESSAGES_DROPPED, "role" => "ingress", "reason" => "outbox"),
            disconnects: counter!(DISCONNECTS),
            slots_open: gauge!(SLOTS, "state" => "open"),
            slots_closed: gauge!(SLOTS, "state" => "closed"),
            keys: ["hit", "miss", "failed"].map(|r| counter!(KEYS, "result" => r)),
            backlog: gauge!(BACKLOG),
            wait: gauge!(WAIT),
            link_breaks: gauge!(EPOCH),
            link_connected: gauge!(CONNECTED),
        }
    }

    /// One request was answered.
    pub(crate) fn answered(&self, route: Route, status: u16, code: Option<FaultCode>, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = requests.entry((route, status, code)).or_insert_with(|| {
            let code = code.map_or("none", FaultCode::label);
            counter!(REQUESTS, "route" => route.as_str(), "status" => status.to_string(), "code" => code)
        });
        counter.increment(1);
        drop(requests);
        if let Some((_, histogram)) = self.durations.iter().find(|(r, _)| *r == route) {
            histogram.record(took);
        }
    }

    /// A request was acknowledged by its stream.
    pub(crate) fn stored(&self, took: Duration) {
        self.publish.record(took);
    }

    /// A frame arrived.
    pub(crate) fn frame(&self, verdict: Verdict) {
        let [accepted, duplicate, gap, overflow, fenced] = &self.frames;
        let counter = match verdict {
            Verdict::Accepted => accepted,
            Verdict::Duplicate => duplicate,
            Verdict::Gap => gap,
            Verdict::Overflow => overflow,
            Verdict::Fenced => fenced,
        };
        counter.increment(1);
    }

    /// Something arrived on a reply subject that is not a frame.
    pub(crate) fn damaged_frame(&self) {
        self.frames_damaged.increment(1);
    }

    /// A worker asked.
    pub(crate) fn asked(&self, question: Question, answer: &Answer) {
        let question = match question {
            Question::Claim => "claim",
            Question::Wanted => "wanted",
        };
        let answer = match answer {
            Answer::Granted => "granted",
            Answer::Disconnected => "disconnected",
            Answer::Gone { .. } => "gone",
            Answer::BrokenOff { .. } => "broken_off",
            Answer::Done { .. } => "done",
        };
        counter!(ASKS, "question" => question, "answer" => answer).increment(1);
    }

    /// The ingress ended `count` requests by itself.
    pub(crate) fn ended(&self, by: EndedBy, count: usize) {
        if count > 0 {
            counter!(ENDED, "reason" => by.as_str()).increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    /// How many slots there are.
    pub(crate) fn slots(&self, (open, closed): (usize, usize)) {
        self.slots_open.set(float(open));
        self.slots_closed.set(float(closed));
    }

    /// Request bodies held in memory, in bytes.
    pub(crate) fn bodies(&self, held: usize) {
        self.bodies.set(float(held));
    }

    /// A key was looked up.
    pub(crate) fn key(&self, result: KeyLookup) {
        let [hit, miss, failed] = &self.keys;
        let counter = match result {
            KeyLookup::Hit => hit,
            KeyLookup::Miss => miss,
            KeyLookup::Failed => failed,
        };
        counter.increment(1);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
