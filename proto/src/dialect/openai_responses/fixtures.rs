//! What the tests of translation share: the golden files, and somebody to translate for.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::BytesMut;
use serde_json::Value;

use crate::canonical::{Carrier, Effort, Event, Origin, Request, Response, Warnings, fold};
use crate::catalogue::{Profile, ReasoningControl};
use crate::config::ProviderKind;
use crate::dialect::codec::{Reply, Target};
use crate::dialect::{BrokenStream, Dialect};
use crate::fault::Fault;
use crate::secret::Secret;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/openai_responses")
}

/// A golden file.
pub(super) fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The cases that have a file of this kind.
pub(super) fn cases(kind: &str) -> Vec<String> {
    let names = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut cases: Vec<String> =
        names.filter_map(|name| name.to_str()?.strip_suffix(kind).map(str::to_owned)).collect();
    cases.sort_unstable();
    assert!(cases.len() >= 15, "{cases:?}");
    cases
}

pub(super) fn carrier() -> Carrier {
    Carrier::new(&Secret::new([7; 32]))
}

pub(super) fn origin() -> Origin {
    Origin { provider: "openai".into(), model: "gpt-there".into() }
}

pub(super) fn profile() -> Profile {
    use Effort::{High, Low, Medium, Minimal, None};
    Profile {
        cache_marks: true,
        cache_marks_long: true,
        reasoning: ReasoningControl::Effort { levels: vec![None, Minimal, Low, Medium, High] },
        ..Profile::default()
    }
}

/// A caller's request, read.
pub(super) fn asked(case: &str) -> Request {
    super::decode_request(&read(&format!("{case}.request.json")), &carrier())
        .unwrap_or_else(|fault| panic!("{case}: {fault:?}"))
}

/// The provider's body for a request, or why there is none, and what was lost.
pub(super) fn encoded(request: &Request, profile: &Profile) -> (Result<Value, Fault>, Warnings) {
    let origin = origin();
    let target = Target { kind: ProviderKind::Openai, origin: &origin, profile };
    let mut warnings = Warnings::default();
    let encoded = super::encode_request(request, &target, &mut warnings);
    (encoded.map(|encoded| serde_json::from_slice(&encoded.body).unwrap()), warnings)
}

/// The provider's body for a request that can be carried.
pub(super) fn body(request: &Request) -> Value {
    encoded(request, &profile()).0.unwrap()
}

pub(super) fn reply(asked: Request) -> Reply {
    Reply {
        request: "req_000000000000000000000000000000ab".parse().unwrap(),
        asked: Arc::new(asked),
        include_usage: false,
        created: 1_790_000_001,
        carrier: carrier(),
        origin: origin(),
        price: None,
        input_estimate: 5,
    }
}

pub(super) fn nobody() -> Request {
    Request::new(Dialect::OpenaiResponses, "alias")
}

/// The events of a provider's stream that arrives in pieces of `step` bytes, and how it ends.
pub(super) fn streamed(bytes: &[u8], step: usize) -> (Vec<Event>, Result<(), BrokenStream>) {
    let mut decoder = super::decoder();
    let mut events = Vec::new();
    let pushed = bytes.chunks(step.max(1)).try_for_each(|piece| decoder.push(piece, &mut events));
    let ending = pushed.and_then(|()| decoder.finish(&mut events));
    (events, ending)
}

/// A provider's whole answer, folded.
pub(super) fn whole(case: &str) -> Response {
    let mut events = Vec::new();
    let read = super::decode_response(&read(&format!("{case}.answer.json")), &mut events);
    read.unwrap_or_else(|error| panic!("{case}: {error:?}"));
    fold(events)
}

/// The caller's stream for these events.
pub(super) fn written(reply: Reply, events: Vec<Event>) -> Vec<u8> {
    let mut encoder = super::encoder(reply);
    let mut out = BytesMut::new();
    events.into_iter().for_each(|event| encoder.event(event, &mut out));
    encoder.end(&mut out);
    out.to_vec()
}

/// The data of a stream's events.
pub(super) fn data(stream: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stream).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|d| serde_json::from_str(d).unwrap())
        .collect()
}
